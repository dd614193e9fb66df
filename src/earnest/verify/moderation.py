"""Whether outcome and exposure go together more strongly at one level of a modifier than another.

The effect is |rho| in the group less |rho| in what it is compared with, rho Spearman's. Stronger
means more than the other in either direction, so two nulls must fall: that the two rhos are the
same, and that the one is the other turned round. Each is tested by exchanging the modifier's
levels between the rows' jackknife values of rho, studentized, which holds also where the levels
differ in all else (Chung and Romano 2013); p is twice the larger of the two, since the sign is
taken from the data. Not covered: rhos of the same size and opposite sign, which are neither
stronger nor weaker; associations that are not monotone; columns held fixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.core.errors import UsageError
from earnest.core.records import Claim
from earnest.verify.monotone import pooled
from earnest.verify.permute import PValue, flipped, unreachable
from earnest.verify.results import Ask, Estimate
from earnest.verify.studentized import studentized
from earnest.verify.units import (
    LEAST_UNITS,
    NotTestableError,
    chosen,
    membership,
    numeric_table,
    untestable,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

_LEAST_SIDE: Final = 20
_LEAST_CELL: Final = 5
_MOST_SIDE: Final = 3000
_CHUNK: Final = 500


@dataclass(frozen=True)
class _Side:
    """One level of the modifier: rho, and one value a unit whose mean is about rho."""

    rho: float
    values: Floats


def jackknifed(y: Floats, x: Floats) -> _Side:
    """Return Spearman's rho of `y` and `x` (n,), and its jackknife values, (n,)."""
    import numpy as np

    zeros = np.zeros(len(y), dtype=np.intp)
    rho = pooled(y, x, zeros, indicator=False)
    left = np.concatenate(
        [_without(y, x, start, min(start + _CHUNK, len(y))) for start in range(0, len(y), _CHUNK)]
    )
    return _Side(rho, len(y) * rho - (len(y) - 1) * left)


def _without(y: Floats, x: Floats, start: int, end: int) -> Floats:
    """Return rho without each of the rows from `start` to `end`."""
    import numpy as np
    from scipy.stats import rankdata

    others = np.ones((end - start, len(y)))
    others[np.arange(end - start), np.arange(start, end)] = 0.0
    ranks = []
    for values in (y, x):
        own = values[start:end, None]
        left = rankdata(values) - (values > own) - 0.5 * (values == own)
        centred = (left - len(y) / 2) * others
        ranks.append(centred)
    a, b = ranks
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found: Floats = (a * b).sum(axis=1) / np.where(scale > 0, scale, np.inf)
    return found


def moderation(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Compare the strength of an association between two levels. Raises `NotTestableError`."""
    if why := untestable(claim, design):
        raise NotTestableError(why)
    rows = chosen(sealed, claim)
    try:
        table = numeric_table(rows, claim, design)
    except UsageError as error:
        raise NotTestableError(str(error)) from error
    side = membership(rows[claim.modifier], claim.group or "", claim.versus)
    table = table.assign(side=side).dropna()
    return (_of_groups if design.startswith("grouped") else _of_rows)(table, claim, ask)


def _of_rows(table: pd.DataFrame, claim: Claim, ask: Ask) -> Estimate:
    import numpy as np

    sides, rows = [], []
    for code in (1.0, 0.0):
        part = table[table["side"] == code]
        if len(part) > _MOST_SIDE:
            part = part.sample(_MOST_SIDE, random_state=ask.seed % 2**32)
        if len(part) < _LEAST_SIDE or part["x"].nunique() < 2 or part["y"].nunique() < 2:
            raise NotTestableError(f"fewer than {_LEAST_SIDE} rows that vary at one of the levels")
        y, x = part["y"].to_numpy(float), part["x"].to_numpy(float)
        rows.append((y, x))
        # The jackknife values serve the test only.
        zeros = np.zeros(len(y), dtype=np.intp)
        plain = _Side(pooled(y, x, zeros, indicator=False), np.empty(0))
        sides.append(plain if ask.alpha is None else jackknifed(y, x))
    effect = abs(sides[0].rho) - abs(sides[1].rho)
    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    drawn = np.empty(ask.resamples)
    for number in range(ask.resamples):
        rhos = []
        for y, x in rows:
            pick = rng.integers(0, len(y), len(y))
            rhos.append(abs(pooled(y[pick], x[pick], np.zeros(len(y), np.intp), indicator=False)))
        drawn[number] = rhos[0] - rhos[1]
    name = "difference of |Spearman's rho|; units: rows"
    interval = ask.interval(effect, drawn, claim.sign)
    return Estimate(
        effect, interval, _between(sides[0], sides[1], claim.sign, ask), len(table), name
    )


def _between(group: _Side, versus: _Side, sign: int, ask: Ask) -> PValue | None:
    """Return p that the one is stronger (or, by its sign, weaker) than the other."""
    if ask.alpha is None:
        return None
    strong, weak = (group, versus) if sign > 0 else (versus, group)
    turn = 1.0 if strong.rho >= 0 else -1.0
    parts = [
        _studentized(turn * strong.values, other * weak.values, ask.alpha / 2, ask.seed)
        for other in (1.0, -1.0)
    ]
    return _twice(parts)


def _twice(parts: list[PValue]) -> PValue:
    worst = max(parts, key=lambda one: one.p)
    method = f"twice the larger of two: {worst.method}"
    reached = None if worst.reached is None else 2 * worst.reached
    return PValue(min(1.0, 2 * worst.p), worst.draws, method, reached)


def _studentized(high: Floats, low: Floats, alpha: float, seed: int) -> PValue:
    """Test that the mean of `high` is not above that of `low`, by exchanging their labels."""
    import numpy as np

    labels = np.concatenate([np.ones(len(high)), np.zeros(len(low))])
    strata = np.zeros(len(labels), dtype=np.intp)
    return studentized(np.concatenate([high, low]), labels, strata, np.ones(1), alpha, seed)


def _group_effects(table: pd.DataFrame) -> pd.DataFrame:
    """Return one rho for each group and level of the modifier in which both columns vary."""
    import numpy as np
    import pandas as pd

    found = {}
    for (group, side), rows in table.groupby(["group", "side"], sort=True):
        if len(rows) >= _LEAST_CELL and rows["x"].nunique() > 1 and rows["y"].nunique() > 1:
            y, x = rows["y"].to_numpy(float), rows["x"].to_numpy(float)
            zeros = np.zeros(len(y), dtype=np.intp)
            found[group, side] = pooled(y, x, zeros, indicator=False)
    index = pd.MultiIndex.from_tuples(list(found), names=["group", "side"]) if found else None
    return pd.Series(found.values(), index=index, dtype=float).unstack() if found else table[:0]


def _of_groups(table: pd.DataFrame, claim: Claim, ask: Ask) -> Estimate:
    import numpy as np

    effects = _group_effects(table)
    if not {0.0, 1.0} <= set(effects.columns):
        raise NotTestableError("too few rows in the groups to see an association in each")
    paired = effects[[1.0, 0.0]].dropna().to_numpy(float)
    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    if len(paired) >= LEAST_UNITS:
        group, versus = paired[:, 0], paired[:, 1]
        picks = rng.integers(0, len(paired), (ask.resamples, len(paired)))
        first = second = picks
        p, units = _within(paired, claim.sign, ask), len(paired)
    elif len(paired):
        raise NotTestableError(f"{len(paired)} groups at both levels: {LEAST_UNITS} needed")
    else:
        group, versus = (effects[side].dropna().to_numpy(float) for side in (1.0, 0.0))
        if min(len(group), len(versus)) < LEAST_UNITS:
            raise NotTestableError(f"fewer than {LEAST_UNITS} groups at one of the levels")
        first = rng.integers(0, len(group), (ask.resamples, len(group)))
        second = rng.integers(0, len(versus), (ask.resamples, len(versus)))
        sides = _Side(float(group.mean()), group), _Side(float(versus.mean()), versus)
        p, units = _between(*sides, claim.sign, ask), len(group) + len(versus)
    effect = abs(float(group.mean())) - abs(float(versus.mean()))
    drawn = abs(group[first].mean(axis=1)) - abs(versus[second].mean(axis=1))
    name = "difference of the mean |Spearman's rho|; units: one rho a group"
    return Estimate(effect, ask.interval(effect, drawn, claim.sign), p, units, name)


def _within(paired: Floats, sign: int, ask: Ask) -> PValue | None:
    """Return p from groups with a rho at both levels: the signs of what differs are flipped."""
    if ask.alpha is None:
        return None
    strong, weak = (paired[:, 0], paired[:, 1]) if sign > 0 else (paired[:, 1], paired[:, 0])
    turn = 1.0 if strong.mean() >= 0 else -1.0
    if none := unreachable(len(paired) * math.log(2), ask.alpha / 2):
        return _twice([none])
    half = ask.alpha / 2
    return _twice(
        [
            flipped(
                (turn * strong - other * weak)[:, None], lambda sums: sums[:, 0], half, ask.seed
            )
            for other in (1.0, -1.0)
        ]
    )
