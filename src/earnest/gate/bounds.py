"""The statistics of the gate: exact binomial bounds (Clopper and Pearson 1934), no randomness.

They are monotone: a worse outcome never gives a better bound. A bound from a mean and its
standard error is not: a failure can shrink the spread by more than the mean. The one for paired
differences below is mended so that it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache


@lru_cache(maxsize=4096)
def _quantile(level: float, a: float, b: float) -> float:
    from scipy.stats import beta

    return float(beta.ppf(level, a, b))


def upper_bound(hits: int, trials: int, level: float = 0.95) -> float:
    """Return the one-sided upper bound of a rate, 0 to 1; no trials bound nothing: 1."""
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits in {trials} trials")
    return 1.0 if hits == trials else _quantile(level, hits + 1, trials - hits)


def lower_bound(hits: int, trials: int, level: float = 0.95) -> float:
    """Return the one-sided lower bound of a rate, 0 to 1; no trials bound nothing: 0."""
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits in {trials} trials")
    return 0.0 if hits == 0 else _quantile(1 - level, hits, trials - hits + 1)


def gain_bound(gains: Mapping[str, Sequence[int]], level: float = 0.95) -> float:
    """Return a lower bound of the share of clusters that gained less the share that lost.

    `gains`: after less before of each item, 1, 0 or -1, by cluster. A cluster counts once,
    however many items it has, because its items stand or fall together. Half of the error level
    goes to each share. No clusters: -1.
    """
    sums = [sum(values) for values in gains.values()]
    if not sums:
        return -1.0
    half = 1 - (1 - level) / 2
    won, lost = sum(total > 0 for total in sums), sum(total < 0 for total in sums)
    return lower_bound(won, len(sums), half) - upper_bound(lost, len(sums), half)


def rate_interval(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of a rate (Clopper and Pearson): a half of the error each."""
    half = 1 - (1 - level) / 2
    return lower_bound(hits, trials, half), upper_bound(hits, trials, half)


@lru_cache(maxsize=1024)
def _student(level: float, freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(level, freedom))


@dataclass(frozen=True)
class Differences:
    """Paired differences, one a cluster, -1 to 1 each: how many, their sum, the sum of squares.

    A cluster's difference is the mean of its rollouts in one arm less that in the other, so that
    tasks with many rollouts, or tasks made from one, do not count as many.
    """

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Differences:
        """Sum up."""
        kept = sorted(values)  # so that the order of a report's items is of no account
        return cls(len(kept), math.fsum(kept), math.fsum(value * value for value in kept))

    @property
    def mean(self) -> float:
        """Return the mean difference; 0 of nothing."""
        return self.total / self.n if self.n else 0.0


def difference_bound(differences: Differences, level: float = 0.95) -> float:
    """Return a one-sided lower bound of the mean difference over clusters, -1 to 1.

    Student's, from the spread between clusters, and so whatever the dependence inside them, with
    two changes. One cluster that lost outright is added: where few clusters differ, the normal
    approximation is too sure (the tests count how often it errs). And the standard error is at
    least q (1 - mean)/(n - 1), q the quantile, which makes the bound monotone: raising one value
    by a little x raises the mean by x/n, and q times the standard error se by
    x q (value - mean)/(n (n - 1) se), which is not more, as no value is above 1. No clusters: -1.
    """
    if not differences.n:
        return -1.0
    n = differences.n + 1
    mean = (differences.total - 1.0) / n
    scatter = max(0.0, differences.squares + 1.0 - n * mean * mean)
    quantile = _student(level, n - 1)
    error = max(math.sqrt(scatter / (n * (n - 1))), quantile * (1 - mean) / (n - 1))
    return max(-1.0, mean - quantile * error)


def difference_interval(differences: Differences, level: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of the mean difference, a half of the error each."""
    half = 1 - (1 - level) / 2
    turned = Differences(differences.n, -differences.total, differences.squares)
    return difference_bound(differences, half), -difference_bound(turned, half)
