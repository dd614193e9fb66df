"""Which claims say the same, ask the same, or contradict each other: one normal form for all.

Not covered: a group and all the others of an exposure with two levels (a claim does not say how
many there are); `dependent`, which has no opposite; columns that are copies of each other, which
only the rows tell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from earnest.core.canon import canonical, digest
from earnest.core.formal import normal_formal
from earnest.core.frozen import Body
from earnest.core.kinds import FIRST_FIELDS, SECOND_FIELDS, Claim
from earnest.core.predicates import Comparison, parse_conjunction
from earnest.core.records import Word

Grade = Literal["novel", "known", "extends", "contradicts"]

_PAIRS: Final = (
    ("higher", "lower"),
    ("highest", "lowest"),
    ("positive", "negative"),
    ("rising", "falling"),
    ("wider", "narrower"),
    ("right-skewed", "left-skewed"),
    ("stronger", "weaker"),
    ("positive-overall", "negative-overall"),
)
OPPOSITE: Final[Mapping[str, str]] = {**dict(_PAIRS), **{low: high for high, low in _PAIRS}}
"""The direction that can't be true where the other one is."""

_DEFAULTS: Final[Body] = {
    name: [] if field.default == () else field.default for name, field in Claim.model_fields.items()
}
_WITH_VERSUS: Final = ("difference", "distribution", "interaction")
_PLACES: Final = 3
_PLAIN: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Related:
    """An earlier finding that a claim is like: how, which, its current word, its table's name.

    `near`: by its text, or on a table with the same columns under another name.
    """

    how: Literal["known", "extends", "contradicts", "near"]
    finding: str
    word: Word
    table: str


@lru_cache(maxsize=256)
def normal(claim: Claim) -> Claim:
    """Return the one form of all claims that say the same as this one.

    Columns that a claim names evenly are sorted, as are a group and what it is compared with, and
    orders of levels, the direction turned along; so are subsets and what is held fixed. Levels
    and numbers have one notation; a threshold counts to three decimals.
    """
    body: Body = dict(claim)
    for name in ("group", "versus"):
        body[name] = _level(body[name])
    for name in ("order", "outcome_order"):
        body[name] = tuple(str(_level(level)) for level in body[name])
    for name in ("subset", "where"):
        body[name] = " and ".join(map(_written, conditions(body[name])))
    body["adjust_for"] = tuple(sorted(claim.adjust_for))
    body["given"] = tuple(sorted(claim.given))
    for name in ("program", "reference"):
        body[name] = "\n".join(filter(None, map(str.rstrip, body[name].splitlines())))
    for one, other in (("program", "reference"), ("left", "right")):
        if body[other] and body[other] < body[one]:
            body[one], body[other] = body[other], body[one]
    if claim.formal:
        body.update(normal_formal(claim))
    if claim.threshold is not None:
        body["threshold"] = round(claim.threshold, _PLACES)
    _sort_columns(body)
    _sort_groups(body)
    _sort_levels(body)
    return claim.model_copy(update=body)


def _turn(body: Body) -> None:
    body["direction"] = OPPOSITE.get(body["direction"], body["direction"])


def _sort_columns(body: Body) -> None:
    """An association has no first column, nor has an interaction of two columns' ranks."""
    even = body["kind"] == "association" or (
        body["kind"] == "interaction"
        and (body["direction"] in ("stronger", "weaker") or body["group"] is None)
    )
    if even and body["exposure"] < body["outcome"]:
        body["outcome"], body["exposure"] = body["exposure"], body["outcome"]
        body["order"], body["outcome_order"] = body["outcome_order"], body["order"]


def _sort_groups(body: Body) -> None:
    """Higher in A than in B is lower in B than in A."""
    versus, group = body["versus"], body["group"]
    if body["kind"] in _WITH_VERSUS and versus is not None and versus < group:
        body["group"], body["versus"] = versus, group
        _turn(body)


def _sort_levels(body: Body) -> None:
    """An order told from its other end turns the direction, save of what has no sign."""
    for name in ("order", "outcome_order"):
        levels = body[name]
        if name == "order" and body["kind"] == "interaction" and _between_groups(body):
            continue  # the exposure is a group, or not: the order says nothing
        if levels and levels[-1] < levels[0]:
            body[name] = levels[::-1]
            if body["direction"] not in ("stronger", "weaker"):
                _turn(body)


def _between_groups(body: Mapping[str, Any]) -> bool:
    return body["group"] is not None and body["direction"] not in ("stronger", "weaker")


def _level(level: str | None) -> str | None:
    """Return a level's one notation: `1` and `1.0` are the same level of a column."""
    try:
        number = float(level or "")
    except ValueError:
        return level
    return level if "_" in str(level) or not math.isfinite(number) else _number(number)


def _number(number: float) -> str:
    whole = number.is_integer() and abs(number) < 1e15
    return str(int(number)) if whole else repr(number)


def conditions(subset: str) -> tuple[Comparison, ...]:
    """Return a subset's conditions, sorted, each once, without those that others imply."""
    found = {_typed(one) for one in parse_conjunction(subset)}
    kept = [one for one in found if not any(_implies(o, one) for o in found - {one})]
    return tuple(sorted(kept, key=_written))


def _typed(one: Comparison) -> Comparison:
    """`sex == '1'` and `sex == 1` choose the same rows; with `!=` missing cells differ."""
    if not isinstance(one.literal, str):
        return one
    level = str(_level(one.literal))
    number = one.comparison == "==" and re.fullmatch(r"-?\d+(\.\d+)?", level)
    return Comparison(one.name, one.comparison, float(level) if number else level)


def _implies(one: Comparison, other: Comparison) -> bool:
    """Say whether each cell that satisfies the one satisfies the other."""
    if (one.name, one.absolute) != (other.name, other.absolute):
        return False
    if one == other:
        return True
    if isinstance(one.literal, str) or isinstance(other.literal, str):
        return False
    if one.comparison == "==":
        return bool(other.holds(one.literal))
    if one.comparison[0] != other.comparison[0] or one.comparison[0] not in "<>":
        return False
    if one.literal == other.literal:
        return "=" not in one.comparison or "=" in other.comparison
    return (one.literal > other.literal) == (one.comparison[0] == ">")


def _written(one: Comparison) -> str:
    name = one.name if _PLAIN.fullmatch(one.name) and one.name != "abs" else f"`{one.name}`"
    if isinstance(one.literal, str):
        quote = '"' if "'" in one.literal else "'"
        return f"{name} {one.comparison} {quote}{one.literal}{quote}"
    left = f"abs({name})" if one.absolute else name
    return f"{left} {one.comparison} {_number(one.literal)}"


def _body(one: Claim) -> Body:
    """Return a claim as JSON; a field that came after version 2 counts where it says something.

    So what was derived of an older claim stays as it was.
    """
    body = {name: list(v) if isinstance(v, tuple) else v for name, v in one}
    return {
        name: value
        for name, value in body.items()
        if name in SECOND_FIELDS or value != _DEFAULTS[name]
    }


def _digest(body: Body) -> str:
    return digest(canonical(body))


def claim_key(claim: Claim) -> str:
    """Return what two claims share when they say the same.

    A claim in its normal form that the first version could make keeps the key that it had there:
    a field that came later counts only where it says something.
    """
    one = normal(claim)
    body = {
        name: value
        for name, value in _body(one).items()
        if name in FIRST_FIELDS or value != _DEFAULTS[name]
    }
    return _digest(body)


def _asked(one: Claim) -> Body:
    """Return what a claim in normal form asks; the answer, its size and its rows left out."""
    body = _body(one)
    body["direction"] = min(one.direction, OPPOSITE.get(one.direction, one.direction))
    if body["direction"] == "highest":
        body["group"] = None  # which of them is highest
    if one.formal:
        body.pop("inputs", None)  # of which inputs, as of which rows
    return body | {"threshold": None, "subset": "", "adjust_for": []}


def topic(claim: Claim) -> str:
    """Return what two claims share that ask the same of any rows, whatever is held fixed."""
    return _digest(_asked(normal(claim)))


def topic_under(claim: Claim, columns: Iterable[str]) -> str:
    """Return the topic on any table with these columns, whatever its name."""
    return _digest({**_asked(normal(claim)), "table": sorted(columns)})


def question(claim: Claim) -> str:
    """Return what two claims share that ask the same: all but the direction and the threshold.

    Two claims with one question and opposite directions contradict each other.
    """
    one = normal(claim)
    return _digest({**_asked(one), "subset": one.subset, "adjust_for": list(one.adjust_for)})


def rough(claim: Claim) -> str:
    """Return what two claims share that say the same but for numbers: thresholds, cut-offs."""
    one = normal(claim)
    shape = [
        f"{c.name} {c.comparison.rstrip('=')} {c.literal if c.comparison in '== !=' else 0}"
        for c in conditions(one.subset)
    ]
    body = _asked(one) | {"direction": one.direction, "group": one.group}
    return _digest({**body, "subset": sorted(shape), "adjust_for": list(one.adjust_for)})


def contradict(one: Claim, other: Claim) -> bool:
    """Say whether both can't be true: one question, and opposite answers."""
    if question(one) != question(other):
        return False
    first, second = normal(one), normal(other)
    if first.direction in ("highest", "lowest") and first.group != second.group:
        return first.direction == second.direction
    return OPPOSITE.get(first.direction) == second.direction


def like(one: Claim, other: Claim) -> Literal["known", "extends", "contradicts", ""]:
    """Say what the one is to the other, an earlier claim, on whatever table: empty: no kin.

    `extends`: the same answer to the same question with another threshold, with other columns
    held fixed, or of a part of the rows or of more of them.
    """
    other = other.model_copy(update={"table": one.table})
    if claim_key(one) == claim_key(other):
        return "known"
    if contradict(one, other):
        return "contradicts"
    first, second = normal(one), normal(other)
    same = (first.direction, first.group) == (second.direction, second.group)
    if not same or topic(one) != topic(other):
        return ""
    here, there = conditions(first.subset), conditions(second.subset)
    return "extends" if _within(here, there) or _within(there, here) else ""


def _within(inner: Iterable[Comparison], outer: Iterable[Comparison]) -> bool:
    held = tuple(inner)
    return all(any(_implies(one, other) for one in held) for other in outer)


def grade(related: Iterable[Related]) -> tuple[Grade, Related | None]:
    """Return the grade of a claim with these kin, and the one that it is about, or the nearest."""
    found = tuple(related)
    for how in ("known", "contradicts", "extends"):
        for one in found:
            if one.how == how:
                return one.how, one
    return "novel", next(iter(found), None)
