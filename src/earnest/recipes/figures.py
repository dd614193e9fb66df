"""Figures for reports: small SVG drawings made by us, from numbers, with every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

COLOURS: Final[Mapping[str, str]] = {
    "confirmed": "#1a7f4b",
    "replicated": "#1a7f4b",
    "reproduced": "#3566b8",
    "inconclusive": "#8a8f98",
    "refuted": "#b3452c",
    "invalid": "#7a3b8f",
}
_WIDTH: Final = 860
_FONT: Final = "font-family='system-ui, sans-serif' font-size='12'"


def _svg(height: int, parts: Sequence[str], title: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' role='img' "
        f"aria-label='{escape(title, quote=True)}' {_FONT}>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = "#333") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{fill}'>{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return (
        f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' "
        f"stroke-width='{width}'/>"
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


@dataclass(frozen=True)
class Effect:
    """One row of a forest plot: -1 to 1."""

    label: str
    effect: float
    low: float
    high: float
    word: str


def forest(rows: Sequence[Effect]) -> str:
    """Draw effects with their intervals on a scale from -1 to 1; empty without rows."""
    if not rows:
        return ""
    left, right, step, top = 400, _WIDTH - 90, 22, 26
    height = top + step * len(rows) + 8

    def x(value: float) -> float:
        return left + (value + 1) / 2 * (right - left)

    parts = [_line(x(tick), top - 6, x(tick), height - 4, "#e3e5e8") for tick in (-1, -0.5, 0.5, 1)]
    parts.append(_line(x(0), top - 6, x(0), height - 4, "#9aa0a8"))
    parts += [_text(x(tick), 14, f"{tick:g}", "middle", "#666") for tick in (-1, -0.5, 0, 0.5, 1)]
    for number, row in enumerate(rows):
        y, colour = top + step * number + step / 2, COLOURS.get(row.word, "#333")
        parts += [
            _text(left - 12, y + 4, _short(row.label, 62), "end"),
            _line(x(row.low), y, x(row.high), y, colour, 2.5),
            f"<circle cx='{x(row.effect):.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>",
            _text(right + 12, y + 4, row.word, fill=colour),
        ]
    return _svg(height, parts, "effects on the sealed rows, with 95 % intervals")


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
        parts.append(_text(left - 12, y + 20, row.label, "end"))
        for offset, share, colour in ((0, row.before, "#b9bec6"), (16, row.after, "#1a7f4b")):
            width = share * (right - left)
            parts += [
                f"<rect x='{left}' y='{y + offset}' width='{width:.1f}' height='13' "
                f"fill='{colour}'/>",
                _text(left + width + 6, y + offset + 11, f"{share:.1%}"),
            ]
    legend = 8 + step * len(rows)
    parts += [_text(left, legend + 10, "grey: before training, green: after", fill="#666")]
    return _svg(legend + 18, parts, "exam before and after training")


def curve(points: Sequence[tuple[float, float]], label: str) -> str:
    """Draw a curve, such as the loss over the steps; empty with fewer than two points."""
    if len(points) < 2:
        return ""
    left, right, top, bottom = 60, _WIDTH - 20, 12, 180
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(0.0, *ys), max(ys)
    scale_x = (right - left) / ((max(xs) - min(xs)) or 1)
    scale_y = (bottom - top) / ((high - low) or 1)
    path = " ".join(
        f"{left + (x - min(xs)) * scale_x:.1f},{bottom - (y - low) * scale_y:.1f}"
        for x, y in points
    )
    parts = [
        _line(left, bottom, right, bottom, "#9aa0a8"),
        _line(left, top, left, bottom, "#9aa0a8"),
        _text(left - 8, top + 8, f"{high:.2g}", "end", "#666"),
        _text(left - 8, bottom, f"{low:.2g}", "end", "#666"),
        _text(right, bottom + 18, f"{max(xs):g} steps", "end", "#666"),
        _text(left, bottom + 18, label, fill="#666"),
        f"<polyline points='{path}' fill='none' stroke='#3566b8' stroke-width='2'/>",
    ]
    return _svg(bottom + 26, parts, label)
