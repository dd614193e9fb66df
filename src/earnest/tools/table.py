"""Whether a claim fits the visible rows: its columns, its levels, its subset.

Looks at shape only and computes no effect.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers, read_cells, same_level, select
from earnest.core.errors import ToolError, UsageError
from earnest.core.records import Claim, TableRef

if TYPE_CHECKING:
    import pandas as pd

_LEAST_ROWS: Final = 8
_SHOWN: Final = 12
_COUNTED: Final = ("count", "distinct", "missing", "share")
_OF_MODIFIER: Final = ("stronger", "weaker")
_LARGEST_SHARE: Final = 0.05


def check_claim(claim: Claim, ref: TableRef, file: Path) -> None:
    """Raise `ToolError`, which names the mend, where the claim can't be about this table."""
    for name in claim.columns:
        if name not in ref.columns:
            raise ToolError(
                f"the table {ref.name} has no column {name!r}",
                mend=f"its columns are {', '.join(ref.columns)}",
            )
    try:
        rows = select(read_cells(file), claim.subset)
        select(rows, claim.where)
        if not claim.descriptive:
            rows = rows.dropna(subset=list(claim.complete))
        least = 1 if claim.descriptive else _LEAST_ROWS
        if len(rows) < least:
            raise ToolError(
                f"{len(rows)} visible rows have the columns and the subset of the claim: "
                f"at least {least} are needed",
                mend="check the spelling of the subset's values, or widen it",
            )
        for name in _numeric(claim):
            numbers(rows[name])
    except UsageError as error:
        raise ToolError(str(error), mend=error.mend) from error
    _check_levels(rows, claim)
    if not claim.descriptive:
        _check_reach(rows, claim, ref)


def _numeric(claim: Claim) -> list[str]:
    """Return the columns of a claim that must hold numbers."""
    if (
        claim.kind in ("anomaly", "rule")
        or claim.direction == "dependent"
        or claim.statistic in _COUNTED
    ):
        return []
    found = [] if claim.outcome_order else [claim.outcome]
    of_levels = claim.group is not None and claim.direction not in _OF_MODIFIER
    if claim.exposure and not claim.order and not of_levels:
        found.append(claim.exposure)
    return found


def _check_level(cells: pd.Series[str], level: str) -> None:
    if not same_level(cells, level).any():
        levels = cells.value_counts().index[:_SHOWN]
        raise ToolError(
            f"{level!r} is no value of {cells.name!r} among these rows",
            mend=f"its most frequent values are {', '.join(map(repr, levels))}",
        )


def _check_levels(rows: pd.DataFrame, claim: Claim) -> None:
    for column, order in ((claim.exposure, claim.order), (claim.outcome, claim.outcome_order)):
        for level in order:
            _check_level(rows[column], level)
    if claim.group is None:
        return
    cells = rows[claim.modifier if claim.direction in _OF_MODIFIER else claim.exposure]
    for level in filter(None, (claim.group, claim.versus)):
        _check_level(cells, level)
    if claim.versus is None and same_level(cells, claim.group).all():
        raise ToolError(f"all rows have {cells.name} {claim.group!r}: nothing to compare with")


def _check_reach(rows: pd.DataFrame, claim: Claim, ref: TableRef) -> None:
    """Refuse a claim whose test has too few ways to exchange its units to be ever confirmed.

    Told by the visible rows, as if the sealed ones were as many: no share of the error budget is
    above 5 %.
    """
    kind, _, column = ref.design.partition(":")
    if claim.direction == "holds":
        _check_share(claim.threshold or 0.0, rows[column].nunique() if column else len(rows))
    if kind == "time" or claim.group is None:
        ways = math.inf if kind != "grouped" else 2.0 ** min(1000, rows[column].nunique())
    else:
        ways = _ways(rows, claim, column if kind == "grouped" else "")
    if ways * _LARGEST_SHARE < 1:
        raise ToolError(
            f"even the clearest outcome could not reach p = {_LARGEST_SHARE:g}: too few units to "
            f"exchange, {ways:.0f} ways in the visible rows",
            mend="claim something of more rows, groups or levels",
        )


def _check_share(share: float, units: int) -> None:
    """Refuse a rule that could hold in every unit, and still not show so large a share."""
    if share**units > _LARGEST_SHARE:
        most = math.floor(1000 * _LARGEST_SHARE ** (1 / units)) / 1000
        raise ToolError(
            f"even a rule that holds in all of {units} rows or groups could not reach p = "
            f"{_LARGEST_SHARE:g} against a share of {share:g}",
            mend=f"claim a share of at most {most:g}",
        )


def _ways(rows: pd.DataFrame, claim: Claim, column: str) -> float:
    """Return in how many ways two groups' units can be exchanged."""
    cells = rows[claim.modifier if claim.direction in _OF_MODIFIER else claim.exposure]
    inside = same_level(cells, claim.group or "")
    versus = ~inside if claim.versus is None else same_level(cells, claim.versus)
    if not column:
        ones, others = int(inside.sum()), int(versus.sum())
    else:
        first, second = set(rows[column][inside]), set(rows[column][versus])
        if first & second:
            return 2.0 ** min(1000, len(first & second))
        ones, others = len(first), len(second)
    return float(min(math.comb(ones + others, ones), 10**300))
