"""What a finding speaks of, drawn from its table's visible rows: dots, boxes, lines.

Never from sealed rows, and never by its author's script: the drawing follows from the typed claim
and the rows alone, and is the same each time. Kinds that have one: `difference` and `distribution`
(dots and boxes by level), `association` and `interaction` (dots, with the medians of bins), `trend`
(a series, likewise), skew (bars). Not drawn: what is held fixed (said), rules, values, anomalies,
claims of no table, and an outcome of levels without an order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers, same_level, select
from earnest.core.errors import EarnestError
from earnest.core.records import Claim
from earnest.recipes.svg import dots, line, path, short, svg, text

if TYPE_CHECKING:
    import pandas as pd

_WIDTH: Final = 460
_HEIGHT: Final = 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 12, 26, 50
_MOST_DOTS: Final = 300
_MOST_LEVELS: Final = 8
_BINS: Final = 8
_TONES: Final = (("#3566b8", "tone-0"), ("#b3452c", "tone-1"), ("#666c75", "tone-2"))

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def drawing(claim: Claim, cells: pd.DataFrame) -> str:
    """Return the drawing of a claim on a table's text cells; empty where there is none."""
    drawn = _KINDS.get(claim.kind)
    if drawn is None:
        return ""
    try:
        rows = select(cells, claim.subset).dropna(subset=list(claim.columns))
        return drawn(claim, rows) if len(rows) > 1 else ""
    except (EarnestError, KeyError, ValueError, OverflowError):
        return ""  # a column that holds no numbers, or is not there: the verdict says so


def _values(cells: pd.Series[str], order: Sequence[str]) -> pd.Series[float]:
    import pandas as pd

    if not order:
        return numbers(cells)
    places = pd.Series(float("nan"), index=cells.index)
    for place, level in enumerate(order):
        places = places.mask(same_level(cells, level), float(place))
    return places


def _spread(values: pd.Series[float]) -> tuple[float, float]:
    """Return the range that a scale shows: far values do not squeeze all others together."""
    low, high = float(values.quantile(0.005)), float(values.quantile(0.995))
    least, most = float(values.min()), float(values.max())
    room = 0.6 * (high - low)
    return max(least, low - room), min(most, high + room)


def _thinned(count: int) -> list[int]:
    step = max(1.0, count / _MOST_DOTS)
    return [int(number * step) for number in range(min(count, _MOST_DOTS))]


def _frame(x: _Scale | None, y: _Scale, claim: Claim, dated: bool = False) -> list[str]:
    """Return axes with their ends, and what stands along them."""
    bottom, faint = _HEIGHT - _BOTTOM, ("#59636e", "faint")
    parts = [
        line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, "#9aa0a8"),
        line(_LEFT, _TOP, _LEFT, bottom, "#9aa0a8"),
        text(_LEFT - 6, _TOP + 8, _end(y.high, claim.outcome_order), "end", *faint),
        text(_LEFT - 6, bottom, _end(y.low, claim.outcome_order), "end", *faint),
        text(8, 14, short(claim.outcome, 60)),
        text(_WIDTH - _RIGHT, _HEIGHT - 8, short(claim.exposure, 60), "end"),
    ]
    if x is not None:
        told = _day if dated else (lambda value: _end(value, claim.order))
        parts += [
            text(_LEFT, bottom + 16, told(x.low), "start", *faint),
            text(_WIDTH - _RIGHT, bottom + 16, told(x.high), "end", *faint),
        ]
    return parts


def _end(value: float, order: Sequence[str]) -> str:
    if order and 0 <= round(value) < len(order):
        return short(order[round(value)], 10)
    return f"{value:.3g}"


def _day(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).date().isoformat()


def _groups(claim: Claim, rows: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    """Return the levels that a claim compares, each with its rows: the named one first."""
    cells = rows[claim.exposure]
    if claim.group is None or claim.direction in ("highest", "lowest", "dependent"):
        counted = cells.value_counts()
        levels = sorted(str(one) for one in counted.index[:_MOST_LEVELS])
        if claim.group in levels:
            levels = [claim.group, *(one for one in levels if one != claim.group)]
        return {level: same_level(cells, level) for level in levels}
    inside = same_level(cells, claim.group)
    if claim.versus is None:
        return {claim.group: inside, "all others": ~inside}
    return {claim.group: inside, claim.versus: same_level(cells, claim.versus)}


def _boxes(claim: Claim, rows: pd.DataFrame) -> str:
    values = _values(rows[claim.outcome], claim.outcome_order)
    groups = {k: values[found].dropna() for k, found in _groups(claim, rows).items()}
    groups = {name: found for name, found in groups.items() if len(found)}
    if not groups:
        return ""
    y = _Scale(*_spread(values.dropna()), _HEIGHT - _BOTTOM - 4, _TOP + 4)
    wide = (_WIDTH - _LEFT - _RIGHT) / len(groups)
    parts = _frame(None, y, claim)
    for number, (name, found) in enumerate(groups.items()):
        middle = _LEFT + wide * (number + 0.5)
        tone = _TONES[0 if number == 0 else 2]
        parts += _box(found, y, middle, min(wide, 130.0), tone)
        most = max(3, int(wide / 7.5))
        parts += [
            text(middle, _HEIGHT - _BOTTOM + 16, short(name, most), "middle"),
            text(middle, _HEIGHT - _BOTTOM + 30, f"n = {len(found)}", "middle", "#59636e", "faint"),
        ]
    return svg(_WIDTH, _HEIGHT, parts, f"{claim.outcome} by {claim.exposure}")


def _box(
    values: pd.Series[float], y: _Scale, middle: float, wide: float, tone: tuple[str, str]
) -> list[str]:
    """Return a level's dots, spread by their order, and its quartiles."""
    found = values.to_numpy()
    spread = [((number * 0.618034) % 1 - 0.5) * wide * 0.7 for number in range(_MOST_DOTS)]
    places = (
        (middle + spread[number], y(float(found[at])))
        for number, at in enumerate(_thinned(len(found)))
    )
    low, median, high = (y(float(values.quantile(share))) for share in (0.25, 0.5, 0.75))
    half = wide * 0.3
    edge = f"stroke='{tone[0]}' fill='none' stroke-width='1.5' class='{tone[1]} box'"
    return [
        dots(places, *tone),
        f"<rect x='{middle - half:.1f}' y='{high:.1f}' width='{2 * half:.1f}' "
        f"height='{max(0.5, low - high):.1f}' {edge}/>",
        line(middle - half, median, middle + half, median, tone[0], 3, f"{tone[1]} box"),
    ]


def _cloud(claim: Claim, rows: pd.DataFrame) -> str:
    """Draw dots of outcome and exposure, and the medians of bins of the exposure."""
    import pandas as pd

    if claim.kind == "interaction" and claim.group and claim.direction not in _SPLIT:
        return _boxes(claim, rows)
    try:
        along = _values(rows[claim.exposure], claim.order)
    except EarnestError:
        return _boxes(claim, rows)
    numerals = pd.to_numeric(rows[claim.exposure], errors="coerce").notna()
    dated = not claim.order and not numerals.any() and not along.isin([0.0, 1.0]).all()
    values = _values(rows[claim.outcome], claim.outcome_order)
    kept = along.notna() & values.notna()
    along, values = along[kept], values[kept]
    if len(along) < 2:
        return ""
    x = _Scale(*_spread(along), _LEFT + 4, _WIDTH - _RIGHT - 4)
    y = _Scale(*_spread(values), _HEIGHT - _BOTTOM - 4, _TOP + 4)
    parts = _frame(x, y, claim, dated)
    lines: list[str] = []
    for number, (name, inside) in enumerate(_parted(claim, rows[kept]).items()):
        tone = _TONES[number % len(_TONES)]
        points = list(zip(along[inside], values[inside], strict=True))
        drawn = (points[at] for at in _thinned(len(points)))
        parts.append(dots(((x(one), y(other)) for one, other in drawn), *tone))
        through = [(x(one), y(other)) for one, other in _medians(points)]
        lines.append(path(through, tone[0], 2.5, f"{tone[1]} box"))
        if name:
            at = _HEIGHT - 8
            lines.append(text(_LEFT + 130 * number, at, short(name, 18), "start", *tone))
    return svg(_WIDTH, _HEIGHT, parts + lines, f"{claim.outcome} along {claim.exposure}")


_SPLIT: Final = ("stronger", "weaker")


def _parted(claim: Claim, rows: pd.DataFrame) -> Mapping[str, pd.Series[bool]]:
    """Return the parts that are drawn in a colour each: of an interaction, what it compares."""
    if claim.kind == "interaction" and claim.group and claim.direction in _SPLIT:
        inside = same_level(rows[claim.modifier], claim.group)
        if claim.versus is None:
            return {f"{claim.modifier} {claim.group}": inside, "all others": ~inside}
        other = same_level(rows[claim.modifier], claim.versus)
        return {f"{claim.modifier} {claim.group}": inside, claim.versus: other}
    return {"": rows[claim.exposure].notna()}


def _medians(points: Points) -> Points:
    """Return the median point of each of up to 8 bins of as many points each."""
    from statistics import median

    ordered = sorted(points)
    bins = max(1, min(_BINS, len(ordered) // 5))
    edges = [len(ordered) * number // bins for number in range(bins + 1)]
    parts = [ordered[low:high] for low, high in itertools.pairwise(edges) if high > low]
    return [(median(x for x, _ in part), median(y for _, y in part)) for part in parts]


def _bars(claim: Claim, rows: pd.DataFrame) -> str:
    if claim.exposure:
        return _boxes(claim, rows)
    values = numbers(rows[claim.outcome]).dropna()
    low, high = _spread(values)
    if not low < high:
        return ""
    counts = [0] * 24
    for value in values:
        if low <= value <= high:
            counts[min(23, int((value - low) / (high - low) * 24))] += 1
    x = _Scale(low, high, _LEFT, _WIDTH - _RIGHT)
    y = _Scale(0, max(counts), _HEIGHT - _BOTTOM, _TOP + 4)
    wide = (_WIDTH - _RIGHT - _LEFT) / 24
    parts = _frame(x, y, claim)
    parts += [
        f"<rect x='{_LEFT + number * wide + 1:.1f}' y='{y(count):.1f}' width='{wide - 2:.1f}' "
        f"height='{_HEIGHT - _BOTTOM - y(count):.1f}' fill='{_TONES[0][0]}' "
        f"class='{_TONES[0][1]}'/>"
        for number, count in enumerate(counts)
    ]
    return svg(_WIDTH, _HEIGHT, parts, f"how {claim.outcome} is distributed: rows by value")


_KINDS: Final[Mapping[str, Callable[[Claim, pd.DataFrame], str]]] = {
    "difference": _boxes,
    "distribution": _bars,
    "association": _cloud,
    "trend": _cloud,
    "interaction": _cloud,
}
