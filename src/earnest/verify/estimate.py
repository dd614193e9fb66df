"""The trusted estimators: effect, interval and p-value of a claim on the sealed rows.

One entry for all kinds; each module says what its effect is and what it does not cover. The nulls
by kind and design are in `docs/verify.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from earnest.core.records import Claim
from earnest.verify.dependence import dependence
from earnest.verify.joint import highest, reversal
from earnest.verify.moderation import moderation
from earnest.verify.monotone import monotone
from earnest.verify.results import Ask, Estimate
from earnest.verify.shape import shape, skew
from earnest.verify.skill import follows, skill
from earnest.verify.spread import spread
from earnest.verify.units import NotTestableError, untestable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ask", "Estimate", "answer", "estimate", "point"]

_BY_DIRECTION: Final[Mapping[str, Callable[[pd.DataFrame, Claim, str, Ask], Estimate]]] = {
    **dict.fromkeys(("higher", "lower", "positive", "negative", "rising", "falling"), monotone),
    **dict.fromkeys(("highest", "lowest"), highest),
    **dict.fromkeys(("wider", "narrower"), spread),
    **dict.fromkeys(("right-skewed", "left-skewed"), skew),
    **dict.fromkeys(("stronger", "weaker"), moderation),
    **dict.fromkeys(("positive-overall", "negative-overall"), reversal),
    "dependent": dependence,
    "different": shape,
    "predicts": skill,
    "holds": follows,
}


def answer(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Estimate as asked: `estimate` with its parts apart. Raises `NotTestableError`."""
    if claim.descriptive:
        raise NotTestableError(untestable(claim, design))
    return _BY_DIRECTION[claim.direction](sealed, claim, design, ask)


def estimate(
    sealed: pd.DataFrame, claim: Claim, design: str, *, alpha: float | None, seed: int
) -> Estimate:
    """Estimate a claim's effect on the sealed rows and test it in the claimed direction.

    `sealed`: text cells; of a rule, those that `rules.applied` gave. `alpha`: the level that
    decides how many draws are made; None estimates without testing. Raises `NotTestableError`.
    """
    return answer(sealed, claim, design, Ask(alpha, seed))


def point(sealed: pd.DataFrame, claim: Claim, design: str) -> float:
    """Return the effect alone. Raises `NotTestableError`."""
    return answer(sealed, claim, design, Ask(None, 0, resamples=0)).effect
