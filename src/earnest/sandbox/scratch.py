"""A folder of our own for a while, removed by its descriptor and only what is in it.

Not covered: a folder that another program of the same user moved away stays where it was moved.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _enter(name: str, folder: int) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except PermissionError:  # a mode that shuts its owner out
        if sys.platform != "linux":
            raise
    held = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=folder)
    try:
        Path(f"/proc/self/fd/{held}").chmod(0o700)
        return os.open(name, _FOLDER, dir_fd=folder)
    finally:
        os.close(held)


def empty(folder: int) -> None:
    """Remove what an open folder holds, following no link and entering no other file system."""
    device = os.fstat(folder).st_dev
    for name in os.listdir(folder):
        kind = os.lstat(name, dir_fd=folder)
        if not stat.S_ISDIR(kind.st_mode):
            os.unlink(name, dir_fd=folder)
            continue
        if kind.st_dev != device:
            raise OSError(f"{name} is another file system: it stays")
        inner = _enter(name, folder)
        try:
            if os.fstat(inner).st_dev == device:
                empty(inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=folder)


@contextlib.contextmanager
def scratch(prefix: str) -> Iterator[tuple[Path, int]]:
    """Yield a new folder that only its owner can enter, and a descriptor of it; then remove it.

    What can't be removed is left: nothing else is touched for it.
    """
    path = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    folder = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        yield path, folder
    finally:
        with contextlib.suppress(OSError):
            empty(folder)
            if os.path.samestat(os.fstat(folder), os.lstat(path.name, dir_fd=parent)):
                os.rmdir(path.name, dir_fd=parent)
        os.close(folder)
        os.close(parent)


def open_to_others(folder: Path) -> bool:
    """Say whether another uid could read every folder and file below a folder."""
    for place, _, files in os.walk(folder):
        if Path(place).stat().st_mode & 0o005 != 0o005:
            return False
        for name in files:
            kind = Path(place, name).lstat().st_mode
            if stat.S_ISREG(kind) and not kind & 0o004:
                return False
    return True


def copy_plain(source: Path, target: Path) -> None:
    """Copy a folder's folders and regular files, no links, for anyone to read."""
    for place, _, files in os.walk(source):
        inner = target / Path(place).relative_to(source)
        inner.mkdir()
        inner.chmod(0o755)
        for name in files:
            if stat.S_ISREG(Path(place, name).lstat().st_mode):
                shutil.copyfile(Path(place, name), inner / name, follow_symlinks=False)
                (inner / name).chmod(0o644)
