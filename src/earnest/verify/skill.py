"""What a rule is worth on rows that it was not made from.

`predicts`: the share of a constant's loss that the rule takes away, from -1 to 1; a loss is the
absolute error of a number, and 1 for a wrong level. The constant is the one that does best on these
very rows (their median, their most frequent level): so no constant in the guise of a rule can pass;
the price is that the constant knows the rows and the rule does not. Losses are paired by units:
rows, or whole groups by their means.

`holds`: the share of rows in which the rule gives the outcome, all units counting alike. Of groups,
one row of each is drawn at random: these are independent, and their mean is that very share.

Where a rule says nothing usable, it does not hold, is wrong about a level, and gets the constant's
loss for a number, in at most 1 in 10 of the rows. In how many is not told: an author chooses where
a rule is silent, and would learn how many sealed rows are of that sort.

Not covered: a rule that is a little nearer in almost every row, and far off in a few, none of which
is among these.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from earnest.core.records import Claim
from earnest.core.rules import RuleColumns
from earnest.verify.permute import PValue, sign_flip, unreachable
from earnest.verify.results import LEVEL as COVERS
from earnest.verify.results import Ask, Estimate
from earnest.verify.rules import NUMBER, own_column
from earnest.verify.units import LEAST_UNITS, NotTestableError, chosen, untestable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

_RELATIVE: Final = 1e-9
_MOST_SILENT: Final = 0.1
_NORMAL: Final = 1.959964
_RIVALS: Final = 41
_TINY: Final = 1e-9


@dataclass(frozen=True)
class _Said:
    """Rows with their outcome `y` and what a rule `said`: numbers, or codes of levels.

    What it did not say is NaN. `groups`: codes of units; `weights`: such that each unit counts
    alike. All of shape (n,).
    """

    y: Floats
    said: Floats
    groups: Codes
    weights: Floats
    number: bool

    @property
    def units(self) -> int:
        return int(self.groups.max()) + 1

    def losses(self, constant: float) -> tuple[Floats, Floats]:
        """Return each unit's mean loss by the rule, and by a constant."""
        import numpy as np

        if not self.number:
            wrong = (self.y != self.said, self.y != constant)
            return self.by_unit(wrong[0].astype(float)), self.by_unit(wrong[1].astype(float))
        against = np.abs(self.y - constant)
        own = np.where(np.isfinite(self.said), np.abs(self.y - self.said), against)
        return self.by_unit(own), self.by_unit(against)

    def by_unit(self, values: Floats) -> Floats:
        """Return each unit's mean."""
        import numpy as np

        found: Floats = np.bincount(self.groups, values) / np.bincount(self.groups)
        return found


def _said(sealed: pd.DataFrame, claim: Claim, design: str) -> _Said:
    import numpy as np
    import pandas as pd

    if why := untestable(claim, design):
        raise NotTestableError(why)
    group = design.partition(":")[2]
    rows = chosen(sealed, claim)
    rows = rows[rows[group].notna()] if group else rows
    column = own_column(rows)
    if column == NUMBER:
        y, said = (_numbers(rows[name]) for name in (claim.outcome, column))
        there = np.isfinite(y)
        rows, said, y = rows[there], said[there], y[there]
    else:
        codes: dict[Hashable, float] = {}
        y, said = (
            np.array([_code(cell, codes) for cell in rows[name]], dtype=float)
            for name in (claim.outcome, column)
        )
    groups = pd.factorize(rows[group])[0] if group else np.arange(len(rows))
    if not len(rows) or groups.max() + 1 < LEAST_UNITS:
        raise NotTestableError(f"fewer than {LEAST_UNITS} independent units")
    groups = groups.astype(np.intp)
    weights = 1.0 / np.bincount(groups)[groups]
    return _Said(y, said, groups, weights, column == NUMBER)


def _numbers(cells: pd.Series[str]) -> Floats:
    import pandas as pd

    found: Floats = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    return found


def _code(cell: object, codes: dict[Hashable, float]) -> float:
    return codes.setdefault(cell, float(len(codes))) if isinstance(cell, str) else math.nan


def skill(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Estimate how much of a constant's loss a rule takes away. Raises `NotTestableError`."""
    import numpy as np

    found = _said(sealed, claim, design)
    silent = ~np.isfinite(found.said)
    if found.number and silent.mean() > _MOST_SILENT:
        raise NotTestableError("the rule gives no number in more than 1 in 10 of the rows")
    own, against = found.losses(_constant(found))
    if not against.any():
        raise NotTestableError("the outcome does not vary: a constant is right in every row")
    effect = max(-1.0, 1.0 - float(own.mean() / against.mean()))
    what = "absolute error" if found.number else "wrong levels"
    unit = "groups" if design.startswith("grouped") else "rows"
    name = f"share of a constant's {what} that the rule takes away; units: {unit}"
    interval = _resampled(effect, own, against, ask)
    return Estimate(effect, interval, _p(found, unit, ask), len(own), name)


def _constant(found: _Said) -> float:
    """Return what does best if it is said of every row, each unit counting alike."""
    import numpy as np

    if not found.number:
        return float(np.bincount(found.y.astype(int), found.weights).argmax())
    return _quantiles(found, np.array([0.5]))[0]


def _quantiles(found: _Said, shares: Floats) -> list[float]:
    """Return the outcome's quantiles, each unit counting alike; between two rows their middle."""
    import numpy as np

    order = np.argsort(found.y, kind="stable")
    y, reached = found.y[order], np.cumsum(found.weights[order])
    at = shares * reached[-1]
    low, high = (
        np.minimum(np.searchsorted(reached, at + off), len(y) - 1) for off in (-_TINY, _TINY)
    )
    return [float(value) for value in (y[low] + y[high]) / 2]


def _rivals(found: _Said) -> list[float]:
    """Return the constants of which one is the best there is, whatever these rows happen to be.

    Of numbers, quantiles as far from the median of these rows as the true one lies in all but 1 of
    10,000 tables.
    """
    import numpy as np

    if not found.number:
        sizes = np.bincount(found.y.astype(int), found.weights)
        return [float(code) for code in np.argsort(-sizes, kind="stable")[:_RIVALS]]
    reach = min(0.5, 2 / math.sqrt(found.units))
    return sorted(set(_quantiles(found, np.linspace(0.5 - reach, 0.5 + reach, _RIVALS))))


def _resampled(effect: float, own: Floats, against: Floats, ask: Ask) -> tuple[float, float]:
    """Return a bootstrap interval over units, widened as Student's t is against the normal."""
    import numpy as np
    from scipy.stats import t

    if not ask.resamples:
        return effect, effect
    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    units = len(own)
    drawn = np.empty(ask.resamples)
    for number in range(ask.resamples):
        pick = rng.integers(0, units, units)
        below = float(against[pick].mean())
        drawn[number] = 1 - float(own[pick].mean()) / below if below else math.nan
    low, high = ask.interval(effect, drawn)
    factor = float(t.ppf((1 + COVERS) / 2, units - 1)) / _NORMAL * math.sqrt(units / (units - 1))
    ends = (effect + factor * (low - effect), effect + factor * (high - effect))
    return max(-1.0, ends[0]), max(-1.0, min(1.0, ends[1]))


def _p(found: _Said, unit: str, ask: Ask) -> PValue | None:
    """Return p that a unit's gain over the best constant is not above 0 in the mean.

    The claim is that each constant is beaten, so p is that of the one that is beaten least clearly.
    """
    from scipy.stats import binomtest

    if ask.alpha is None:
        return None
    if none := unreachable(found.units * math.log(2), ask.alpha):
        return none
    gained = min((against - own for own, against in map(found.losses, _rivals(found))), key=_clear)
    if found.number or unit != "rows":
        flips = sign_flip(gained, ask.alpha, ask.seed)
        return replace(flips, method=flips.method.replace("whole groups", f"{unit}' gains"))
    won, decided = int((gained > 0).sum()), int((gained != 0).sum())
    p = float(binomtest(won, decided, alternative="greater").pvalue) if decided else 1.0
    return PValue(p, decided, "exact sign test of the rows in which one of both is right")


def _clear(gained: Floats) -> float:
    """Return how clear a gain is: its sum over its error."""
    squared = float(gained @ gained)
    return float(gained.sum()) / math.sqrt(squared) if squared else 0.0


def follows(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Estimate the share of units in which a rule gives the outcome. Raises `NotTestableError`."""
    import numpy as np
    from scipy.stats import binomtest

    found, least = _said(sealed, claim, design), claim.threshold or 0.0
    hit = _near(found.y, found.said, claim.tolerance)
    effect = float(found.by_unit(hit.astype(float)).mean())
    rng = np.random.Generator(np.random.PCG64(ask.seed))
    order = rng.permutation(len(hit))
    drawn = hit[order[np.unique(found.groups[order], return_index=True)[1]]]  # one row a unit
    count, units = int(drawn.sum()), len(drawn)
    bounds = binomtest(count, units).proportion_ci(COVERS, method="exact")
    interval = min(effect, float(bounds.low)), max(effect, float(bounds.high))
    p = None
    if ask.alpha is not None:
        share = _by_constant(found.y, found.weights, found.number, claim.tolerance)
        p = _p_of_share(count, units, least, share, ask.alpha)
    whole = "one row a group, drawn at random" if design.startswith("grouped") else "rows"
    name = f"share of rows in which the rule gives the outcome; units: {whole}"
    return Estimate(effect, interval if ask.resamples else (effect, effect), p, units, name)


def _p_of_share(count: int, units: int, least: float, constant: float, alpha: float) -> PValue:
    """Return p that a rule holds in no more than the share `least`; 1 if a constant holds there."""
    from scipy.stats import binomtest

    if constant >= least:
        return PValue(1.0, units, "a constant holds in as large a share")
    if none := unreachable(-units * math.log(least), alpha):
        return none
    p = float(binomtest(count, units, least, alternative="greater").pvalue)
    return PValue(p, units, f"exact binomial test against {least:g}")


def _near(y: Floats, said: Floats, tolerance: float | None) -> npt.NDArray[np.bool_]:
    import numpy as np

    within = _RELATIVE * np.maximum(1e-3, np.abs(y)) if tolerance is None else tolerance
    # A tolerance is meant in the cells' decimals, which binary numbers miss by their last bits.
    return np.abs(y - said) <= within + _RELATIVE * np.abs(y)


def _by_constant(y: Floats, weights: Floats, number: bool, tolerance: float | None) -> float:
    """Return the weighted share of rows in which the best constant gives the outcome."""
    import numpy as np

    if not number:
        shares = np.bincount(y.astype(int), weights)
    else:
        order = np.argsort(y, kind="stable")
        y, reached = y[order], np.concatenate([[0.0], np.cumsum(weights[order])])
        width = 2 * (tolerance or 0.0) + 2 * _RELATIVE * np.abs(y)
        shares = reached[np.searchsorted(y, y + width, side="right")] - reached[:-1]
    return float(shares.max() / weights.sum())


def constant_share(visible: pd.DataFrame, claim: Claim) -> float:
    """Return in what share of the visible rows (text cells) the best constant gives the outcome."""
    import numpy as np

    cells = visible[claim.outcome].dropna()
    number = RuleColumns.of(visible, claim).number
    if number:
        y = _numbers(cells)
        y = y[np.isfinite(y)]
    else:
        codes: dict[Hashable, float] = {}
        y = np.array([_code(cell, codes) for cell in cells], dtype=float)
    return _by_constant(y, np.ones(len(y)), number, claim.tolerance) if len(y) else 0.0
