"""Who is at work: a file that a process holds while it works, and what ends that process in time.

A process is named by its id and the time it began, so that a later one with the same id is not
taken for it. Where there is no /proc (macOS), the lock alone says that it lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from earnest.core.errors import EarnestError

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
_CHILDREN_S: Final = 1.0
_END_S: Final = 1.5
_INTERRUPTED: Final = 130
_LOCK_S: Final = 0.3
_PAUSE_S: Final = 0.01
_HELD: Final[set[Path]] = set()
RUN_FILE: Final = "running.json"
"""In a run's folder: who works on it."""


@dataclass(frozen=True)
class Worker:
    """A process at work. `began`: clock ticks since the machine did, 0 where that isn't told."""

    pid: int
    began: int
    verb: str
    run: str = ""
    server: bool = False


def began(pid: int) -> int:
    """Return when a process began; 0 where there is none, or it has ended and is not yet buried."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def children() -> dict[int, list[tuple[int, int]]]:
    """Return the processes that live, with when they began, by their parent."""
    found: dict[int, list[tuple[int, int]]] = {}
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    found.setdefault(int(fields[1]), []).append((int(entry.name), int(fields[19])))
    return found


def below(pid: int) -> set[tuple[int, int]]:
    """Return all processes that a process began, and theirs, with when they began."""
    by_parent, found, todo = children(), set[tuple[int, int]](), [pid]
    while todo:
        for one in by_parent.get(todo.pop(), ()):
            if one not in found:
                found.add(one)
                todo.append(one[0])
    return found


def kill(pid: int, when: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal to the very process that began then; say whether it was there."""
    try:
        if not hasattr(os, "pidfd_open"):
            os.kill(pid, number)
            return True
        held = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if began(pid) != when:  # looked at while the descriptor holds it
            return False
        signal.pidfd_send_signal(held, number)
        return True
    except OSError:
        return False
    finally:
        os.close(held)


@contextlib.contextmanager
def at_work(path: Path, verb: str, *, run: str = "", server: bool = False) -> Iterator[None]:
    """Hold a file that says who is at work, until the block ends; once is enough in a process.

    Raises `EarnestError` where another process holds it.
    """
    if path in _HELD:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    worker = Worker(os.getpid(), began(os.getpid()), verb, run, server)
    file = _locked(path)
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(asdict(worker)).encode(), 0)
        _HELD.add(path)
        yield
    finally:
        _HELD.discard(path)
        path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path) -> int:
    """Open and lock a file, and no other that has its name by now.

    Who reads it locks it for a moment too, and removes what nobody holds: so it is tried again.
    """
    end = time.monotonic() + _LOCK_S
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except FileNotFoundError:
            pass  # removed between the two
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(file)
                raise _busy(path) from None
            time.sleep(_PAUSE_S)
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _busy(path: Path) -> EarnestError:
    worker = read_worker(path)
    who = f"process {worker.pid}" if worker else "another process"
    if worker and worker.run:
        return EarnestError(
            f"{who} works on {worker.run}", mend=f"wait for it, or: earnest stop {worker.run}"
        )
    return EarnestError(f"{who} holds {path}", mend="wait for it")


def read_worker(path: Path) -> Worker | None:
    """Return who holds a file; None: no one does. What a killed process left is removed."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _holder(file) or _holder(file, _PAUSE_S)  # it may be about to say who it is
    except _NobodyError:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                path.unlink()
        return None
    finally:
        os.close(file)


class _NobodyError(Exception):
    """A file that is not locked."""


def _holder(file: int, after_s: float = 0.0) -> Worker | None:
    """Return who holds an open file, as far as it says so by now. Raises `_NobodyError`."""
    time.sleep(after_s)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(ValueError, TypeError):
            worker = Worker(**json.loads(os.pread(file, 1 << 16, 0)))
            return worker if began(worker.pid) == worker.began else None
        return None
    raise _NobodyError


def _terminated(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        raise KeyboardInterrupt
    os.kill(os.getpid(), signal.SIGINT)


def _watch(pipe: int, done: threading.Event | None) -> None:
    """Wait for an interrupt; end what is below in time, and this process a little later.

    `done`: what says that there is no need to; None: only the end of the process does.
    """
    wait = (done or threading.Event()).wait
    came = b" "
    while came and came[0] not in _INTERRUPTS:
        came = os.read(pipe, 1)
    if not came or wait(_CHILDREN_S):
        return
    _kill_below()
    if not wait(_END_S - _CHILDREN_S):
        _kill_below()
        os._exit(_INTERRUPTED)


def _kill_below() -> None:
    for pid, when in below(os.getpid()):
        kill(pid, when)


@contextlib.contextmanager
def ended_in_time(*, process: bool = False) -> Iterator[None]:
    """Have an interrupt end the block, and whatever it began, within two seconds.

    Ctrl-C and SIGTERM raise KeyboardInterrupt as ever; what has not ended a second later is
    killed, and the process itself half a second after that. In the main thread only.
    `process`: the whole process is to end in that time, what it does after the block included.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    before = signal.signal(signal.SIGTERM, _terminated)
    held = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    done = threading.Event()
    given = (reads, None if process else done)
    thread = threading.Thread(target=_watch, args=given, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(held)
        signal.signal(signal.SIGTERM, before)
        os.close(writes)
        if not process:
            thread.join()
            os.close(reads)
