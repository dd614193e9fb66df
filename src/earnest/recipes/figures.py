"""Figures for reports: small SVG drawings made by us, from numbers, with every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from earnest.recipes.svg import dot, line, path, short, svg, text

COLOURS: Final[Mapping[str, str]] = {
    "confirmed": "#1a7f4b",
    "replicated": "#1a7f4b",
    "reproduced": "#3566b8",
    "inconclusive": "#666c75",
    "refuted": "#b3452c",
    "invalid": "#7a3b8f",
}
_WIDTH: Final = 860
_NARROW: Final = 460


@dataclass(frozen=True)
class Effect:
    """One row of a forest plot: -1 to 1."""

    label: str
    effect: float
    low: float
    high: float
    word: str


def forest(rows: Sequence[Effect]) -> str:
    """Draw effects with their intervals on a scale from -1 to 1; empty without rows.

    Each label stands above its line, so that a narrow page can show it.
    """
    if not rows:
        return ""
    left, right, step, top = 8, _NARROW - 8, 38, 30
    height = top + step * len(rows) + 4

    def x(value: float) -> float:
        return left + (value + 1) / 2 * (right - left)

    parts = [
        line(x(tick), top - 8, x(tick), height - 4, "#e3e5e8", mark="grid")
        for tick in (-1, -0.5, 0.5, 1)
    ]
    parts.append(line(x(0), top - 8, x(0), height - 4, "#9aa0a8"))
    for tick, anchor in (
        (-1, "start"),
        (-0.5, "middle"),
        (0, "middle"),
        (0.5, "middle"),
        (1, "end"),
    ):
        parts.append(text(x(tick), 14, f"{tick:g}", anchor, "#59636e", "faint"))
    for number, row in enumerate(rows):
        y, colour = top + step * number + 26, COLOURS.get(row.word, "#333")
        mark = f"is-{row.word}" if row.word in COLOURS else "ink"
        parts += [
            text(left, y - 11, short(row.label, 56)),
            text(right, y - 11, row.word, "end", colour, mark),
            line(x(row.low), y, x(row.high), y, colour, 2.5, mark),
            dot(x(row.effect), y, 4, colour, mark),
        ]
    return svg(_NARROW, height, parts, "effects on the sealed rows, with 95 % intervals")


@dataclass(frozen=True)
class Bar:
    """One pair of bars: shares from 0 to 1."""

    label: str
    before: float
    after: float


def bars(rows: Sequence[Bar]) -> str:
    """Draw shares before and after, side by side."""
    left, right, step = 320, _WIDTH - 70, 46
    parts: list[str] = []
    for number, row in enumerate(rows):
        y = 8 + step * number
        parts.append(text(left - 12, y + 20, row.label, "end"))
        for offset, share, colour, mark in (
            (0, row.before, "#b9bec6", "bar-before"),
            (16, row.after, "#1a7f4b", "is-confirmed"),
        ):
            width = share * (right - left)
            parts += [
                f"<rect x='{left}' y='{y + offset}' width='{width:.1f}' height='13' "
                f"fill='{colour}' class='{mark}'/>",
                text(left + width + 6, y + offset + 11, f"{share:.1%}"),
            ]
    legend = 8 + step * len(rows)
    said = "grey: before training, green: after"
    parts += [text(left, legend + 10, said, fill="#59636e", mark="faint")]
    return svg(_WIDTH, legend + 18, parts, "exam before and after training")


def curve(points: Sequence[tuple[float, float]], label: str) -> str:
    """Draw a curve, such as the loss over the steps; empty with fewer than two points."""
    if len(points) < 2:
        return ""
    left, right, top, bottom = 60, _WIDTH - 20, 12, 180
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(0.0, *ys), max(ys)
    scale_x = (right - left) / ((max(xs) - min(xs)) or 1)
    scale_y = (bottom - top) / ((high - low) or 1)
    through = [(left + (x - min(xs)) * scale_x, bottom - (y - low) * scale_y) for x, y in points]
    faint = ("#59636e", "faint")
    parts = [
        line(left, bottom, right, bottom, "#9aa0a8"),
        line(left, top, left, bottom, "#9aa0a8"),
        text(left - 8, top + 8, f"{high:.2g}", "end", *faint),
        text(left - 8, bottom, f"{low:.2g}", "end", *faint),
        text(right, bottom + 18, f"{max(xs):g} steps", "end", *faint),
        text(left, bottom + 18, label, "start", *faint),
        path(through, "#3566b8", 2, "is-reproduced"),
    ]
    return svg(_WIDTH, bottom + 26, parts, label)
