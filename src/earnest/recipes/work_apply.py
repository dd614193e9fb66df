"""Writing accepted changes into the user's folder: whole files, and only what is as we knew it.

A file that is not as it was when the run took its copy is never written over. Nothing is reached
through a link. A file keeps its mode and, where we may, its owner; a new one can't be executed.
A kill leaves each file as it was or as it is to be; a second call does the rest.

Not covered: who writes the same file in the instant between the last look and the exchange; other
names of a file (hard links), which keep the old content.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from earnest.core.canon import digest
from earnest.core.errors import EarnestError
from earnest.core.protocols import Blobs
from earnest.recipes.work import Change
from earnest.tools.handed import barred
from earnest.tools.workspace import parts_of

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o777
_OTHER: Final = "other"


@contextlib.contextmanager
def _parent(folder: Path, name: str, *, create: bool) -> Iterator[tuple[int, str]]:
    """Open the folder that holds a file, component by component, through no link.

    Raises `OSError`.
    """
    *folders, leaf = parts_of(name)
    held = os.open(folder, _FOLDER)
    try:
        for part in folders:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=held)
                    _own(held, os.stat(part, dir_fd=held, follow_symlinks=False), part)
            inner = os.open(part, _FOLDER, dir_fd=held)
            os.close(held)
            held = inner
        yield held, leaf
    finally:
        os.close(held)


def _own(held: int, made: os.stat_result, leaf: str) -> None:
    """Give what we made to whom the folder belongs that holds it, where we may."""
    whose = os.fstat(held)
    if (whose.st_uid, whose.st_gid) != (made.st_uid, made.st_gid):
        with contextlib.suppress(OSError):
            os.chown(leaf, whose.st_uid, whose.st_gid, dir_fd=held, follow_symlinks=False)


def _content(held: int, leaf: str) -> str:
    """Return the hash of a plain file; '' where there is nothing, `_OTHER` for anything else."""
    try:
        file = os.open(leaf, _READ, dir_fd=held)
    except FileNotFoundError:
        return ""
    except OSError:
        return _OTHER
    with os.fdopen(file, "rb") as stream:
        return digest(stream.read()) if stat.S_ISREG(os.fstat(file).st_mode) else _OTHER


def _there(folder: Path, name: str) -> str:
    """Return what stands at a name, as `_content` does."""
    try:
        with _parent(folder, name, create=False) as (held, leaf):
            return _content(held, leaf)
    except FileNotFoundError:
        return ""
    except OSError:
        return _OTHER


def conflicts(folder: Path, changes: Sequence[Change]) -> dict[str, str]:
    """Return the files that can't be written, each with why."""
    removed = {one.name for one in changes if not one.after}
    found = {}
    for one in changes:
        there = _there(folder, one.name)
        above = {path.as_posix() for path in PurePosixPath(one.name).parents}
        if barred(one.name):
            found[one.name] = f"it is not for a run to change: {barred(one.name)}"
        elif there == _OTHER and not above & removed:
            found[one.name] = "a link, a folder, or no plain file is there, or on the way to it"
        elif there not in (one.before, one.after, _OTHER):
            found[one.name] = "it was changed since" if there else "it was removed since"
            if not one.before:
                found[one.name] = "there is a file of this name by now"
    return found


def apply(folder: Path, changes: Sequence[Change], blobs: Blobs, run: str) -> list[str]:
    """Write the changes; return the names that were written or removed. Look at `conflicts` first.

    Raises `EarnestError` at the first file that is not as it was: what was written stays.
    """
    done = []
    for one in sorted(changes, key=lambda change: bool(change.after)):  # what goes makes room
        try:
            if _one(folder, one, blobs, run):
                done.append(one.name)
        except OSError as error:
            raise EarnestError(f"{one.name}: {error.strerror or error}") from error
    return done


def _one(folder: Path, change: Change, blobs: Blobs, run: str) -> bool:
    """Bring one file to what it is to be; say whether that took anything."""
    if not change.after:
        if _there(folder, change.name) == "":
            return False
        with _parent(folder, change.name, create=False) as (held, leaf):
            _same(_content(held, leaf), change)
            os.unlink(leaf, dir_fd=held)
            os.fsync(held)
        return True
    with _parent(folder, change.name, create=True) as (held, leaf):
        draft = f".earnest-{digest(f'{run}/{change.name}'.encode())[7:27]}"
        with contextlib.suppress(FileNotFoundError):  # of an accept that was killed
            os.unlink(draft, dir_fd=held)
        if _content(held, leaf) == change.after:
            return False
        try:
            _write(held, leaf, draft, blobs.get(change.after))
            _same(_content(held, leaf), change)
            os.replace(draft, leaf, src_dir_fd=held, dst_dir_fd=held)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=held)
            raise
        os.fsync(held)
    return True


def _same(there: str, change: Change) -> None:
    if there != change.before:
        raise EarnestError(f"{change.name} was changed just now: it was left as it is")


def _write(held: int, leaf: str, draft: str, data: bytes) -> None:
    """Write a draft that is to take a file's place, with its mode and owner."""
    with os.fdopen(os.open(draft, _NEW, 0o666, dir_fd=held), "wb") as file:
        file.write(data)
        file.flush()
        try:
            before = os.stat(leaf, dir_fd=held, follow_symlinks=False)
        except FileNotFoundError:
            _own(held, os.fstat(file.fileno()), draft)
        else:
            with contextlib.suppress(OSError):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & _MODE)
        os.fsync(file.fileno())
