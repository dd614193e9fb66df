"""Dependence of two columns of any type, unsigned: effects from 0 to 1.

A column of numbers is taken by its ranks and the other one by its levels (of numbers, fifths):
Kruskal and Wallis's statistic; of two columns of levels, Pearson's chi-square. The effect is the
share of what could be explained, less what chance explains, as a root: for ranks the corrected
correlation ratio (Kelley 1935), for levels nearly the corrected V of Bergsma (2013). Groups of rows
are exchanged whole; where the exposure varies inside them, each gives one vector of deviations,
symmetric about 0 under the null. Not covered: dependence inside a fifth; more than 30 levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers
from earnest.core.errors import UsageError
from earnest.core.records import Claim
from earnest.verify.draws import Arrangements
from earnest.verify.monotone import ranked
from earnest.verify.permute import PValue, flipped, shuffled, unreachable
from earnest.verify.results import Ask, Estimate
from earnest.verify.units import (
    BINS,
    LEAST_UNITS,
    NotTestableError,
    chosen,
    constant_in_groups,
    strata_of,
    untestable,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

_MOST_LEVELS: Final = 30
_MOST_COLUMNS: Final = 400


@dataclass(frozen=True)
class _Sides:
    """Units: the one column `raw` (numbers where `ranks`, else codes of levels), the other's `x`.

    All of shape (n,); what is held fixed makes `strata`.
    """

    raw: Floats
    x: Codes
    strata: Codes
    ranks: bool


def _numbers(cells: pd.Series[str]) -> pd.Series[float] | None:
    try:
        return numbers(cells)
    except UsageError:
        return None


def _levels(cells: pd.Series[str]) -> pd.Series[float]:
    import pandas as pd

    if cells.nunique() > 2 * BINS:
        found = _numbers(cells)
        if found is not None:
            return pd.qcut(found, BINS, labels=False, duplicates="drop").astype(float)
    if cells.nunique() > _MOST_LEVELS:
        raise NotTestableError(f"{cells.name!r} has more than {_MOST_LEVELS} levels")
    return pd.Series(pd.factorize(cells)[0].astype(float), index=cells.index)


def _table(rows: pd.DataFrame, claim: Claim, design: str) -> tuple[pd.DataFrame, bool]:
    """Return the rows' `y`, `x`, `stratum`, `group`, and whether y holds numbers to be ranked.

    The two columns change places where only the exposure holds numbers; for rows that are
    independent, dependence has no direction.
    """
    import pandas as pd

    outcome, exposure = rows[claim.outcome], rows[claim.exposure]
    y = _numbers(outcome) if outcome.nunique() > 2 else None
    if y is None and design == "iid" and exposure.nunique() > 2 * BINS:
        other = _numbers(exposure)
        if other is not None:
            y, exposure = other, outcome
    column = design.partition(":")[2]
    table = pd.DataFrame({"x": _levels(exposure), "stratum": strata_of(rows, claim.adjust_for)})
    table["y"] = _levels(outcome) if y is None else y
    table["group"] = rows[column] if column else ""
    return table.dropna(), y is not None


def _marks(sides: _Sides) -> Floats:
    """Return marks with mean 0 in each stratum, (n, q): ranks, or levels scaled to chi-square."""
    import numpy as np

    if sides.ranks:
        return ranked(sides.raw, sides.strata)[:, None]
    return _centred(np.eye(int(sides.raw.max()) + 1)[sides.raw.astype(int)], sides.strata)


def _centred(ones: Floats, strata: Codes) -> Floats:
    """Centre shares of levels (n, q) in each stratum, and weigh them by 1 over their root."""
    import numpy as np

    found = np.zeros_like(ones)
    for code in np.unique(strata):
        inside = strata == code
        share = ones[inside].mean(axis=0)
        weight = np.divide(1, np.sqrt(share), out=np.zeros_like(share), where=share > 0)
        found[inside] = (ones[inside] - share) * weight
    return found


@dataclass(frozen=True)
class _Between:
    """How far the marks of levels lie apart, summed over strata: the statistic and its limits."""

    marks: Floats
    x: Codes
    strata: Codes

    def statistic(self, drawn: Floats, marks: Floats, strata: Codes) -> Floats:
        """Return the root of the sum of squares between levels, for drawn levels (count, n)."""
        import numpy as np

        total = np.zeros(len(drawn))
        for start, end in _segments(strata):
            for level in np.unique(self.x):
                inside = (drawn[:, start:end] == level).astype(float)
                # Levels are exchanged within strata: their number there never changes.
                size = float(inside[0].sum())
                if size:
                    total += ((inside @ marks[start:end]) ** 2).sum(axis=1) / size
        return np.sqrt(total)

    def chance(self) -> float:
        """Return what the squared statistic is in the mean of all arrangements."""
        import numpy as np

        found = 0.0
        for code in np.unique(self.strata):
            inside = self.strata == code
            levels = len(np.unique(self.x[inside]))
            squares = float((self.marks[inside] ** 2).sum())
            found += squares * (levels - 1) / max(1, int(inside.sum()) - 1)
        return found

    def most(self, ranks: bool) -> float:
        """Return the greatest that the squared statistic can be."""
        import numpy as np

        if ranks:
            return float((self.marks**2).sum())
        found = 0.0
        for code in np.unique(self.strata):
            inside = self.strata == code
            rows = len(np.unique(self.x[inside]))
            squares = float((self.marks[inside] ** 2).sum())
            columns = squares / int(inside.sum()) + 1
            found += int(inside.sum()) * (min(rows, columns) - 1)
        return found


def _segments(strata: Codes) -> list[tuple[int, int]]:
    import numpy as np

    bounds = (np.flatnonzero(np.diff(strata)) + 1).tolist()
    return list(zip([0, *bounds], [*bounds, len(strata)], strict=True))


def _root(squared: float, chance: float, most: float) -> float:
    return math.sqrt(max(0.0, min(1.0, (squared - chance) / (most - chance)))) if most > 0 else 0.0


def _effect(sides: _Sides, marks: Floats, chances: int) -> float:
    """Return the effect; a resample takes chance off twice, since it has it twice."""
    import numpy as np

    order = np.argsort(sides.strata, kind="stable")
    between = _Between(marks, sides.x, sides.strata)
    drawn = sides.x[order][None, :].astype(float)
    squared = float(between.statistic(drawn, marks[order], sides.strata[order])[0]) ** 2
    chance, most = between.chance(), between.most(sides.ranks)
    return _root(squared - (chances - 1) * chance, chance, most)


def dependence(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Estimate and test whether two columns depend on each other. Raises `NotTestableError`."""
    if why := untestable(claim, design):
        raise NotTestableError(why)
    table, ranks = _table(chosen(sealed, claim), claim, design)
    table = table[table.groupby("stratum")["x"].transform("nunique") > 1]
    if len(table) < LEAST_UNITS or table["y"].nunique() < 2:
        raise NotTestableError("outcome or exposure does not vary in the sealed rows")
    if design.startswith("grouped"):
        if not constant_in_groups(table):
            return _within(table, ranks, claim, ask)
        return _whole(table, ranks, claim, ask)
    return _exchanged(_sides(table, ranks), claim, ask, "rows")


def _sides(table: pd.DataFrame, ranks: bool) -> _Sides:
    import numpy as np

    return _Sides(
        table["y"].to_numpy(float),
        table["x"].to_numpy(np.intp),
        np.unique(table["stratum"], return_inverse=True)[1].astype(np.intp),
        ranks,
    )


def _whole(table: pd.DataFrame, ranks: bool, claim: Claim, ask: Ask) -> Estimate:
    """Take each group as a unit: its mean outcome, or its most frequent level."""
    by = table.groupby("group", sort=True)
    y = by["y"].mean() if ranks else by["y"].agg(lambda cells: cells.mode().iloc[0])
    units = by.agg(x=("x", "first"), stratum=("stratum", "first")).assign(y=y)
    units = units[units.groupby("stratum")["x"].transform("nunique") > 1]
    if len(units) < LEAST_UNITS or units["y"].nunique() < 2:
        raise NotTestableError(f"{len(units)} groups: at least {LEAST_UNITS} that vary are needed")
    what = "group means" if ranks else "groups by their most frequent level"
    return _exchanged(_sides(units, ranks), claim, ask, what)


def _exchanged(sides: _Sides, claim: Claim, ask: Ask, what: str) -> Estimate:
    marks = _marks(sides)
    effect = _effect(sides, marks, 1)
    interval = ask.interval(effect, _resampled(sides, ask))
    statistic = "corrected correlation ratio of ranks" if sides.ranks else "corrected Cramer's V"
    fixed = f", {', '.join(claim.adjust_for)} held fixed" if claim.adjust_for else ""
    name = f"{statistic}{fixed}; units: {what}"
    return Estimate(effect, interval, _p(sides, marks, ask), len(sides.x), name)


def _p(sides: _Sides, marks: Floats, ask: Ask) -> PValue | None:
    import numpy as np

    if ask.alpha is None:
        return None
    arrangements = Arrangements(sides.x.astype(float), sides.strata)
    if none := unreachable(arrangements.log_count, ask.alpha):
        return none
    between = _Between(marks, sides.x, sides.strata)
    ordered, strata = marks[arrangements.order], sides.strata[arrangements.order]
    return shuffled(
        arrangements,
        lambda drawn: between.statistic(drawn, ordered, strata),
        ask.alpha,
        ask.seed,
        method="permutation within strata",
        cost=max(1, len(np.unique(sides.x))),
        tail="exponential",
    )


def _resampled(sides: _Sides, ask: Ask) -> Floats:
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    members = [np.flatnonzero(sides.strata == code) for code in np.unique(sides.strata)]
    drawn = np.empty(ask.resamples)
    for number in range(ask.resamples):
        pick = np.concatenate([rng.choice(inside, len(inside)) for inside in members])
        resample = _Sides(sides.raw[pick], sides.x[pick], sides.strata[pick], sides.ranks)
        drawn[number] = _effect(resample, _marks(resample), 2)
    return drawn


def _within(table: pd.DataFrame, ranks: bool, claim: Claim, ask: Ask) -> Estimate:
    """Take one vector a group: how far the marks of each level lie from the group's mean."""
    import numpy as np

    if claim.adjust_for:
        raise NotTestableError("adjusting within groups has no estimator in this version")
    by = table.groupby("group", sort=True)
    kept = table[(by["x"].transform("nunique") > 1) & (by["y"].transform("nunique") > 1)]
    kept = kept.assign(stratum=kept.groupby("group", sort=True).ngroup())
    groups = kept["stratum"].nunique()
    if groups < LEAST_UNITS:
        raise NotTestableError(f"{groups} groups in which both vary: {LEAST_UNITS} needed")
    sides = _sides(kept, ranks)
    marks = ranked(sides.raw, sides.strata)[:, None] if ranks else _plain(sides)
    levels = np.unique(sides.x)
    if len(levels) * marks.shape[1] > _MOST_COLUMNS:
        raise NotTestableError("too many combinations of levels")
    vectors = np.zeros((groups, len(levels) * marks.shape[1]))
    for group in range(groups):
        inside = sides.strata == group
        ones = (sides.x[inside][:, None] == levels).astype(float)
        ones -= ones.mean(axis=0)
        vectors[group] = (ones.T @ marks[inside]).ravel() / inside.sum()
    scale = np.sqrt((vectors**2).sum(axis=0))
    vectors = vectors[:, scale > 0] / scale[scale > 0]
    p = None
    if ask.alpha is not None:
        # Turning all signs changes nothing: the observed statistic stands twice.
        p = unreachable((groups - 1) * math.log(2), ask.alpha) or flipped(
            vectors, lambda sums: np.sqrt((sums**2).sum(axis=1)), ask.alpha, ask.seed
        )
    effect = _consistency(vectors, 1)
    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    picks = rng.integers(0, groups, (ask.resamples, groups))
    drawn = np.array([_consistency(vectors[pick], 2) for pick in picks])
    interval = ask.interval(effect, drawn)
    return Estimate(effect, interval, p, groups, "agreement of groups; units: one vector a group")


def _plain(sides: _Sides) -> Floats:
    import numpy as np

    ones = np.eye(int(sides.raw.max()) + 1)[sides.raw.astype(int)]
    means = np.array([ones[sides.strata == code].mean(axis=0) for code in np.unique(sides.strata)])
    found: Floats = ones - means[sides.strata]
    return found


def _consistency(vectors: Floats, chances: int) -> float:
    """Return how far the groups' vectors point the same way, 0 to 1, less what chance does."""
    total, groups = float((vectors.sum(axis=0) ** 2).sum()), len(vectors)
    chance = float((vectors**2).sum())
    return _root(total - (chances - 1) * chance, chance, chance * groups)
