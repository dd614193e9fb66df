"""Dates as people write them, as ISO 8601: `31/01/2024`, `31.01.2024`, `Jan 31 2024`, `20240131`.

Whether the day or the month comes first in `05/04/2024` is decided by the column as a whole: by
the cells that can be read in one way only. pandas decides it cell by cell, and turns a wrong one
round in silence. What is ISO 8601 already stays as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from earnest.tasks.assume import Dates

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_NAME: Final = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY: Final = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_CLOCK: Final = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<part>\.\d+)?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>Z|UTC|[-+]\d\d:?\d\d)?)?"
)
_ISO: Final = re.compile(
    r"\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:Z|[-+]\d\d(?::?\d\d)?)?)?)?"
)
_NTH: Final = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR: Final = r"(?P<y>\d{4}|\d\d)"
_FORMS: Final = {
    "year first": rf"(?P<y>\d{{4}})(?P<sep>[-/. ])(?P<m>\d{{1,2}})(?P=sep)(?P<d>\d{{1,2}}){_CLOCK}",
    "digits only": rf"(?P<y>\d{{4}})(?P<m>\d\d)(?P<d>\d\d){_CLOCK}",
    "slashes": rf"(?P<a>\d{{1,2}})(?P<sep>[-/])(?P<b>\d{{1,2}})(?P=sep){_YEAR}{_CLOCK}",
    "points": rf"(?P<d>\d{{1,2}})\.\s?(?P<m>\d{{1,2}})\.\s?{_YEAR}{_CLOCK}",
    "month, day": rf"{_DAY}{_NAME}[\s.-]*{_NTH},?[\s-]+(?P<y>\d{{4}}){_CLOCK}",
    "day, month": rf"{_DAY}{_NTH}\.?[\s-]*(?:of )?{_NAME},?[\s-]+{_YEAR}{_CLOCK}",
    "month": rf"{_NAME},?[\s-]+(?P<y>\d{{4}})",
}
_PATTERNS: Final = {name: re.compile(form, re.I) for name, form in _FORMS.items()}
_PIVOT: Final = 69  # POSIX: 69 to 99 are 19.., 00 to 68 are 20..


@dataclass(frozen=True)
class Parsed:
    """Distinct cells as dates (None: no date). `order`: which part of `05/04/2024` is the day.

    `doubtful`: nothing in the column decides it. `clash`: an example of each order, where cells
    contradict each other and the user has not said how the doubtful ones are meant.
    """

    cells: list[str | None]
    order: Dates = ""
    doubtful: bool = False
    clash: tuple[str, ...] = ()
    said: list[str] = field(default_factory=list)


def is_iso(cell: str) -> bool:
    """Say whether a cell is a date of ISO 8601, or a month of one."""
    return _ISO.fullmatch(cell) is not None


def _match(cell: str) -> tuple[str, re.Match[str]] | None:
    for name, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(cell):
            return name, found
    return None


def looks_dated(cells: Sequence[str]) -> float:
    """Return the share of cells that are a date in some notation, but not digits only."""
    found = sum(
        is_iso(cell) or bool((one := _match(cell)) and one[0] != "digits only") for cell in cells
    )
    return found / max(1, len(cells))


def dates(cells: Sequence[str], wanted: Dates = "", why: str = "as you said") -> Parsed:
    """Read distinct cells of one column; `wanted` decides where they don't, `why` says whence."""
    matches = [None if is_iso(cell) else _match(cell) for cell in cells]
    slashed = [one[1] for one in matches if one and one[0] == "slashes"]
    order, doubtful, clash, said = _order(slashed, wanted, why)
    found: list[str | None] = []
    for cell, one in zip(cells, matches, strict=True):
        found.append(cell if is_iso(cell) else _iso(one[0], one[1], order) if one else None)
    forms = sorted({one[0] for one in matches if one})
    if forms:
        iso = ["ISO 8601"] if any(map(is_iso, cells)) else []
        notes = [f"written as YYYY-MM-DD; they stood there as: {', '.join(forms + iso)}", *said]
    else:
        notes = []
    if any(one and "y" in one[1].re.groupindex and len(one[1]["y"]) == 2 for one in matches):
        notes.append("years of two digits: 69 to 99 are 19.., 00 to 68 are 20..")
    return Parsed(found, order, doubtful, clash, notes)


def _order(
    slashed: Sequence[re.Match[str]], wanted: Dates, why: str
) -> tuple[Dates, bool, tuple[str, ...], list[str]]:
    """Decide day first or month first for a whole column."""
    days = [one[0] for one in slashed if 12 < int(one["a"]) < 32 and int(one["b"]) < 13]
    months = [one[0] for one in slashed if 12 < int(one["b"]) < 32 and int(one["a"]) < 13]
    if not slashed:
        return "", False, (), []
    if wanted:
        first = wanted.removesuffix("-first")
        return wanted, False, (), [f"{slashed[0][0]!r} has the {first} first, {why}"]
    if days and months:
        return "", False, (days[0], months[0]), []
    if days:
        return "day-first", False, (), [f"the day comes first: {days[0]!r}"]
    if months:
        return "month-first", False, (), [f"the month comes first: {months[0]!r}"]
    firsts, seconds = ({one[part] for one in slashed} for part in "ab")
    if len(firsts) == 1 and len(seconds) > 2:
        return "day-first", False, (), [f"the day comes first: it is {firsts.pop()} throughout"]
    if len(seconds) == 1 and len(firsts) > 2:
        return "month-first", False, (), [f"the month comes first: all days are {seconds.pop()}"]
    said = f"{slashed[0][0]!r} is read with the month first: nothing in the column decides it"
    return "month-first", True, (), [said]


def _iso(form: str, found: re.Match[str], order: Dates) -> str | None:
    parts = found.groupdict()
    year = int(parts["y"])
    if len(parts["y"]) == 2:
        year += 1900 if year >= _PIVOT else 2000
    if form == "slashes":
        a, b = int(parts["a"]), int(parts["b"])
        day, month = (a, b) if order == "day-first" else (b, a)
        if month > 12:  # only where the user has said how the doubtful ones are meant
            day, month = month, day
    else:
        name = parts.get("name")
        month = _MONTHS.index(name[:3].lower()) + 1 if name else int(parts["m"])
        day = int(parts.get("d") or 1)
    try:
        whole = date(year, month, day).isoformat()
    except ValueError:
        return None
    clock = _clock(parts)
    if clock is None:
        return None
    return whole[:7] if form == "month" else whole + clock


def _clock(parts: dict[str, str | None]) -> str | None:
    """Return the time of day as ISO 8601 with a blank before it; None where it is none."""
    if not parts.get("hour"):
        return ""
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[0] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    zone = {"UTC": "Z"}.get(parts.get("zone") or "", parts.get("zone") or "")
    return f" {hour:02}:{minute:02}:{second:02}{parts.get('part') or ''}{zone}"
