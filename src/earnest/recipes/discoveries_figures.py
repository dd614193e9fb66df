"""From tallies to figures: false-discovery proportions with bounds, power, the printed table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from earnest.recipes.composites import SHOWINGS, padded
from earnest.recipes.discoveries import AUTHORS, WAYS, Ledger, Tally
from earnest.tasks.worlds import SIZES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RESAMPLES: Final = 2000
_SPANS: Final = ((1, 10), (11, 50), (51, 10_000))
_LEVEL: Final = 0.95
_PADDED: Final = 5


def _row(what: str, value: float, unit: str, n: int) -> dict[str, Any]:
    return {"what": what, "value": round(value, 4), "unit": unit, "n": n}


def false_share(
    made: npt.NDArray[np.int_], false: npt.NDArray[np.int_], seed: int = 0
) -> tuple[float, float]:
    """Return the mean false-discovery proportion over ledgers, and its upper 95 % bound.

    `made`, `false`: shape (ledgers, tables). The bound is one-sided, by a bootstrap of tables
    inside each ledger; a ledger in which nothing was declared counts as 0.
    """
    import numpy as np

    def mean(weights: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
        total = (weights * made).sum(axis=-1)
        wrong = (weights * false).sum(axis=-1)
        found: npt.NDArray[np.float64] = (wrong / np.maximum(total, 1)).mean(axis=-1)
        return found

    ledgers, tables = made.shape
    rng = np.random.Generator(np.random.PCG64(seed))
    picks = rng.multinomial(tables, [1 / tables] * tables, size=(RESAMPLES, ledgers))
    return float(mean(np.ones_like(made))), float(np.quantile(mean(picks), _LEVEL))


def _counts(tallies: Sequence[Sequence[Tally]], way: int) -> tuple[Any, Any]:
    import numpy as np

    made = np.array([[tally.made[way] for tally in ledger] for ledger in tallies])
    false = np.array([[tally.false[way] for tally in ledger] for ledger in tallies])
    return made, false


def _false_rows(author: str, tallies: Sequence[Sequence[Tally]]) -> list[dict[str, Any]]:
    rows = []
    for way, name in enumerate(WAYS):
        made, false = _counts(tallies, way)
        mean, upper = false_share(made, false)
        count = int(made.sum())
        rows.append(_row(f"{author}, {name}: false-discovery proportion", mean, "share", count))
        rows.append(_row(f"{author}, {name}: upper 95 %", upper, "share", count))
        true = int(made.sum() - false.sum())
        rows.append(_row(f"{author}, {name}: true claims declared", true, "claims", count))
    return rows


def _planted(tallies: Iterable[Tally], size: float, way: int) -> list[bool]:
    return [ways[way] for tally in tallies for d, ways in tally.planted if d == size]


def _power_rows(author: str, tallies: Sequence[Sequence[Tally]]) -> list[dict[str, Any]]:
    rows, flat = [], [tally for ledger in tallies for tally in ledger]
    for size in SIZES:
        for way, name in enumerate(WAYS):
            found = _planted(flat, size, way)
            if found:
                what = f"{author}, {name}: planted |d| = {size:g} declared"
                rows.append(_row(what, sum(found) / len(found), "share", len(found)))
    for first, last in _SPANS:
        span = [tally for tally in flat if first <= tally.place <= last]
        place = f"tables {first} to {last}" if last < _SPANS[-1][1] else f"tables from {first}"
        found = _planted(span, 0.5, 0)
        if found:
            what = f"{author}, budget: planted |d| = 0.5 declared, {place}"
            rows.append(_row(what, sum(found) / len(found), "share", len(found)))
        shares = sorted(share for tally in span for share in tally.shares)
        if shares:
            middle = shares[len(shares) // 2]
            rows.append(
                {
                    **_row(f"{author}: median share of the budget, {place}", 0, "p", len(shares)),
                    "value": float(f"{middle:.2g}"),
                }
            )
    return rows


def _reason_rows(author: str, tallies: Sequence[Sequence[Tally]]) -> list[dict[str, Any]]:
    flat = [tally for ledger in tallies for tally in ledger]
    reasons = sum((tally.reasons for tally in flat), Counter[str]())
    confirmed = sum(tally.made[0] for tally in flat)
    rows = [
        _row(f"{author}, budget, false: {reason}", count, "claims", confirmed)
        for reason, count in reasons.most_common()
    ]
    trivial = sum(tally.trivial for tally in flat)
    return [
        *rows,
        _row(f"{author}, budget: trivial claims confirmed", trivial, "claims", confirmed),
    ]


def _court_rows(ledgers: Sequence[Ledger]) -> list[dict[str, Any]]:
    counts = sum((ledger.counts for ledger in ledgers), Counter[str]())
    rows = [_row("claims judged by a full estimate", counts["estimates"], "claims", 1)]
    for what in ("clear", "near"):
        checked = counts[f"{what}, checked"]
        if checked:
            agreed = counts[f"{what}, agreed"] / checked
            rows.append(_row(f"short cuts ({what}): agree the long way", agreed, "share", checked))
            for how in ("below", "below the long way"):
                rate = counts[f"{what}, {how}"] / checked
                rows.append(_row(f"short cuts ({what}): p {how}", rate, "share", checked))
    return rows


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    middle, half = (hits + z * z / 2) / (n + z * z), z * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return middle - half / (n + z * z), middle + half / (n + z * z)


def _composite_rows(fooled: Sequence[Sequence[bool]]) -> list[dict[str, Any]]:
    rows, n = [], len(fooled)
    for number, showing in enumerate(SHOWINGS if n else ()):
        hits = sum(one[number] for one in fooled)
        what = f"100 composite claims, {showing.name}"
        rows.append(_row(f"{what}: tables with a false confirmation", hits / n, "share", n))
        for word, bound in zip(("lower", "upper"), wilson(hits, n), strict=True):
            rows.append(_row(f"{what}: {word} 95 %", bound, "share", n))
    return rows


def _padded_rows() -> list[dict[str, Any]]:
    found = []
    for paid in (True, False):
        false = [padded(seed, paid=paid) for seed in range(_PADDED)]
        what = f"50 tables, 20 trivial claims ({'' if paid else 'not '}paid for), 20 null ones"
        mean = sum(false) / _PADDED
        found.append(_row(f"{what}: null claims confirmed", mean, "claims", 1000))
    return found


def rows(ledgers: Sequence[Ledger], fooled: Sequence[Sequence[bool]]) -> list[dict[str, Any]]:
    """Return all figures of a run as rows of the contract."""
    found: list[dict[str, Any]] = []
    for author in AUTHORS if ledgers else ():
        tallies = [ledger.tallies[author] for ledger in ledgers]
        found += _false_rows(author, tallies) + _power_rows(author, tallies)
        found += _reason_rows(author, tallies)
    if ledgers:
        found += _court_rows(ledgers) + _padded_rows()
    return found + _composite_rows(fooled)


_RATIOS: Final = {
    "analyst_false_over_confirmed": "analyst, budget: false-discovery proportion",
    "analyst_false_over_confirmed_upper": "analyst, budget: upper 95 %",
    "adversary_false_over_confirmed": "adversary, budget: false-discovery proportion",
    "adversary_false_over_confirmed_upper": "adversary, budget: upper 95 %",
    "confirmed_over_planted_half": "beside, budget: planted |d| = 0.5 declared",
}
GOALS: Final[Mapping[str, tuple[str, float]]] = {
    "analyst_false_over_confirmed": ("at_most", 0.05),
    "analyst_false_over_confirmed_upper": ("at_most", 0.06),
    "adversary_false_over_confirmed": ("at_most", 0.05),
    "adversary_false_over_confirmed_upper": ("at_most", 0.06),
    "confirmed_over_planted_half": ("at_least", 0.8),
}


def ratios(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the figures that have a goal, by name."""
    value = {row["what"]: float(row["value"]) for row in found}
    return {name: value[what] for name, what in _RATIOS.items() if what in value}


def goals(found: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return for each goal its bound, the value, and whether it is met."""
    told = {}
    for name, value in found.items():
        side, bound = GOALS[name]
        met = value <= bound if side == "at_most" else value >= bound
        told[name] = {side: bound, "value": value, "met": met}
    return told


def table(report: Mapping[str, Any]) -> str:
    """Return the report for a terminal, a figure a line."""
    lines = [
        f"{row['what']:<84} {row['value']:>9g} {row['unit']:<6} of {row['n']}"
        for row in report["rows"]
    ]
    for name, goal in report["goals"].items():
        side = "at_most" if "at_most" in goal else "at_least"
        met = "met" if goal["met"] else "NOT MET"
        lines.append(
            f"{name:<84} {goal['value']:>9g} {side.replace('_', ' ')} {goal[side]:g}: {met}"
        )
    return "\n".join(lines)
