"""What may see sealed rows runs apart: in processes in which no model's code or words run.

Workers are started anew (never forked from the agent's process), ignore the terminal's Ctrl-C,
which the parent turns into their end, and die with their parent, `kill -9` included.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import hmac
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

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.records import Finding, TableRef, Verdict
from earnest.core.sign import KeyFolder, can_sign
from earnest.tasks.assume import Reading

if TYPE_CHECKING:
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


def _new_pool(workers: int) -> ProcessPoolExecutor:
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
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    pool = _new_pool(workers)
    with _ended_on_error(pool):
        yield pool
    pool.shutdown(wait=True)


@contextlib.contextmanager
def _standing_pool() -> Iterator[ProcessPoolExecutor]:
    """Yield the verifying processes: they stay for the next batch, their jails warm."""
    if not _standing:
        _standing.append(_new_pool(_WORKERS))
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
    with _pool(1) as pool:
        wanted = [(pool.submit(_seal, home.root, path, *how), path) for path in paths]
        return [_patiently(one, path, progress) for one, path in wanted]


def seal_bundled(home: Home, names: Sequence[str]) -> list[TableRef]:
    """Split bundled tables, apart. Raises `UsageError`, `LackError`."""
    with _pool(1) as pool:
        return [one.result() for one in [pool.submit(_seal_bundled, home.root, n) for n in names]]


def _verifier(root: Path) -> Verifier:
    from earnest.sandbox.choose import open_sandbox
    from earnest.tasks.registry import Registry
    from earnest.verify.verifier import Verifier

    if root not in _verifiers:
        home = Home(root)
        _verifiers[root] = Verifier(
            open_sandbox(home.images), home.blobs, Registry(home), home.secret()
        )
    return _verifiers[root]


def _keys(home: Home) -> KeyFolder | None:
    """Return where the verifier's key is; None, where nothing can sign (extra `sign`)."""
    return KeyFolder(home.verifier) if can_sign() else None


def _verify(root: Path, name: str) -> Verdict:
    from earnest.ledger.ledger import Ledger
    from earnest.recipes.catalogue import open_catalogue

    home = Home(root)
    with Ledger(home.ledger, _keys(home)) as ledger:
        found = ledger.verdict(name)
        if found is not None:
            return found
        verifier = replace(_verifier(root), catalogue=open_catalogue(home))
        return ledger.conclude(verifier.check(ledger.get(name, Finding), ledger))


def _replicate(root: Path, name: str, new: TableRef) -> Verdict:
    import pandas as pd

    from earnest.core.columns import read_cells
    from earnest.ledger.ledger import Ledger
    from earnest.tasks.registry import Registry
    from earnest.verify.replicate import replicated
    from earnest.verify.units import NotTestableError

    home = Home(root)
    registry = Registry(home)

    def whole(ref: TableRef) -> pd.DataFrame:
        visible = registry.visible(ref.table) / f"{ref.name}.csv"
        return pd.concat([read_cells(visible), read_cells(registry.sealed(ref.table))])

    with Ledger(home.ledger, _keys(home)) as ledger:
        finding, current = ledger.get(name, Finding), ledger.verdict(name)
        if current is None or current.word not in ("confirmed", "replicated"):
            word = "queued" if current is None else current.word
            raise UsageError(
                f"{name} is {word}, and new rows replicate what is confirmed",
                mend='earnest run "..." --data FILE, which pays for a first test',
            )
        seed = int.from_bytes(
            hmac.new(home.secret(), f"{name} {new.table}".encode(), hashlib.sha256).digest()[:6]
        )
        try:
            rows = whole(new)
            if finding.claim.given:
                rows = _verifier(root).prepared(finding, rows, seed)
            later = replicated(
                finding, current, rows, whole(finding.table), name=new.name, seed=seed
            )
        except NotTestableError as error:
            raise UsageError(str(error), mend="bring rows that the first table has not") from error
        ledger.revise(later, kind="replication", why=later.reason, tables=[new.table])
        ledger.stamp()
        return later


def _redraw(root: Path, name: str) -> Verdict:
    from earnest.ledger.ledger import Ledger
    from earnest.verify.replicate import redrawn
    from earnest.verify.units import NotTestableError

    home = Home(root)
    with Ledger(home.ledger, _keys(home)) as ledger:
        finding, current = ledger.get(name, Finding), ledger.verdict(name)
        if current is None or current.word not in ("confirmed", "replicated"):
            word = "queued" if current is None else current.word
            raise UsageError(f"{name} is {word}, and what is confirmed is tried again")
        told = f"{name} again {len(ledger.history(name))}"
        seed = hmac.new(home.secret(), told.encode(), hashlib.sha256).digest()[:6]
        try:
            later = redrawn(finding, current, _verifier(root).sandbox, seed=int.from_bytes(seed))
        except NotTestableError as error:
            raise UsageError(str(error)) from error
        ledger.revise(later, kind="replication", why=later.reason)
        ledger.stamp()
        return later


def redraw(home: Home, name: str) -> Verdict:
    """Try a confirmed finding of no table on inputs drawn anew; return its later verdict.

    Raises `UsageError` as `replicate` does, and where all inputs were tried before.
    """
    _may_sign(home)
    with _pool(1) as pool:
        return pool.submit(_redraw, home.root, name).result()


def _may_sign(home: Home) -> None:
    if KeyFolder(home.verifier).elsewhere():
        raise UsageError(
            "another account keeps the verifier's key", mend="run this under that account"
        )


def replicate(home: Home, name: str, new: TableRef) -> Verdict:
    """Test a confirmed finding on another registered table; return its later verdict.

    Raises `UsageError` for a finding that is not confirmed, for rows that can't test it, and where
    another account keeps the verifier's key.
    """
    _may_sign(home)
    with _pool(1) as pool:
        return pool.submit(_replicate, home.root, name, new).result()


def _stamp(root: Path) -> int:
    from earnest.ledger.ledger import Ledger

    home = Home(root)
    with Ledger(home.ledger, _keys(home)) as ledger:
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
    with _standing_pool() as pool:
        wanted = [pool.submit(_verify, home.root, name) for name in names]
        for number, one in enumerate(as_completed(wanted), start=1):
            progress(f"verified {number} of {len(names)}: {one.result().word}")
        pool.submit(_stamp, home.root).result()
        return [one.result() for one in wanted]
