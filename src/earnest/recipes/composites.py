"""Does an author gain by trying 100 composite claims on one table of noise?

A composite claim is one pair of columns in a subset of the rows: levels of other columns left out.
The author wants the subset in which the *sealed* rows happen to agree. What it may learn of them is
what differs: nothing, what is shown after each closed run, or everything at once (the broken case,
which must gain). All other things are the same: the table, the 100 tests, the shares
of a budget that is rich from earlier discoveries.

And does it gain by padding: by claims that are sure to be confirmed and say nothing (a column goes
with its own copy, in one subset after the other), so that their rejections pay for claims about
noise? It must not where what is trivial is not paid for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from earnest.core.records import Claim
from earnest.recipes.discoveries_judge import Court, Stream
from earnest.recipes.discoveries_tables import Laid, lay_out, seen
from earnest.tasks.simulated import Node, World

CLAIMS: Final = 100
_COLUMNS: Final = 6
_LEVELS: Final = ("p", "q", "r", "s")
_EARLIER: Final = 500
_EVERY: Final = 5
_LEAST_SHARE: Final = 0.2
_HALF_WIDTH: Final = 0.23  # of the interval of a rank-biserial correlation on 100 rows, two halves


@dataclass(frozen=True)
class Showing:
    """What an author learns of each claim, and when: after each run of `batch` claims.

    `effect`: rounded to `digits` (None: exact). `word`: confirmed, refuted or inconclusive; its
    author claims of each level alone an effect of at least half its interval's width, so that
    `refuted` tells the sign. `confirmed`: whether it is.
    """

    name: str
    batch: int
    what: Literal["effect", "word", "confirmed"] = "effect"
    digits: int | None = None

    def shown(self, effect: float, confirmed: bool, refuted: bool) -> float | None:
        """Return the effect on the sealed rows as its author takes it to be; None: no news."""
        if self.what == "effect":
            return effect if self.digits is None else round(effect, self.digits)
        if confirmed:
            return 0.3
        return (-0.1 if refuted else 0.1) if self.what == "word" else None


NOTHING: Final = Showing("one run of 100 (no feedback)", CLAIMS, "effect", 2)
AT_ONCE: Final = Showing("100 runs of one, exact effects (broken)", 1)
CONFIRMED_ONLY: Final = Showing("20 runs of 5, confirmed or not", 5, "confirmed")
SHOWINGS: Final = (
    NOTHING,
    Showing("2 runs of 50, effects at 2 digits", 50, "effect", 2),
    Showing("20 runs of 5, effects at 2 digits", 5, "effect", 2),
    Showing("20 runs of 5, effects at 1 digit", 5, "effect", 1),
    Showing("2 runs of 50, the word", 50, "word"),
    Showing("20 runs of 5, the word", 5, "word"),
    CONFIRMED_ONLY,
    AT_ONCE,
)


def noise_table(seed: int) -> Laid:
    """Return a table of noise: an outcome, a group, and columns whose levels make subsets."""
    quarter = (0.25, 0.25, 0.25, 0.25)
    nodes = [Node("y"), Node("g", levels=("a", "b"), chances=(0.5, 0.5))]
    nodes += [Node(f"c{i}", levels=_LEVELS, chances=quarter) for i in range(1, _COLUMNS + 1)]
    return lay_out(World("noise", "noise", "iid", tuple(nodes)), seed)


Level = tuple[str, str]
_ALL: Final[tuple[Level, ...]] = tuple(
    (f"c{i}", level) for i in range(1, _COLUMNS + 1) for level in _LEVELS
)


def _claim(
    left_out: frozenset[Level], only: Level | None = None, threshold: float | None = None
) -> Claim:
    parts = [f"{column} != '{level}'" for column, level in sorted(left_out)]
    parts += [f"{only[0]} == '{only[1]}'"] if only else []
    return Claim(
        kind="difference",
        table="noise",
        outcome="y",
        exposure="g",
        group="a",
        direction="higher",
        subset=" and ".join(parts),
        threshold=threshold,
    )


def _share(left_out: frozenset[Level]) -> float:
    """Return the share of the rows that are left."""
    share = 1.0
    for i in range(1, _COLUMNS + 1):
        share *= 1 - sum(column == f"c{i}" for column, _ in left_out) / len(_LEVELS)
    return share


class Author:
    """Looks at each level alone, leaves out those that disagree, then goes on by single steps.

    `scores` start from the visible rows; what is shown of the sealed ones replaces them.
    """

    def __init__(self, laid: Laid, threshold: float | None = None) -> None:
        self.threshold = threshold
        self.scores = {
            level: 0.01 * seen(laid.visible, _claim(frozenset(), level))[0] for level in _ALL
        }
        self.alone = list(_ALL)
        self.tried: set[frozenset[Level]] = set()
        self.best: tuple[float, frozenset[Level]] = (0.0, frozenset())
        self.asked: list[tuple[frozenset[Level], Level | None]] = []

    def propose(self, count: int) -> list[Claim]:
        """Return the next batch of claims."""
        self.asked = [(frozenset[Level](), level) for level in self.alone[:count]]
        self.alone = self.alone[count:]
        for left_out in self._composites():
            if len(self.asked) >= count:
                break
            if left_out not in self.tried and _share(left_out) >= _LEAST_SHARE:
                self.tried.add(left_out)
                self.asked.append((left_out, None))
        return [
            _claim(left_out, only, self.threshold if only else None)
            for left_out, only in self.asked
        ]

    def learn(self, effects: Sequence[float | None]) -> None:
        """Take in what is shown of the last batch."""
        for (left_out, only), effect in zip(self.asked, effects, strict=True):
            if effect is None:
                continue
            if only is not None:
                self.scores[only] = effect
            else:
                # In units of z, as far as the share of rows tells.
                gain = effect * math.sqrt(_share(left_out))
                self.best = max(self.best, (gain, left_out), key=lambda item: item[0])

    def _composites(self) -> Iterator[frozenset[Level]]:
        """Yield subsets: the worst levels left out, more and more; then one step from the best."""
        worst = sorted(_ALL, key=lambda level: self.scores[level])
        left_out: frozenset[Level] = frozenset()
        for level in worst:
            column = sum(name == level[0] for name, _ in left_out)
            further = left_out | {level}
            room = column < len(_LEVELS) - 1 and _share(further) >= _LEAST_SHARE
            if self.scores[level] < 0 and room:
                left_out = further
                yield left_out
        frontier = [self.best[1] if self.best[0] > 0 else left_out]
        while frontier:
            start = frontier.pop(0)
            # Swaps among the levels that disagree, and single steps.
            out = [level for level in worst if level not in start and self.scores[level] < 0]
            steps = [start - {one} | {other} for one in sorted(start) for other in out]
            steps += [start ^ {level} for level in worst]
            yield from steps
            frontier += steps if len(frontier) < CLAIMS else []


def rich_stream() -> Stream:
    """Return a budget as it is after 500 tests elsewhere, of which every fifth rejected."""
    stream = Stream(_EARLIER)
    stream.rejected = [(number, "elsewhere") for number in range(_EVERY, _EARLIER + 1, _EVERY)]
    return stream


def _refuted(effect: float, z: float, claim: Claim) -> bool:
    """Say whether the 95 % interval lies below what is claimed."""
    return bool(z) and effect + 1.96 * effect / z < (claim.threshold or 0)


def fooled(showing: Showing, seed: int, court: Court) -> bool:
    """Let an author try its 100 claims on a table of noise; say whether one was confirmed."""
    laid, stream = noise_table(seed), rich_stream()
    author = Author(laid, _HALF_WIDTH if showing.what == "word" else None)
    done, got = 0, False
    while done < CLAIMS:
        claims = author.propose(min(showing.batch, CLAIMS - done))
        if not claims:
            break
        numbers, shares = stream.freeze(laid.name, len(claims))
        told, rejected = [], []
        for claim, alpha, number in zip(claims, shares, numbers, strict=True):
            fate = court.fate(laid, claim, alpha)
            effect, z = seen(laid.sealed, claim)
            told.append(showing.shown(effect, fate.confirmed, _refuted(effect, z, claim)))
            rejected += [number] * fate.rejected
            got |= fate.confirmed
        stream.settle(laid.name, rejected)
        author.learn(told)
        done += len(claims)
    court.forget()
    return got


def fooled_all(seed: int) -> list[bool]:
    """Return for one table of noise which of `SHOWINGS` ended in a false confirmation."""
    court = Court()
    return [fooled(showing, seed, court) for showing in SHOWINGS]


def padded(seed: int, *, paid: bool, tables: int = 50, claims: int = 20) -> int:
    """Return how many of `tables` times `claims` claims about noise a padded budget confirms.

    On each table come as many trivial claims (p = 0) first. `paid`: these go through the budget.
    The p-values of noise are uniform.
    """
    import numpy as np

    rng, stream, false = np.random.Generator(np.random.PCG64(seed)), Stream(), 0
    for table in range(tables):
        ps = np.concatenate([np.zeros(claims if paid else 0), rng.random(claims)])
        numbers, shares = stream.freeze(str(table), len(ps))
        rejected = ps <= np.array(shares)
        stream.settle(str(table), [n for n, one in zip(numbers, rejected, strict=True) if one])
        false += int(rejected[-claims:].sum())
    return false
