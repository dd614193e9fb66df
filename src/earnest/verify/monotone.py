"""Two groups, an association or a trend: effects by ranks, in [-1, 1].

For two groups the rank-biserial correlation (Kerby 2014: the share of pairs in which the group is
higher, less the share in which it is lower), else Spearman's rho; pooled over strata, or averaged
over groups. Intervals are bootstrap percentiles over units; over groups with a statistic each,
Student's t. What they don't cover: associations that are not monotone, confounding inside a
stratum, and dependence that the design does not name.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from earnest.core.records import Claim
from earnest.verify.draws import Arrangements
from earnest.verify.permute import PValue, sign_flip, stratified, unreachable
from earnest.verify.results import LEVEL, Ask, Estimate
from earnest.verify.units import Units, units

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]


_NORMAL: Final = 1.959964
_CELLS: Final = 1_000_000  # of resamples that are held at once


def ranked(values: Floats, strata: Codes) -> Floats:
    """Return ranks within strata, ties at their mean, centred on 0."""
    import numpy as np

    order = np.lexsort((values, strata))
    sorted_values, sorted_strata = values[order], strata[order]
    starts = np.flatnonzero(np.diff(sorted_strata, prepend=sorted_strata[:1] - 1))
    sizes = np.diff(starts, append=len(values))
    change = (np.diff(sorted_strata) != 0) | (np.diff(sorted_values) != 0)
    ties = np.concatenate([[0], np.flatnonzero(change) + 1])
    tied = np.diff(ties, append=len(values))
    middle = np.repeat(ties + (tied - 1) / 2, tied)  # the mean place of each run of equal values
    found = np.empty(len(values))
    found[order] = middle - np.repeat(starts + (sizes - 1) / 2, sizes)
    return found


def pooled(y: Floats, x: Floats, strata: Codes, indicator: bool) -> float:
    """Return the effect pooled over strata (codes from 0)."""
    import numpy as np

    a = ranked(y, strata)
    if indicator:
        ones = np.bincount(strata, weights=x)
        pairs = float((ones * (np.bincount(strata) - ones)).sum())
        return float(2 * (a @ x) / pairs) if pairs else 0.0
    b = ranked(x, strata)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0


def by_group(found: Units) -> Floats:
    """Return one effect a group."""
    import numpy as np

    effects = []
    for code in np.unique(found.strata):
        inside = found.strata == code
        zeros = np.zeros(int(inside.sum()), dtype=np.intp)
        effects.append(pooled(found.y[inside], found.x[inside], zeros, found.indicator))
    return np.array(effects)


def over_groups(values: Floats, ask: Ask, sign: int = 1) -> tuple[float, float]:
    """Return the interval of the mean of one value a group, by Student's t, within [-1, 1]."""
    from scipy.stats import t

    mean, groups = float(values.mean()), len(values)
    if not ask.resamples:
        return mean, mean
    error = float(values.std(ddof=1)) / math.sqrt(groups)
    lower = (1 - LEVEL) / 2
    down, up = (lower, lower / ask.upper) if sign > 0 else (lower / ask.upper, lower)
    low = mean + error * float(t.ppf(down, groups - 1))
    high = mean - error * float(t.ppf(up, groups - 1))
    return max(-1.0, low), min(1.0, high)


def _codes(values: Floats, strata: Codes) -> Codes:
    """Return a code for each value of each stratum, in the order of strata, then of values."""
    import numpy as np

    order = np.lexsort((values, strata))
    change = (np.diff(strata[order]) != 0) | (np.diff(values[order]) != 0)
    found = np.empty(len(values), dtype=np.intp)
    found[order] = np.concatenate([[0], np.cumsum(change)])
    return found


def _places(codes: Codes) -> Floats:
    """Return, for each row of codes, the mean place of each code when the row is sorted.

    Counted, not sorted: a bootstrap asks for hundreds of such rows.
    """
    import numpy as np

    width = int(codes.max()) + 1
    flat = codes + np.arange(len(codes))[:, None] * width
    counts = np.bincount(flat.ravel(), minlength=len(codes) * width).reshape(len(codes), width)
    middle: Floats = np.cumsum(counts, axis=1) - (counts + 1) / 2
    found: Floats = middle.ravel()[flat]
    return found


def resampled(found: Units, strata: Codes, ask: Ask) -> Floats:
    """Return the pooled effects of resamples: rows of each stratum, as many as it has."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    order = np.argsort(strata, kind="stable")
    y, x, strata = found.y[order], found.x[order], strata[order]
    sizes = np.bincount(strata)
    starts = np.cumsum(sizes) - sizes
    first, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    middle = first + (size - 1) / 2
    above, beside = _codes(y, strata), _codes(x, strata)
    drawn = np.empty(ask.resamples)
    step = max(1, _CELLS // max(1, len(y)))
    for begin in range(0, ask.resamples, step):
        some = min(step, ask.resamples - begin)
        pick = first + (rng.random((some, len(y))) * size).astype(np.intp)
        a = _places(above[pick]) - middle
        if found.indicator:
            inside = x[pick]
            ones = np.add.reduceat(inside, starts, axis=1)
            scale = (ones * (sizes - ones)).sum(axis=1) / 2
            found_ab = (a * inside).sum(axis=1)
        else:
            b = _places(beside[pick]) - middle
            scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
            found_ab = (a * b).sum(axis=1)
        drawn[begin : begin + some] = np.divide(
            found_ab, scale, out=np.zeros(some), where=scale > 0
        )
    return drawn


def _widened(effect: float, interval: tuple[float, float], found: Units) -> tuple[float, float]:
    """Return a percentile interval widened as Student's t is against the normal (Hesterberg 2015).

    A bootstrap of few units is too narrow; the smaller of two groups is what counts.
    """
    from scipy.stats import t

    ones = float(found.x.sum())
    few = min(ones, len(found.x) - ones) if found.indicator else len(found.x)
    few = max(few, 2.0)
    factor = float(t.ppf((1 + LEVEL) / 2, few - 1)) / _NORMAL * math.sqrt(few / (few - 1))
    low, high = (effect + factor * (bound - effect) for bound in interval)
    return max(-1.0, low), min(1.0, high)


def _p(found: Units, strata: Codes, sign: int, ask: Ask) -> PValue | None:
    if ask.alpha is None:
        return None
    a = sign * ranked(found.y, strata)
    b = found.x if found.indicator else ranked(found.x, strata)
    none = unreachable(Arrangements(b, strata).log_count, ask.alpha)
    return none or stratified(a, b, strata, ask.alpha, ask.seed)


def from_units(found: Units, claim: Claim, ask: Ask, statistic: str) -> Estimate:
    """Estimate and test the effect that units carry."""
    import numpy as np

    fixed = f", {', '.join(claim.adjust_for)} held fixed" if claim.adjust_for else ""
    name = f"{statistic}{fixed}; units: {found.note}"
    if found.scheme == "flip":
        effects = by_group(found)
        interval = over_groups(effects, ask, claim.sign)
        p = None
        if ask.alpha is not None:
            none = unreachable(len(effects) * math.log(2), ask.alpha)
            p = none or sign_flip(claim.sign * effects, ask.alpha, ask.seed)
        return Estimate(float(effects.mean()), interval, p, len(effects), name)
    strata = np.unique(found.strata, return_inverse=True)[1].astype(np.intp)
    effect = pooled(found.y, found.x, strata, found.indicator)
    interval = ask.interval(effect, resampled(found, strata, ask), claim.sign)
    interval = _widened(effect, interval, found)
    return Estimate(effect, interval, _p(found, strata, claim.sign, ask), len(found.y), name)


def monotone(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Estimate a difference of two groups, an association or a trend. Raises `NotTestableError`."""
    found = units(sealed, claim, design)
    statistic = "rank-biserial correlation" if found.indicator else "Spearman's rho"
    return from_units(found, claim, ask, statistic)
