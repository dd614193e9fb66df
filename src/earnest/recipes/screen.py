"""Lines at the foot of a terminal that are drawn anew in place, and the width of text in cells.

Only three control sequences are sent: up, to the start of the line, erase to the end. The cursor is
never hidden and no mode is set, so a process that is killed leaves a terminal as it was. After a
resize the lines are taken to have been wrapped anew, as most terminals do; one that cuts them off
instead loses some lines of what stood above. Not covered: the width of characters that terminals
do not agree on (East Asian *ambiguous* ones count as one cell).
"""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Sequence
from typing import Final, TextIO

from earnest.core.quoted import unseen, written_out

STYLES: Final = {"bold": "1", "dim": "2", "good": "32", "bad": "31", "odd": "33", "link": "36"}
_PLAIN: Final = ("bold", "dim")  # what is no colour


def shown(text: str) -> str:
    """Return text in one line for a terminal: what does not show in it is written out.

    What was written out already stays as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(written_out(char) if unseen(char) else char for char in text)


def width(text: str) -> int:
    """Return how many cells a plain text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def clip(text: str, most: int) -> str:
    """Return as much of a plain text as fits into so many cells, the last one telling of a cut."""
    if width(text) <= most:
        return text
    kept, used = [], 0
    for char in text:
        used += _cells(char)
        if used > most - 1:
            break
        kept.append(char)
    return "".join(kept) + "…" if most > 0 else ""


def wrapped(text: str, most: int) -> list[str]:
    """Return a plain text in lines of at most so many cells, cut at spaces where there are some."""
    lines, rest = [], text
    while width(rest) > most > 1:
        piece = clip(rest, most + 1)[:-1]
        at = piece.rfind(" ")
        piece = piece[: at + 1] if at > len(piece) // 2 else piece
        lines.append(piece.rstrip())
        rest = rest[len(piece) :].lstrip()
    return [*lines, rest]


class Styled:
    """A line of parts, each with a style's name or none; what does not show is written out."""

    def __init__(self, *parts: tuple[str, str]) -> None:
        """`parts`: (text, style)."""
        self.parts = [(shown(text), style) for text, style in parts]

    def drawn(self, most: int, colour: bool) -> tuple[str, int]:
        """Return the line cut to so many cells, with its styles, and the cells it takes."""
        out, used = [], 0
        for text, style in self.parts:
            piece = clip(text, most - used)
            used += width(piece)
            styled = style and (colour or style in _PLAIN)
            out.append(f"\x1b[{STYLES[style]}m{piece}\x1b[0m" if styled and piece else piece)
        return "".join(out), used


class Region:
    """The lines at the foot of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        """`stream`: a terminal."""
        self.stream = stream
        self.colour = not os.environ.get("NO_COLOR")
        self._drawn: list[int] = []

    def size(self) -> tuple[int, int]:
        """Return columns and rows, as they are now."""
        usual = shutil.get_terminal_size()
        try:
            found = os.get_terminal_size(self.stream.fileno())
        except (OSError, ValueError):
            found = usual
        # One that nobody told its size (some ssh, script, expect) says 0.
        return max(2, found.columns or usual.columns), max(2, found.lines or usual.lines)

    def draw(self, lines: Sequence[Styled]) -> None:
        """Draw these lines in the place of those that stand there."""
        columns, rows = self.size()
        made = [line.drawn(columns - 1, self.colour) for line in lines[: rows - 1]]
        before = self._wipe(columns)
        self._drawn = [used for _, used in made]
        self._send(before + "\n".join(text for text, _ in made))

    def print(self, lines: Sequence[str]) -> None:
        """Print lines above, for good; what stood at the foot is gone until it is drawn again."""
        before = self._wipe(self.size()[0])
        self._drawn = []
        self._send(before + "".join(f"{shown(line)}\n" for line in lines))

    def _wipe(self, columns: int) -> str:
        """Return what takes the lines at the foot away."""
        if not self._drawn:
            return ""
        up = sum(max(1, -(-used // columns)) for used in self._drawn) - 1
        return "\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J"

    def _send(self, text: str) -> None:
        encoding = self.stream.encoding or "ascii"
        self.stream.write(text.encode(encoding, "replace").decode(encoding))
        self.stream.flush()
