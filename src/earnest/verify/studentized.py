"""A permutation test of two means that holds also where the two sides differ in all else.

The difference is divided by its own error in every draw (Janssen 1997; Chung and Romano 2013):
exact where the values are exchangeable, asymptotically right where only their means are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earnest.verify.draws import Arrangements
from earnest.verify.permute import PValue, shuffled, unreachable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

_TINY: Final = 1e-300


def studentized(
    values: Floats, labels: Floats, strata: Codes, weights: Floats, alpha: float, seed: int
) -> PValue:
    """Test that the mean where `labels` are 1 is not above that where they are 0.

    `values`, `labels`, `strata` (codes from 0): shape (n,). Differences are taken within strata,
    at least two values a side, and joined by `weights`, shape (strata,).
    """
    import numpy as np

    arrangements = Arrangements(labels, strata)
    if none := unreachable(arrangements.log_count, alpha):
        return none
    ordered = values[arrangements.order]
    parts = []
    for (start, end), weight in zip(arrangements.segments, weights, strict=True):
        centred = ordered[start:end] - ordered[start:end].mean()
        parts.append((start, end, float(weight), np.column_stack([centred, centred**2])))
    first = [float(arrangements.observed[0, start:end].sum()) for start, end, _, _ in parts]

    def statistic(drawn: Floats) -> Floats:
        difference, spread = np.zeros(len(drawn)), np.zeros(len(drawn))
        for (start, end, weight, both), ones in zip(parts, first, strict=True):
            sums = drawn[:, start:end] @ both
            rest, others = both.sum(axis=0) - sums, end - start - ones
            high, low = sums[:, 0] / ones, rest[:, 0] / others
            difference += weight * (high - low)
            spread += weight**2 * (sums[:, 1] / ones - high**2) / (ones - 1)
            spread += weight**2 * (rest[:, 1] / others - low**2) / (others - 1)
        found: Floats = difference / np.sqrt(np.maximum(spread, _TINY))
        return found

    return shuffled(arrangements, statistic, alpha, seed, method="studentized permutation")
