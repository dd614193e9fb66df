"""Process 1 of a cold jail: lays out the files, runs the program, ends what is left.

It runs in the jail, as `python -I -S -c SOURCE FD [LINE]`, and so imports nothing of ours. What it
reads comes from the supervisor. What it says is not believed: the program has the same uid and
could take this process over, which gains it nothing but a false account of its own end.

Said, integers big-endian: `H` with a descriptor of the workspace at the start; where there is to
be a network, `N` with a socket that listens on the jail's own loopback; `!`, a length (4) and a
reason where the files can't be laid out; `E`, cause (1 byte: 0 by itself, 3 out of time), exit
code (4, negative: minus the signal), CPU milliseconds (8) when the program has ended.
"""

# ruff: noqa: PTH102, PTH103, PTH120, PTH123, SIM105, S606
# (pathlib and contextlib would double the time that this takes to start)

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import marshal
import os
import resource
import sys
from typing import Any

_CHUNK = 1 << 20


def _take(fd: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(fd, min(count, _CHUNK))
        if not part:
            os._exit(3)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _hand_out(fd: int, word: bytes, descriptor: int) -> None:
    line = _socket.socket(fileno=fd)
    right = descriptor.to_bytes(4, sys.byteorder)
    line.sendmsg([word], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, right)])
    line.detach()


def _hello(fd: int) -> None:
    """Say that the jail stands, and hand out the workspace for what is left in it."""
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    _hand_out(fd, b"H", folder)
    os.close(folder)


def _listen(fd: int, port: int) -> None:
    """Listen where programs of this jail will ask; whoever has the socket answers outside."""
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    _hand_out(fd, b"N", listener.fileno())
    listener.close()


def _lay_out(fd: int, plan: dict[str, Any]) -> None:
    os.mkdir(plan["temporary"])
    for name, size in plan["files"]:
        if folder := os.path.dirname(name):
            os.makedirs(folder, exist_ok=True)
        with open(name, "wb") as file:
            file.write(_take(fd, size))


def _become(plan: dict[str, Any], line: int) -> None:
    """Turn this process, a fresh child, into the program."""
    try:
        if line >= 0:
            os.dup2(line, 3)
        for number in (13, 25):  # Python ignores SIGPIPE and SIGXFSZ; the program starts afresh
            _signal.signal(number, _signal.SIG_DFL)
        os.execve(plan["entry"][0], plan["entry"], plan["environment"])
    except OSError as error:
        os.write(2, f"{plan['entry'][0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _end_all() -> None:
    try:
        os.kill(-1, 9)
    except ProcessLookupError:
        pass


def _run(plan: dict[str, Any], line: int) -> tuple[bool, int]:
    """Run the program to its end, or to the end of its time; nothing else is alive afterwards."""
    late = []

    def alarm(_number: int, _frame: object) -> None:
        late.append(True)
        _end_all()

    for limit, soft, hard in plan["limits"]:  # here too: no process in the jail may have more
        resource.setrlimit(limit, (soft, hard))
    _signal.signal(2, _signal.SIG_DFL)  # the kernel spares process 1 what it has no handler for
    child = os.fork()
    if child == 0:
        _become(plan, line)
    if line >= 0:
        os.close(line)
        _signal.signal(2, lambda *_: os.kill(child, 2))  # an interrupt is for the program
    _signal.signal(14, alarm)
    _signal.setitimer(0, plan["wall"])
    code = 0
    try:
        while True:
            ended, status = os.wait()
            if ended == child:
                code = os.waitstatus_to_exitcode(status)
                _signal.setitimer(0, 0.0)
                _signal.signal(2, _signal.SIG_DFL)
                _end_all()
    except ChildProcessError:
        return bool(late), code


def told(cause: int, code: int) -> bytes:
    """Return the words for an end; what the program used is in our children's account."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = int((used.ru_utime + used.ru_stime) * 1000)
    return b"E" + bytes([cause]) + code.to_bytes(4, "big", signed=True) + spent.to_bytes(8, "big")


def complaint(error: OSError) -> bytes:
    """Return the words for files that can't be laid out."""
    reason = (error.strerror or "").encode()[:500]
    return b"!" + len(reason).to_bytes(4, "big") + reason


def _main() -> None:
    fd = int(sys.argv[1])
    line = int(sys.argv[2]) if len(sys.argv) > 2 else -1
    for held in (fd, line):
        if held >= 0:
            os.set_inheritable(held, False)
    _hello(fd)
    plan = marshal.loads(_take(fd, int.from_bytes(_take(fd, 8), "big")))  # noqa: S302
    try:
        _lay_out(fd, plan)
        if plan["port"]:
            _listen(fd, plan["port"])
    except OSError as error:
        os.write(fd, complaint(error) + told(0, 125))
        os._exit(0)
    late, code = _run(plan, line)
    os.write(fd, told(3 if late else 0, code))
    os._exit(0)


if __name__ == "__main__":
    _main()
