"""Two arms on the same items, right or wrong: McNemar's exact test, and an interval of the gain.

The test is conditional on the items on which the arms differ (McNemar 1947; exact: binomial). The
interval is Tango's score interval of the difference of paired proportions (Statistics in Medicine
17, 1998), which keeps its level where few items differ, none included.

Not covered: items that depend on each other; more than two arms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.959963984540054  # the normal quantile of 0.975
_HALVINGS: Final = 60


@dataclass(frozen=True)
class Pairs:
    """How many items both arms got right, only the first, only the second, none of them."""

    both: int
    first: int
    second: int
    neither: int

    @property
    def n(self) -> int:
        """How many items there are."""
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """The first arm's share of right items less the second's; 0 where there are no items."""
        return (self.first - self.second) / self.n if self.n else 0.0


def count_pairs(outcomes: Sequence[tuple[bool, bool]]) -> Pairs:
    """Count the outcomes of (first, second) arm."""
    counts = [outcomes.count(pair) for pair in _PAIRS]
    return Pairs(*counts)


_PAIRS: Final = ((True, True), (True, False), (False, True), (False, False))


def mcnemar(pairs: Pairs) -> float:
    """Return the exact two-sided p-value that the arms are equally good; 1 where none differs."""
    n, least = pairs.first + pairs.second, min(pairs.first, pairs.second)
    tail: int = sum(math.comb(n, k) for k in range(least + 1))
    return min(1.0, tail / 2 ** (n - 1) if n else 1.0)


def _score(pairs: Pairs, delta: float) -> float:
    """Return Tango's statistic: normal where the true difference is `delta`."""
    n, first, second = pairs.n, pairs.first, pairs.second
    a, b = 2 * n, -first - second + (2 * n - first + second) * delta
    c = -second * delta * (1 - delta)
    other = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    spread = n * (2 * other + delta * (1 - delta))
    gap = first - second - n * delta
    return gap / math.sqrt(spread) if spread > 0 else math.copysign(math.inf, gap) * (gap != 0)


def interval(pairs: Pairs) -> tuple[float, float]:
    """Return the 95 % interval of the difference, within -1 to 1; all of it without items."""
    if not pairs.n:
        return -1.0, 1.0
    at = pairs.difference
    low = _bisect(lambda delta: _score(pairs, delta) > _Z, -1.0, at)
    high = _bisect(lambda delta: _score(pairs, delta) >= -_Z, at, 1.0)
    return low, high


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return where a statement that holds below some point ceases to."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return (low + high) / 2
