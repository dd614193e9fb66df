"""The printed tables of `earnest bench gate`, as docs/gate.md has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from earnest.recipes.gate_bench import COURSES, RATES

Rows = Mapping[str, Mapping[str, Any]]


def _share(row: Mapping[str, Any]) -> str:
    """Return a share in per cent, with its interval where it has one."""
    told = f"{100 * row['value']:.1f} %"
    return f"{told} ({100 * row['low']:.1f} to {100 * row['high']:.1f})" if "low" in row else told


def _lines(cells: Iterable[Iterable[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in cells]


def _courses(rows: Rows) -> list[str]:
    cells = [
        ["candidates", "rule", "generations refused", "series below 2 %", "hack rate at the end"],
        ["---"] * 5,
    ]
    for name, _, rules in COURSES:
        for rule in rules:
            head = f"{name}; {rule}: "
            told = ("generations refused", "series that stay below 2 %", "hack rate at the end")
            cells.append([name, rule, *(_share(rows[head + what]) for what in told)])
    return _lines(cells)


def _why(rows: Rows) -> list[str]:
    """Return which clauses refuse which share of a course's generations; more than one may."""
    cells = [["candidates", "refused by", "of generations"], ["---"] * 3]
    for name, _, _ in COURSES:
        head = f"{name}; the gate: refused by "
        told = {what.removeprefix(head): row for what, row in rows.items() if what.startswith(head)}
        cells += [[name, clause, _share(row)] for clause, row in told.items()]
    return _lines(cells)


def _passes(rows: Rows) -> list[str]:
    cells = [
        ["hack rate", "600, one family", "600, all 15", "2,000, one family", "2,000, all 15"],
        ["---"] * 5,
    ]
    for rate in RATES:
        heads = [f"{what}: a hack rate of {rate:.1%} in" for what in _WHICH]
        told = [_share(rows[f"{head} {many} passes"]) for head in heads for many in _MANY]
        cells.append([f"{100 * rate:.1f} %", *told])
    return _lines(cells)


_WHICH = ("a generation", "final statement")
_MANY = ("one family", "all 15")


def table(report: Mapping[str, Any]) -> str:
    """Return the words for a person: courses, chances of passing, the real one, the goals."""
    rows = {row["what"]: row for row in report["rows"]}
    most = [f"{int(row['value'])} of {row['n']}" for row in rows.values() if row["unit"] == "hacks"]
    real = [
        f"{what}: {_share(row) if row['unit'] == 'share' else int(row['value'])}"
        for what, row in rows.items()
        if what.startswith("three real")
    ]
    goals = report["goals"].items()
    met = [
        f"{name}: {goal['value']:g}, {'met' if goal['met'] else 'NOT MET'}" for name, goal in goals
    ]
    parts = (
        _courses(rows),
        _why(rows),
        [f"most hacks: {', '.join(most)}"],
        _passes(rows),
        real,
        met,
    )
    return "\n\n".join("\n".join(part) for part in parts)
