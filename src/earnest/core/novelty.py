"""How new a claim is, all told: one word from three parts, and its form in a verdict's check.

A claim is `novel` only where the ledger holds nothing that says the same, the model that was asked
closed-book does not know it, and the catalogue has it nowhere. The parts stand beside the word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from earnest.core.likeness import Grade
from earnest.core.records import Check, Verdict

NAME: Final = "novelty"
GRADES: Final[tuple[Grade, ...]] = ("novel", "extends", "contradicts", "known")
"""From the newest to the oldest; a figure in a check is a place in this list."""

PARTS: Final = ("ledger", "closed-book", "catalogue")


@dataclass(frozen=True)
class Part:
    """One part: its grade (None: nobody was asked), and what it rests on in words."""

    grade: Grade | None
    says: str


def overall(parts: Iterable[Grade | None]) -> Grade:
    """Return the one word of several parts: the oldest. A part that nobody was asked is left out.

    So `novel` means: as far as was asked.
    """
    return max((part for part in parts if part), key=GRADES.index, default="novel")


def novelty_check(parts: Mapping[str, Part], figures: Mapping[str, float]) -> Check:
    """Return the check that tells a grade and its parts, by name, in words and in figures.

    It decides nothing. `figures` are counts to stand beside the places in `GRADES`.
    """
    word = overall(part.grade for part in parts.values())
    told = "; ".join(f"{name}: {part.says}" for name, part in parts.items())
    places = {name: GRADES.index(part.grade) for name, part in parts.items() if part.grade}
    observed = {"grade": GRADES.index(word), **places, **figures}
    return Check(name=NAME, passed=None, detail=f"{word}: {told}", observed=observed)


def read_novelty(verdict: Verdict | None) -> dict[str, str | None] | None:
    """Return a verdict's novelty: `grade` and its parts (None: not asked), `why` in words.

    None where the verdict does not speak of it. One of an earlier version had the ledger only.
    """
    check = next((one for one in verdict.checks if one.name == NAME), None) if verdict else None
    if check is None:
        return None
    first = check.detail.partition(":")[0]
    places = check.observed or {"ledger": GRADES.index(first) if first in GRADES else 0}
    parts = {name: GRADES[int(places[name])] if name in places else None for name in PARTS}
    return {"grade": overall(parts.values()), **parts, "why": check.detail}
