"""How each form of claim is planted: one small table, from kind and direction to what is followed.

`evidence_effects` deals outcomes so that they follow it. Where a correlation with what they follow
does not say how strong an effect is (it is a difference, the lesser of two, or a shape), the form
has a measure of its own.

Not covered: reversals where rows come in groups inside which the exposure varies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers
from earnest.core.errors import UsageError
from earnest.core.records import Claim
from earnest.verify.evidence_tables import generator
from earnest.verify.units import membership, ordinal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]
    Follows = Callable[[pd.DataFrame, Claim], pd.Series[float]]

Measure = Callable[["Floats"], tuple[float, float]]
"""From outcomes (n,) to an effect, positive as claimed, and its standard error."""

BINS: Final = 5
_WAVES: Final = (3, 4)
_SHUFFLES: Final = 100
_LEVEL_APART: Final = 0.15
_MOST_ROWS: Final = 600


class NoEffectError(Exception):
    """There is no way to plant this effect in this table; the message says why."""


def _itself(outcome: pd.Series[float], _: pd.DataFrame, __: Claim) -> pd.Series[float]:
    return outcome


def _from_the_middle(outcome: pd.Series[float], _: pd.DataFrame, __: Claim) -> pd.Series[float]:
    return (outcome - outcome.median()).abs()


@dataclass(frozen=True)
class Effect:
    """How a form of claim is planted: its outcomes are dealt so that they follow something.

    `follows`: a number a row, NaN: not in play; where the claim is true, larger ones go with larger
    outcomes. `against`: the same where the opposite is true; by default the other way round.
    `orders`: by what outcomes are large (for a spread: their distance from the middle). `scored`:
    what is followed is standardised as it is. `parts`: inside which outcomes are dealt. `values`:
    what outcomes a row has once it got what was another's, where they are not that one's own.
    `measure`: see `Measure`. `turns`: whether the claim has an opposite. `most`: how closely
    outcomes may follow at all; more would tear a hole in the middle of a column that leans.
    """

    follows: Follows
    orders: Callable[[pd.Series[float], pd.DataFrame, Claim], pd.Series[float]] = _itself
    turns: bool = True
    against: Follows | None = None
    scored: bool = False
    parts: Follows | None = None
    values: Callable[[pd.DataFrame, Claim], Callable[[Codes], Floats]] | None = None
    measure: Callable[[pd.DataFrame, Claim], Measure] | None = None
    most: float = 1.0


def _groups_apart(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    return claim.sign * membership(cells[claim.exposure], str(claim.group), claim.versus)


def _along(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    column = cells[claim.exposure]
    values = ordinal(column, claim.order) if claim.order else numbers(column)
    return claim.sign * values.rank()


def _along_levels(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    """Return the mean rank of the outcome at the exposure's level, fifths of a numeric one.

    Taken from the outcomes themselves, it is never below 0 in the table as it is; with k levels the
    strength of pure noise is about sqrt((k - 1) / n).
    """
    ranks = numbers(cells[claim.outcome]).rank()
    return ranks.groupby(levels(cells[claim.exposure])).transform("mean")


def levels(cells: pd.Series[str]) -> pd.Series[float]:
    """Return a column's levels as codes: fifths of a numeric one with many values."""
    import pandas as pd

    if cells.nunique() > 2 * BINS:
        try:
            return pd.qcut(numbers(cells), BINS, labels=False, duplicates="drop")
        except UsageError:
            pass
    return pd.Series(pd.factorize(cells)[0], index=cells.index).astype(float)


def _outcome(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    column = cells[claim.outcome]
    return ordinal(column, claim.outcome_order) if claim.outcome_order else numbers(column)


def _scaled(values: pd.Series[float]) -> pd.Series[float]:
    spread = float(values.std(ddof=0))
    return (values - values.mean()) / spread if spread else values * 0.0


def _sides(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    """Return 1 where the modifier is the group, 0 where it is what that is compared with."""
    return membership(cells[claim.modifier], str(claim.group), claim.versus)


def _where_strong(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    """Return the exposure's scores at the modifier's level where it is stronger; elsewhere 0.

    Turned as it goes with the outcome there now: "stronger" takes either sign.
    """
    return _at(cells, claim, 1.0 if claim.sign > 0 else 0.0)


def _where_weak(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    return _at(cells, claim, 0.0 if claim.sign > 0 else 1.0)


def _at(cells: pd.DataFrame, claim: Claim, level: float) -> pd.Series[float]:
    column, sides = cells[claim.exposure], _sides(cells, claim)
    x = (ordinal(column, claim.order) if claim.order else numbers(column)).rank()
    here = sides == level
    turn = -1.0 if x[here].corr(_outcome(cells, claim)[here].rank()) < 0 else 1.0
    there = (turn * _scaled(x.where(here))).where(here, 0.0)
    return there.where(sides.notna() & x.notna())


def _moderated(cells: pd.DataFrame, claim: Claim) -> Measure:
    """Measure how much stronger ranks go together at the one level, in standard errors of rho."""
    import numpy as np
    from scipy.stats import rankdata

    column = cells[claim.exposure]
    x = (ordinal(column, claim.order) if claim.order else numbers(column)).to_numpy(float)
    sides = _sides(cells, claim).to_numpy(float)

    def measure(y: Floats) -> tuple[float, float]:
        rhos, spread = [], 0.0
        for level in (1.0, 0.0):
            here = sides == level
            rho = _rho(rankdata(y[here]), rankdata(x[here]))
            rhos.append(abs(rho))
            spread += (1 - rho**2) ** 2 / max(1, int(here.sum()) - 1)
        return claim.sign * (rhos[0] - rhos[1]), max(1e-9, float(np.sqrt(spread)))

    return measure


def _rho(y: Floats, x: Floats) -> float:
    y, x = y - y.mean(), x - x.mean()
    scale = math.sqrt(float(y @ y) * float(x @ x))
    return float(y @ x) / scale if scale else 0.0


def _exposed(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    column = cells[claim.exposure]
    if claim.group is not None:
        return membership(column, claim.group, claim.versus)
    return (ordinal(column, claim.order) if claim.order else numbers(column)).rank()


def _reversed(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    """Return what rises from level to level of the modifier and falls inside each, as x does.

    Weighed so that the correlation overall and that inside the levels are as strong.
    """
    x = _exposed(cells, claim)
    between = x.groupby(levels(cells[claim.modifier])).transform("mean")
    inside = x - between
    whole, apart, rest = (float(one.std(ddof=0)) for one in (x, between, inside))
    if not whole or apart < _LEVEL_APART * whole or rest < _LEVEL_APART * whole:
        raise NoEffectError("no reversal fits: the exposure varies only inside levels, or between")
    weight = (rest * whole + rest**2) / apart**2
    return _overall(claim) * _scaled(weight * between - inside)


def _overall(claim: Claim) -> int:
    return 1 if claim.direction == "positive-overall" else -1


def _lesser(cells: pd.DataFrame, claim: Claim) -> Measure:
    """Measure the lesser of the correlation overall and the opposite one inside the levels."""
    import pandas as pd
    from scipy.stats import rankdata

    x = _exposed(cells, claim)
    level = levels(cells[claim.modifier])

    def measure(y: Floats) -> tuple[float, float]:
        ranks = pd.DataFrame({"y": rankdata(y), "x": x, "level": level})
        means = ranks.groupby("level")[["y", "x"]].transform("mean")
        overall = _rho(ranks["y"].to_numpy(float), ranks["x"].to_numpy(float))
        rest = ranks[["y", "x"]] - means
        inside = _rho(rest["y"].to_numpy(float), rest["x"].to_numpy(float))
        sign = _overall(claim)
        return min(sign * overall, -sign * inside), 1 / math.sqrt(len(y))

    return measure


def _where_the_group_is_dense(
    outcome: pd.Series[float], cells: pd.DataFrame, claim: Claim
) -> pd.Series[float]:
    """Return how much more often the group has such an outcome, location and spread apart.

    Read from the shapes as they are, so that what is planted is a difference of that kind: along
    the ranks, one tail against the other, and both against the shoulders.
    """

    from numpy.polynomial.legendre import legval

    group, _, __, standard = _apart(outcome, cells, claim)
    places = 2 * standard.rank(pct=True) - 1
    tilt = outcome * 0.0
    for waves in _WAVES:
        wave = legval(places, [0.0] * waves + [1.0])
        tilt += (wave[group == 1.0].mean() - wave[group == 0.0].mean()) * wave
    return tilt.where(group.notna())


def _apart(
    outcome: pd.Series[float], cells: pd.DataFrame, claim: Claim
) -> tuple[pd.Series[float], pd.Series[float], pd.Series[float], pd.Series[float]]:
    """Return the side of each row, the median and the quartiles' distance there, what is left."""
    group = membership(cells[claim.exposure], str(claim.group), claim.versus)
    by = outcome.groupby(group)
    middle, wide = by.transform("median"), by.transform(_between_quartiles)
    if not (wide.dropna() > 0).all():
        raise NoEffectError("half of a group's outcomes are the same: no shape to plant")
    return group, middle, wide, (outcome - middle) / wide


def _floats(values: pd.Series[float]) -> Floats:
    import numpy as np

    return np.asarray(values, dtype=np.float64)


def _between_quartiles(values: pd.Series[float]) -> float:
    return float(values.quantile(0.75) - values.quantile(0.25))


def _restored(cells: pd.DataFrame, claim: Claim) -> Callable[[Codes], Floats]:
    """What is dealt are outcomes without location and spread; each row's side gives it its own."""
    _, middle, wide, standard = _apart(numbers(cells[claim.outcome]), cells, claim)
    places = (middle.to_numpy(float), wide.to_numpy(float), standard.to_numpy(float))

    def values(source: Codes) -> Floats:
        found: Floats = places[0] + places[1] * places[2][source]
        return found

    return values


def _flipped(cells: pd.DataFrame, claim: Claim) -> Callable[[Codes], Floats]:
    """What is dealt is on which side of the middle an outcome lies; its distance stays."""
    import numpy as np

    outcome = numbers(cells[claim.outcome])
    away = (outcome - _middle(outcome)).to_numpy(float)

    def values(source: Codes) -> Floats:
        found: Floats = _middle(outcome) + np.where(away >= 0, 1, -1)[source] * np.abs(away)
        return found

    return values


def _shapes(cells: pd.DataFrame, claim: Claim) -> Measure:
    """Measure the distance of two groups' standardised quantiles, less what shuffles give."""
    import numpy as np
    import pandas as pd

    from earnest.verify.shape import distance

    def measure(y: Floats) -> tuple[float, float]:
        group, _, __, standard = _apart(pd.Series(y, index=cells.index), cells, claim)
        both = _floats(standard[group.sort_values(ascending=False).index])
        first, rng = int(group.sum()), generator(len(both))
        draws = distance(np.stack([rng.permutation(both) for _ in range(_SHUFFLES)]), first)
        found = float(distance(both[None, :], first)[0])
        return found - float(np.nanmean(draws)), max(1e-9, float(np.nanstd(draws)))

    return measure


def _far_out(cells: pd.DataFrame, claim: Claim) -> pd.Series[float]:
    """Return the scores of the outcomes' distances from the middle: far ones lie on one side."""
    outcome = numbers(cells[claim.outcome])
    return claim.sign * _scaled((outcome - _middle(outcome)).abs().rank())


def _on_a_side(outcome: pd.Series[float], _: pd.DataFrame, __: Claim) -> pd.Series[float]:
    return (outcome >= _middle(outcome)).astype(float)


def _middle(outcome: pd.Series[float]) -> float:
    """Return a middle value that is there, so that whole numbers stay whole."""
    return float(outcome.quantile(0.5, interpolation="lower"))


def _leaning(_: pd.DataFrame, claim: Claim) -> Measure:
    """Measure to which side a column leans, by triples of at most 600 rows."""
    from earnest.verify.shape import triples

    def measure(y: Floats) -> tuple[float, float]:
        y = y if len(y) <= _MOST_ROWS else generator(len(y)).choice(y, _MOST_ROWS, replace=False)
        each = triples(y)
        spread = 3 * float(each.std()) / math.sqrt(len(y))
        return claim.sign * float(each.mean()), max(1e-9, spread)

    return measure


_APART: Final = Effect(_groups_apart)
_SPREAD: Final = Effect(_groups_apart, _from_the_middle)
_SHAPE: Final = Effect(
    _groups_apart, _where_the_group_is_dense, turns=False, values=_restored, measure=_shapes
)
_LEANS: Final = Effect(
    _far_out, _on_a_side, scored=True, values=_flipped, measure=_leaning, most=0.8
)
_STRONGER: Final = Effect(
    _where_strong, against=_where_weak, scored=True, parts=_sides, measure=_moderated
)
_REVERSED: Final = Effect(_reversed, scored=True, measure=_lesser)
EFFECTS: Final[Mapping[tuple[str, str], Effect]] = {
    **{("difference", way): _APART for way in ("higher", "lower", "highest", "lowest")},
    **{("association", way): Effect(_along) for way in ("positive", "negative")},
    ("association", "dependent"): Effect(_along_levels, turns=False),
    **{("trend", way): Effect(_along) for way in ("rising", "falling")},
    **{("distribution", way): _SPREAD for way in ("wider", "narrower")},
    ("distribution", "different"): _SHAPE,
    **{("distribution", way): _LEANS for way in ("right-skewed", "left-skewed")},
    **{("interaction", way): _STRONGER for way in ("stronger", "weaker")},
    **{("interaction", way): _REVERSED for way in ("positive-overall", "negative-overall")},
}
"""By kind and direction. A form without an entry is not planted or turned; its checks say so."""


def effect_of(claim: Claim) -> Effect:
    """Return how a claim's effect is planted. Raises `NoEffectError`."""
    found = EFFECTS.get((claim.kind, claim.direction))
    if found is None:
        raise NoEffectError(f"there is no way to plant a {claim.kind} that is {claim.direction}")
    return found
