"""What may see sealed rows runs apart: in processes in which no model's code or words run.

Workers are started anew (never forked from the agent's process), ignore the terminal's Ctrl-C,
which the parent turns into their end, and die with their parent, `kill -9` included.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.records import Finding, TableRef, Verdict
from earnest.core.sign import KeyFolder, can_sign
from earnest.tasks.assume import Reading

if TYPE_CHECKING:
    from earnest.recipes.work import Work
    from earnest.verify.verifier import Verifier

_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG
_PAUSE_S: Final = 0.2
_SAY_AFTER_S: Final = 2.0
_SAY_AT_LEAST_S: Final = 30.0
_WORKERS: Final = max(1, min(8, os.cpu_count() or 1))
_verifiers: dict[Path, Verifier] = {}  # of a verifying process
_standing: list[ProcessPoolExecutor] = []


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Numeric libraries would start a thread a core in every worker.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _started(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    )


@contextlib.contextmanager
def _ended_on_error(pool: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    try:
        yield pool
    except BaseException:
        for process in (pool._processes or {}).values():
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)
        raise


@contextlib.contextmanager
def new_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes that end with the block, killed where it raises."""
    pool = _started(workers)
    with _ended_on_error(pool):
        yield pool
    pool.shutdown(wait=True)


@contextlib.contextmanager
def standing_pool() -> Iterator[ProcessPoolExecutor]:
    """Yield the verifying processes: they stay for the next batch, their jails warm."""
    if not _standing:
        _standing.append(_started(_WORKERS))
    pool = _standing.pop()
    with _ended_on_error(pool):
        yield pool
    _standing.append(pool)


def close() -> None:
    """End the verifying processes; the next batch starts new ones."""
    while _standing:
        _standing.pop().shutdown(wait=True)


def _seal(
    root: Path, path: Path, design: str, fraction: float, key: str, reading: Reading
) -> TableRef:
    from earnest.tasks.registry import Registry

    registry = Registry(Home(root))
    return registry.seal(path, design=design, fraction=fraction, key=key, reading=reading)


def _seal_bundled(root: Path, name: str) -> TableRef:
    from earnest.tasks.bundled import bundled
    from earnest.tasks.read import as_text
    from earnest.tasks.registry import Registry

    table = bundled(name)
    return Registry(Home(root)).seal_frame(as_text(table.load()), name, design=table.design)


def _patiently(wanted: Future[TableRef], path: Path, progress: Progress) -> TableRef:
    """Wait for a table; where that takes long, say so, ever more rarely."""
    began, pause = time.monotonic(), _SAY_AFTER_S
    while True:
        try:
            return wanted.result(timeout=pause)
        except TimeoutError:
            if wanted.done():
                raise
            pause = min(2 * pause, _SAY_AT_LEAST_S)
            size = path.stat().st_size / 2**20 if path.exists() else 0
            progress(f"reading {path.name} ({size:.0f} MiB): {time.monotonic() - began:.0f} s")


def seal(
    home: Home,
    paths: Sequence[Path],
    *,
    design: str = "",
    fraction: float = 0.4,
    key: str = "",
    reading: Reading | None = None,
    progress: Progress = lambda _: None,
) -> list[TableRef]:
    """Split files once and for all, apart. Raises `TableError`, `UsageError`, `LackError`."""
    how = (design, fraction, key, reading or Reading())
    with new_pool(1) as pool:
        wanted = [(pool.submit(_seal, home.root, path, *how), path) for path in paths]
        return [_patiently(one, path, progress) for one, path in wanted]


def seal_bundled(home: Home, names: Sequence[str]) -> list[TableRef]:
    """Split bundled tables, apart. Raises `UsageError`, `LackError`."""
    with new_pool(1) as pool:
        return [one.result() for one in [pool.submit(_seal_bundled, home.root, n) for n in names]]


def hand_in(home: Home, run: str, folder: Path, tables: Sequence[str]) -> Work:
    """Copy a user's folder into a run, without the rows of its tables. Raises `UsageError`."""
    from earnest.recipes.work import begin_work

    with new_pool(1) as pool:
        return pool.submit(begin_work, home.root, run, folder, tables).result()


def verifier_of(root: Path) -> Verifier:
    """Return this verifying process's verifier for the home at `root`; its jails stay warm."""
    from earnest.sandbox.choose import open_sandbox
    from earnest.tasks.registry import Registry
    from earnest.verify.verifier import Verifier

    if root not in _verifiers:
        home = Home(root)
        _verifiers[root] = Verifier(
            open_sandbox(home.images), home.blobs, Registry(home), home.secret()
        )
    return _verifiers[root]


def keys_of(home: Home) -> KeyFolder | None:
    """Return where the verifier's key is; None, where nothing can sign (extra `sign`)."""
    return KeyFolder(home.verifier) if can_sign() else None


def _verify(root: Path, name: str) -> Verdict:
    from earnest.ledger.ledger import Ledger
    from earnest.recipes.catalogue import open_catalogue

    home = Home(root)
    with Ledger(home.ledger, keys_of(home)) as ledger:
        found = ledger.verdict(name)
        if found is not None:
            return found
        verifier = replace(verifier_of(root), catalogue=open_catalogue(home))
        return ledger.conclude(verifier.check(ledger.get(name, Finding), ledger))


def _stamp(root: Path) -> int:
    from earnest.ledger.ledger import Ledger

    home = Home(root)
    with Ledger(home.ledger, keys_of(home)) as ledger:
        return ledger.stamp()


def _await(home: Home, names: Sequence[str], progress: Progress) -> list[Verdict]:
    """Wait until the verifier, under its own account, has concluded all of the findings."""
    from earnest.ledger.ledger import Ledger

    progress("waiting for the verifier's account (there: earnest verifier run)")
    with Ledger(home.ledger) as ledger:
        while True:
            found = [ledger.verdict(name) for name in names]
            verdicts = [verdict for verdict in found if verdict is not None]
            if len(verdicts) == len(names):
                return verdicts
            time.sleep(_PAUSE_S)


def verify(home: Home, names: Sequence[str], progress: Progress) -> list[Verdict]:
    """Verify queued findings, a process a core, and stamp the chain; what has a verdict keeps it.

    Where another account keeps the verifier's key, wait for that account's verdicts instead.
    Raises `SandboxError` where the sandbox failed: the findings it struck stay queued.
    """
    if not names:
        return []
    if KeyFolder(home.verifier).elsewhere():
        return _await(home, names, progress)
    with standing_pool() as pool:
        wanted = [pool.submit(_verify, home.root, name) for name in names]
        for number, one in enumerate(as_completed(wanted), start=1):
            progress(f"verified {number} of {len(names)}: {one.result().word}")
        pool.submit(_stamp, home.root).result()
        return [one.result() for one in wanted]
