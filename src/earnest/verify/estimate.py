"""The trusted estimators: effect, interval and p-value of a claim on the sealed rows.

Effects are rank-based and lie in [-1, 1]: for a `difference` the rank-biserial correlation (Kerby
2014: the share of pairs in which the group is higher, less the share in which it is lower), for
an `association` or `trend` Spearman's rho; pooled over strata, or averaged over groups. Intervals
are bootstrap percentiles over units. What they don't cover: associations that are not monotone,
confounding inside a stratum, and dependence that the design does not name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.core.records import Claim
from earnest.verify.permute import PValue, sign_flip, stratified
from earnest.verify.units import Units, units

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

_RESAMPLES: Final = 599
_LEVEL: Final = 0.95


@dataclass(frozen=True)
class Estimate:
    """What the sealed rows say: a signed effect, its 95 % interval, and p in the claimed direction.

    `rows` counts the units that carry it; `p` is None where no error budget was allocated.
    """

    effect: float
    interval: tuple[float, float]
    p: PValue | None
    rows: int
    name: str


def _ranked(values: Floats, strata: Codes) -> Floats:
    """Return ranks within strata, centred on 0."""
    import numpy as np
    from scipy.stats import rankdata

    ranked = np.empty(len(values))
    for code in np.unique(strata):
        inside = strata == code
        ranked[inside] = rankdata(values[inside]) - (inside.sum() + 1) / 2
    return ranked


def _pooled(y: Floats, x: Floats, strata: Codes, indicator: bool) -> float:
    """Return the effect pooled over strata."""
    import numpy as np

    a = _ranked(y, strata)
    if indicator:
        ones = np.bincount(strata, weights=x)
        pairs = float((ones * (np.bincount(strata) - ones)).sum())
        return float(2 * (a @ x) / pairs) if pairs else 0.0
    b = _ranked(x, strata)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0


def _by_group(found: Units) -> Floats:
    """Return one effect a group."""
    import numpy as np

    effects = []
    for code in np.unique(found.strata):
        inside = found.strata == code
        zeros = np.zeros(int(inside.sum()), dtype=np.intp)
        effects.append(_pooled(found.y[inside], found.x[inside], zeros, found.indicator))
    return np.array(effects)


def _interval(found: Units, per_group: Floats | None, seed: int) -> tuple[float, float]:
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(seed))
    if per_group is not None:
        picks = rng.integers(0, len(per_group), size=(_RESAMPLES, len(per_group)))
        drawn = per_group[picks].mean(axis=1)
    else:
        strata = np.unique(found.strata, return_inverse=True)[1]
        members = [np.flatnonzero(strata == code) for code in range(strata.max() + 1)]
        drawn = np.empty(_RESAMPLES)
        for number in range(_RESAMPLES):
            pick = np.concatenate([rng.choice(inside, len(inside)) for inside in members])
            drawn[number] = _pooled(found.y[pick], found.x[pick], strata[pick], found.indicator)
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def _name(claim: Claim, found: Units) -> str:
    statistic = "rank-biserial correlation" if found.indicator else "Spearman's rho"
    fixed = f", {', '.join(claim.adjust_for)} held fixed" if claim.adjust_for else ""
    return f"{statistic}{fixed}; units: {found.note}"


def estimate(
    sealed: pd.DataFrame, claim: Claim, design: str, *, alpha: float | None, seed: int
) -> Estimate:
    """Estimate a claim's effect on the sealed rows and test it in the claimed direction.

    `sealed`: text cells. `alpha`: the level that decides how many draws are made; None estimates
    without testing. Raises `NotTestableError`.
    """
    import numpy as np

    found = units(sealed, claim, design)
    if found.scheme == "flip":
        per_group = _by_group(found)
        p = None if alpha is None else sign_flip(claim.sign * per_group, alpha, seed)
        effect, rows = float(per_group.mean()), len(per_group)
    else:
        per_group = None
        strata = np.unique(found.strata, return_inverse=True)[1].astype(np.intp)
        a = _ranked(found.y, strata)
        b = found.x if found.indicator else _ranked(found.x, strata)
        p = None if alpha is None else stratified(claim.sign * a, b, strata, alpha, seed)
        effect, rows = _pooled(found.y, found.x, strata, found.indicator), len(found.y)
    interval = _interval(found, per_group, seed + 1)
    return Estimate(effect, interval, p, rows, _name(claim, found))
