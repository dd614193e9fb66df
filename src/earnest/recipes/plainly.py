"""What came of a run, in plain words: from the verdicts, never from what its agent says of itself.

Numbers are those that may be shown (`core/shown.py`): two digits, and none of sealed rows where a
claim was not confirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from earnest.core.claims import sentence
from earnest.core.records import STANDING, WORDS, Claim, Finding, Verdict
from earnest.core.shown import brief, row

Found = tuple[Finding, Verdict | None]

_STRENGTHS: Final = ((0.1, "very weak"), (0.3, "weak"), (0.5, "moderate"), (2.0, "strong"))
_MOST: Final = 6
_PAIRS: Final = ("higher", "lower")


@dataclass(frozen=True)
class Part:
    """One part of an answer: what its claims have in common, the first of them, how many more."""

    head: str
    lines: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True)
class Answer:
    """What a report says first."""

    lead: str
    parts: tuple[Part, ...] = field(default_factory=tuple)


_HEADS: Final = (
    (STANDING, "This held on rows, or on inputs, that its author had never seen:"),
    (
        ("reproduced",),
        "This computes as stated, and no more could be tested: it speaks of the rows at hand only:",
    ),
    (("refuted",), "This is contradicted by the rows that its author had not seen:"),
    (
        ("inconclusive",),
        "This was not confirmed: the unseen rows did not bear it out clearly enough, or can't "
        "test it. It may be so, or not:",
    ),
    (
        ("invalid",),
        "The evidence given for this was not sound, which says nothing about whether it is so:",
    ),
)


def answer(found: Sequence[Found]) -> Answer:
    """Return the answer that a run's verdicts give to its prompt."""
    parts = []
    for words, head in _HEADS:
        chosen = [one for one in found if one[1] and one[1].word in words]
        chosen.sort(key=lambda one: -abs(row(*one)["effect"] or 0))
        parts += [_part(head, chosen)] if chosen else []
    waiting = [one for one in found if one[1] is None]
    parts += [_part("This has not been verified yet:", waiting)] if waiting else []
    return Answer(_lead(found), tuple(parts))


def _part(head: str, chosen: Sequence[Found]) -> Part:
    told = [_line(*one) for one in chosen[:_MOST]]
    return Part(head, tuple(told), len(chosen) - len(told))


def _line(finding: Finding, verdict: Verdict | None) -> str:
    said = brief(sentence(finding.claim))
    strong = strength(finding, verdict) if verdict and verdict.word in STANDING else ""
    return f"{said[:-1]} ({strong})." if strong else said


def _lead(found: Sequence[Found]) -> str:
    held = sum(verdict is not None and verdict.word in STANDING for _, verdict in found)
    if not found:
        return "No claim was made, so there is nothing that could be confirmed."
    claims = "one claim was" if len(found) == 1 else f"{len(found)} claims were"
    if not held:
        return (
            f"Nothing was confirmed: {claims} made, and none held on data its author hadn't seen."
        )
    if held == len(found):
        return f"{claims[:1].upper()}{claims[1:]} made, and confirmed on data never seen before."
    return f"{held} of {len(found)} claims were confirmed on data that their author had never seen."


def strength(finding: Finding, verdict: Verdict | None) -> str:
    """Return how strong a measured effect is, in a word; empty where none may be shown."""
    effect = row(finding, verdict)["effect"]
    if effect is None or finding.claim.formal or finding.claim.kind == "rule":
        return ""
    return next(word for most, word in _STRENGTHS if abs(effect) < most)


def effect_words(finding: Finding, verdict: Verdict | None) -> str:
    """Return what a measured effect means, and how sure it is; empty where none may be shown."""
    told = row(finding, verdict)
    effect, interval = told["effect"], told["interval"]
    if effect is None:
        return ""
    meant = _meaning(finding, effect)
    if not interval:
        return f"{meant}."
    return f"{meant}. {_sure(finding.claim, interval)}."


def _meaning(finding: Finding, effect: float) -> str:
    claim, iid = finding.claim, finding.table.design == "iid"
    if claim.formal:
        return f"It holds on {effect:.6g} of the inputs drawn anew (1 is all)"
    if claim.kind == "rule":
        if claim.direction == "holds":
            return f"The rule gives the outcome in {effect:.0%} of the unseen rows"
        return f"The rule takes away {effect:.0%} of the error that the best constant makes"
    strong = next(word for most, word in _STRENGTHS if abs(effect) < most)
    if claim.kind == "difference" and claim.direction in _PAIRS and iid:
        share = (1 + claim.sign * effect) / 2
        return (
            f"A {strong} difference ({effect:+.2g} on a scale from -1 to 1): of two rows drawn at "
            f"random, one from each side, the {claim.direction} one is the one claimed in about "
            f"{share:.0%} of draws (50% would be no difference)"
        )
    if claim.kind in ("association", "trend") and claim.direction != "dependent":
        what = "tendency over time" if claim.kind == "trend" else "association"
        return (
            f"A {strong} {what}: rank correlation {effect:+.2g} (0 is none, 1 or -1 is perfectly "
            "in step)"
        )
    return f"A {strong} effect: {effect:+.2g} on a scale where 0 is none and 1 or -1 the most"


def _sure(claim: Claim, interval: Sequence[Any]) -> str:
    low, high = interval
    bounds = f"{low:.6g} to {high:.6g}" if claim.formal else f"{low:+.2g} to {high:+.2g}"
    return f"How sure: the 95 % interval runs from {bounds}"


def ordered(found: Sequence[Found]) -> list[Found]:
    """Return findings, confirmed ones first, of each word the strongest first."""
    order: dict[str, int] = {word: place for place, word in enumerate(WORDS)}

    def key(one: Found) -> tuple[int, float]:
        place = order[one[1].word] if one[1] else len(order)
        return place, -abs(row(*one)["effect"] or 0)

    return sorted(found, key=key)
