"""One notation a column: missing cells, numbers and dates, once the split has been decided.

The split hashes cells as they stand in the file, so a row keeps its side whatever is decided here;
what is decided here may rest on the whole column, and on rows that come later. The columns that
decide sides (a group, a key) are left as they stand. A cell is rewritten, never dropped, and a
value that only looks like a code for "missing" (-999) is said and kept.

Not covered: units in words (`5 kg`), fractions, dates in other languages than English, and codes
that lie within the range of the other values (99 for an age).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from earnest.core.errors import TableError
from earnest.tasks.assume import Assumed, Assumption, Dates, Reading
from earnest.tasks.dates import dates, looks_dated
from earnest.tasks.numerals import numerals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

MOSTLY: Final = 0.95  # as in earnest.core.columns
_PART: Final = 0.2
_SAMPLE: Final = 200
# What pandas takes for missing if nobody stops it, what core.columns does, and Excel's errors.
_MISSING: Final = frozenset(
    re.split(
        r"\|",
        "NA|N/A|n/a|NaN|nan|-NaN|-nan|NULL|null|<NA>|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|1.#IND|"
        "1.#QNAN|na|n.a.|N.A.|#VALUE!|#DIV/0!|#REF!|#NAME?|#NUM!|#NULL!|\\N",
    )
)
_LOOSE: Final = frozenset(  # missing among numbers and dates only: elsewhere it may be a level
    re.split(
        r"\|",
        "none|missing|unknown|nil|unk|tbd|nd|n.d.|n/d|k.a.|na/na|(missing)|(none)|(na)|"
        "not available|not applicable|no data|not reported",
    )
)
_DASH: Final = re.compile(r"[-\u2013\u2014]{1,3}|\.{1,3}|\u2026|\?{1,3}|\*{1,3}")
_SYMBOLS: Final = re.compile(r"[^\w\s]+")
_CODES: Final = frozenset(
    sign * float(digit * places) for sign in (1, -1) for digit in "98" for places in (2, 3, 4, 5)
) | {-1.0, -9.0, -8.0}
_SURE_CODES: Final = (-9.0, -99.0, -999.0, -9999.0)
_DATE_NAME: Final = re.compile(r"date|datum|day$|^ymd|time", re.I)
_TEXT_LENGTH: Final = 40
_CONSTANT: Final = "columns with one value are left out: nothing can be claimed of them"


@dataclass(frozen=True)
class Tidied:
    """A table in one notation, and what was assumed for that.

    `orders`: which part of a date comes first, by column; `doubtful`: where nothing decides it.
    """

    cells: pd.DataFrame
    orders: Mapping[str, Dates] = field(default_factory=dict)
    doubtful: Collection[str] = ()
    assumed: tuple[Assumption, ...] = ()


def tidy(
    raw: pd.DataFrame,
    reading: Reading,
    *,
    keep: Collection[str] = (),
    before: Mapping[str, Dates] | None = None,
) -> Tidied:
    """Unify the notations of a frame of text cells; the columns in `keep` stay as they stand.

    `before`: how the dates of a column were read in an earlier version of the table. Columns
    without two different cells are left out of the result, unless kept. Raises `TableError` where
    a column's dates contradict each other.
    """
    import numpy as np
    import pandas as pd

    tidier = _Tidier(reading, before or {})
    out: dict[str, pd.Series[str]] = {}
    for name in raw.columns:
        if name in keep:
            out[name] = raw[name]
            continue
        codes, distinct = pd.factorize(raw[name])
        values = pd.to_numeric(pd.Series(distinct), errors="coerce").to_numpy(
            dtype=float, na_value=np.nan
        )
        found: list[str] = distinct.to_numpy(dtype=object).tolist()
        counts = np.bincount(codes, minlength=len(found))
        changed = tidier.unified(_Column(name, found, counts, values)) if len(found) > 1 else found
        if len(set(changed)) < 2:
            tidier.assumed.add("constant", _CONSTANT, name, count=1)
        elif changed == found:
            out[name] = raw[name]
        else:
            written = np.array(changed, dtype=object)[codes]
            out[name] = pd.Series(written, index=raw.index, dtype="str")
    cells = pd.DataFrame(out, index=raw.index)
    return Tidied(cells, tidier.orders, tidier.doubtful, tidier.assumed.all())


@dataclass
class _Column:
    """A column by its distinct cells: how often each stands there, and what pandas reads it as.

    `present`: the places of those that are neither empty nor a word or mark for missing.
    """

    name: str
    raw: list[str]
    counts: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    cells: list[str] = field(default_factory=list)
    present: list[int] = field(default_factory=list)

    def total(self, where: Collection[int]) -> int:
        """How many cells of the column these distinct ones are."""
        return int(self.counts[list(where)].sum()) if where else 0

    def share(self, where: Collection[int]) -> float:
        """The same as a share of the cells that are present."""
        return self.total(where) / max(1, self.total(self.present))

    def texts(self) -> list[str]:
        """The distinct cells that are present."""
        return [self.cells[n] for n in self.present]

    def read(self, cells: Sequence[str | None]) -> dict[int, str]:
        """Put what was read of the present cells at their places."""
        return {n: cell for n, cell in zip(self.present, cells, strict=True) if cell is not None}


class _Tidier:
    """Reads columns one by one and notes what it assumes."""

    def __init__(self, reading: Reading, before: Mapping[str, Dates]) -> None:
        self.reading, self.before, self.assumed = reading, before, Assumed()
        self.orders: dict[str, Dates] = {}
        self.doubtful: set[str] = set()

    def unified(self, column: _Column) -> list[str]:
        """Return what becomes of each distinct cell of a column."""
        import numpy as np

        odd = np.flatnonzero(np.isnan(column.values)).tolist()
        named = _DATE_NAME.search(column.name)
        if all(column.raw[n] == "" for n in odd) and not (named and _days(column.raw)):
            self._codes(column, column.values)
            return column.raw
        cells = column.cells = [cell.strip() for cell in column.raw]
        missing = {n for n in odd if cells[n] in _MISSING}
        marks = {n for n in odd if _DASH.fullmatch(cells[n])}
        loose = {n for n in odd if cells[n].lower() in _LOOSE}
        out = missing | marks | loose
        column.present = [n for n, cell in enumerate(cells) if cell and n not in out]
        found = self._dates(column)
        if found is None:
            found = self._numbers(column)
        if found is not None:
            missing |= marks | loose
            for n, cell in found.items():
                cells[n] = cell
        else:
            if not any(_SYMBOLS.fullmatch(cell) for cell in column.texts()):
                missing |= marks  # where + is a level, - is one too
            self._text(column)
            self._keep_none(column)
        for n in sorted(missing):
            said = f"{cells[n]!r} is read as missing"
            self.assumed.add("missing", said, column.name, count=column.total([n]))
            cells[n] = ""
        return cells

    def _keep_none(self, column: _Column) -> None:
        """A level that is called None is written so that no reader takes it for missing."""
        for n, cell in enumerate(column.cells):
            if cell == "None":
                said = "'None' is a level, written 'none' so that no reader takes it for missing"
                self.assumed.add("missing", said, column.name, count=column.total([n]))
                column.cells[n] = "none"

    def _dates(self, column: _Column) -> dict[int, str] | None:
        """Return ISO dates for a column of dates; None where it is none."""
        texts = column.texts()
        digits = bool(_DATE_NAME.search(column.name)) and _days(texts)
        if not digits and looks_dated(texts[:: max(1, len(texts) // _SAMPLE)]) <= 0.5:
            return None
        before = self.before.get(column.name, "")
        why = "as in an earlier version of the table" if before else "as you said"
        parsed = dates(texts, before or self.reading.dates, why)
        found = column.read(parsed.cells)
        if column.share(found) <= MOSTLY:
            return None
        _refuse_clash(column, parsed.clash)
        if parsed.order:
            self.orders[column.name] = parsed.order
        if parsed.doubtful:
            self.doubtful.add(column.name)
        for said in parsed.said:
            self.assumed.add("dates", said, column.name, count=column.total(found))
        self._odd(column, found, "dates")
        return found

    def _numbers(self, column: _Column) -> dict[int, str] | None:
        """Return plain numerals, where they change, for a column of numbers; None for another."""
        import numpy as np

        if not column.present:
            return None
        plain = {n: column.cells[n] for n in column.present if not np.isnan(column.values[n])}
        if len(plain) == len(column.present):
            self._codes(column, column.values)
            return {}
        parsed = numerals(column.texts(), self.reading.decimal)
        found = plain | column.read(parsed.cells)
        best = column.share(found)
        if best <= MOSTLY:
            self._mixed(column, best, parsed.refused)
            return None
        changed = {n: cell for n, cell in found.items() if cell != column.cells[n]}
        for what, said in parsed.said if changed else ():
            self.assumed.add(what, said, column.name, count=column.total(changed))
        self._odd(column, found, "numbers")
        values = np.full(len(column.cells), np.nan)
        values[list(found)] = [float(cell) for cell in found.values()]
        self._codes(column, values)
        return changed

    def _mixed(self, column: _Column, share: float, refused: str) -> None:
        digits = [n for n in column.present if _only_digits(column.cells[n])]
        if refused and column.share(digits) > MOSTLY:
            said = f"read as text, not as numbers: {refused}"
        elif share > _PART:
            said = f"{share:.0%} of the cells are numbers, too few: read as text"
        else:
            return
        self.assumed.add("mixed", said, column.name, count=column.total(column.present))

    def _odd(self, column: _Column, found: Collection[int], what: str) -> None:
        odd = [n for n in column.present if n not in found]
        if odd:
            examples = ", ".join(repr(column.cells[n][:20]) for n in odd[:3])
            said = f"cells that are no {what} stay, and count as missing among them: {examples}"
            self.assumed.add("mixed", said, column.name, count=column.total(odd))

    def _codes(self, column: _Column, values: npt.NDArray[np.float64]) -> None:
        """Say where a value stands far from all others and is one that people write for missing.

        `values`: of each distinct cell; NaN where it is no number.
        """
        import numpy as np

        codes = np.isin(values, list(_CODES))
        others = values[np.isfinite(values) & ~codes]
        if not codes.any() or len(others) < 3:
            return
        low, high = float(others.min()), float(others.max())
        for code in sorted(set(values[codes].tolist())):
            far = max(low - code, code - high) > (high - low) / 2
            if far or (low >= 0 and code in _SURE_CODES):
                said = f"{code:g} may stand for missing; it is kept as a number"
                count = column.total(np.flatnonzero(values == code).tolist())
                self.assumed.add("code", said, column.name, count=count)

    def _text(self, column: _Column) -> None:
        formulas = [n for n in column.present if re.match(r"=.", column.cells[n])]
        if formulas:
            said = "cells that begin with = are text: no formula is computed"
            self.assumed.add("formulas", said, column.name, count=column.total(formulas))
        lengths, count = sorted(map(len, column.texts())), column.total(column.present)
        if lengths and lengths[len(lengths) // 2] > _TEXT_LENGTH and len(lengths) > count / 2:
            said = "free text: no claim of numbers or levels can rest on it"
            self.assumed.add("text", said, column.name, count=count)


def _only_digits(cell: str) -> bool:
    return any(char.isdigit() for char in cell) and not any(char.isalpha() for char in cell)


def _days(texts: Sequence[str]) -> bool:
    """Whether all cells are days written in digits only, such as 20240131, within two centuries."""
    if not all(len(text) == 8 and text.isdigit() and "1850" < text < "2150" for text in texts):
        return False
    return bool(texts) and all(cell is not None for cell in dates(texts).cells)


def _refuse_clash(column: _Column, clash: Sequence[str]) -> None:
    if clash:
        raise TableError(
            f"the dates of {column.name!r} contradict each other: in {clash[0]!r} the day comes "
            f"first, in {clash[1]!r} the month",
            mend="write them as YYYY-MM-DD, or say how those are meant that can be either: "
            "--read dates=day-first (or month-first)",
        )
