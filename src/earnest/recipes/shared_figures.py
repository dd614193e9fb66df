"""What `earnest bench shared` prints: sums over its sittings, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import mean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earnest.recipes.shared import Sitting

_SPENT = ("steps", "scripts", "tokens")
_UNITS = {
    "steps": "steps",
    "tool calls": "calls",
    "scripts run": "scripts",
    "seconds": "s",
    "tokens": "tokens",
    "cost": "USD",
    "error budget spent": "alpha",
    "claims": "claims",
    "claims that were confirmed before": "claims",
    "claims tested": "claims",
    "questions answered (confirmed)": "findings",
    "of them true": "findings",
    "of them false": "findings",
    "confirmed of those tested, first turn": "share",
    "confirmed of those tested, later turns": "share",
    "steps to as many findings": "steps",
    "scripts to as many findings": "scripts",
    "tokens to as many findings": "tokens",
    "of what was confirmed before, a later run has": "share",
    "a later run has them after: steps": "steps",
    "a later run has them after: scripts": "scripts",
    "a later run has them after: tokens": "tokens",
}


def _answered(sittings: Sequence[Sitting]) -> set[tuple[str, str]]:
    return {(one.table, question) for one in sittings for question in one.confirmed}


def _share(sittings: Sequence[Sitting]) -> float | None:
    tested = sum(one.tested for one in sittings)
    return sum(one.rejected for one in sittings) / tested if tested else None


def _reached(sittings: Sequence[Sitting], many: int) -> dict[str, float]:
    """Return what it took, run by run, until so many questions were answered."""
    held: set[tuple[str, str]] = set()
    spent = dict.fromkeys(_SPENT, 0.0)
    for one in sittings:
        if len(held) >= many:
            break
        for name in _SPENT:
            spent[name] += getattr(one.log.spent, name)
        held |= _answered([one])
    return {f"{name} to as many findings": value for name, value in spent.items()}


def _in_hand(later: Sequence[Sitting]) -> dict[str, float | None]:
    """Return how much of what was confirmed before a later run has, and what it had spent by then.

    It has what it was told, or what it found again, whichever is more.
    """
    after = [one for one in later if one.before]
    before = sum(one.before for one in after)
    held = sum(max(one.log.told, one.log.again) for one in after)
    when = [
        one.log.told_after if one.log.told >= one.log.again else one.log.again_after
        for one in after
    ]
    spent = {
        f"a later run has them after: {name}": mean(getattr(one, name) for one in when)
        if when
        else None
        for name in _SPENT
    }
    return {"of what was confirmed before, a later run has": held / before if before else None} | (
        spent
    )


def summed(sittings: Sequence[Sitting], many: int) -> dict[str, float | None]:
    """Return the figures of one agent's sittings in one way; None: nothing to tell."""
    later = [one for one in sittings if one.turn > 1]
    judged = [one for one in sittings if one.true is not None]
    return {
        "steps": float(sum(one.log.spent.steps for one in sittings)),
        "tool calls": float(sum(one.log.spent.calls for one in sittings)),
        "scripts run": float(sum(one.log.spent.scripts for one in sittings)),
        "seconds": sum(one.seconds for one in sittings),
        "tokens": float(sum(one.log.spent.tokens for one in sittings)) or None,
        "cost": sum(one.cost_usd for one in sittings) or None,
        "error budget spent": sum(one.spent for one in sittings),
        "claims": float(sum(len(one.claims) for one in sittings)),
        "claims that were confirmed before": float(sum(one.log.again for one in sittings)),
        "claims tested": float(sum(one.tested for one in sittings)),
        "questions answered (confirmed)": float(len(_answered(sittings))),
        "of them true": float(sum(one.true or 0 for one in judged)),
        "of them false": float(sum(one.false or 0 for one in judged)),
        "confirmed of those tested, first turn": _share([s for s in sittings if s.turn == 1]),
        "confirmed of those tested, later turns": _share(later),
        **_reached(sittings, many),
        **_in_hand(later),
    }


def document(
    sittings: Sequence[Sitting], machine: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Return the contract's document."""
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    agents = list(dict.fromkeys(one.agent for one in sittings))
    for agent in agents:
        of = {
            way: [one for one in sittings if (one.agent, one.way) == (agent, way)]
            for way in ("alone", "shared")
        }
        many = min(len(_answered(some)) for some in of.values())
        told = {way: summed(some, many) for way, some in of.items()}
        for what, unit in _UNITS.items():
            for way, some in of.items():
                value = told[way][what]
                if value is not None and not (unit in ("tokens", "USD") and agent == "analyst"):
                    rows.append(
                        {"what": f"{agent}, {way}: {what}", "value": round(value, 5), "unit": unit,
                         "n": len(some)}
                    )  # fmt: skip
        ratios |= _ratios(agent, told)
    return {
        "name": "shared",
        "machine": machine,
        "rows": rows,
        "ratios": ratios,
        "seconds": round(seconds, 1),
        "sittings": [asdict(one) for one in sittings],
    }


def _ratios(agent: str, told: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """Return shared over alone, where there is something below the line."""
    found = {}
    answered = "questions answered (confirmed)"
    for what in ("steps", "scripts run", "tokens"):
        one, other = (told[way][what] for way in ("shared", "alone"))
        held = [told[way][answered] or 0.0 for way in ("shared", "alone")]
        if one and other and all(held):
            per = (one / held[0]) / (other / held[1])
            found[f"{agent}: {what} a confirmed finding, shared over alone"] = round(per, 4)
    one, other = (told[way][answered] for way in ("shared", "alone"))
    if one is not None and other:
        found[f"{agent}: confirmed findings, shared over alone"] = round(one / other, 4)
    return found


def table(report: dict[str, Any]) -> str:
    """Return the report as a table in Markdown."""
    cells: dict[tuple[str, str], str] = {}
    heads = list(dict.fromkeys(row["what"].partition(":")[0] for row in report["rows"]))
    for row in report["rows"]:
        head, _, what = row["what"].partition(": ")
        value = row["value"]
        if row["unit"] == "share":
            cells[what, head] = f"{100 * value:.0f} %"
        else:
            small = row["unit"] == "USD" or value < 1
            cells[what, head] = f"{value:.2g}" if small and value else f"{value:,.0f}"
    lines = [f"| | {' | '.join(heads)} |", f"|{' --- |' * (len(heads) + 1)}"]
    lines += [
        f"| {what} | {' | '.join(cells.get((what, head), '-') for head in heads)} |"
        for what in _UNITS
        if any((what, head) in cells for head in heads)
    ]
    lines += ["", *(f"{name}: {value:.2f}" for name, value in report["ratios"].items())]
    return "\n".join([*lines, f"all of it: {report['seconds']:.0f} s"])
