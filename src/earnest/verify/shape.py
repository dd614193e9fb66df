"""The shape of a distribution: whether two groups' differ, and to which side one column's leans.

Both are for independent rows. Not covered: shapes that differ in the outer twentieth only, in
which quantiles of some hundred rows say little; columns held fixed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers
from earnest.core.errors import UsageError
from earnest.core.records import Claim
from earnest.verify.draws import Arrangements
from earnest.verify.permute import PValue, shuffled, unreachable
from earnest.verify.results import LEVEL, Ask, Estimate
from earnest.verify.units import NotTestableError, chosen, numeric_table, untestable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

_LEAST_SIDE: Final = 40
_LEAST_SKEWED: Final = 30
_MOST_ROWS: Final = 1500
_PROBABILITIES: Final = 37
_TRIMMED: Final = 0.05
_COST: Final = 4
_TRIPLES_FLOOR: Final = 1e-6


def _quantiles(values: Floats) -> Floats:
    """Return standardised quantiles of each row of values (count, n): median 0, quartiles 1 apart.

    By the middle nine tenths; a row whose quartiles coincide gives NaN.
    """
    import numpy as np

    ordered = np.sort(values, axis=1)
    places = np.linspace(_TRIMMED, 1 - _TRIMMED, _PROBABILITIES) * (values.shape[1] - 1)
    below = np.floor(places).astype(int)
    share = places - below
    above = np.minimum(below + 1, values.shape[1] - 1)
    found = ordered[:, below] * (1 - share) + ordered[:, above] * share
    middle, quarter = _PROBABILITIES // 2, _PROBABILITIES // 4
    wide = found[:, -1 - quarter] - found[:, quarter]
    with np.errstate(divide="ignore", invalid="ignore"):
        standard: Floats = (found - found[:, [middle]]) / np.where(wide > 0, wide, np.nan)[:, None]
    return standard


def distance(values: Floats, first: int) -> Floats:
    """Return the root mean square distance of both sides' standardised quantiles, (count,)."""
    import numpy as np

    apart = _quantiles(values[:, :first]) - _quantiles(values[:, first:])
    found: Floats = np.sqrt((apart**2).mean(axis=1))
    return found


def shape(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Compare two groups' shapes, location and spread apart. Raises `NotTestableError`.

    Each side is centred at its median and scaled by its quartiles; under the null what is left is
    exchangeable between the sides, and each draw is centred and scaled anew. The effect is the
    distance of their quantiles, in distances of the quartiles, less what chance gives; at most 1.
    """
    import numpy as np

    if why := untestable(claim, design):
        raise NotTestableError(why)
    try:
        table = numeric_table(chosen(sealed, claim), claim, design)
    except UsageError as error:
        raise NotTestableError(str(error)) from error
    sides = []
    for code in (1.0, 0.0):
        values = table["y"][table["x"] == code].to_numpy(float)
        if len(values) < _LEAST_SIDE:
            raise NotTestableError(f"{len(values)} rows in a group: {_LEAST_SIDE} needed for shape")
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        if not high > low:
            raise NotTestableError("half of a group's outcomes are the same: no shape to compare")
        sides.append((values - middle) / (high - low))
    both, first = np.concatenate(sides), len(sides[0])
    observed = float(distance(both[None, :], first)[0])
    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    draws = np.stack([rng.permutation(both) for _ in range(200)])
    chance = float(np.nanmean(distance(draws, first) ** 2))
    effect = _less(observed**2, chance)
    drawn = np.empty(ask.resamples)
    for number in range(ask.resamples):
        picked = [rng.choice(side, len(side)) for side in sides]
        again = float(distance(np.concatenate(picked)[None, :], first)[0])
        drawn[number] = _less(again**2, 2 * chance)
    name = "distance of standardised quantiles; units: rows"
    interval = ask.interval(effect, drawn)
    return Estimate(effect, interval, _shape_p(both, first, ask), len(both), name)


def _less(squared: float, chance: float) -> float:
    """Return a distance from its square, less what chance adds to it; NaN stays NaN."""
    return min(1.0, math.sqrt(max(0.0, squared - chance))) if squared == squared else squared


def _shape_p(both: Floats, first: int, ask: Ask) -> PValue | None:
    import numpy as np

    if ask.alpha is None:
        return None
    arrangements = Arrangements(both, np.zeros(len(both), dtype=np.intp))
    sides = math.lgamma(len(both) + 1) - math.lgamma(first + 1) - math.lgamma(len(both) - first + 1)
    none = unreachable(sides, ask.alpha)
    return none or shuffled(
        arrangements,
        lambda drawn: distance(drawn, first),
        ask.alpha,
        ask.seed,
        method="permutation of standardised outcomes",
        cost=_COST,
    )


def skew(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Test to which side a column leans by the triples test. Raises `NotTestableError`.

    The effect is the share of triples of rows whose middle one lies nearer the lower one, less the
    share in which it lies nearer the upper (Randles, Fligner, Policello and Wolfe 1980), from -1
    (a longer tail below) to 1. Its error is the jackknife's, p Student's t with n - 1 degrees.
    """
    import numpy as np
    from scipy.stats import t

    if why := untestable(claim, design):
        raise NotTestableError(why)
    try:
        cells = numbers(chosen(sealed, claim)[claim.outcome]).dropna()
    except UsageError as error:
        raise NotTestableError(str(error)) from error
    values = np.asarray(cells.to_numpy(), dtype=np.float64)
    if len(values) < _LEAST_SKEWED or len(np.unique(values)) < 3:
        raise NotTestableError(f"{len(values)} rows: {_LEAST_SKEWED} with 3 values are needed")
    if len(values) > _MOST_ROWS:
        rng = np.random.Generator(np.random.PCG64(ask.seed))
        values = rng.choice(values, _MOST_ROWS, replace=False)
    rows = len(values)
    each = triples(values)
    effect = float(each.mean())
    # Leaving row i out leaves n/(n-3) of the mean less 3/(n-3) of the row's own.
    left = (rows * effect - 3 * each) / (rows - 3)
    spread = math.sqrt((rows - 1) / rows * float(((left - left.mean()) ** 2).sum()))
    wide = spread * float(t.ppf((1 + LEVEL) / 2, rows - 1))
    interval = (max(-1.0, effect - wide), min(1.0, effect + wide))
    p = None
    if ask.alpha is not None:
        found = float(t.sf(claim.sign * effect / spread, rows - 1)) if spread > 0 else 1.0
        p = PValue(max(found, _TRIPLES_FLOOR), 0, "triples test, Student's t")
    return Estimate(effect, interval, p, rows, "share of right less left triples; units: rows")


def triples(values: Floats) -> Floats:
    """Return for each value (n,) how its triples lean, -1 to 1: their mean is the effect."""
    import numpy as np

    x: Floats = np.sort(values)
    rows = len(x)
    i, j = np.triu_indices(rows, 1)
    middles = (x[i] + x[j]) / 2
    # A pair with each third row: the rows below its middle less those above; its own cancel.
    lean = np.searchsorted(x, middles) - (rows - np.searchsorted(x, middles, side="right"))
    ends = np.bincount(i, lean, rows) + np.bincount(j, lean, rows)
    ordered = np.sort(middles)
    above = len(middles) - np.searchsorted(ordered, x, side="right")
    below = np.searchsorted(ordered, x)
    # Of these pairs, those that a row makes with others are none of its triples.
    own = (rows - np.searchsorted(x, x, side="right")) - np.searchsorted(x, x)
    total = ends + (above - below) - own
    found: Floats = total / ((rows - 1) * (rows - 2) / 2)
    back = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return found[back]
