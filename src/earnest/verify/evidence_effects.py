"""Planting and turning effects in the visible rows: one small table, from form to how.

An outcome's own values are dealt out anew to the rows in play, so that their normal scores have
a correlation of about `strength` with what the claim says they follow. At strength 0 that is a
plain shuffle, and a weak plant can't be told from a shuffle but by measuring the effect: this is
what keeps a script from recognising what it is looking at. Everything else in the table stays.

Not covered: a form that is not in `EFFECTS`; what the outcome has to do with other columns is
lost in a planted table, except between the strata of what the claim holds fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers, select
from earnest.core.errors import UsageError
from earnest.core.records import Claim
from earnest.verify.evidence_tables import generator
from earnest.verify.units import membership, ordinal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from earnest.verify.evidence_tables import Variant

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

_LEAST: Final = 8
_BINS: Final = 5


class NoEffectError(Exception):
    """There is no way to plant this effect in this table; the message says why."""


@dataclass(frozen=True)
class InPlay:
    """The rows that a claim speaks of: their places in the table, what is planted along what.

    `y`: normal scores of the outcome; `x`: what it is claimed to follow, standardised; `strata`:
    within which outcomes are dealt; `groups`: rows that share their noise. All of shape (n,).
    """

    places: Codes
    y: Floats
    x: Floats
    strata: Codes
    groups: Codes | None

    @property
    def strength(self) -> float:
        """How strongly the outcome follows the claim, from -1 to 1, by our own measure.

        The larger of the correlations of normal scores and of ranks: in a mixture of groups that
        lean the other way they can differ by half, and honest scripts measure either.
        """
        from scipy.stats import rankdata

        y, x = self._units
        return max(_correlation(y, x), _correlation(rankdata(y), rankdata(x)))

    @property
    def z(self) -> float:
        """The strength in standard errors, roughly."""
        return self.strength * math.sqrt(len(self._units[0]))

    @property
    def _units(self) -> tuple[Floats, Floats]:
        import numpy as np

        if self.groups is None:
            return self.y, self.x
        sizes = np.bincount(self.groups)
        means = [np.bincount(self.groups, values) / sizes for values in (self.y, self.x)]
        return means[0] - means[0].mean(), means[1] - means[1].mean()

    def dealt(self, strength: float, seed: int, *, keep: float = 0.0) -> Codes:
        """Return from which of the rows in play each one gets its outcome.

        `keep`: how much of an outcome's present place counts, for plants that leave what it has to
        do with other columns.
        """
        import numpy as np

        rng = generator(seed)
        noise = rng.normal(size=len(self.y))
        if self.groups is not None:
            shared = self._shared
            common = rng.normal(size=int(self.groups.max()) + 1)[self.groups]
            noise = math.sqrt(shared) * common + math.sqrt(1 - shared) * noise
        noise = keep * self.y + math.sqrt(1 - keep**2) * noise
        key = strength * self.x + math.sqrt(1 - strength**2) * noise
        source = np.empty(len(key), dtype=np.intp)
        source[np.lexsort((key, self.strata))] = np.lexsort((self.y, self.strata))
        return source

    @property
    def _shared(self) -> float:
        """The share of the outcome's variance that lies between groups."""
        import numpy as np

        assert self.groups is not None  # noqa: S101 - asked only where there are groups
        means = np.bincount(self.groups, self.y) / np.bincount(self.groups)
        inside = float(((self.y - means[self.groups]) ** 2).sum())
        return min(0.95, max(0.05, 1 - inside / max(1e-12, float((self.y**2).sum()))))


def _correlation(y: Floats, x: Floats) -> float:
    y, x = y - y.mean(), x - x.mean()
    scale = math.sqrt(float(y @ y) * float(x @ x))
    return float(y @ x) / scale if scale else 0.0


def _itself(outcome: pd.Series[float]) -> pd.Series[float]:
    return outcome


def _from_the_middle(outcome: pd.Series[float]) -> pd.Series[float]:
    return (outcome - outcome.median()).abs()


@dataclass(frozen=True)
class Effect:
    """How a form of claim is planted: its outcomes are dealt so that they follow something.

    `follows`: a number a row, NaN: not in play; where the claim is true, larger ones go with larger
    outcomes. `orders`: by what outcomes are large (for a spread: their distance from the middle).
    `turns`: whether the claim has an opposite.
    """

    follows: Callable[[pd.DataFrame, Claim], pd.Series[float]]
    orders: Callable[[pd.Series[float]], pd.Series[float]] = _itself
    turns: bool = True


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
    return ranks.groupby(_levels(cells[claim.exposure])).transform("mean")


_APART: Final = Effect(_groups_apart)
_SPREAD: Final = Effect(_groups_apart, _from_the_middle)
EFFECTS: Final[Mapping[tuple[str, str], Effect]] = {
    **{("difference", way): _APART for way in ("higher", "lower", "highest", "lowest")},
    **{("association", way): Effect(_along) for way in ("positive", "negative")},
    ("association", "dependent"): Effect(_along_levels, turns=False),
    **{("trend", way): Effect(_along) for way in ("rising", "falling")},
    **{("distribution", way): _SPREAD for way in ("wider", "narrower")},
}
"""By kind and direction. A form without an entry is not planted or turned; its checks say so."""


def effect_of(claim: Claim) -> Effect:
    """Return how a claim's effect is planted. Raises `NoEffectError`."""
    found = EFFECTS.get((claim.kind, claim.direction))
    if found is None:
        raise NoEffectError(f"there is no way to plant a {claim.kind} that is {claim.direction}")
    return found


def _outcomes(cells: pd.Series[str], claim: Claim) -> pd.Series[float]:
    if claim.outcome_order:
        return ordinal(cells, claim.outcome_order)
    return numbers(cells)


def in_play(cells: pd.DataFrame, claim: Claim, design: str) -> InPlay:
    """Return the rows that a claim speaks of. Raises `NoEffectError`.

    `cells`: the visible rows as text, missing cells as NaN, with the row's place as index.
    """
    import numpy as np
    import pandas as pd

    effect = effect_of(claim)
    try:
        rows = select(cells, claim.subset)
        rows = rows.dropna(subset=[claim.outcome, claim.exposure, *claim.adjust_for])
        y = effect.orders(_outcomes(rows[claim.outcome], claim))
        x = effect.follows(rows, claim)
    except (UsageError, KeyError) as error:
        raise NoEffectError(str(error)) from error
    table = pd.DataFrame({"y": y, "x": x}).dropna()
    if len(table) < _LEAST or table["x"].nunique() < 2 or table["y"].nunique() < 2:
        raise NoEffectError("outcome or exposure does not vary among the rows in play")
    strata, groups = _strata(rows.loc[table.index], table["x"], claim, design)
    ranks = table["y"].groupby(strata).rank()
    sizes = ranks.groupby(strata).transform("size")
    x = table["x"] if claim.group is not None else _scores(table["x"].rank(), len(table))
    return InPlay(
        np.asarray(table.index, dtype=np.intp),
        _centred(_scores(ranks, sizes), strata),
        _centred(x, strata),
        np.asarray(strata, dtype=np.intp),
        groups,
    )


def _scores(ranks: pd.Series[float], sizes: pd.Series[float] | int) -> pd.Series[float]:
    import pandas as pd
    from scipy.special import ndtri

    return pd.Series(ndtri((ranks - 0.5) / sizes), index=ranks.index)


def _centred(values: pd.Series[float], strata: pd.Series[int]) -> Floats:
    """Return values less their stratum's mean, with a spread of 1 over all."""
    centred = values - values.groupby(strata).transform("mean")
    spread = float(centred.std(ddof=0))
    return (centred / spread if spread else centred).to_numpy(float)


def _strata(
    rows: pd.DataFrame, x: pd.Series[float], claim: Claim, design: str
) -> tuple[pd.Series[int], Codes | None]:
    """Return the strata within which outcomes are dealt, and the groups that share noise."""
    import numpy as np
    import pandas as pd

    parts = pd.DataFrame(index=rows.index)
    for name in claim.adjust_for:
        parts[name] = _levels(rows[name])
    kind, _, column = design.partition(":")
    groups = None
    if kind == "grouped" and column in rows.columns:
        codes = pd.factorize(rows[column])[0]
        if (x.groupby(codes).nunique() > 1).mean() > 0.5:
            parts[column] = codes
        else:
            groups = np.asarray(codes, dtype=np.intp)
    if not parts.empty and len(parts.columns):
        strata = parts.groupby(list(parts.columns), sort=False, dropna=False).ngroup()
        if strata.groupby(strata).transform("size").median() >= 4:
            return strata, groups
    return pd.Series(0, index=rows.index), groups


def _levels(cells: pd.Series[str]) -> pd.Series[float]:
    """Return a column's levels as codes: fifths of a numeric one with many values."""
    import pandas as pd

    if cells.nunique() > 2 * _BINS:
        try:
            return pd.qcut(numbers(cells), _BINS, labels=False, duplicates="drop")
        except UsageError:
            pass
    return pd.Series(pd.factorize(cells)[0], index=cells.index).astype(float)


def planted(
    play: InPlay, claim: Claim, strength: float, seed: int, *, keep: float = 0.0
) -> Variant:
    """Plant the claimed effect (`strength` above 0) or its opposite (below 0)."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame[claim.outcome].to_numpy(copy=True)
        cells[play.places] = cells[play.places[play.dealt(strength, seed, keep=keep)]]
        return frame.assign(**{claim.outcome: cells})

    return change
