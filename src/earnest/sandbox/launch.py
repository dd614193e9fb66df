"""As root: put what a jail needs where an unprivileged uid can reach it, become that uid, go on.

Run as `python -I -S launch.py PLAN`, as root; it imports nothing of ours. uid 0 keeps root's
access to files even inside a user namespace, so it must be gone *before* bubblewrap starts; but
the interpreter and our data may lie below a folder that only root can enter. So: in a mount
namespace of its own, a tmpfs covers a folder that nothing needs, and every source is bound below
it. A source of data whose files others may not read is copied there instead.

PLAN is JSON: `over` (the folder to cover), `bind` (source, name), `data` (source, name), `uid`,
`command`. In `command` the tmpfs is already named.
"""

# ruff: noqa: PTH102, PTH112, PTH116, PTH118, PTH208, S606
# (pathlib and contextlib would double the time that this takes to start)

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys

_NEW_NAMESPACE = 0x00020000
_RECURSIVE, _PRIVATE, _BIND = 0x4000, 0x40000, 0x1000
_NOSUID, _NODEV = 0x2, 0x4
_CHUNK = 1 << 20


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int) -> None:
    encoded = [text.encode(errors="surrogateescape") for text in (source, target, kind)]
    _check(libc.mount(*encoded, ctypes.c_ulong(flags), b"mode=0755"), target)


def _open_to_others(folder: str) -> bool:
    """Say whether another uid could read everything in a folder."""
    for place, _, files in os.walk(folder):
        if os.stat(place).st_mode & 0o005 != 0o005:
            return False
        for name in files:
            info = os.lstat(os.path.join(place, name))
            if stat.S_ISREG(info.st_mode) and not info.st_mode & 0o004:
                return False
    return True


def _copy_file(source: str, target: str) -> None:
    reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    while part := os.read(reader, _CHUNK):
        while part:
            part = part[os.write(writer, part) :]
    os.close(reader)
    os.close(writer)


def _copy(source: str, target: str) -> None:
    """Copy a folder's regular files into an existing empty folder."""
    for name in os.listdir(source):
        mode = os.lstat(os.path.join(source, name)).st_mode
        inner, outer = os.path.join(source, name), os.path.join(target, name)
        if stat.S_ISDIR(mode):
            os.mkdir(outer, 0o755)
            _copy(inner, outer)
        elif stat.S_ISREG(mode):
            _copy_file(inner, outer)


def _bind(libc: ctypes.CDLL, source: str, target: str) -> None:
    if os.path.isdir(source):
        os.mkdir(target, 0o755)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    _mount(libc, source, target, "", _BIND | _RECURSIVE)


def _main() -> None:
    plan = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    bwrap = os.open(plan["command"][0], os.O_RDONLY)  # its own folder may be root's alone
    os.umask(0o022)
    _check(libc.unshare(_NEW_NAMESPACE), "unshare")
    _mount(libc, "none", "/", "", _RECURSIVE | _PRIVATE)
    _mount(libc, "tmpfs", plan["over"], "tmpfs", _NOSUID | _NODEV)
    for source, name in plan["bind"]:
        _bind(libc, source, f"{plan['over']}/{name}")
    for source, name in plan["data"]:
        if _open_to_others(source):
            _bind(libc, source, f"{plan['over']}/{name}")
        else:
            os.mkdir(f"{plan['over']}/{name}", 0o755)
            _copy(source, f"{plan['over']}/{name}")
    os.setgroups([])
    os.setresgid(plan["uid"], plan["uid"], plan["uid"])
    os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    os.chdir("/")
    os.execve(bwrap, plan["command"], {})


if __name__ == "__main__":
    try:
        _main()
    except OSError as failure:
        sys.stderr.write(f"launch: {failure.filename or ''} {failure.strerror}\n")
        sys.exit(125)
