"""What models' answers cost: list prices, which a user's own file overrides.

`prices.json` beside this module holds list prices and the day they were looked up; a file of the
same form in `EARNEST_HOME` goes before it. A model that neither names has no known price, and
nothing is guessed from its relatives; a dated name (`NAME-20260101`, `NAME-2026-01-01`) is the
model without the date. Not covered: discounts for batches, fees of tools that servers run,
surcharges for a place or a speed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import parse
from earnest.core.errors import RecordError, UsageError

LISTED: Final = Path(__file__).with_name("prices.json")
NAME: Final = "prices.json"
_DATED: Final = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_RATES: Final = ("in", "out", "cached", "written")
_KEYS: Final = frozenset({*_RATES, "up_to", "beyond", "window"})
_MILLION: Final = 1e6


@dataclass(frozen=True)
class Rates:
    """US dollars for a million tokens: read, written by the model, read from and put in a cache."""

    in_: float
    out: float
    cached: float
    written: float

    def cost(self, prompt: int, completion: int, cached: int, written: int) -> float:
        """Return US dollars. `prompt` counts what was `cached` and `written` too."""
        fresh = max(0, prompt - cached - written)
        paid = fresh * self.in_ + completion * self.out
        return (paid + cached * self.cached + written * self.written) / _MILLION


@dataclass(frozen=True)
class Price:
    """A model's rates. Prompts longer than `up_to` cost what `beyond` says; None: not known."""

    rates: Rates
    up_to: int | None = None
    beyond: Rates | None = None

    def cost(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> float | None:
        """Return what an answer cost, in US dollars; None: not known."""
        rates = self.rates if self.up_to is None or prompt <= self.up_to else self.beyond
        return None if rates is None else rates.cost(prompt, completion, cached, written)


@dataclass(frozen=True)
class Listed:
    """What is known of a model: its price, and how many tokens it takes; None: not known."""

    price: Price | None = None
    window: int | None = None


def look_up(model: str, home: Path | None = None) -> Listed:
    """Return what is known of a model, by the name that it has here (`anthropic:NAME`).

    `home`: the folder that may hold a user's own `prices.json`. Raises `UsageError` where that
    can't be read.
    """
    own = {} if home is None else _read(home / NAME)
    for table in (own, _read(LISTED)):
        for name in (model, _DATED.sub("", model)):
            if name in table:
                return table[name]
    return Listed()


def _read(path: Path) -> Mapping[str, Listed]:
    if not path.is_file():
        return {}
    try:
        models = parse(path.read_bytes())["models"]
        return {str(name): _listed(row) for name, row in models.items()}
    except (OSError, RecordError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} can't be read as prices: {type(error).__name__}: {error}",
            mend='it looks so: {"models": {"openai:NAME": {"in": 2, "out": 10}}}, in US dollars '
            "for a million tokens",
        ) from error


def _listed(row: Mapping[str, Any]) -> Listed:
    if unknown := set(row) - _KEYS:
        raise ValueError(f"there is no field {', '.join(sorted(unknown))}")
    up_to, window = (None if row.get(k) is None else int(row[k]) for k in ("up_to", "window"))
    beyond = _rates(row["beyond"]) if row.get("beyond") is not None else None
    return Listed(Price(_rates(row), up_to, beyond), window)


def _rates(row: Mapping[str, Any]) -> Rates:
    """Return rates; what a cache has no price of its own for costs what is read fresh."""
    found = [
        float(row.get(name, row["in"])) if name != "out" else float(row[name]) for name in _RATES
    ]
    if not all(0 <= rate < _MILLION for rate in found):
        raise ValueError("a price is a number of dollars from 0")
    return Rates(*found)
