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
from collections.abc import Callable
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
    Change = Callable[[pd.DataFrame], pd.DataFrame]

LEAST_UNITS: Final = 8
LEAST_BLOCKS: Final = 12
BINS: Final = 5
ROWS_A_BIN: Final = 10
MOST_BINS: Final = 100
_BLOCKS: Final = 24
_WANDERS: Final = 0.119
"""Of 100 series without a random walk in them 10 have more (Kwiatkowski and others 1992)."""
_ROWS_ONLY: Final = ("different", "right-skewed", "left-skewed")


class NotTestableError(Exception):
    """The sealed rows can't test this claim; the message says why."""


@dataclass(frozen=True)
class Units:
    """Independent units: outcome `y`, exposure `x` (1 and 0 for two groups), `strata` codes.

    All of shape (n,). With `scheme` `flip`, `strata` are the groups whose statistics are flipped.
    """

    y: Floats
    x: Floats
    strata: npt.NDArray[np.intp]
    scheme: Literal["shuffle", "flip"]
    indicator: bool
    note: str


def untestable(claim: Claim, design: str) -> str:
    """Say, without looking at any data, why a claim has no test in a design; empty: it has one."""
    kind, _, column = design.partition(":")
    if claim.descriptive:
        return f"a claim of the kind {claim.kind} speaks of the rows at hand only"
    if kind == "time" and (claim.kind, claim.exposure) != ("trend", column):
        return "this kind has no valid null in a time series"
    if kind == "grouped" and claim.direction in _ROWS_ONLY:
        return "shape and skew have a test for independent rows only"
    return ""


def testable(finding: Finding) -> bool:
    """Say, without looking at any data, whether there is a valid test for this finding."""
    if finding.claim.formal:
        return True  # what it is tested on is drawn anew
    return finding.exposure == "sealed" and not untestable(finding.claim, finding.table.design)


def ordinal(cells: pd.Series[str], order: tuple[str, ...]) -> pd.Series[float]:
    """Return each cell's place in an order of levels, from 0; NaN where it has none."""
    import pandas as pd

    places = pd.Series(float("nan"), index=cells.index)
    for place, level in enumerate(order):
        places = places.mask(same_level(cells, level), float(place))
    return places


def membership(cells: pd.Series[str], group: str, versus: str | None) -> pd.Series[float]:
    """Return 1 for a group's rows, 0 for those it is compared with, NaN for others."""
    import numpy as np
    import pandas as pd

    inside = same_level(cells, group)
    other = cells.notna() & ~inside if versus is None else same_level(cells, versus)
    return pd.Series(np.where(inside, 1.0, np.where(other, 0.0, np.nan)), index=cells.index)


def _exposure(frame: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    cells = frame[claim.exposure]
    if claim.group is not None and claim.direction not in ("stronger", "weaker"):
        return membership(cells, claim.group, claim.versus)
    return ordinal(cells, claim.order) if claim.order else numbers(cells)


def bins_for(rows: int, numeric: int) -> int:
    """Return into how many bins each of so many numeric columns that are held fixed is cut."""
    share = (max(1, rows) / ROWS_A_BIN) ** (1 / max(1, numeric))
    return max(BINS, min(MOST_BINS, int(share)))


def strata_of(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series[int]:
    """Return a code per row for what a claim holds fixed: levels, or bins of a numeric column.

    A bin holds about `ROWS_A_BIN` rows, all numeric columns together, and there are at most
    `MOST_BINS`: in wider ones enough of a strong confounder is left to pass for an effect.
    """
    import pandas as pd

    if not columns or frame.empty:
        return pd.Series(0, index=frame.index)
    numeric = [name for name in columns if frame[name].nunique() > 2 * BINS]
    bins = bins_for(len(frame), len(numeric))
    parts = pd.DataFrame(index=frame.index)
    for name in columns:
        if name in numeric:
            parts[name] = pd.qcut(numbers(frame[name]), bins, labels=False, duplicates="drop")
        else:
            parts[name] = pd.factorize(frame[name])[0]
    return parts.groupby(list(columns), sort=False, dropna=False).ngroup()


def chosen(frame: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Return the rows of the subset in which all columns of a claim are there.

    Of a rule only its outcome must be. Raises `NotTestableError`.
    """
    for name in claim.columns:
        if name not in frame.columns:
            raise NotTestableError(f"the table has no column {name!r}")
    try:
        return select(frame, claim.subset).dropna(subset=list(claim.complete))
    except UsageError as error:
        raise NotTestableError(str(error)) from error


def units(
    frame: pd.DataFrame, claim: Claim, design: str, change: Change = lambda table: table
) -> Units:
    """Reduce sealed rows to the units of a claim's test. Raises `NotTestableError`.

    `change` is applied to the table of rows (`y`, `x`, `stratum`, `group`) before.
    """
    rows = chosen(frame, claim)
    if why := untestable(claim, design):
        raise NotTestableError(why)
    try:
        table = change(numeric_table(rows, claim, design))
    except UsageError as error:
        raise NotTestableError(str(error)) from error
    reduce = {"iid": _rows, "grouped": _groups, "time": _blocks}[design.partition(":")[0]]
    found = reduce(table, claim)
    if len(found.y) < LEAST_UNITS:
        raise NotTestableError(f"{len(found.y)} independent units: at least {LEAST_UNITS} needed")
    if len(set(found.x)) < 2 or len(set(found.y)) < 2:
        raise NotTestableError("outcome or exposure does not vary in the sealed rows")
    return found


def numeric_table(rows: pd.DataFrame, claim: Claim, design: str) -> pd.DataFrame:
    """Return the rows that count, as numbers: `y`, `x`, `stratum`, `group`."""
    import pandas as pd

    column = design.partition(":")[2]
    cells = rows[claim.outcome]
    y = ordinal(cells, claim.outcome_order) if claim.outcome_order else numbers(cells)
    table = pd.DataFrame({"y": y, "x": _exposure(rows, claim)})
    table["stratum"] = strata_of(rows, claim.adjust_for)
    table["group"] = rows[column] if column else ""
    return table.dropna()


def constant_in_groups(table: pd.DataFrame) -> bool:
    """Say whether the exposure is the same for all rows of each group.

    Raises `NotTestableError` where it is, and what is held fixed is not.
    """
    if (table.groupby("group")["x"].nunique() > 1).any():
        return False
    if (table.groupby("group")["stratum"].nunique() > 1).any():
        raise NotTestableError("what is held fixed varies within groups, the exposure does not")
    return True


def _made(
    table: pd.DataFrame, claim: Claim, scheme: Literal["shuffle", "flip"], note: str
) -> Units:
    import numpy as np

    return Units(
        table["y"].to_numpy(float),
        table["x"].to_numpy(float),
        table["stratum"].to_numpy(np.intp),
        scheme,
        claim.group is not None,
        note,
    )


def _rows(table: pd.DataFrame, claim: Claim) -> Units:
    kept = table
    if claim.adjust_for:
        kept = table[table.groupby("stratum")["x"].transform("nunique") > 1]
    note = "rows, exchanged within strata" if claim.adjust_for else "rows"
    return _made(kept, claim, "shuffle", note)


def _groups(table: pd.DataFrame, claim: Claim) -> Units:
    if constant_in_groups(table):
        means = table.groupby("group", sort=True).agg(
            y=("y", "mean"), x=("x", "first"), stratum=("stratum", "first")
        )
        found = _rows(means, claim)
        return Units(found.y, found.x, found.strata, "shuffle", found.indicator, "group means")
    if claim.adjust_for:
        raise NotTestableError("adjusting within groups has no estimator in this version")
    cells = table.groupby("group", sort=True)
    kept = table[(cells["x"].transform("nunique") > 1) & (cells["y"].transform("nunique") > 1)]
    kept = kept.assign(stratum=kept.groupby("group", sort=True).ngroup())
    if kept["stratum"].nunique() < LEAST_UNITS:
        raise NotTestableError(
            f"{kept['stratum'].nunique()} groups in which both vary: {LEAST_UNITS} needed"
        )
    return _made(kept, claim, "flip", "one statistic a group")


def _blocks(table: pd.DataFrame, claim: Claim) -> Units:
    import numpy as np

    if claim.adjust_for:
        raise NotTestableError("a time series has a valid null for plain trends only")
    series = table.groupby("x", sort=True)["y"].mean()
    # Single far values would hide a memory, and a wandering that ranks still show.
    values, ranks = (np.asarray(one, dtype=np.float64) for one in (series, series.rank()))
    memory = max(_memory(values), _memory(ranks))
    length = max(math.ceil(len(series) / _BLOCKS), 3 * memory)
    count = len(series) // length
    if count < LEAST_BLOCKS:
        # With 8 blocks, 1 % of random walks pass at a level of 0.1 %; with 12, about 0.1 %.
        raise NotTestableError(
            f"the series remembers about {length // 3} steps: {count} independent blocks, "
            f"at least {LEAST_BLOCKS} needed"
        )
    if (found := _wandering(ranks, memory)) > _WANDERS:
        raise NotTestableError(
            f"the series may wander like a random walk: around its trend it strays {found:.2g}, "
            f"more than the {_WANDERS} that noise would in one of ten (KPSS)"
        )
    # A remainder would make a shorter, noisier block: the oldest steps are left out.
    tail = series.iloc[len(series) - count * length :].reset_index(drop=True)
    means = tail.groupby(tail.index // length).mean()
    blocks = means.rename("y").to_frame().assign(x=range(count), stratum=0)
    return _made(blocks, claim, "shuffle", f"means of {count} blocks of {length} steps")


def _memory(y: Floats) -> int:
    """Return the first lag (at least 1) at which the detrended series' autocorrelation is < 0.1."""
    import numpy as np

    residual = _detrended(y)
    spectrum = np.fft.rfft(residual, 2 * len(y))
    covariance = np.fft.irfft(spectrum * spectrum.conj())[: len(y)]
    if covariance[0] <= 0:
        return 1
    below = np.flatnonzero(covariance / covariance[0] < 0.1)
    return max(1, int(below[0])) if len(below) else len(y)


def _detrended(y: Floats) -> Floats:
    import numpy as np

    steps = np.arange(len(y))
    residual: Floats = y - np.polyval(np.polyfit(steps, y, 1), steps)
    return residual


def _wandering(y: Floats, memory: int) -> float:
    """Return how far a series strays from its line: the statistic of Kwiatkowski and others (1992).

    Their long-run variance has Bartlett weights up to the memory. A random walk, pure or under
    noise that hides its memory, has a large one.
    """
    import numpy as np

    residual = _detrended(y)
    lags = min(len(y) // 3, max(memory, int(4 * (len(y) / 100) ** 0.25)))
    variance = float(residual @ residual)
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(residual[lag:] @ residual[:-lag])
    partial = np.cumsum(residual)
    return float(partial @ partial) / (len(y) * max(variance, 1e-12)) if variance > 0 else 0.0
