"""What a hook has spooled, taken over: whole lines leave the spool, an unfinished one waits.

`earnest.capture.hook` says how the spool lies on disk. A part is read while a hook may add to it;
what was taken over is cut off under the lock, in three steps that may each be the last: the rest is
written to a part of its own, the state says from where on, the old part goes.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earnest.capture import hook
from earnest.core.errors import CaptureError
from earnest.core.home import write_whole

_PART: Final = re.compile(r"(\d{1,9})-(\d{1,18})\.part")
_BLOCK: Final = 1 << 20
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Part:
    """The copy of a transcript's generation from an offset on. `last`: nothing is added to it."""

    path: Path
    gen: int
    base: int
    last: bool

    @property
    def size(self) -> int:
        """Bytes that it has now."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class Spooled:
    """One transcript's folder in the spool."""

    folder: Path

    @property
    def state(self) -> dict[str, Any]:
        """What is known of it; empty: nothing."""
        return hook.read_state(str(self.folder))

    def parts(self) -> list[Part]:
        """Return its parts, in their order; what a crash left of taking one over is left out."""
        state = self.state
        found = []
        for path in self.folder.iterdir():
            if told := _PART.fullmatch(path.name):
                gen, base = int(told[1]), int(told[2])
                if not state or gen < state["gen"] or (gen, base) == (state["gen"], state["base"]):
                    found.append(Part(path, gen, base, not state or gen < state["gen"]))
        return sorted(found, key=lambda one: (one.gen, one.base))

    def waiting(self) -> int:
        """Return how many bytes wait here."""
        return sum(part.size for part in self.parts())

    def taken(self, part: Part, upto: int) -> None:
        """Cut off what was taken over: the part's bytes before an offset in the transcript."""
        with hook.Lock(str(self.folder), _PATIENCE_S):
            state = self.state
            if upto <= part.base:
                self._swept()
                return
            with part.path.open("rb") as file:
                file.seek(max(0, upto - part.base - 64))
                before = file.read(min(64, upto - part.base))
                rest = file.read()
            if rest or (state and state["gen"] == part.gen):
                write_whole(self.folder / hook.part_name(part.gen, upto), rest)
            if state and state["gen"] == part.gen:
                state |= {"base": upto, "tail": hook.mark(before)}
                hook.write_state(str(self.folder), state, sync=True)
            part.path.unlink()
            self._swept()

    def _swept(self) -> None:
        """Remove empty parts that nothing is added to, and those of which a state says no more."""
        state = self.state
        for path in self.folder.iterdir():
            told = _PART.fullmatch(path.name)
            if told is None or not state:
                continue
            gen, base = int(told[1]), int(told[2])
            stale = gen == state["gen"] and base != state["base"]
            if stale or (gen < state["gen"] and path.stat().st_size == 0):
                path.unlink()


def whole_lines(path: Path, start: int, most: int) -> int:
    """Return where the last whole line ends of at most so many bytes from a start; else the start.

    A line of more than `most` bytes is cut there.
    """
    size = path.stat().st_size
    stop = min(size, start + most)
    with path.open("rb") as file:
        at = stop
        while at > start:
            begin = max(start, at - _BLOCK)
            file.seek(begin)
            block = file.read(at - begin)
            found = block.rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            at = begin
    return stop if stop - start >= most else start


def spooled(home: Path) -> list[Spooled]:
    """Return the transcripts in the spool, in a fixed order."""
    root = home / "spool"
    try:
        names = sorted(
            one.name
            for one in os.scandir(root)
            if one.is_dir(follow_symlinks=False) and one.name != "import"
        )
    except FileNotFoundError:
        return []
    return [Spooled(root / name) for name in names]


@contextlib.contextmanager
def importing(home: Path, patience_s: float = 60.0) -> Iterator[None]:
    """Hold the right to import: one process at a time. Raises `CaptureError` after a while."""
    root = home / "spool" / "import"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        lock = hook.Lock(str(root), patience_s)
    except TimeoutError as error:
        raise CaptureError(
            "another import is at work", mend="wait until it has ended; what is new stays new"
        ) from error
    with lock:
        yield
