"""Check 1, second half: what must make no difference to a script, makes none.

One table has its rows in another order, its labels renamed and its units changed at once; only
where the numbers differ from the first ones is each change looked at by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from earnest.core.predicates import holds, parse_conjunction
from earnest.core.records import Check
from earnest.verify.evidence_run import Bench, EvidenceError, close
from earnest.verify.evidence_tables import (
    generator,
    measured,
    part,
    renamed,
    reordered,
    rescaled,
    together,
)

if TYPE_CHECKING:
    import pandas as pd

    from earnest.verify.evidence_tables import Variant

_FACTORS: Final = (8.0, 32.0)  # powers of two: no rounding
_GENTLE: Final = 1.01
_NEAR: Final = 0.1
_MODERATE: Final = 0.3
_LOOSE: Final = 0.25
_ORDERS: Final = 8
_PARTS: Final = 6


def check_same(bench: Bench, seed: int) -> Iterator[Check]:
    """Row order (not for `time`), labels and units make no difference."""
    claim, design = bench.finding.claim, bench.finding.table.design
    labels = bench.labels
    columns = () if claim.descriptive else measured(bench.frame, claim)
    factors = dict(zip(columns, _FACTORS, strict=False))
    order = reordered(design, seed + 7)
    changes = {"labels": renamed(labels), "units": rescaled(factors)}
    if not design.startswith("time"):
        changes = {"row-order": order, **changes}
    try:
        found = bench.changed(together(*changes.values()))
        differs = _differs(bench, found, list(factors.values()))
    except EvidenceError as error:
        found, differs = {}, str(error)
    told = {
        "row-order": "rows in another order",
        "labels": f"labels of {', '.join(labels)} renamed",
        "units": f"{', '.join(columns)} in other units",
    }
    empty = {"labels": not labels, "units": not columns}
    alone = {"row-order": _order_alone, "labels": _labels_alone, "units": _units_alone}
    for name, change in changes.items():
        if empty.get(name):
            yield Check(name=name, passed=None, detail=f"the table has no {name} to change")
        elif not differs:
            _disguise(bench, change, found)
            detail = f"{told[name]}: the same numbers"
            yield Check(name=name, passed=True, detail=detail, observed=found)
        else:
            yield alone[name](bench, change, told[name], seed)


def _disguise(bench: Bench, change: Variant, found: dict[str, float]) -> None:
    """Keep a change that left the numbers alone, or multiplied them, for later tables."""
    bench.disguises.append(change)
    for name, value in found.items():
        if bench.first[name] and not math.isclose(value, bench.first[name], rel_tol=0.3):
            bench.scales[name] = value / bench.first[name]


def _differs(bench: Bench, found: dict[str, float], factors: Sequence[float] = ()) -> str:
    tolerance = max(bench.finding.evidence.tolerance, 1e-6)
    return close(bench.finding.evidence.results, found, tolerance, factors)


def _same_alone(
    bench: Bench, change: Variant, factors: Sequence[float] = ()
) -> tuple[str, bool, dict[str, float]]:
    """Return in what a changed copy's numbers differ, whether the conclusion holds, the numbers."""
    try:
        found = bench.changed(change)
    except EvidenceError as error:
        return str(error), False, {}
    differs = _differs(bench, found, factors)
    if not differs:
        _disguise(bench, change, found)
    return differs, holds(bench.finding.evidence.supports, found), found


def _far(bench: Bench, found: dict[str, float], share: float) -> str:
    """Return a number of the predicate that is far from what it was, or ''.

    Far is more than a share of itself; of what the predicate bounds from above (a p-value), more
    than an order of magnitude.
    """
    for one in parse_conjunction(bench.finding.evidence.supports):
        was, now = bench.first[one.name], found.get(one.name, math.inf)
        if abs(now - was) <= share * abs(was) + 1e-9:
            continue
        small = one.comparison in ("<", "<=") and min(was, now) >= 0
        if small and abs(math.log10(max(now, 1e-300) / max(was, 1e-300))) <= 1 + share:
            continue
        return f"{one.name}: {was:.6g} against {now:.6g}"
    return ""


def _labels_alone(bench: Bench, change: Variant, told: str, _: int) -> Check:
    """The conclusion stays under other labels; its numbers may move by a tenth."""
    differs, held, found = _same_alone(bench, change)
    if not differs:
        return Check(name="labels", passed=True, detail=f"{told}: the same numbers")
    far = _far(bench, found, _NEAR)
    detail = f"{told}: {differs}, the conclusion {'stays' if held else 'is gone'}"
    return Check(name="labels", passed=held and not far, detail=detail, observed=found)


def _units_alone(bench: Bench, change: Variant, told: str, _: int) -> Check:
    """Numbers stay, or scale by a power; else the conclusion stays under a change of 1 %.

    A script may hold a constant that has units: a cut-off, a logarithm of 1 + x, a penalty. It is
    none the less a smooth function of the values, which one that recognises them is not.
    """
    columns = measured(bench.frame, bench.finding.claim)
    differs = _same_alone(bench, change, _FACTORS[: len(columns)])[0]
    if not differs:
        return Check(name="units", passed=True, detail=f"{told}: the same numbers")
    held, found = bench.concludes(rescaled(dict.fromkeys(columns, _GENTLE)))
    far = _far(bench, found, _MODERATE)
    detail = f"{told}: {differs}, by no power of the units; 1 % larger, the conclusion " + (
        f"stays{far and ', but ' + far}" if held else "is gone"
    )
    return Check(name="units", passed=held and not far, detail=detail, observed=found)


def _order_alone(bench: Bench, change: Variant, told: str, seed: int) -> Check:
    """The numbers stay; or, for a script that draws by a seed of its own, wander without a sign.

    Then the conclusion must hold in most of 8 orders, the first order's numbers must not lie apart
    from those of the others, and no half of the rows may be left unread.
    """
    differs, held, found = _same_alone(bench, change)
    if not differs:
        return Check(name="row-order", passed=True, detail=f"{told}: the same numbers")
    runs = [found] if found else []
    stays = int(held)
    for number in range(1, _ORDERS):
        variant = reordered(bench.finding.table.design, seed + 7 + 100 * number)
        held, found = bench.concludes(variant)
        stays += held
        runs += [found] if found else []
    if stays < 0.75 * _ORDERS:
        detail = f"{told}: the conclusion stays in {stays} of {_ORDERS}"
    elif outlier := _outlier(bench, runs, 1.5):
        detail = f"{told}: {outlier}"
    elif unread := _unread(bench, seed):
        detail = unread
    else:
        detail = f"{told}: {differs}; the conclusion stays in {stays} of {_ORDERS}"
        return Check(name="row-order", passed=True, detail=detail)
    return Check(name="row-order", passed=False, detail=detail)


def _outlier(bench: Bench, runs: list[dict[str, float]], ranges: float) -> str:
    """Return a number of the predicate that lies this many ranges apart from other runs', or ''."""
    for name in {one.name for one in parse_conjunction(bench.finding.evidence.supports)}:
        value, others = bench.first[name], [run[name] for run in runs if name in run]
        if min([value, *others]) > 0:  # p-values differ by orders of magnitude
            value, others = math.log(value), [math.log(other) for other in others]
            margin = 0.1
        else:
            margin = 0.1 * abs(value)
        low, high = min(others), max(others)
        margin = max(margin, ranges * (high - low))
        if not low - margin <= value <= high + margin:
            return f"{name} as handed out is {bench.first[name]:.6g}, and never near that else"
    return ""


def _unread(bench: Bench, seed: int) -> str:
    """Return which half of the rows makes no difference, or ''."""
    column = bench.finding.claim.outcome
    middle = len(bench.frame) // 2
    for half, rows in (("first", slice(0, middle)), ("second", slice(middle, None))):

        def change(frame: pd.DataFrame, rows: slice = rows) -> pd.DataFrame:
            cells = frame[column].to_numpy(copy=True)
            cells[rows] = generator(seed + 60).permutation(cells[rows])
            return frame.assign(**{column: cells})

        try:
            if not close(bench.first, bench.changed(change), 1e-9):
                return f"the {half} half of the rows makes no difference"
        except EvidenceError:
            continue
    return ""


def check_part(bench: Bench, seed: int) -> Iterator[Check]:
    """With 1 row in 20 left out, and in every disguise that fits, the conclusion is still there.

    In one of 6 draws is enough: an honest conclusion on the edge of its threshold (p = 0.049) fails
    them all in 1 of 25. Numbers may move; those of the table as handed out must not lie apart.
    """
    design = bench.finding.table.design
    runs: list[dict[str, float]] = []
    stays = 0
    for number in range(_PARTS):
        change = together(part(design, seed + 50 + number), *bench.disguises)
        held, found = bench.concludes(change, disguised=True)
        stays += held
        runs += [found] if found else []
        if held and not _far(bench, found, _LOOSE):
            detail = "with 1 row in 20 left out, the conclusion stays"
            yield Check(name="part", passed=True, detail=detail, observed=found)
            return
    outlier = _outlier(bench, runs, 3.0) if stays else "the conclusion is gone"
    detail = f"with 1 row in 20 left out, {_PARTS} times: {outlier or 'the conclusion stays'}"
    yield Check(name="part", passed=not outlier, detail=detail, observed=runs[-1] if runs else {})
