"""From the outcomes of `uplift` to its table: what each tool added, with an interval and a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from earnest.core.records import Value
from earnest.evals.answers import Grade
from earnest.evals.paired import Pairs, count_pairs, interval, mcnemar
from earnest.evals.uplift import FAMILIES

Arm = Literal["with", "without"]
ARMS: Final[tuple[Arm, ...]] = get_args(Arm)


class Outcome(Value):
    """One arm of one item. `status`, `reason`: how its run ended. `answer`: its last line.

    `tokens`: in and out, as the run's budget counts them; `cost_usd` None: not known.
    """

    item: str
    family: str
    number: int
    arm: Arm
    grade: Grade
    answer: str
    status: str
    reason: str
    steps: int
    tokens: int
    cost_usd: float | None
    seconds: float


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3) if values else 0.0


def _arm(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what is told of one arm; steps, tokens and cost are means an item."""
    costs = [one.cost_usd for one in outcomes]
    known = [cost for cost in costs if cost is not None]
    return {
        "right": sum(one.grade == "right" for one in outcomes),
        "grades": {name: sum(one.grade == name for one in outcomes) for name in get_args(Grade)},
        "not_done": sum(one.status != "done" for one in outcomes),
        "steps": _mean([one.steps for one in outcomes]),
        "tokens": _mean([one.tokens for one in outcomes]),
        "cost_usd": _mean(known) if len(known) == len(costs) else None,
        "seconds": _mean([one.seconds for one in outcomes]),
    }


def paired(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """Return the items of which both arms are there: (with, without)."""
    arms: dict[str, dict[str, Outcome]] = {}
    for one in outcomes:
        arms.setdefault(one.item, {})[one.arm] = one
    return [(of["with"], of["without"]) for of in arms.values() if len(of) == len(ARMS)]


def _row(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    pairs = paired(outcomes)
    counted: Pairs = count_pairs(
        [(one.grade == "right", other.grade == "right") for one, other in pairs]
    )
    low, high = interval(counted)
    return {
        "family": name,
        "n": counted.n,
        "with": _arm([one for one, _ in pairs]),
        "without": _arm([other for _, other in pairs]),
        "only_with": counted.first,
        "only_without": counted.second,
        "difference": round(counted.difference, 4),
        "interval": [round(low, 4), round(high, 4)],
        "p": mcnemar(counted),
    }


def table(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return a row for each family that was asked, and `all` where there are several."""
    rows = [
        _row(family, found)
        for family in FAMILIES
        if (found := [one for one in outcomes if one.family == family])
    ]
    return [*rows, _row("all", outcomes)] if len(rows) > 1 else rows


def _cost(arm: Mapping[str, Any]) -> str:
    return "unknown" if arm["cost_usd"] is None else f"{arm['cost_usd']:.4f}"


def in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table for a person; the last three columns are means an item: with / without."""
    head = (
        f"{'tool':<8}{'n':>5}{'with':>6}{'without':>9}{'difference':>12}  {'95 % interval':<18}"
        f"{'McNemar p':<11}{'steps':<15}{'tokens':<21}cost, $"
    )
    lines = [head]
    for row in rows:
        one, other = row["with"], row["without"]
        low, high = row["interval"]
        span = f"{low:+.2f} to {high:+.2f}"
        steps = f"{one['steps']:.1f} / {other['steps']:.1f}"
        tokens = f"{one['tokens']:,.0f} / {other['tokens']:,.0f}"
        lines.append(
            f"{row['family']:<8}{row['n']:>5}{one['right']:>6}{other['right']:>9}"
            f"{row['difference']:>+12.2f}  {span:<18}{row['p']:<11.2g}{steps:<15}"
            f"{tokens:<21}{_cost(one)} / {_cost(other)}"
        )
    lines += [_apart(row) for row in rows if row["family"] != "all" and _apart(row)]
    return "\n".join(lines)


def _apart(row: Mapping[str, Any]) -> str:
    """Return a line on what was not right for another reason than a wrong value; '': nothing."""
    parts = []
    for arm in ARMS:
        grades = row[arm]["grades"]
        said = [
            f"{count} {name}"
            for name, count in grades.items()
            if count and name not in ("right", "wrong")
        ]
        said += [f"{row[arm]['not_done']} not done"] * bool(row[arm]["not_done"])
        parts += [f"{arm}: {', '.join(said)}"] * bool(said)
    return f"  {row['family']}: {'; '.join(parts)}" if parts else ""
