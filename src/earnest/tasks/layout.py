"""Where in a text the table is: its delimiter, its header, the lines above, below and between.

One pass over the records; of a record only its width and its place are kept. What is left out is
said; what can't be told apart is an error that names the lines.
"""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from earnest.core.errors import TableError
from earnest.tasks.assume import Assumed

DELIMITERS: Final = ",;\t|"
_HEAD: Final = 200
_MOST_BLOCKS: Final = 200
_FIRST: Final = 5
_MOST_SHORT: Final = 0.05
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_NUMERAL: Final = re.compile(r"[\s$€£]*[-+(]?[\d.,' ]*\d[\d.,' ]*(?:[eE][-+]?\d+)?[\s%)€]*")
_QUOTE_CELLS: Final = "give every line as many cells as the header; quote cells that hold the "


@dataclass
class _Block:
    """Records between blank ones: where it starts, how wide its records are, its first few."""

    start: int
    first: list[list[str]] = field(default_factory=list)
    widths: Counter[int] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        return sum(self.widths.values())

    @property
    def width(self) -> int:
        """The usual width; cells that are empty at the end of the first record don't count."""
        usual = self.widths.most_common(1)[0][0]
        if len(self.first) > 1 and len(self.first[0]) == usual:
            usual = max(_filled(record) for record in self.first)
        return usual


@dataclass
class _Scan:
    """What one pass over the records keeps. Lines count from 1, characters from 0."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    widths: array[int] = field(default_factory=lambda: array("l"))
    head: list[list[str]] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)


def _filled(record: Sequence[str]) -> int:
    """Return the width without empty cells at the end."""
    return next((n for n in range(len(record), 0, -1) if record[n - 1].strip()), 0)


def is_numeral(cell: str) -> bool:
    """Say whether a cell looks like a number in some notation."""
    return _NUMERAL.fullmatch(cell) is not None


@contextlib.contextmanager
def _any_length() -> Iterator[None]:
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def find_delimiter(text: str) -> str:
    """Return the mark that splits most of the first lines into the same number of cells, > 1."""
    with _any_length():
        lines = [found[0] for found, _ in zip(_LINE.finditer(text), range(_HEAD), strict=False)]
        scores = {}
        for mark in DELIMITERS:
            rows = csv.reader(lines, delimiter=mark, skipinitialspace=True)
            widths = Counter(len(row) for row in rows if len(row) > 1)
            if widths:
                width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
                scores[mark] = (count, width)
    return max(scores, key=lambda mark: scores[mark], default=",")


def _scan(text: str, mark: str) -> _Scan:
    found, at = _Scan(), 0

    def lines() -> Iterator[str]:
        nonlocal at
        for line in _LINE.finditer(text):
            at = line.end()
            yield line[0]

    reader = csv.reader(lines(), delimiter=mark, skipinitialspace=True)
    start, line, open_block = 0, 1, False
    for record in reader:
        blank = not any(map(str.strip, record))
        if not blank:
            if not open_block and len(found.blocks) < _MOST_BLOCKS:
                found.blocks.append(_Block(len(found.widths)))
            block = found.blocks[-1]
            block.widths[len(record)] += 1
            if len(block.first) < _FIRST:
                block.first.append(record)
        open_block = not blank
        found.starts.append(start)
        found.ends.append(at)
        found.lines.append(line)
        found.widths.append(0 if blank else len(record))
        if len(found.head) < _HEAD:
            found.head.append(record)
        start, line = at, reader.line_num + 1
    return found


@dataclass(frozen=True)
class Layout:
    """The part of a text that is the table: from its header to its last row."""

    start: int
    stop: int
    mark: str
    header: tuple[str, ...]


def lay_out(text: str, path: Path, assumed: Assumed) -> Layout:
    """Find the table in a text. Raises `TableError`, naming lines and the mend."""
    mark = find_delimiter(text)
    with _any_length():
        try:
            scan = _scan(text, mark)
        except csv.Error as error:
            raise TableError(
                f"{path} is not a table: {error}", mend=_QUOTE_CELLS + "delimiter"
            ) from error
    width = _usual(scan)
    top = _header(scan, width, path)
    last = _last(scan, top, width)
    _refuse_several(scan, top, last, path)
    _refuse_ragged(scan, top, last, width, path, mark)
    _say(scan, top, last, width, assumed)
    header = tuple(cell.strip() for cell in scan.head[top])
    return Layout(scan.starts[top], scan.ends[last], mark, header)


def _usual(scan: _Scan) -> int:
    """Return the width of most records, of those with more than one cell if there are any."""
    widths = Counter(width for width in scan.widths if width > 1) or Counter({1: 1})
    return max(widths.items(), key=lambda item: (item[1], item[0]))[0]


def _header(scan: _Scan, width: int, path: Path) -> int:
    """Return which record is the header: the first that has the usual width, mostly filled."""
    right = [n for n, record in enumerate(scan.head) if len(record) == width]
    if width < 2 or not right:
        raise TableError(
            f"{path} has one column", mend="a claim needs two columns: check the delimiter"
        )
    least = max(2, width // 2)
    top = next(
        (n for n in right if sum(bool(cell.strip()) for cell in scan.head[n]) >= least), right[0]
    )
    cells = [cell for cell in scan.head[top] if cell.strip()]
    numerals = sum(map(is_numeral, cells))
    above = next((scan.head[n] for n in range(top - 1, -1, -1) if scan.widths[n]), [])
    if len(above) > 1 and numerals and not any(map(is_numeral, above)):
        raise TableError(
            f"{path} is not a table: its rows have {width} cells and its header {len(above)}",
            mend=_QUOTE_CELLS + "delimiter",
        )
    if numerals == len(cells):
        raise TableError(
            f"{path} has no header: line {scan.lines[top]} holds numbers only",
            mend="write the columns' names into the first line",
        )
    return top


def _last(scan: _Scan, top: int, width: int) -> int:
    """Return the last record of the table: single cells and blank lines below are none of it."""
    last = len(scan.widths) - 1
    for block in reversed(scan.blocks[1:]):
        notes = all(sum(bool(cell.strip()) for cell in record) == 1 for record in block.first)
        if width < 3 or block.start <= top or block.records > len(block.first) or not notes:
            break
        last = block.start - 1
    while last > top and (scan.widths[last] == 0 or (scan.widths[last] == 1 and width > 2)):
        last -= 1
    return last


def _refuse_several(scan: _Scan, top: int, last: int, path: Path) -> None:
    """Raise `TableError` where a later block of records is another table."""
    own = [n for n, block in enumerate(scan.blocks) if block.start <= top]
    if not own:
        return
    main = scan.blocks[own[-1]]
    header = scan.head[top]
    rows = scan.head[top + 1] if top + 1 < len(scan.head) else []
    width = max(_filled(header), _filled(rows))
    for block in scan.blocks[own[-1] + 1 :]:
        if block.start > last or block.records < 2 or block.width < 2 or block.first[0] == header:
            continue
        if block.width != width or _headed(block, main, rows):
            raise TableError(
                f"{path} holds several tables: one begins in line {scan.lines[top]}, "
                f"another in line {scan.lines[block.start]}",
                mend="write each table to its own file",
            )


def _headed(block: _Block, main: _Block, row: Sequence[str]) -> bool:
    """Whether a block begins with names where it, and the table before it, hold numbers."""
    if block is main or len(block.first) < 2:
        return False
    places = [
        place
        for place, (cell, above) in enumerate(zip(block.first[1], row, strict=False))
        if is_numeral(cell) and is_numeral(above)
    ]
    heads = [block.first[0][place] for place in places if place < len(block.first[0])]
    return bool(heads) and not any(is_numeral(cell) or not cell.strip() for cell in heads)


def _refuse_ragged(scan: _Scan, top: int, last: int, width: int, path: Path, mark: str) -> None:
    body = scan.widths[top + 1 : last + 1]
    for number, found in enumerate(body):
        if found > width:
            raise TableError(
                f"{path} is not a table: line {scan.lines[top + 1 + number]} has {found} cells, "
                f"the header {width}",
                mend=_QUOTE_CELLS + repr(mark),
            )
    short = [n for n, found in enumerate(body) if 0 < found < width]
    if len(short) > max(1, _MOST_SHORT * len(body)):
        line = scan.lines[top + 1 + short[0]]
        raise TableError(
            f"{path} is not a table: {len(short):,} lines have fewer cells than its header, "
            f"the first is line {line}",
            mend=_QUOTE_CELLS + repr(mark),
        )


def _say(scan: _Scan, top: int, last: int, width: int, assumed: Assumed) -> None:
    above = [n for n in range(top) if scan.widths[n]]
    if above:
        words = " ".join(filter(None, (cell.strip() for cell in scan.head[above[0]])))[:60]
        said = f"lines above the header are no part of the table ({words!r})"
        assumed.add("preamble", said, count=len(above))
    below = sum(scan.widths[n] > 0 for n in range(last + 1, len(scan.widths)))
    if below:
        assumed.add("footer", "lines below the table are no part of it", count=below)
    short = sum(0 < found < width for found in scan.widths[top + 1 : last + 1])
    if short:
        assumed.add("short-rows", "lines that end early: what they lack is missing", count=short)
