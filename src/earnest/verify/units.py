"""From sealed rows to independent units: what each design lets one exchange under the null.

- `iid`: every row is a unit; rows are exchanged within strata of what the claim adjusts for.
- `grouped`, an exposure that is constant in each group: a group is a unit (its mean outcome).
- `grouped`, an exposure that varies within groups: each group gives one statistic, symmetric
  about 0 under the null whatever the dependence within the group.
- `time`, a trend: the mean of a block is a unit, blocks longer than the series' memory.
Anything else has no valid null here and is not tested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from earnest.core.columns import numbers, same_level, select
from earnest.core.errors import UsageError
from earnest.core.records import Claim, Finding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

LEAST_UNITS: Final = 8
LEAST_BLOCKS: Final = 12
_BLOCKS: Final = 24
_BINS: Final = 5


class NotTestableError(Exception):
    """The sealed rows can't test this claim; the message says why."""


@dataclass(frozen=True)
class Units:
    """Independent units: outcome `y`, exposure `x` (1 and 0 for a difference), `strata` codes.

    All of shape (n,). With `scheme` `flip`, `strata` are the groups whose statistics are flipped.
    """

    y: Floats
    x: Floats
    strata: npt.NDArray[np.intp]
    scheme: Literal["shuffle", "flip"]
    indicator: bool
    note: str


def testable(finding: Finding) -> bool:
    """Say, without looking at any data, whether there is a valid test for this finding."""
    if finding.exposure != "sealed":
        return False
    kind, _, column = finding.table.design.partition(":")
    if kind == "time":
        return finding.claim.kind == "trend" and finding.claim.exposure == column
    return True


def _exposure(frame: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    import numpy as np
    import pandas as pd

    cells = frame[claim.exposure]
    if claim.kind != "difference" or claim.group is None:
        return numbers(cells)
    group = same_level(cells, claim.group)
    versus = cells.notna() & ~group if claim.versus is None else same_level(cells, claim.versus)
    values = np.where(group, 1.0, np.where(versus, 0.0, np.nan))
    return pd.Series(values, index=frame.index)


def _strata(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series[int]:
    """Return a code per row for what a claim holds fixed: levels, or fifths of a numeric column."""
    import pandas as pd

    parts = pd.DataFrame(index=frame.index)
    for name in columns:
        cells = frame[name]
        if cells.nunique() > 2 * _BINS:
            parts[name] = pd.qcut(numbers(cells), _BINS, labels=False, duplicates="drop")
        else:
            parts[name] = pd.factorize(cells)[0]
    if parts.empty:
        return pd.Series(0, index=frame.index)
    return parts.groupby(list(columns), sort=False, dropna=False).ngroup()


def units(frame: pd.DataFrame, claim: Claim, design: str) -> Units:
    """Reduce sealed rows to the units of a claim's test. Raises `NotTestableError`."""
    for name in (claim.outcome, claim.exposure, *claim.adjust_for):
        if name not in frame.columns:
            raise NotTestableError(f"the table has no column {name!r}")
    try:
        table = _table(frame, claim, design)
    except UsageError as error:
        raise NotTestableError(str(error)) from error
    reduce = {"iid": _rows, "grouped": _groups, "time": _blocks}[design.partition(":")[0]]
    found = reduce(table, claim)
    if len(found.y) < LEAST_UNITS:
        raise NotTestableError(f"{len(found.y)} independent units: at least {LEAST_UNITS} needed")
    if len(set(found.x)) < 2 or len(set(found.y)) < 2:
        raise NotTestableError("outcome or exposure does not vary in the sealed rows")
    return found


def _table(frame: pd.DataFrame, claim: Claim, design: str) -> pd.DataFrame:
    """Return the rows that count, as numbers: `y`, `x`, `stratum`, `group`."""
    import pandas as pd

    column = design.partition(":")[2]
    rows = select(frame, claim.subset)
    rows = rows.dropna(subset=[claim.outcome, claim.exposure, *claim.adjust_for])
    table = pd.DataFrame({"y": numbers(rows[claim.outcome]), "x": _exposure(rows, claim)})
    table["stratum"] = _strata(rows, claim.adjust_for)
    table["group"] = rows[column] if column else ""
    return table.dropna()


def _made(
    table: pd.DataFrame, claim: Claim, scheme: Literal["shuffle", "flip"], note: str
) -> Units:
    import numpy as np

    return Units(
        table["y"].to_numpy(float),
        table["x"].to_numpy(float),
        table["stratum"].to_numpy(np.intp),
        scheme,
        claim.kind == "difference",
        note,
    )


def _rows(table: pd.DataFrame, claim: Claim) -> Units:
    kept = table[table.groupby("stratum")["x"].transform("nunique") > 1]
    note = "rows, exchanged within strata" if claim.adjust_for else "rows"
    return _made(kept, claim, "shuffle", note)


def _groups(table: pd.DataFrame, claim: Claim) -> Units:
    varies = table.groupby("group")["x"].nunique() > 1
    if not varies.any():
        if (table.groupby("group")["stratum"].nunique() > 1).any():
            raise NotTestableError("what is held fixed varies within groups, the exposure does not")
        means = table.groupby("group", sort=True).agg(
            y=("y", "mean"), x=("x", "first"), stratum=("stratum", "first")
        )
        return _rows(means, claim)
    cells = table.groupby(["group", "stratum"], sort=True)
    kept = table[(cells["x"].transform("nunique") > 1) & (cells["y"].transform("nunique") > 1)]
    if claim.adjust_for:
        raise NotTestableError("adjusting within groups has no estimator in this version")
    kept = kept.assign(stratum=kept.groupby("group", sort=True).ngroup())
    if kept["stratum"].nunique() < LEAST_UNITS:
        raise NotTestableError(
            f"{kept['stratum'].nunique()} groups in which both vary: {LEAST_UNITS} needed"
        )
    return _made(kept, claim, "flip", "one statistic a group")


def _blocks(table: pd.DataFrame, claim: Claim) -> Units:
    if claim.kind != "trend" or claim.adjust_for:
        raise NotTestableError("a time series has a valid null for plain trends only")
    series = table.groupby("x", sort=True)["y"].mean()
    length = max(math.ceil(len(series) / _BLOCKS), 3 * _memory(series.to_numpy(float)))
    count = len(series) // length
    if count < LEAST_BLOCKS:
        # With 8 blocks, 1 % of random walks pass at a level of 0.1 %; with 12, about 0.1 %.
        raise NotTestableError(
            f"the series remembers about {length // 3} steps: {count} independent blocks, "
            f"at least {LEAST_BLOCKS} needed"
        )
    # A remainder would make a shorter, noisier block: the oldest steps are left out.
    tail = series.iloc[len(series) - count * length :].reset_index(drop=True)
    means = tail.groupby(tail.index // length).mean()
    blocks = means.rename("y").to_frame().assign(x=range(count), stratum=0)
    return _made(blocks, claim, "shuffle", f"means of {count} blocks of {length} steps")


def _memory(y: Floats) -> int:
    """Return the first lag (at least 1) at which the detrended series' autocorrelation is < 0.1."""
    import numpy as np

    steps = np.arange(len(y))
    residual = y - np.polyval(np.polyfit(steps, y, 1), steps)
    spectrum = np.fft.rfft(residual, 2 * len(y))
    covariance = np.fft.irfft(spectrum * spectrum.conj())[: len(y)]
    if covariance[0] <= 0:
        return 1
    below = np.flatnonzero(covariance / covariance[0] < 0.1)
    return max(1, int(below[0])) if len(below) else len(y)
