"""What a claim and the sealed estimate of it amount to: a fact, or a question without an answer."""

from __future__ import annotations

import hashlib
from typing import Literal, Self

from earnest.core.records import Claim, Finite, Value, Verdict


class Fact(Value):
    """One thing that may be known of a table.

    `effect` (-1 to 1) and `interval` are the sealed estimate, None where nothing is established.
    """

    kind: Literal["difference", "association", "trend"]
    table: str
    outcome: str
    exposure: str
    group: str | None = None
    versus: str | None = None
    subset: str = ""
    adjust_for: tuple[str, ...] = ()
    effect: Finite | None = None
    interval: tuple[Finite, Finite] | None = None

    @classmethod
    def of(cls, claim: Claim, verdict: Verdict | None = None) -> Self:
        """Return what a claim asks about, with the verdict's estimate if one is given."""
        asked = claim.model_dump(include=set(cls.model_fields))
        if verdict is None:
            return cls(**asked)
        return cls(**asked, effect=verdict.effect, interval=verdict.interval)

    @property
    def pair(self) -> tuple[str, str, str]:
        """The table and the two columns, whichever is the outcome."""
        first, second = sorted((self.outcome, self.exposure))
        return self.table, first, second

    @property
    def key(self) -> tuple[str, ...]:
        """What a question about it pins: two facts with one key have one answer.

        An association is the same seen from either column.
        """
        columns = (
            self.pair[1:] if self.kind == "association" else (self.outcome, self.exposure)
        )
        levels = (repr(self.group), repr(self.versus))
        return (self.kind, self.table, *columns, *levels, self.subset, *sorted(self.adjust_for))


def for_exam(pair: tuple[str, str, str]) -> bool:
    """Say whether a pair that no claim has touched is kept for the exam; half of them are.

    Settled by the names alone, so that it stays so from one generation to the next.
    """
    return hashlib.sha256("\x1f".join(pair).encode("utf-8", "surrogatepass")).digest()[0] % 2 == 0
