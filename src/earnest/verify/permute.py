"""Permutation and sign-flip p-values, counted exactly, with sequential stopping.

`p = (1 + b) / (m + 1)` (Phipson and Smyth 2010), b the draws at least as extreme as what was
observed; once b reaches `_ENOUGH` after l draws, `p = b / l` (Besag and Clifford 1991). For
tables on which m draws would take too long, a normal tail from the exact moments of the
permutation distribution (the combinatorial central limit theorem), never below `_TAIL_FLOOR`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Draw = Callable[[int], Floats]

_ENOUGH: Final = 30
_MOST_DRAWS: Final = 1_000_000
_LEAST_DRAWS: Final = 1_999
_MOST_CELLS: Final = 300_000_000
_BATCH_CELLS: Final = 2_000_000
_TAIL_FLOOR: Final = 1e-6


@dataclass(frozen=True)
class PValue:
    """A one-sided p-value, the draws it rests on, and the method's name."""

    p: float
    draws: int
    method: str


def draws_for(alpha: float) -> int:
    """Return how many draws it takes to tell p from `alpha`, within the limits of this module."""
    return min(_MOST_DRAWS, max(_LEAST_DRAWS, math.ceil(20 / alpha)))


def _count(observed: float, draw: Draw, draws: int, width: int, method: str) -> PValue:
    import numpy as np

    size = max(1, _BATCH_CELLS // max(1, width))
    # Equal statistics differ in their last bits, depending on the order of a sum.
    bar = observed - 1e-9 * max(1.0, abs(observed))
    exceeded = done = 0
    while done < draws:
        hits = draw(min(size, draws - done)) >= bar
        if exceeded + int(hits.sum()) >= _ENOUGH:
            last = int(np.flatnonzero(hits)[_ENOUGH - exceeded - 1])
            return PValue(_ENOUGH / (done + last + 1), done + last + 1, method)
        exceeded += int(hits.sum())
        done += len(hits)
    return PValue((1 + exceeded) / (draws + 1), draws, method)


def stratified(
    a: Floats, b: Floats, strata: npt.NDArray[np.intp], alpha: float, seed: int
) -> PValue:
    """Test `sum(a * b)` against shuffles of `b` within strata; large values count as extreme.

    `a`, `b`: shape (n,), `a` with mean 0 in each stratum; `strata`: shape (n,), a code per unit.
    """
    import numpy as np

    order = np.argsort(strata, kind="stable")
    a, b = a[order], b[order]
    bounds = np.flatnonzero(np.diff(strata[order])) + 1
    segments = list(zip([0, *bounds], [*bounds, len(a)], strict=True))
    rng = np.random.Generator(np.random.PCG64(seed))

    def draw(count: int) -> Floats:
        shuffled = np.broadcast_to(b, (count, len(b))).copy()
        for start, end in segments:
            rng.permuted(shuffled[:, start:end], axis=1, out=shuffled[:, start:end])
        return shuffled @ a

    wanted = draws_for(alpha)
    affordable = min(wanted, max(_LEAST_DRAWS, _MOST_CELLS // len(a)))
    found = _count(float(a @ b), draw, affordable, len(a), "permutation within strata")
    if affordable == wanted or found.p > 10 / affordable:
        return found
    tail = _normal_tail(a, b, segments)
    return PValue(max(tail, _TAIL_FLOOR), affordable, "permutation, normal tail by exact moments")


def _normal_tail(a: Floats, b: Floats, segments: list[tuple[int, int]]) -> float:
    from scipy.special import ndtr

    mean = variance = 0.0
    for start, end in segments:
        left, right = a[start:end], b[start:end]
        size = end - start
        mean += size * left.mean() * right.mean()
        if size > 1:
            spread = ((left - left.mean()) ** 2).sum() * ((right - right.mean()) ** 2).sum()
            variance += spread / (size - 1)
    return float(ndtr(-(float(a @ b) - mean) / math.sqrt(variance))) if variance > 0 else 1.0


def sign_flip(values: Floats, alpha: float, seed: int) -> PValue:
    """Test the sum of independent values, symmetric about 0 under the null, by flipping signs.

    `values`: shape (groups,). Large sums count as extreme.
    """
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(seed))

    def draw(count: int) -> Floats:
        signs = rng.integers(0, 2, size=(count, len(values)), dtype=np.int8) * 2 - 1
        return signs @ values

    return _count(
        float(values.sum()), draw, draws_for(alpha), len(values), "sign flips of whole groups"
    )
