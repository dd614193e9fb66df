"""The statistics of the gate: exact binomial bounds (Clopper and Pearson 1934), no randomness.

They are monotone: a worse outcome never gives a better bound. A bound from a mean and its
standard error is not: a failure can shrink the spread by more than the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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
