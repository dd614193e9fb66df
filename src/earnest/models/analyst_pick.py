"""Which of the screened pairs the analyst claims: strong ones, varied, and a few doubtful."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MOST: Final = 12
_STRONG_P: Final = 0.005
_STRONG_EFFECT: Final = 0.1
_BORDER: Final = (0.005, 0.05)
_BORDERLINE: Final = 3
_SUBSETS: Final = 3
_CAP: Final = 3


@dataclass(frozen=True)
class Candidate:
    """One pair of columns as the screen measured it on the visible rows."""

    kind: str
    outcome: str
    exposure: str
    level: str | None
    subset: tuple[str, str] | None
    effect: float
    p: float
    n: int

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Candidate:
        """Take one from the screen's output."""
        subset = body["subset"]
        return cls(
            kind=body["kind"],
            outcome=body["outcome"],
            exposure=body["exposure"],
            level=body["level"],
            subset=(subset[0], subset[1]) if subset else None,
            effect=float(body["effect"]),
            p=float(body["p"]),
            n=int(body["n"]),
        )

    @property
    def strength(self) -> float:
        """How well it should hold elsewhere: evidence (up to p = 1e-30) and size count alike."""
        return min(-math.log10(max(self.p, 1e-300)), 30) / 30 + abs(self.effect)

    @property
    def columns(self) -> frozenset[str]:
        """The two columns it is about."""
        return frozenset((self.outcome, self.exposure))

    @property
    def strong(self) -> bool:
        """Whether there is hardly a doubt on the visible rows."""
        return self.p < _STRONG_P and abs(self.effect) >= _STRONG_EFFECT

    @property
    def doubtful(self) -> bool:
        """Whether it may well be chance."""
        return _BORDER[0] <= self.p < _BORDER[1]


def _duplicates(same: Iterable[Sequence[str]]) -> frozenset[str]:
    """Return the columns that say what an earlier one says."""
    out: set[str] = set()
    for one, other in same:
        if one not in out:
            out.add(other)
    return frozenset(out)


def _varied(
    candidates: Sequence[Candidate],
    room: int,
    cap: int,
    taken: Sequence[Candidate] = (),
    *,
    levels: bool = False,
) -> list[Candidate]:
    """Return the first candidates of which no pair of columns repeats and no column tires.

    `cap`: claims an outcome or an exposure, what is taken included. With `levels`, a pair may
    come back with another level of the exposure.
    """

    def key(item: Candidate) -> tuple[Any, ...]:
        return item.columns, item.subset, item.level if levels else None

    outcomes = Counter(item.outcome for item in taken)
    exposures = Counter(item.exposure for item in taken)
    pairs = {key(item) for item in taken}
    found: list[Candidate] = []
    for item in candidates:
        if len(found) >= room:
            break
        if outcomes[item.outcome] >= cap or exposures[item.exposure] >= cap or key(item) in pairs:
            continue
        outcomes[item.outcome] += 1
        exposures[item.exposure] += 1
        pairs.add(key(item))
        found.append(item)
    return found


def pick(
    candidates: Iterable[Candidate], same: Iterable[Sequence[str]], most: int = MOST
) -> list[Candidate]:
    """Return at most `most` candidates, the strongest first, the doubtful ones last.

    `same`: pairs of columns that mean the same; of each, only the first is kept. An outcome or an
    exposure stands in at most three claims, more only where there is room left.
    """
    out = _duplicates(same)
    usable = sorted(
        (item for item in candidates if not item.columns & out),
        key=lambda item: (-item.strength, item.outcome, item.exposure, item.level or ""),
    )
    strong = [item for item in usable if item.strong and item.subset is None]
    unsure = [item for item in usable if item.doubtful and item.subset is None]
    doubtful = _varied(unsure, min(_BORDERLINE, max(0, most - 1)), 1)
    room = most - len(doubtful)
    parts = [item for item in usable if item.strong and item.subset is not None]
    chosen = _varied(strong, room, _CAP)
    chosen += _varied(parts, min(_SUBSETS, room - len(chosen)), _CAP + 1, chosen)
    chosen += _varied(strong, room - len(chosen), most, chosen)
    chosen += _varied(strong, room - len(chosen), most, chosen, levels=True)
    chosen.sort(key=lambda item: -item.strength)
    return chosen + doubtful
