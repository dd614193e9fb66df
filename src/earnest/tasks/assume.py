"""What was assumed in reading a file: a typed list that is kept with the table and shown.

A count is of cells, rows or lines of the whole file, and an example may be a sealed row's cell, so
that the list is for who owns the file: no jail sees it, and it goes into no export.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from earnest.core.errors import UsageError
from earnest.core.records import Value

What = Literal[
    "encoding",
    "mojibake",
    "source",
    "preamble",
    "footer",
    "header-again",
    "names",
    "index",
    "blank-rows",
    "short-rows",
    "totals",
    "missing",
    "numbers",
    "percent",
    "currency",
    "dates",
    "mixed",
    "code",
    "duplicates",
    "constant",
    "text",
    "formulas",
]
Dates = Literal["", "day-first", "month-first"]
Decimal = Literal["", "point", "comma"]

_CHOICES: Final = {"dates": get_args(Dates), "decimal": get_args(Decimal)}
_SHOWN: Final = 4


class Assumption(Value):
    """One thing that was assumed. `columns`: where; none: the whole file. `count`: how often."""

    what: What
    said: str
    columns: tuple[str, ...] = ()
    count: int = 0

    def line(self) -> str:
        """Return it for a person, in one line."""
        if not self.columns:
            return f"{self.what}: {self.said}"
        shown = ", ".join(self.columns[:_SHOWN])
        more = len(self.columns) - _SHOWN
        return f"{self.what}: {self.said} [{shown}{f' and {more:,} more' if more > 0 else ''}]"


class Assumed:
    """Collects assumptions; what is said of several columns in the same words becomes one."""

    def __init__(self) -> None:
        self._found: dict[tuple[What, str], tuple[list[str], int]] = {}

    def add(self, what: What, said: str, *columns: str, count: int = 0) -> None:
        """Note one."""
        where, before = self._found.setdefault((what, said), ([], 0))
        where.extend(columns)
        self._found[what, said] = where, before + count

    def all(self) -> tuple[Assumption, ...]:
        """Return all, in the order of the kinds."""
        order = {what: place for place, what in enumerate(get_args(What))}
        found = [
            Assumption(what=what, said=said, columns=tuple(where), count=count)
            for (what, said), (where, count) in self._found.items()
        ]
        return tuple(sorted(found, key=lambda one: order[one.what]))


@dataclass(frozen=True)
class Reading:
    """What a user says of a file that the file does not say itself; empty: to be found out."""

    dates: Dates = ""
    decimal: Decimal = ""
    encoding: str = ""
    sheet: str = ""

    @classmethod
    def parse(cls, words: Iterable[str]) -> Reading:
        """Read `NAME=VALUE`s, such as `dates=day-first`. Raises `UsageError`."""
        found: dict[str, str] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name not in ("dates", "decimal", "encoding", "sheet") or not value:
                raise UsageError(
                    f"can't read by {word!r}",
                    mend="use dates=day-first, dates=month-first, decimal=point, decimal=comma, "
                    "encoding=NAME or sheet=NAME",
                )
            allowed = _CHOICES.get(name, (value,))
            if value not in allowed:
                raise UsageError(
                    f"{name} can't be {value!r}",
                    mend=f"choose from {', '.join(filter(None, allowed))}",
                )
            if name == "encoding":
                _known(value)
            found[name] = value
        return cls(
            dates=cast("Dates", found.get("dates", "")),
            decimal=cast("Decimal", found.get("decimal", "")),
            encoding=found.get("encoding", ""),
            sheet=found.get("sheet", ""),
        )


def _known(encoding: str) -> None:
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError) as error:
        raise UsageError(
            f"there is no encoding {encoding!r}", mend="name one that Python knows, such as cp1251"
        ) from error
