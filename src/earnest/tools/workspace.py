"""The workspace of a run: the files that persist between tool calls.

A path that leaves the folder, or goes through a link, is refused: every component is opened
without following links, so nothing on the way can be swapped either. What is written is taken from
the run's purse before it is written.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Final

from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError, ToolError

MOST_BYTES: Final = 64 * 2**20
MOST_FILES: Final = 2000
_LONGEST_NAME: Final = 200
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def parts_of(name: str) -> tuple[str, ...]:
    """Return the components of a relative path. Raises `ToolError` for any other."""
    path = PurePosixPath(name)
    bad = (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or not name.isprintable()
        or any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in path.parts)
    )
    if bad:
        raise ToolError(f"{name!r} is no path inside the workspace: name it relative, without ..")
    return path.parts


def no_limit() -> Purse:
    """Return a purse without limits, for what no run pays for."""
    return Purse(Budget(None, None, None, None, None, None, None))


class Workspace:
    """A folder of plain files, named by relative POSIX paths."""

    def __init__(self, folder: Path, purse: Purse | None = None) -> None:
        """Open or create the folder. `purse`: what bytes that are written are taken from."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder, self.purse = folder, purse or no_limit()

    @contextlib.contextmanager
    def _parent(self, name: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder that holds a file, link by link; yield it and the file's own name."""
        *folders, leaf = parts_of(name)
        held = os.open(self.folder, _FOLDER)
        try:
            for part in folders:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=held)
                inner = os.open(part, _FOLDER, dir_fd=held)
                os.close(held)
                held = inner
            yield held, leaf
        except OSError as error:
            raise ToolError(f"{name}: {error.strerror or error}") from error
        finally:
            os.close(held)

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Open a plain file for reading. Raises `ToolError`."""
        with self._parent(name) as (folder, leaf):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open(leaf, flags, dir_fd=folder)
            with os.fdopen(file, "rb") as stream:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise ToolError(f"{name} is no plain file")
                yield stream

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Return at most the first `most` bytes of a file. Raises `ToolError`."""
        with self.opened(name) as stream:
            return stream.read(most)

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all. Raises `ToolError`, `BudgetError`."""
        parts_of(name)
        if len(data) > MOST_BYTES:
            raise ToolError(f"{name} has {len(data)} bytes: at most {MOST_BYTES} may be written")
        self.purse.take("bytes_written", len(data))
        with self._parent(name, create=True) as (folder, leaf):
            draft = f".draft-{secrets.token_hex(6)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            try:
                with os.fdopen(os.open(draft, flags, 0o600, dir_fd=folder), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(draft, leaf, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(draft, dir_fd=folder)
                raise

    def remove(self, name: str) -> None:
        """Remove a file. Raises `ToolError`."""
        with self._parent(name) as (folder, leaf):
            os.unlink(leaf, dir_fd=folder)

    def make_room(self, name: str) -> None:
        """Remove the empty folders that stand where a file is to be. Raises `ToolError`."""
        at = self.folder / Path(*parts_of(name))
        if at.is_dir() and not at.is_symlink():
            try:
                for where, _, _ in os.walk(at, topdown=False):
                    Path(where).rmdir()
            except OSError as error:
                raise ToolError(f"{name}: a folder stands there ({error.strerror})") from error

    def sizes(self) -> dict[str, int]:
        """Return the plain files and their sizes in bytes, by name; drafts and links left out."""
        return {name: size for name, (size, _, _) in self.states().items()}

    def states(self) -> dict[str, tuple[int, int, int]]:
        """Return the same files' size, time of change (ns) and inode: others once they changed."""
        found: dict[str, tuple[int, int, int]] = {}
        for where, folders, names, held in os.fwalk(self.folder):
            folders.sort()
            for leaf in sorted(names):
                try:
                    facts = os.stat(leaf, dir_fd=held, follow_symlinks=False)
                except FileNotFoundError:  # a draft that was put in its place meanwhile
                    continue
                if stat.S_ISREG(facts.st_mode) and not leaf.startswith(".draft-"):
                    name = (Path(where) / leaf).relative_to(self.folder).as_posix()
                    found[name] = (facts.st_size, facts.st_mtime_ns, facts.st_ino)
        return found

    def contents(self) -> dict[str, bytes]:
        """Return all files. Raises `ToolError` where they are too many or too large together."""
        sizes = self.sizes()
        total = sum(sizes.values())
        if total > MOST_BYTES or len(sizes) > MOST_FILES:
            raise ToolError(
                f"the workspace holds {len(sizes)} files, {total} bytes: "
                f"at most {MOST_FILES} and {MOST_BYTES} fit in the sandbox"
            )
        return {name: self.read(name) for name in sizes}

    def take(self, before: Mapping[str, bytes], after: Mapping[str, bytes], *, all_: bool) -> str:
        """Take over the files that a program left; return a line on what changed.

        `all_`: `after` is everything that is left, so that what is missing was removed.
        """
        changed, refused, over = [], [], []
        gone = sorted(set(before) - set(after)) if all_ else []
        left = set(gone)
        for name, data in sorted(after.items()):
            if before.get(name) == data:
                continue
            try:
                left -= self._given_way(name, left)
                self.write(name, data)
                changed.append(f"{name} ({len(data)} bytes)")
            except BudgetError:
                over.append(f"{name} ({len(data)} bytes)")
            except ToolError:
                refused.append(name)
        for name in sorted(left):
            self.remove(name)
        said = [
            ("files written", changed),
            ("removed", gone),
            ("not kept, the budget of bytes written is used up", over),
            ("not kept, bad names", [repr(name) for name in refused]),
        ]
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in said if names)

    def _given_way(self, name: str, gone: set[str]) -> set[str]:
        """Remove, of files that are gone, those in whose place a file or its folders are to be."""
        parts_of(name)
        above = {parent.as_posix() for parent in PurePosixPath(name).parents}
        below = f"{name}/" if (self.folder / name).is_dir() else "\0"
        found = {one for one in gone if one in above or one.startswith(below)} if gone else set()
        for one in found:
            self.remove(one)
        if below != "\0":
            self.make_room(name)
        return found
