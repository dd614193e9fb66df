"""A table's columns as everybody reads them: text cells into numbers, levels and subsets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.errors import UsageError
from earnest.core.predicates import parse_conjunction

if TYPE_CHECKING:
    import pandas as pd

MISSING: Final = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>")
_TRUTH: Final = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
_MOSTLY: Final = 0.95


def read_cells(path: Path) -> pd.DataFrame:
    """Read a registered table's cells as text, missing ones as NaN."""
    import pandas as pd

    return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=list(MISSING))


def numbers(cells: pd.Series[str]) -> pd.Series[float]:
    """Return a column as numbers: numerals, truth words, else dates in seconds.

    Raises `UsageError` where more than 1 in 20 of the cells that are there is none.
    """
    present = max(1, int(cells.notna().sum()))
    for read in (_numerals, _truths, _dates):
        values = read(cells)
        if values.notna().sum() / present > _MOSTLY:
            return values
    raise UsageError(
        f"the column {cells.name!r} holds no numbers",
        mend="take a numeric column, or make it the exposure of a difference",
    )


def _numerals(cells: pd.Series[str]) -> pd.Series[float]:
    import pandas as pd

    return pd.to_numeric(cells, errors="coerce").astype(float)


def _truths(cells: pd.Series[str]) -> pd.Series[float]:
    return cells.str.lower().map(_TRUTH).astype(float)


def _dates(cells: pd.Series[str]) -> pd.Series[float]:
    import pandas as pd

    # Left to itself, pandas takes `t12` for a date.
    dated = cells.where(cells.str.contains(r"\d\s*[-/.: ]\s*\w", regex=True, na=False))
    dates = pd.to_datetime(dated, errors="coerce", format="mixed", utc=True)
    return dates.dt.as_unit("s").astype("int64").astype(float).where(dates.notna())


def same_level(cells: pd.Series[str], level: str) -> pd.Series[bool]:
    """Say for each cell whether it is this level; `1` and `1.0` are the same level."""
    try:
        return (cells == level) | (_numerals(cells) == float(level))
    except ValueError:
        return cells == level


def select(frame: pd.DataFrame, subset: str) -> pd.DataFrame:
    """Return the rows that a claim's subset names.

    Raises `UsageError` for a column that is not there or holds no numbers to compare.
    """
    for comparison in parse_conjunction(subset):
        if comparison.name not in frame.columns:
            raise UsageError(
                f"the subset names {comparison.name!r}, which is no column",
                mend=f"choose from {', '.join(frame.columns)}",
            )
        cells = frame[comparison.name]
        if isinstance(comparison.literal, str):
            same = same_level(cells, comparison.literal)
            frame = frame[same if comparison.comparison == "==" else ~same & cells.notna()]
        else:
            frame = frame[comparison.holds(numbers(cells)).fillna(False)]
    return frame
