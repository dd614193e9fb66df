"""Planting and turning effects in the visible rows, as `evidence_forms` says for each form.

An outcome's own values are dealt out anew to the rows in play, so that their normal scores have
a correlation of about `strength` with what the claim says they follow. At strength 0 that is a
plain shuffle, and a weak plant can't be told from a shuffle but by measuring the effect: this is
what keeps a script from recognising what it is looking at. Everything else in the table stays.
Of a column that leans to one side, signs are dealt to the distances from its middle.

Not covered: a form that is not in `EFFECTS`; what the outcome has to do with other columns is
lost in a planted table, except between the strata of what the claim holds fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers, select
from earnest.core.errors import UsageError
from earnest.core.records import Claim
from earnest.verify.evidence_forms import Effect, Measure, NoEffectError, effect_of, levels
from earnest.verify.evidence_tables import generator
from earnest.verify.units import ordinal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from earnest.verify.evidence_tables import Variant

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

_LEAST: Final = 8
_MIDDLE: Final = 0.5
_CALIBRATIONS: Final = 5
_HARDLY: Final = 0.02


@dataclass(frozen=True)
class InPlay:
    """The rows that a claim speaks of: their places in the table, what is planted along what.

    `y`: normal scores of the outcome; `x`: what it is claimed to follow, standardised; `strata`:
    within which outcomes are dealt; `groups`: rows that share their noise. All of shape (n,).
    `against`: what it follows where the effect is turned, if that is not `-x`. `inside`: the
    strata are the design's groups, inside which the exposure varies. `raw`: the outcomes as
    numbers; `restored`: what becomes of them where not they themselves are dealt; `measured`: how
    strong an effect is that a correlation with `x` can't tell.
    """

    places: Codes
    y: Floats
    x: Floats
    strata: Codes
    groups: Codes | None
    raw: Floats
    against: Floats | None = None
    inside: bool = False
    restored: Callable[[Codes], Floats] | None = None
    measured: Measure | None = None
    most: float = 1.0

    def values(self, source: Codes) -> Floats:
        """Return the outcomes once each row in play has got what was another's."""
        return self.restored(source) if self.restored else self.raw[source]

    @property
    def strength(self) -> float:
        """How strongly the outcome follows the claim, from about -1 to 1, by our own measure.

        The larger of the correlations of normal scores and of ranks: in a mixture of groups that
        lean the other way they can differ by half, and honest scripts measure either.
        """
        from scipy.stats import rankdata

        if self.measured:
            return self._own[0] / self._scale
        y, x = self._units
        return max(_correlation(y, x), _correlation(rankdata(y), rankdata(x)))

    @property
    def z(self) -> float:
        """The strength in standard errors, roughly: the largest of what honest scripts may see.

        Of a shuffled table; of this one, rows or groups each with their own spread (Welch's t, a
        test of one value a group); and of these groups' ranks (Wilcoxon's). Where what one group
        shows is always small, an effect that is nothing beside a shuffle is clear beside that.
        """
        import numpy as np
        from scipy.stats import rankdata

        if self.measured:
            return self._own[0] / self._own[1]
        y, x = self._units
        products = [y * x, _from_mean(rankdata(y)) * _from_mean(rankdata(x))]
        if self.inside:
            each = np.bincount(self.strata, products[0]).round(9)  # so that ties are ties
            each = each[each != 0]
            products = [each, rankdata(abs(each)) * np.sign(each)]
        return max(self.strength * math.sqrt(self._freedom), *map(_self_normalised, products))

    @property
    def equivalent(self) -> float:
        """How strong a plant is as clear, in standard errors, as what is there; at least that."""
        if self.measured:
            return min(0.95, max(0.0, self.strength))
        return max(0.0, self.strength, min(0.95, self.z / math.sqrt(self._freedom)))

    @cached_property
    def _own(self) -> tuple[float, float]:
        """The measure of the outcomes as they are, and its standard error."""
        import numpy as np

        assert self.measured  # noqa: S101 - asked only where there is one
        return self.measured(self.values(np.arange(len(self.raw))))

    @cached_property
    def _scale(self) -> float:
        """What the measure comes to, by each unit of strength that is planted."""
        assert self.measured  # noqa: S101 - as above
        found = [
            self.measured(self.values(self.dealt(_MIDDLE, seed)))[0]
            for seed in range(_CALIBRATIONS)
        ]
        return sum(found) / len(found) / _MIDDLE

    @property
    def parted(self) -> bool:
        """Whether plants keep what a shuffle does not: groups' or strata's means, a spread."""
        return self.restored is not None or bool((self.strata != self.strata[0]).any())

    @property
    def _freedom(self) -> int:
        """Of how many values a shuffled table's strength is made."""
        strata = 1 if self.groups is not None else len(set(self.strata.tolist()))
        return max(1, len(self._units[0]) - strata)

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
        strength *= self.most
        toward = strength * self.x
        if strength < 0 and self.against is not None:
            toward = -strength * self.against
        key = toward + math.sqrt(1 - strength**2) * noise
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


def _from_mean(values: Floats) -> Floats:
    centred: Floats = values - values.mean()
    return centred


def _self_normalised(values: Floats) -> float:
    """Return a sum by the root of its squares: for n values at most the root of n."""
    scale = math.sqrt(float(values @ values))
    return float(values.sum()) / scale if scale else 0.0


def _correlation(y: Floats, x: Floats) -> float:
    y, x = _from_mean(y), _from_mean(x)
    scale = math.sqrt(float(y @ y) * float(x @ x))
    return float(y @ x) / scale if scale else 0.0


def _outcomes(cells: pd.Series[str], claim: Claim) -> pd.Series[float]:
    if claim.outcome_order:
        return ordinal(cells, claim.outcome_order)
    return numbers(cells)


def in_play(cells: pd.DataFrame, claim: Claim, design: str) -> InPlay:
    """Return the rows that a claim speaks of. Raises `NoEffectError`.

    `cells`: the visible rows as text, missing cells as NaN, with the row's place as index.
    """
    import numpy as np

    effect = effect_of(claim)
    try:
        rows = select(cells, claim.subset).dropna(subset=list(claim.columns))
        table = _table(rows, claim, effect)
    except (UsageError, KeyError) as error:
        raise NoEffectError(str(error)) from error
    rows = rows.loc[table.index]
    if len(table) < _LEAST or table["x"].nunique() < 2 or table["y"].nunique() < 2:
        raise NoEffectError("outcome or exposure does not vary among the rows in play")
    strata, groups, inside = _strata(rows, table, claim, effect, design)
    ranks = table["y"].groupby(strata).rank()
    sizes = ranks.groupby(strata).transform("size")
    x = table["x"]
    if not effect.scored and claim.group is None:
        x = _scores(x.rank(), len(table))
    found = InPlay(
        np.asarray(table.index, dtype=np.intp),
        _centred(_scores(ranks, sizes), strata),
        x.to_numpy(float) if effect.scored else _centred(x, strata),
        np.asarray(strata, dtype=np.intp),
        groups,
        table["raw"].to_numpy(float),
        table["against"].to_numpy(float) if effect.against else None,
        inside,
        effect.values(rows, claim) if effect.values else None,
        effect.measure(rows, claim) if effect.measure else None,
        effect.most,
    )
    if found.measured and not found._scale > _HARDLY:
        raise NoEffectError("no effect of this kind shows where it is planted in these rows")
    return found


def _table(rows: pd.DataFrame, claim: Claim, effect: Effect) -> pd.DataFrame:
    """Return what is dealt (`y`), what it follows (`x`, `against`), and the outcomes (`raw`)."""
    import pandas as pd

    raw = _outcomes(rows[claim.outcome], claim)
    y = effect.orders(raw, rows, claim)
    table = pd.DataFrame({"y": y, "x": effect.follows(rows, claim), "raw": raw})
    table["against"] = effect.against(rows, claim) if effect.against else 0.0
    return table.dropna()


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
    rows: pd.DataFrame, table: pd.DataFrame, claim: Claim, effect: Effect, design: str
) -> tuple[pd.Series[int], Codes | None, bool]:
    """Return the strata within which outcomes are dealt, the groups that share noise, and whether
    the strata are groups inside which the exposure varies."""
    import numpy as np
    import pandas as pd

    parts = pd.DataFrame(index=rows.index)
    for name in claim.adjust_for:
        parts[name] = levels(rows[name])
    if effect.parts:
        parts["part"] = effect.parts(rows, claim)
    kind, _, column = design.partition(":")
    groups, inside = None, False
    if kind == "grouped" and column in rows.columns and claim.exposure:
        codes = pd.factorize(rows[column])[0]
        varies = rows[claim.exposure] if effect.scored else table["x"]
        if (varies.groupby(codes).nunique() > 1).mean() > 0.5:
            parts[column], inside = codes, True
        else:
            groups = np.asarray(codes, dtype=np.intp)
    if len(parts.columns):
        strata = parts.groupby(list(parts.columns), sort=False, dropna=False).ngroup()
        if strata.groupby(strata).transform("size").median() >= (2 if inside else 4):
            return strata, groups, inside
    return pd.Series(0, index=rows.index), groups, False


def planted(
    play: InPlay, claim: Claim, strength: float, seed: int, *, keep: float = 0.0
) -> Variant:
    """Plant the claimed effect (`strength` above 0) or its opposite (below 0)."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame[claim.outcome].to_numpy(copy=True)
        source = play.dealt(strength, seed, keep=keep)
        if play.restored:
            cells[play.places] = _written(play.values(source), cells[play.places])
        else:
            cells[play.places] = cells[play.places[source]]
        return frame.assign(**{claim.outcome: cells})

    return change


def unplanted(play: InPlay, claim: Claim, seed: int) -> Variant:
    """Plant nothing, and keep what plants keep and shuffles don't, but its relation to the claim.

    Groups inside which the exposure varies exchange their outcomes as wholes: their means stay as
    different as they are, and go with the exposure's by chance only.
    """
    if not play.inside:
        return planted(play, claim, 0.0, seed)

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        import numpy as np

        rng = generator(seed)
        cells = frame[claim.outcome].to_numpy(copy=True)
        order = rng.permutation(len(play.places))
        order = order[np.argsort(play.strata[order], kind="stable")]
        rows = np.split(order, np.flatnonzero(np.diff(play.strata[order])) + 1)
        old = cells[play.places]
        for own, other in zip(rows, rng.permutation(len(rows)), strict=True):
            given = rows[other][np.arange(len(own)) % len(rows[other])]
            cells[play.places[own]] = old[given]
        return frame.assign(**{claim.outcome: cells})

    return change


def _written(values: Floats, like: npt.NDArray[np.object_]) -> list[str]:
    """Return numbers as text with as many decimals as the cells that they take the place of."""
    places = max((len(str(cell).partition(".")[2]) for cell in like), default=0)
    return [f"{value:.{min(places, 12)}f}" for value in values.tolist()]
