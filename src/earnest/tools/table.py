"""Whether a claim fits the visible rows: its columns, its levels, its subset.

Looks at shape only and computes no effect.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers, read_cells, same_level, select
from earnest.core.errors import ToolError, UsageError
from earnest.core.records import Claim, TableRef

if TYPE_CHECKING:
    import pandas as pd

_LEAST_ROWS: Final = 8
_SHOWN: Final = 12


def check_claim(claim: Claim, ref: TableRef, file: Path) -> None:
    """Raise `ToolError`, which names the mend, where the claim can't be about this table."""
    for name in (claim.outcome, claim.exposure, *claim.adjust_for):
        if name not in ref.columns:
            raise ToolError(
                f"the table {ref.name} has no column {name!r}",
                mend=f"its columns are {', '.join(ref.columns)}",
            )
    try:
        rows = select(read_cells(file), claim.subset)
        rows = rows[rows[[claim.outcome, claim.exposure]].notna().all(axis=1)]
        if len(rows) < _LEAST_ROWS:
            raise ToolError(
                f"{len(rows)} visible rows have the outcome, the exposure and the subset: "
                f"at least {_LEAST_ROWS} are needed",
                mend="check the spelling of the subset's values, or widen it",
            )
        numbers(rows[claim.outcome])
        if claim.kind != "difference":
            numbers(rows[claim.exposure])
    except UsageError as error:
        raise ToolError(str(error), mend=error.mend) from error
    if claim.group is not None:
        _check_levels(rows[claim.exposure], claim.group, claim.versus)


def _check_levels(cells: pd.Series[str], group: str, versus: str | None) -> None:
    for level in filter(None, (group, versus)):
        if not same_level(cells, level).any():
            levels = cells.value_counts().index[:_SHOWN]
            raise ToolError(
                f"{level!r} is no value of {cells.name!r} among these rows",
                mend=f"its most frequent values are {', '.join(map(repr, levels))}",
            )
    if versus is None and same_level(cells, group).all():
        raise ToolError(f"all rows have {cells.name} {group!r}: nothing to compare with")
