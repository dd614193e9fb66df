"""A transcript as pieces, one at a time: lines, or the elements of a document's arrays.

A document is cut at its commas while it is read, without being parsed as a whole: so one of any
size takes little memory, and of one that ends too early each element before its end is there.
Nothing is judged here: what is no JSON comes out as pieces as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from earnest.capture.lenient import read, word
from earnest.capture.turns import MOST_PIECE, Piece

_BLOCK: Final = 1 << 20
_IN_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_MARK: Final = re.compile(rb'["{}\[\],]')
_MEMBER: Final = re.compile(rb'\s*+("(?:[^"\\]|\\.)*+")\s*+:\s*+', re.DOTALL)


def lines(
    file: BinaryIO, *, number: int = 1, offset: int = 0, most: int = MOST_PIECE
) -> Iterator[Piece]:
    """Yield a file's lines without their ends, blank ones left out; longer ones in parts."""
    whole = True
    while line := file.readline(most):
        ended = line.endswith(b"\n")
        bare = line.rstrip(b"\r\n") if ended else line
        more = not ended and len(line) == most
        if bare.strip():
            yield Piece(bare, number, offset, whole=whole and not more)
        offset += len(line)
        whole = not more
        number += whole


class _Cutter:
    """Cuts one document, fed block by block."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.depth = 0
        self.root = b""
        self.array: str | None = None
        self.in_string = self.escaped = False
        self.held = bytearray()
        self.start = 0
        self.at = 0
        self.number = 0
        self.whole = True

    def feed(self, block: bytes) -> Iterator[Piece]:
        """Yield the pieces that a block completes."""
        position = cut = 0
        while position < len(block):
            if self.in_string:
                position = self._string(block, position)
                continue
            found = _MARK.search(block, position)
            if found is None:
                break
            position = found.end()
            if found[0] == b'"':
                self.in_string = True
                continue
            if self._enters(found[0], block, cut, position - 1):
                cut, self.start = position, self.at + position
            elif self._cuts(found[0]):
                yield from self._piece(block[cut : position - 1])
                cut, self.start = position, self.at + position
            self._moved(found[0])
        self.held += block[cut:]
        self.at += len(block)
        if len(self.held) >= self.most:
            self.whole = False
            yield from self._piece(b"")
            self.start, self.whole = self.at, False

    def end(self) -> Iterator[Piece]:
        """Yield what is left."""
        self.whole = False
        yield from self._piece(b"")

    def _string(self, block: bytes, position: int) -> int:
        """Return where a string, or the block, ends."""
        if self.escaped:
            self.escaped = False
            position += 1
        found = _IN_STRING.match(block, position)
        position = found.end() if found else position
        if position < len(block):
            self.in_string = block[position : position + 1] != b'"'
            self.escaped = self.in_string
            position += 1
        return position

    @property
    def _level(self) -> int:
        return 1 if self.array is None else 2

    def _enters(self, mark: bytes, block: bytes, start: int, stop: int) -> bool:
        """Say whether a mark opens an array that is the member of the document."""
        if mark != b"[" or self.depth != 1 or self.root != b"{":
            return False
        member = _MEMBER.fullmatch(bytes(self.held + block[start:stop]))
        if member is None:
            return False
        self.array = word(read(member[1])[0])
        self.held.clear()
        return True

    def _cuts(self, mark: bytes) -> bool:
        """Say whether a piece ends at a mark."""
        if mark in b"[{":
            return self.depth == 0
        return self.depth == self._level

    def _piece(self, rest: bytes) -> Iterator[Piece]:
        raw = bytes(self.held + rest)
        self.held.clear()
        start = self.start + len(raw) - len(raw.lstrip())
        raw, place = raw.strip(), ""
        if self.depth and self.array is not None:
            place = f"{self.array}[]"
        elif self.depth and self.root == b"[":
            place = "[]"
        elif self.depth and (member := _MEMBER.match(raw)):
            place = word(read(member[1])[0])
            start += member.end()
            raw = raw[member.end() :]
        whole, self.whole = self.whole, True
        if raw:
            self.number += 1
            yield Piece(raw, self.number, start, place, whole)

    def _moved(self, mark: bytes) -> None:
        if mark in b"[{":
            if self.depth == 0:
                self.root = mark
            self.depth += 1
        elif mark in b"]}":
            if self.depth == 2:
                self.array = None
            self.depth = max(0, self.depth - 1)


def document(file: BinaryIO, *, most: int = MOST_PIECE) -> Iterator[Piece]:
    """Yield a JSON document's elements and members; a longer one than `most` in parts."""
    cutter = _Cutter(most)
    while block := file.read(_BLOCK):
        yield from cutter.feed(block)
    yield from cutter.end()
