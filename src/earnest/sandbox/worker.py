"""The supervisor's side of one zygote (`zygote.py`): start it, hand it jobs one after another."""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import select
import signal
import socket
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Final

from earnest.core.errors import SandboxError
from earnest.core.jobs import WORK, Job
from earnest.sandbox import wire
from earnest.sandbox.bubble import Bubble
from earnest.sandbox.cgroup import Group
from earnest.sandbox.collect import TEMPORARY
from earnest.sandbox.jail import outputs, spawn
from earnest.sandbox.running import Ends, Running
from earnest.sandbox.system import IMAGE

_READY_S: Final = 180.0  # what importing the largest set may take on a loaded machine
_LONG_S: Final = 0.04
_READY_BYTES: Final = 9
_START: Final = """
import marshal, os, sys
line, control, size = map(int, sys.argv[1:])
said = b""
while len(said) < size:
    part = os.read(line, size - len(said))
    if not part: os._exit(125)
    said += part
plan, space = marshal.loads(said), {"__name__": "zygote"}
exec(plan.pop("zygote"), space)
del part, said
space["start"](line, control, plan)
"""


def _compiled(name: str) -> CodeType:
    """Return a module of this folder as code: a jail's interpreter is ours, and compiles slowly."""
    source = Path(__file__).with_name(f"{name}.py").read_text()
    return compile(source, f"{name}.py", "exec", dont_inherit=True)


_CODE: Final = {name: _compiled(name) for name in ("zygote", "program", "calls", "cycle")}

Shown = tuple[list[str], list[tuple[str, bytes]]]


def _first_of(process: int) -> int:
    """Return a descriptor of process 1 of a jail, bubblewrap's only child; -1: it can't be had."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return os.pidfd_open(int(children[0]))
    except (OSError, IndexError):
        return -1


class Worker:
    """A zygote: one job at a time. It has a network namespace that no other job shares."""

    def __init__(self, bubble: Bubble, modules: tuple[str, ...]) -> None:
        """Start it, its `modules` imported. Raises `LackError`, `SandboxError`."""
        self._python = bubble.system.python
        talk, control = socket.socketpair(), socket.socketpair()
        self._talk, self._control = talk[0], control[0]
        theirs = talk[1].fileno(), control[1].fileno()
        plan = marshal.dumps(wire.zygote_plan(self._python, modules) | _CODE)
        words = [str(number) for number in (*theirs, len(plan))]
        inside = [self._python, "-P", "-s", "-S", "-c", _START, *words]
        try:
            environment = wire.environment(IMAGE, f"{WORK}/{TEMPORARY}")
            self._process = spawn(bubble.warm(environment, inside), theirs, {})
        except BaseException:
            self._talk.close()
            self._control.close()
            raise
        finally:
            talk[1].close()
            control[1].close()
        self._out, self._err = outputs(self._process)
        with contextlib.suppress(OSError):  # one that died is found out when it is waited for
            self._talk.sendall(plan)
        self._said = select.poll()
        for fd in (self._talk.fileno(), self._out, self._err):
            self._said.register(fd, select.POLLIN)
        self._lock = threading.Lock()
        self._number, self._busy, self._first = 0, False, -1
        try:
            self._held = self._ready()
            self._first = _first_of(self._process.pid)
            self._group = Group.around(self._process.pid)
        except BaseException:
            self._group = None
            self.kill()
            raise

    def _ready(self) -> int:
        """Wait until it is ready; return the bytes of address space that it has."""
        said, deadline = b"", time.monotonic() + _READY_S
        while len(said) < _READY_BYTES:
            self._talk.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = self._talk.recv(_READY_BYTES - len(said))
            except TimeoutError:
                part = b""
            if not part:
                with contextlib.suppress(OSError):
                    self._process.wait(1.0)
                told = self._complaint()
                raise SandboxError(f"a warm jail did not start: {told}")
            said += part
        self._talk.settimeout(None)
        if said[:1] != b"R":
            raise SandboxError("a warm jail does not speak as it should")
        self._forget()
        return int.from_bytes(said[1:], "big")

    def _forget(self) -> None:
        """Throw away what imports printed: it is no job's output."""
        for fd in (self._out, self._err):
            with contextlib.suppress(BlockingIOError):
                while os.read(fd, 65536):
                    pass

    def _complaint(self) -> str:
        try:
            return os.read(self._err, 4096).decode(errors="replace").strip()[-500:]
        except BlockingIOError:
            return "it said nothing"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def _tell(self, word: bytes, number: int, count: int = 0) -> None:
        """Say a word about a job; too late, it must not be taken for one about the next."""
        told = word + number.to_bytes(4, "big") + count.to_bytes(4, "big")
        with contextlib.suppress(OSError):
            self._control.send(told, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def start(
        self, job: Job, shown: Shown, done: Callable[[], None], *, line: bool = False
    ) -> Running:
        """Start a job; `done` is called once nothing of it is left.

        Raises `UsageError` for a job that can't be, `SandboxError` where the zygote is gone.
        """
        payload = wire.warm_plan(job, self._python, self._held, shown, line=line)
        number, ours = self._number + 1, None
        try:
            with self._lock:  # so that nobody closes what the job is about to read
                if line:
                    ours, payload = self._hand_line(payload), payload[wire.HEAD :]
                    self._tell(b"T", number, int(job.limits.wall_s * 1000))  # also if nobody looks
                if self._group is not None:
                    self._group.limit(job.limits.memory_mib + job.limits.workspace_mib)
                running = Running(self._ends(job, number, done), job, payload, ours, grace_s=0.0)
                self._number, self._busy = number, True
        except (OSError, ValueError) as error:
            if ours is not None:
                ours.close()
            raise SandboxError(f"a warm jail is gone: {error}") from error
        return running

    def _hand_line(self, payload: bytes) -> socket.socket:
        """Send a job's head, which carries the line; the rest follows. Return our end."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                head = [payload[: wire.HEAD]]
                socket.send_fds(self._talk, head, [theirs.fileno()], socket.MSG_NOSIGNAL)
        except BaseException:
            ours.close()
            raise
        return ours

    def _ends(self, job: Job, number: int, done: Callable[[], None]) -> Ends:
        return Ends(
            self._talk,
            self._out,
            self._err,
            kill=lambda: self._tell(b"K", number),
            interrupt=lambda: self._tell(b"I", number),
            destroy=self.end,
            reap=self._status,
            release=lambda: self._released(done),
            long=lambda: self._long(number, job.limits.memory_mib),
            long_s=_LONG_S,
        )

    def _long(self, number: int, memory_mib: int) -> None:
        if self._group is None:
            self._tell(b"W", number, memory_mib)

    def _status(self) -> int:
        status = self._process.poll()
        return 0 if status is None else status

    def idle(self) -> bool:
        """Whether it is fit for the next job: alive, and nothing is left of the last one."""
        return self.alive and not self._unread() and not self._said.poll(0)

    def _unread(self) -> bool:
        """Say whether a job ended before it was read: the next one would read the rest."""
        held = fcntl.ioctl(self._talk, termios.TIOCOUTQ, bytes(4))
        return any(held)

    def _released(self, done: Callable[[], None]) -> None:
        self._busy = False
        done()

    def end(self) -> None:
        """End it and all below it. Who talks to it reads the end of its streams."""
        for end in (self._talk, self._control):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if self._first >= 0:  # bubblewrap's own death leaves it, and stopped it would never look
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        self._process.kill()

    def kill(self) -> None:
        """End it and all below it; return when its process is gone, with nothing left open.

        While a job runs, its thread still reads our descriptors, whose numbers must not be given
        to others: they are closed once it is through, by a second call.
        """
        with self._lock:
            self.end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            if self._busy:
                return
            for end in (self._talk, self._control):
                end.close()
            with self._process:
                pass
            if self._first >= 0:
                os.close(self._first)
                self._first = -1
            if self._group is not None:
                self._group.remove()
                self._group = None
