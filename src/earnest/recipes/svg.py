"""The pieces of our SVG drawings. Every text is escaped, and what does not show in it written out.

Colours stand on each piece, for a drawing that is opened alone; a page's own style (`class`) goes
before them, so that a drawing is readable on a dark page too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from earnest.core.quoted import unseen, written_out

_FONT: Final = "font-family='system-ui, sans-serif' font-size='12'"


def seen(text: str) -> str:
    """Return text for a page: what does not show, or turns the writing round, is written out.

    New lines and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        written_out(char) if unseen(char) and char not in "\n\t" else char for char in text
    )


def svg(width: int, height: float, parts: Sequence[str], title: str) -> str:
    """Return a drawing; `title` is what it is called for who can't see it."""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height:g}' role='img' "
        f"aria-label='{escape(seen(title), quote=True)}' {_FONT}>{''.join(parts)}</svg>"
    )


def text(
    x: float, y: float, said: str, anchor: str = "start", fill: str = "#333", mark: str = "ink"
) -> str:
    """Return a text at a place; `mark` is its class."""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{fill}' class='{mark}'>"
        f"{escape(seen(said))}</text>"
    )


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str,
    width: float = 1,
    mark: str = "axis",
) -> str:
    """Return a straight line."""
    return (
        f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' "
        f"stroke-width='{width}' class='{mark}'/>"
    )


def dot(x: float, y: float, radius: float, colour: str, mark: str) -> str:
    """Return a dot."""
    return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:g}' fill='{colour}' class='{mark}'/>"


def dots(places: Iterable[tuple[float, float]], colour: str, mark: str) -> str:
    """Return many small dots of one colour, through which others are seen."""
    drawn = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2'/>" for x, y in places)
    return f"<g fill='{colour}' class='{mark}' fill-opacity='0.45'>{drawn}</g>"


def path(
    points: Sequence[tuple[float, float]],
    colour: str,
    width: float,
    mark: str,
    dash: str = "",
    opacity: float = 1,
) -> str:
    """Return a line through points."""
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    more = f"stroke-dasharray='{dash}' " if dash else ""
    more += f"stroke-opacity='{opacity:g}' " if opacity < 1 else ""
    return (
        f"<polyline points='{through}' fill='none' stroke='{colour}' stroke-width='{width:g}' "
        f"{more}class='{mark}'/>"
    )


def band(
    low: Sequence[tuple[float, float]],
    high: Sequence[tuple[float, float]],
    colour: str,
    mark: str,
) -> str:
    """Return the area between two lines, through which others are seen."""
    around = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*low, *reversed(high)))
    return f"<polygon points='{around}' fill='{colour}' fill-opacity='0.18' class='{mark}'/>"


def whiskers(
    spans: Iterable[tuple[float, float, float]], width: float, colour: str, mark: str
) -> str:
    """Return upright lines (x, y from, y to) of one colour."""
    drawn = "".join(
        f"<line x1='{x:.1f}' y1='{start:.1f}' x2='{x:.1f}' y2='{end:.1f}'/>"
        for x, start, end in spans
    )
    return f"<g stroke='{colour}' stroke-width='{width:g}' class='{mark}'>{drawn}</g>"


def short(said: str, most: int) -> str:
    """Return a text cut to so many characters."""
    return said if len(said) <= most else said[: most - 1] + "…"
