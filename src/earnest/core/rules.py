"""What a rule is given of a row, and what counts as its answer.

One reading for who takes such claims and who tests them. Which columns hold numbers is settled
once, on the visible rows: those whose cells are numerals, all but 1 in 20 of those that are there.
A cell of such a column is given as an `int` where it is written as a whole number, else as a
`float`; any other cell as text (dates and truth words too), a missing one as None. The answer is a
finite number where the outcome column holds numbers, else a text, or a bool that stands for its
level `True` or `yes`, whatever its case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from earnest.core.kinds import Claim

if TYPE_CHECKING:
    import pandas as pd

Cell = int | float | str | None

_WHOLE: Final = re.compile(r"[-+]?\d{1,15}")
_TRUTH: Final = {True: ("true", "yes"), False: ("false", "no")}
_MOSTLY: Final = 0.95


@dataclass(frozen=True)
class RuleColumns:
    """How a rule's columns are read: which of `given` are `numeric`, whether the outcome is.

    `truths`: the outcome's levels that a bool stands for.
    """

    given: tuple[str, ...]
    numeric: frozenset[str]
    number: bool
    truths: Mapping[bool, str]

    @classmethod
    def of(cls, visible: pd.DataFrame, claim: Claim) -> Self:
        """Settle it on the visible rows: text cells, in which all of the claim's columns are."""
        levels = {
            str(level).casefold(): str(level) for level in visible[claim.outcome].dropna().unique()
        }
        truths = {
            truth: levels[word]
            for truth, words in _TRUTH.items()
            for word in words
            if word in levels
        }
        numeric = frozenset(name for name in claim.given if _numeric(visible[name]))
        return cls(claim.given, numeric, _numeric(visible[claim.outcome]), truths)

    def rows(self, frame: pd.DataFrame) -> list[dict[str, Cell]]:
        """Return what a rule is given of each row of text cells."""
        columns = [self._column(frame, name) for name in self.given]
        return [dict(zip(self.given, cells, strict=True)) for cells in zip(*columns, strict=True)]

    def _column(self, frame: pd.DataFrame, name: str) -> list[Cell]:
        column = frame[name]
        cells = [
            None if gone else str(cell) for cell, gone in zip(column, column.isna(), strict=True)
        ]
        if name not in self.numeric:
            return list(cells)
        read = {cell: _value(cell) for cell in set(cells) if cell is not None}
        return [None if cell is None else read[cell] for cell in cells]

    def answer(self, value: Any) -> float | str | None:
        """Return what a rule's value says the outcome is; None where it says nothing usable."""
        if not self.number:
            return self.truths.get(value) if type(value) is bool else _text(value)
        if type(value) not in (int, float, bool):
            return None
        try:
            found = float(value)
        except OverflowError:
            return None
        return found if math.isfinite(found) else None


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


def _numeric(cells: pd.Series[str]) -> bool:
    """Say whether a column holds numerals: neither truth words nor dates are any."""
    there = cells.dropna()
    if there.empty:
        return False
    read = there.map(lambda cell: not isinstance(_value(str(cell)), str))
    return bool(read.mean() > _MOSTLY)


def _value(cell: str) -> int | float | str:
    if _WHOLE.fullmatch(cell):
        return int(cell)
    try:
        found = float(cell)
    except ValueError:
        return cell
    return found if math.isfinite(found) else cell
