"""Process 1 of a jail: lays out the files, runs the program, ends what is left, sends files back.

It runs in the jail, as `python -I -S -c SOURCE FD`, and so imports nothing of ours. What it reads
comes from the supervisor. What it sends is not believed: the program has the same uid and could
take this process over, which gains it nothing but a false account of its own end.

Sent, integers big-endian: `H` at the start; `E`, late (1 byte), exit code (4, negative: minus the
signal) when the program has ended; for each file `F`, length of its path (4), of its content (8),
both; then `.`, or `!` where there is too much to send.
"""

# ruff: noqa: PTH102, PTH103, PTH120, PTH123, SIM105, S606
# (pathlib and contextlib would double the time that this takes to start)

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import marshal
import os
import resource
import stat
import sys
from collections.abc import Iterator
from typing import Any

_CHUNK = 1 << 20
_DEEPEST = 32
_LONGEST = 1024


def _take(fd: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(fd, min(count, _CHUNK))
        if not part:
            os._exit(3)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _send(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _lay_out(fd: int, plan: dict[str, Any]) -> None:
    os.mkdir(plan["temporary"])
    for name, size in plan["files"]:
        if folder := os.path.dirname(name):
            os.makedirs(folder, exist_ok=True)
        with open(name, "wb") as file:
            file.write(_take(fd, size))


def _become(plan: dict[str, Any]) -> None:
    """Turn this process, a fresh child, into the program."""
    try:
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


def _run(plan: dict[str, Any]) -> tuple[bool, int]:
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
        _become(plan)
    _signal.signal(14, alarm)
    _signal.setitimer(0, plan["wall"])
    code = 0
    try:
        while True:
            ended, status = os.wait()
            if ended == child:
                code = os.waitstatus_to_exitcode(status)
                _signal.setitimer(0, 0.0)
                _end_all()
    except ChildProcessError:
        return bool(late), code


def _walk(fd: int, prefix: bytes, depth: int, skip: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield path, size and open descriptor of the regular files below a folder."""
    with os.scandir(fd) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = prefix + os.fsencode(entry.name)
        if path == skip:
            continue
        info = entry.stat(follow_symlinks=False)
        folder = stat.S_ISDIR(info.st_mode)
        if not (folder or stat.S_ISREG(info.st_mode)):
            continue
        if depth > _DEEPEST or len(path) > _LONGEST:
            raise OverflowError
        os.chmod(entry.name, 0o700, dir_fd=fd)  # a mode that shuts its owner out shuts us out
        flags = os.O_RDONLY | os.O_NOFOLLOW | (os.O_DIRECTORY if folder else 0)
        inner = os.open(entry.name, flags, dir_fd=fd)
        try:
            if folder:
                yield from _walk(inner, path + b"/", depth + 1, skip)
            else:
                yield path, info.st_size, inner
        finally:
            os.close(inner)


def _send_files(fd: int, plan: dict[str, Any]) -> None:
    bytes_left, files_left = plan["most"]
    root = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for path, size, file in _walk(root, b"", 0, os.fsencode(plan["temporary"])):
            bytes_left -= size
            files_left -= 1
            if bytes_left < 0 or files_left < 0:
                raise OverflowError
            _send(fd, b"F" + len(path).to_bytes(4, "big") + size.to_bytes(8, "big") + path)
            while part := os.read(file, _CHUNK):
                _send(fd, part)
        _send(fd, b".")
    except (OverflowError, OSError):
        _send(fd, b"!")


def _main() -> None:
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)
    _send(fd, b"H")
    plan = marshal.loads(_take(fd, int.from_bytes(_take(fd, 8), "big")))  # noqa: S302
    try:
        _lay_out(fd, plan)
    except OSError as error:
        _send(fd, b"!" + (error.strerror or "").encode())
        os._exit(0)
    late, code = _run(plan)
    _send(fd, b"E" + bytes([late]) + code.to_bytes(4, "big", signed=True))
    if plan["collect"]:
        _send_files(fd, plan)
    else:
        _send(fd, b".")
    os._exit(0)


if __name__ == "__main__":
    _main()
