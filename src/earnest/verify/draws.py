"""Arrangements of values within strata: drawn at random, or all of them where they are few.

A draw sorts 32-bit words: the stratum above, the row's index below, at least 21 random bits between
them. So one sort shuffles all strata. Rows are renumbered for each batch, so that where two draw
the same bits, either may come first. Where the bits don't suffice, values are swapped one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

_LEAST_RANDOM_BITS: Final = 21


def multiset(values: list[float]) -> Iterator[list[float]]:
    """Yield each distinct order of the values once."""
    if not values:
        yield []
        return
    for first in sorted(set(values)):
        rest = values.copy()
        rest.remove(first)
        for order in multiset(rest):
            yield [first, *order]


@dataclass(frozen=True)
class Arrangements:
    """The values of `b` (shape (n,)), exchanged within `strata` (codes, shape (n,)).

    Everything here is in the order of the strata: `order` brings other columns into it.
    """

    b: Floats
    strata: Codes

    @cached_property
    def order(self) -> Codes:
        """The rows in the order of their strata, shape (n,)."""
        import numpy as np

        return np.argsort(self.strata, kind="stable")

    @cached_property
    def observed(self) -> Floats:
        """The values as they were observed, in the order of the strata, shape (1, n)."""
        return self.b[self.order][None, :]

    @cached_property
    def segments(self) -> list[tuple[int, int]]:
        """Where each stratum begins and ends."""
        import numpy as np

        bounds = (np.flatnonzero(np.diff(self.strata[self.order])) + 1).tolist()
        return list(zip([0, *bounds], [*bounds, len(self.b)], strict=True))

    @cached_property
    def log_count(self) -> float:
        """The natural logarithm of the number of distinct arrangements."""
        import numpy as np
        from scipy.special import gammaln

        total = 0.0
        for start, end in self.segments:
            ties = np.unique(self.observed[0, start:end], return_counts=True)[1]
            total += float(gammaln(end - start + 1) - gammaln(ties + 1).sum())
        return total

    def every(self) -> Floats:
        """Return all distinct arrangements, shape (count, n)."""
        import numpy as np

        parts = [
            np.array(list(multiset(self.observed[0, start:end].tolist())))
            for start, end in self.segments
        ]
        picks = np.indices([len(part) for part in parts]).reshape(len(parts), -1)
        return np.hstack([part[pick] for part, pick in zip(parts, picks, strict=True)])

    def drawer(self, most: int, rng: np.random.Generator) -> Callable[[int], Floats]:
        """Return what draws up to `most` random arrangements at a time, shape (count, n).

        Each call overwrites what the last one returned: fresh pages cost more than the draws.
        """
        import numpy as np

        size = len(self.b)
        low = math.ceil(math.log2(size + 1))
        high = math.ceil(math.log2(len(self.segments)))
        drawn = np.empty((most, size))
        if low + high > 32 - _LEAST_RANDOM_BITS:
            return partial(self._swapped, drawn, rng)
        keys, index = np.empty((most, size), np.uint32), np.empty((most, size), np.intp)
        below = np.arange(size, dtype=np.uint32)
        for number, (start, end) in enumerate(self.segments):
            below[start:end] |= np.uint32(number << (32 - high) if high else 0)
        random, lowest = np.uint32(2 ** (32 - high) - 2**low), np.uint32(2**low - 1)
        values = self.observed[0].copy()

        def draw(count: int) -> Floats:
            for start, end in self.segments:
                rng.shuffle(values[start:end])
            raw = rng.bit_generator.random_raw(-(-count * size // 2)).view(np.uint32)
            into, at, out = keys[:count], index[:count], drawn[:count]
            np.bitwise_and(raw[: count * size].reshape(count, size), random, out=into)
            np.bitwise_or(into, below, out=into)
            into.sort(axis=1)
            np.bitwise_and(into, lowest, out=at, casting="unsafe")
            values.take(at, out=out, mode="clip")
            return out

        return draw

    def _swapped(self, drawn: Floats, rng: np.random.Generator, count: int) -> Floats:
        """Draw by swaps, which is faster where there are many rows."""
        out = drawn[:count]
        out[:] = self.observed
        for start, end in self.segments:
            rng.permuted(out[:, start:end], axis=1, out=out[:, start:end])
        return out
