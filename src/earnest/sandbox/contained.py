"""Process 1 of a container: lays out the files, runs the program, relays what it says.

It runs in the container as `python -I -S -c SOURCE COLLECT FILTERS`, and so imports nothing of
ours: COLLECT is the source of `collect.py`, FILTERS a JSON object, machine to system call filter
in hexadecimal. An engine passes no descriptor on, so everything goes through standard input and
output, in frames: a letter, a length (4 bytes, big-endian), that many bytes.

In: `P` the plan, marshalled, first and once. `L` bytes for the program's line, `I` interrupt it,
`F` send the files as they are, `K` end it. The end of standard input ends the container.

Out: `H` at the start. `O`, `R`, `L`: what the program wrote to standard output, standard error
and its line (an empty `L`: it closed the line). `N` a file: length of its path (4), path,
content; `.` the end of the files, with the reason why there are not all. `E`, cause (1 byte:
0 by itself, 1 ended from outside, 3 out of time), exit code (4, negative: minus the signal), CPU
milliseconds (8); the files follow it. `!` and a reason: the files could not be laid out.

The program has the same uid, but can't end this process (the kernel shields process 1), nor read
or trace it (it is not dumpable).
"""

# ruff: noqa: PTH103, PTH120, PTH123, S606, SIM105
# (pathlib and contextlib would double the time that this takes to start)

from __future__ import annotations

import ctypes
import json
import marshal
import os
import resource
import select
import signal
import socket
import sys
import time
import types
from typing import Any

_CHUNK = 1 << 16
_PENDING = 1 << 20
_NO_DUMP, _NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 4, 38, 22, 2
_OUTSIDE, _LATE = 1, 3


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def _confine(filters: dict[str, str]) -> None:
    """Add our system call filter to the engine's, for this process and all that follow."""
    code = bytes.fromhex(filters[os.uname().machine])
    held = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    for what, first, second in (
        (_NO_DUMP, 0, 0),
        (_NO_NEW_PRIVILEGES, 1, 0),
        (_SECCOMP, _FILTER, ctypes.addressof(program)),
    ):
        words = [ctypes.c_ulong(word) for word in (first, second, 0, 0)]
        if libc.prctl(what, *words):
            raise OSError(ctypes.get_errno(), f"prctl {what}")


def _take(count: int) -> bytes:
    parts = []
    while count:
        part = os.read(0, min(count, 1 << 20))
        if not part:
            os._exit(3)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _frame() -> tuple[bytes, bytes]:
    head = _take(5)
    return head[:1], _take(int.from_bytes(head[1:], "big"))


def _say(kind: bytes, data: bytes = b"") -> None:
    view = memoryview(kind + len(data).to_bytes(4, "big") + data)
    while view:
        view = view[os.write(1, view) :]


def _lay_out(plan: dict[str, Any]) -> None:
    os.mkdir(plan["temporary"])  # noqa: PTH102
    for name, data in plan["files"].items():
        if folder := os.path.dirname(name):
            os.makedirs(folder, exist_ok=True)
        with open(name, "wb") as file:
            file.write(data)


def _become(plan: dict[str, Any], line: int, out: int, err: int) -> None:
    """Turn this process, a fresh child, into the program."""
    try:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        if plan["line"]:
            os.dup2(line, 3)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        for limit, soft, hard in plan["limits"]:
            resource.setrlimit(limit, (soft, hard))
        os.execve(plan["entry"][0], plan["entry"], plan["environment"])
    except (OSError, ValueError) as error:
        os.write(2, f"{plan['entry'][0]}: {getattr(error, 'strerror', error)}\n".encode())
    finally:
        os._exit(127)


def _end_all() -> None:
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


class _Run:
    def __init__(self, plan: dict[str, Any], collect: Any) -> None:
        self.plan, self.collect = plan, collect
        self.cause = 0
        self.code: int | None = None
        self.pending = bytearray()
        self.woken, wake = os.pipe()
        for fd in (self.woken, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.out, out = os.pipe()
        self.err, err = os.pipe()
        self.line, theirs = socket.socketpair()
        self.folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        self.child = os.fork()
        if self.child == 0:
            _become(plan, theirs.fileno(), out, err)
        for fd in (out, err):
            os.close(fd)
        theirs.close()
        self.line.setblocking(False)
        self.open = {self.out: b"O", self.err: b"R"}
        if plan["line"]:
            self.open[self.line.fileno()] = b"L"

    def relay(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data or self.open[fd] == b"L":
            _say(self.open[fd], data)
        if not data:
            del self.open[fd]

    def feed(self) -> None:
        try:
            del self.pending[: self.line.send(self.pending)]
        except BlockingIOError:
            return
        except OSError:
            self.pending.clear()

    def obey(self) -> None:
        kind, data = _frame()
        if kind == b"L" and self.line.fileno() in self.open:
            self.pending += data
        elif kind == b"I" and self.code is None:  # else the number may be another's by now
            os.kill(self.child, signal.SIGINT)
        elif kind == b"F":
            self.send_files()
        elif kind == b"K":
            self.end(_OUTSIDE)

    def end(self, cause: int) -> None:
        self.cause = self.cause or cause
        _end_all()

    def reap(self) -> None:
        try:
            while True:
                ended, status = os.waitpid(-1, os.WNOHANG)
                if ended == self.child:
                    self.code = os.waitstatus_to_exitcode(status)
                if not ended:
                    return
        except ChildProcessError:
            return

    def step(self, timeout: float) -> None:
        asked = select.poll()
        asked.register(self.woken, select.POLLIN)
        if len(self.pending) < _PENDING:
            asked.register(0, select.POLLIN)
        for fd in self.open:
            asked.register(fd, select.POLLIN)
        if self.pending and self.line.fileno() in self.open:
            asked.modify(self.line.fileno(), select.POLLIN | select.POLLOUT)
        for fd, events in asked.poll(timeout * 1000):
            if fd == 0:
                self.obey()
            elif fd == self.woken:
                os.read(fd, 512)
                self.reap()
            elif fd in self.open:
                if events & select.POLLOUT:
                    self.feed()
                if events & ~select.POLLOUT:
                    self.relay(fd)

    def run(self) -> int:
        """Relay until the program has ended; nothing else is alive afterwards."""
        deadline = time.monotonic() + self.plan["wall"]
        while self.code is None:
            left = deadline - time.monotonic()
            if left <= 0:
                self.end(_LATE)
            self.step(max(0.05, left))
        _end_all()
        try:
            while True:
                os.wait()
        except ChildProcessError:
            pass
        while self.open:  # no writer is left: each of these comes to its end
            for fd in list(self.open):
                self.relay(fd)
        return self.code

    def send_files(self) -> None:
        found = self.collect.collect(self.folder, *self.plan["most"])
        for name, data in found.files.items():
            path = name.encode()
            _say(b"N", len(path).to_bytes(4, "big") + path + data)
        _say(b".", found.left_out.encode()[:500])


def _main() -> None:
    if os.getpid() != 1:  # elsewhere its kill would reach every process of the user
        sys.exit("contained.py runs as process 1 of a container only")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 is spared what it does not handle
    collect = types.ModuleType("collect")
    sys.modules["collect"] = collect  # its data classes look their module up
    exec(sys.argv[1], collect.__dict__)  # noqa: S102 - our own source
    _confine(json.loads(sys.argv[2]))
    _say(b"H")
    kind, data = _frame()
    if kind != b"P":
        os._exit(3)
    plan = marshal.loads(data)  # noqa: S302 - from the supervisor
    try:
        _lay_out(plan)
    except OSError as error:
        _say(b"!", (error.strerror or "").encode())
        os._exit(0)
    plan["files"] = {}
    del data
    run = _Run(plan, collect)
    code = run.run()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = int((used.ru_utime + used.ru_stime) * 1000).to_bytes(8, "big")
    _say(b"E", bytes([run.cause]) + code.to_bytes(4, "big", signed=True) + spent)
    if plan["collect"]:
        run.send_files()
    else:
        _say(b".")
    os._exit(0)


if __name__ == "__main__":
    _main()
