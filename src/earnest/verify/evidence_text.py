"""Writing changed copies of a table of which most columns stay as they are.

The file is cut around the columns that may change; a copy is the same text, its rows in another
order or some of them left out, with other cells in the cuts. The bytes are those that pandas'
`to_csv` gives of the whole table, which writes tables here as well.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

_QUOTED: Final = frozenset(',"\n')


@dataclass(frozen=True)
class Cut:
    """A table's text around some of its columns: `gaps` has a text a row before, between, after.

    `columns`: those that may change, in the order of the file.
    """

    head: str
    columns: tuple[str, ...]
    gaps: tuple[list[str], ...]

    def written(self, frame: pd.DataFrame) -> str:
        """Return the whole table with the cells of `frame`: its index says which rows, from 0."""
        rows = frame.index.tolist()
        alone = len(self.columns) == 1 and not any(self.gaps[0] + self.gaps[1])
        parts: list[list[str]] = [_picked(self.gaps[0], rows)]
        for name, gap in zip(self.columns, self.gaps[1:], strict=True):
            parts += [[_cell(cell, alone=alone) for cell in frame[name].tolist()]]
            parts += [_picked(gap, rows)]
        lines = map("".join, zip(*parts, strict=True))
        return self.head + "\n" + "".join(line + "\n" for line in lines)


def cut(text: str, columns: Sequence[str], rows: int) -> Cut | None:
    """Cut a file's text around columns; None where it does not have so many rows, one a line."""
    found = _split(text)
    head = next(found, [])
    names = _names(head)
    if "\r" in text or len(set(names)) != len(names) or not {*columns} <= {*names}:
        return None
    places = sorted(names.index(name) for name in {*columns})
    gaps: tuple[list[str], ...] = tuple([] for _ in range(len(places) + 1))
    for cells in found:
        if len(cells) != len(names):
            return None
        start = 0
        for gap, place in zip(gaps, places, strict=False):
            gap.append(_between(cells, start, place, len(names)))
            start = place + 1
        gaps[-1].append(_between(cells, start, len(names), len(names)))
    if len(gaps[0]) != rows:
        return None
    return Cut(",".join(head), tuple(names[place] for place in places), gaps)


def _split(text: str) -> Iterator[list[str]]:
    """Yield the cells of each line, as they are written."""
    if '"' not in text:
        for line in text.removesuffix("\n").split("\n"):
            yield line.split(",")
        return
    for cells in csv.reader(io.StringIO(text, newline="")):
        yield [_cell(cell, alone=len(cells) == 1) for cell in cells]


def _names(head: list[str]) -> list[str]:
    return next(csv.reader([",".join(head)]), [])


def _between(cells: list[str], start: int, end: int, width: int) -> str:
    """Return the cells from `start` to before `end`, with the commas at both sides."""
    inner = ",".join(cells[start:end])
    before = "," if start > 0 and end > start else ""
    after = "," if end < width and (end > start or start > 0) else ""
    return before + inner + after


def _picked(texts: list[str], rows: list[int]) -> list[str]:
    return [texts[row] for row in rows]


def _cell(cell: object, *, alone: bool) -> str:
    """Return a cell as `csv.writer` writes it; a missing one is empty."""
    text = cell if isinstance(cell, str) else ""
    if not text:
        return '""' if alone else ""
    return text if _QUOTED.isdisjoint(text) else '"' + text.replace('"', '""') + '"'
