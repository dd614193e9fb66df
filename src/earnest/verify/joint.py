"""Claims that hold only if several others do: which of many groups is highest, and reversals.

Intersection-union (Berger 1982): the claim is as sure as the least sure of its parts, so p is the
largest of theirs and needs no correction. The effect is the least of the parts'; its interval
runs from the least lower end to the least upper end, where the upper ends share the upper error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from earnest.core.columns import same_level
from earnest.core.records import Claim
from earnest.verify.monotone import monotone
from earnest.verify.permute import PValue
from earnest.verify.results import Ask, Estimate
from earnest.verify.units import NotTestableError, chosen, untestable

if TYPE_CHECKING:
    import pandas as pd

_MOST_LEVELS: Final = 40


def _least(parts: Sequence[tuple[int, Estimate]], name: str) -> Estimate:
    """Join parts, each with the sign of its effect where it holds; all are positive then."""
    effect = min(sign * part.effect for sign, part in parts)
    bounds = [sorted(sign * bound for bound in part.interval) for sign, part in parts]
    ps = [part.p for _, part in parts if part.p is not None]
    p = None
    if ps:
        worst = max(ps, key=lambda one: one.p)
        p = PValue(worst.p, worst.draws, f"largest of {len(ps)}: {worst.method}", worst.reached)
    interval = (min(low for low, _ in bounds), min(high for _, high in bounds))
    return Estimate(effect, interval, p, min(part.rows for _, part in parts), name)


def highest(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Compare a group with every other level of the exposure. Raises `NotTestableError`."""
    if why := untestable(claim, design):
        raise NotTestableError(why)
    cells = chosen(sealed, claim)[claim.exposure]
    group = claim.group or ""
    others = sorted(cells[~same_level(cells, group)].unique())
    if not 2 <= len(others) + 1 <= _MOST_LEVELS:
        raise NotTestableError(f"{len(others) + 1} levels: 2 to {_MOST_LEVELS} can be compared")
    direction = "higher" if claim.direction == "highest" else "lower"
    shared = replace(ask, upper=len(others))
    parts = []
    for other in others:
        pair = claim.model_copy(update={"direction": direction, "versus": other})
        try:
            parts.append((pair.sign, monotone(sealed, pair, design, shared)))
        except NotTestableError as error:
            raise NotTestableError(f"against {other!r}: {error}") from error
    found = _least(parts, f"least of {len(parts)}: {parts[0][1].name}")
    if claim.sign > 0:
        return found
    low, high = found.interval
    return replace(found, effect=-found.effect, interval=(-high, -low))


def reversal(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Compare the sign overall with that within the levels of the modifier, pooled over them.

    Not covered: that each level by itself has the other sign. Raises `NotTestableError`.
    """
    if why := untestable(claim, design):
        raise NotTestableError(why)
    compares = claim.group is not None
    up, down = ("higher", "lower") if compares else ("positive", "negative")
    if claim.direction == "negative-overall":
        up, down = down, up
    kept = {"table": claim.table, "outcome": claim.outcome, "exposure": claim.exposure}
    base = Claim.model_validate(
        {
            **kept,
            "kind": "difference" if compares else "association",
            "direction": up,
            "group": claim.group,
            "versus": claim.versus,
            "subset": claim.subset,
            "order": () if compares else claim.order,
            "outcome_order": claim.outcome_order,
        }
    )
    within = base.model_copy(update={"direction": down, "adjust_for": (claim.modifier,)})
    sealed = chosen(sealed, claim)
    parts = [
        (part.sign, monotone(sealed, part, design, replace(ask, upper=2)))
        for part in (base, within)
    ]
    return _least(parts, f"the lesser of both effects: {parts[1][1].name}")
