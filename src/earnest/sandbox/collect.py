"""Reading the files that a program left, by a descriptor of its workspace.

The workspace's contents are hostile: links, pipes, odd names and modes, depth and size without
bound. Nothing is opened by a path: each name is opened in the folder that holds it, without
following links, and what was opened is asked what it is. So it may also be read while the program
still runs: at worst a file comes back half written.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".tmp"
LONGEST: Final = 1024
_DEEPEST: Final = 32
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True)
class Collected:
    """A workspace's regular files. `left_out` says why there are not all of them, or nothing."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    left_out: str = ""


class _TooMuchError(Exception):
    pass


def _opened(name: str, folder: int) -> int | None:
    """Open what has this name in a folder; None where it is no plain file or folder, or gone."""
    try:
        return os.open(name, _OPEN, dir_fd=folder)
    except PermissionError:
        pass
    except OSError:  # a link, a socket, a device, or removed since
        return None
    try:
        held = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:  # a mode that shuts its owner out shuts us out; by its descriptor no link can be meant
        kind = os.fstat(held).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            return None
        Path(f"/proc/self/fd/{held}").chmod(0o700)
        return os.open(name, _OPEN, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(held)


def _read(held: int, most: int) -> bytes:
    parts: list[bytes] = []
    while most >= 0 and (part := os.read(held, min(most + 1, 1 << 20))):
        parts.append(part)
        most -= len(part)
    if most < 0:
        raise _TooMuchError
    return b"".join(parts)


def _walk(folder: int, prefix: str, depth: int) -> Generator[tuple[str, int]]:
    """Yield path and open descriptor of the regular files below an open folder."""
    for name in sorted(os.listdir(folder)):
        path = prefix + name
        if path == TEMPORARY:
            continue
        held = _opened(name, folder)
        if held is None:
            continue
        try:
            kind = os.fstat(held).st_mode
            if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
                continue
            if depth > _DEEPEST or len(os.fsencode(path)) > LONGEST:
                raise _TooMuchError
            if stat.S_ISDIR(kind):
                yield from _walk(held, path + "/", depth + 1)
            else:
                yield path, held
        finally:
            os.close(held)


def collect(folder: int, most_bytes: int, most_files: int) -> Collected:
    """Return the regular files below an open folder, names that are not UTF-8 left out."""
    files: dict[str, bytes] = {}
    with contextlib.suppress(OSError):
        os.fchmod(folder, 0o700)  # it, too, may shut its owner out
    try:
        with contextlib.closing(_walk(folder, "", 0)) as found:
            for path, held in found:
                if len(files) >= most_files:
                    raise _TooMuchError
                data = _read(held, most_bytes)
                most_bytes -= len(data)
                if path.isprintable() or _is_text(path):
                    files[path] = data
    except _TooMuchError:
        return Collected(files, "more files or bytes than may come back")
    except OSError as error:
        return Collected(files, f"the workspace can't be read: {error.strerror}")
    return Collected(files)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 come as surrogates
        return False
    return True
