"""Captured transcripts on disk: redacted lines, compressed, in chunks that are never changed.

`EARNEST_HOME/captured/ID/`: `session.json` says what it is, `G-FROM-TO.gz` holds the lines of the
transcript's generation G between two offsets. A chunk appears whole or not at all, and its name is
what says that these bytes are here: importing them again adds nothing. Its first line says how many
lines it has, with which number they begin, and what was redacted. A document is one chunk a
version, a piece a line: `{"in": PLACE, "value": …}`, or `"text"` where it is no JSON.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earnest.capture.formats import LINES, turns
from earnest.capture.lenient import mapping, read, whole, word, written
from earnest.capture.turns import Piece, Session, Turn
from earnest.core.errors import CaptureError
from earnest.core.home import write_whole

_CHUNK: Final = re.compile(r"(\d{6})-(\d{16})-(\d{16})\.gz")
_FORGOTTEN: Final = "forgotten"
_WAITS: Final = "waits"
VERSION: Final = 1
SKIPPED: Final = b" "
"""What stands in a chunk for a line that was blank."""


@dataclass(frozen=True)
class Chunk:
    """A stretch of a transcript's bytes, kept as redacted lines."""

    path: Path
    gen: int
    start: int
    stop: int

    def head(self) -> dict[str, Any]:
        """Return what its first line says. Raises `CaptureError`."""
        with self._open() as file:
            return self._head(file)

    def pieces(self) -> Iterator[Piece]:
        """Yield its lines. Raises `CaptureError`."""
        with self._open() as file:
            number = whole(self._head(file).get("line")) or 1
            at = 0
            while line := self._line(file):
                bare = line.rstrip(b"\n")
                if bare.strip():
                    yield Piece(bare, number, self.start + at)
                at += len(line)
                number += 1

    def _open(self) -> gzip.GzipFile:
        try:
            return gzip.open(self.path, "rb")
        except OSError as error:
            raise CaptureError(f"{self.path} can't be read: {error.strerror}") from error

    def _line(self, file: gzip.GzipFile) -> bytes:
        try:
            return file.readline()
        except (OSError, EOFError, ValueError) as error:
            raise CaptureError(f"{self.path} has changed: {error}") from error

    def _head(self, file: gzip.GzipFile) -> dict[str, Any]:
        found, problem = read(self._line(file))
        if problem or not isinstance(found, dict):
            raise CaptureError(f"{self.path} is no chunk of a transcript")
        return found


class Captured:
    """One captured transcript."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where it lies, or will lie."""
        self.folder = folder

    @property
    def id(self) -> str:
        """Its name here."""
        return self.folder.name

    @property
    def about(self) -> dict[str, Any]:
        """What is known of it; empty: nothing."""
        try:
            data = (self.folder / "session.json").read_bytes()
        except OSError:
            return {}
        return dict(mapping(read(data)[0]))

    @property
    def forgotten(self) -> bool:
        """Whether its content was removed on purpose: then nothing more is kept of it."""
        return (self.folder / _FORGOTTEN).exists()

    @property
    def waits(self) -> bool:
        """Whether what its session stated is still to be handed in."""
        return (self.folder / _WAITS).exists()

    def wait(self) -> None:
        """Note so, before lines are added: whoever adds them may be killed before handing in."""
        if not self.waits:
            write_whole(self.folder / _WAITS, b"")

    def wait_no_more(self) -> None:
        """Note that all that its session has stated so far was handed in."""
        (self.folder / _WAITS).unlink(missing_ok=True)

    def describe(self, **about: str) -> None:
        """Keep what is known of it, besides what was known before."""
        known = self.about
        fresh = {"version": VERSION, **known, **{key: one for key, one in about.items() if one}}
        if fresh != known:
            write_whole(self.folder / "session.json", json.dumps(fresh, indent=1).encode())

    def chunks(self) -> list[Chunk]:
        """Return its chunks, in their order."""
        if not self.folder.is_dir():
            return []
        found = [
            Chunk(path, *map(int, told.groups()))
            for path in self.folder.iterdir()
            if (told := _CHUNK.fullmatch(path.name))
        ]
        return sorted(found, key=lambda one: (one.gen, one.start))

    def end(self, gen: int) -> int:
        """Return up to which offset a generation is kept."""
        return max((one.stop for one in self.chunks() if one.gen == gen), default=0)

    def next_line(self, gen: int) -> int:
        """Return the number of the next line of a generation."""
        mine = [one for one in self.chunks() if one.gen == gen]
        if not mine:
            return 1
        head = mine[-1].head()
        return (whole(head.get("line")) or 1) + (whole(head.get("lines")) or 0)

    def add(
        self, gen: int, start: int, stop: int, lines: Iterable[bytes], head: dict[str, Any]
    ) -> None:
        """Keep the lines of a stretch; `head` may still change while they are taken."""
        draft = self.folder / f".{gen}-{start}.draft"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        body = self.folder / f".{gen}-{start}.body"
        with gzip.open(body, "wb", compresslevel=5) as file:
            for line in lines:
                file.write((line or SKIPPED) + b"\n")
        first = gzip.compress(json.dumps(head).encode() + b"\n", mtime=0)
        with draft.open("wb") as target, body.open("rb") as source:
            target.write(first)
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        draft.chmod(0o600)
        draft.replace(self.folder / f"{gen:06d}-{start:016d}-{stop:016d}.gz")
        body.unlink()

    def forget(self) -> None:
        """Remove its content, for good; that it was here stays known, so it does not come back."""
        write_whole(self.folder / _FORGOTTEN, b"")
        for chunk in self.chunks():
            chunk.path.unlink()

    def counts(self) -> dict[str, Any]:
        """Return its lines, its bytes as they were, and what was redacted, by kind."""
        redacted: Counter[str] = Counter()
        total = {"lines": 0, "bytes": 0}
        for chunk in self._current():
            head = chunk.head()
            total["lines"] += whole(head.get("lines")) or 0
            total["bytes"] += chunk.stop - chunk.start
            redacted.update(
                {key: one for key, one in mapping(head.get("redacted")).items() if whole(one)}
            )
        return {**total, "redacted": dict(sorted(redacted.items()))}

    def _current(self) -> list[Chunk]:
        """Return the chunks that its turns are read from: of a document, the newest version."""
        found = self.chunks()
        if word(self.about.get("format")) in LINES or not found:
            return found
        newest = found[-1].gen
        return [one for one in found if one.gen == newest]

    def pieces(self) -> Iterator[Piece]:
        """Yield what is kept, as it was read; lines that a new generation repeats, once."""
        found = self._current()
        if word(self.about.get("format")) not in LINES:
            for chunk in found:
                yield from map(_unwrapped, chunk.pieces())
            return
        seen: set[int] = set()
        several = len({one.gen for one in found}) > 1
        for chunk in found:
            for piece in chunk.pieces():
                if several:
                    mark = int.from_bytes(hashlib.blake2b(piece.raw, digest_size=8).digest())
                    if mark in seen:
                        continue
                    seen.add(mark)
                yield piece

    def session(self) -> Session:
        """Return it as a session. Reading its turns raises `CaptureError` where files changed."""
        about = {key: word(one) for key, one in self.about.items()}
        form = about.get("format", "")

        def source() -> Iterator[Turn]:
            return turns(form, self.pieces())

        names = ("path", "session_id", "cwd", "parent", "model")
        return Session(
            id=self.id, format=form, source=source, **{key: about.get(key, "") for key in names}
        )


def wrapped(piece: Piece) -> bytes:
    """Return a document's piece as one line, to be redacted and kept."""
    value, problem = read(piece.raw)
    if problem or not piece.whole:
        held: dict[str, Any] = {
            "text": piece.raw.decode("utf-8", "replace"),
            "why": problem or "cut",
        }
    else:
        held = {"value": value}
    return written({"in": piece.place, **held}).encode("utf-8", "replace")


def _unwrapped(piece: Piece) -> Piece:
    value, _ = read(piece.raw)
    inside = mapping(value)
    if "value" in inside:
        raw = written_json(inside["value"])
        return Piece(raw, piece.number, piece.offset, word(inside.get("in")))
    text = word(inside.get("text")).encode("utf-8", "replace") or piece.raw
    return Piece(text, piece.number, piece.offset, word(inside.get("in")), whole=False)


def written_json(value: Any) -> bytes:
    """Return a value's JSON."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


class Store:
    """All captured transcripts of a home."""

    def __init__(self, home: Path) -> None:
        """`home`: `EARNEST_HOME`."""
        self.root = home / "captured"

    def of(self, path: str, member: str = "") -> Captured:
        """Return the place of a transcript, by its path and, of a log, its sample."""
        named = hashlib.sha256(f"{path}\0{member}".encode("utf-8", "surrogateescape")).hexdigest()
        return Captured(self.root / named[:12])

    def all(self) -> list[Captured]:
        """Return what is captured, in a fixed order."""
        if not self.root.is_dir():
            return []
        return [
            Captured(one) for one in sorted(self.root.iterdir()) if (one / "session.json").exists()
        ]

    def find(self, name: str) -> Captured:
        """Return one by the beginning of its name, or of its session's. Raises `CaptureError`."""
        by_id = [one for one in self.all() if name and one.id.startswith(name)]
        found = by_id or [
            one
            for one in self.all()
            if name
            and word(one.about.get("session_id")).startswith(name)
            and not one.about.get("parent")
        ]
        if len(found) == 1:
            return found[0]
        what = "no captured session" if not found else f"{len(found)} captured sessions"
        raise CaptureError(f"{what} {name!r}", mend="name one of: earnest capture list")
