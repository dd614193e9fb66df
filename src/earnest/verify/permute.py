"""Permutation and sign-flip p-values: counted exactly where all draws can be listed, else drawn.

Where a null has at most `_MOST_LISTED` arrangements, p is the share of them that is at least as
extreme as what was observed. Otherwise `p = (1 + b) / (m + 1)` (Phipson and Smyth 2010), b the
draws at least as extreme of m; once b reaches `_ENOUGH` after l draws, `p = b / l` (Besag and
Clifford 1991). Where no draw was as extreme and m draws can't reach the level that is asked for,
a tail approximation, which the method names: for a studentized sum of more than 2,000 terms, of
which time allows too few draws, the normal tail; else an exponential tail through the hundred
largest draws. That one overstates p where the logarithm of the tail is concave, as it is for sums
of bounded terms; statistics for which that is not so get none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from earnest.verify.draws import Arrangements

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]
    Draw = Callable[[int], Floats]
    Statistic = Callable[[Floats], Floats]

_ENOUGH: Final = 30
_MOST_DRAWS: Final = 1_000_000
_LEAST_DRAWS: Final = 1_999
_MOST_CELLS: Final = 400_000_000
_BATCH_CELLS: Final = 32_000  # blocks of memory that the allocator keeps
_MOST_LISTED: Final = 20_000
_LISTED_CELLS: Final = 4_000_000
_TAIL: Final = 100
_NORMAL_FLOOR: Final = 1e-6
_EXPONENTIAL_FLOOR: Final = 1e-12
_LARGE: Final = 2_000

Tail = Literal["exponential", "none"]


@dataclass(frozen=True)
class PValue:
    """A p-value in the claimed direction, the draws it rests on, and the method's name.

    `reached`: where nothing was drawn, since it could not have met the level, the least p that
    the design can reach; `p` is 1 then.
    """

    p: float
    draws: int
    method: str
    reached: float | None = None


def unreachable(log_count: float, alpha: float) -> PValue | None:
    """Return what stands for a test whose null has too few arrangements to meet `alpha`.

    `log_count`: the natural logarithm of their number; p can't be less than one of them.
    """
    least = math.exp(-log_count)
    if least <= alpha:
        return None
    return PValue(1.0, 0, f"not drawn: this design reaches p = {least:.2g} at best", least)


def draws_for(alpha: float) -> int:
    """Return how many draws it takes to tell p from `alpha`, within the limits of this module."""
    return min(_MOST_DRAWS, max(_LEAST_DRAWS, math.ceil(20 / alpha)))


def _bar(observed: float) -> float:
    """Equal statistics differ in their last bits, depending on the order of a sum."""
    return observed - 1e-9 * max(1.0, abs(observed))


def _batch(width: int) -> int:
    return max(1, _BATCH_CELLS // width)


def _extreme(values: Floats, bar: float) -> npt.NDArray[np.bool_]:
    """Say which draws count; one whose statistic has no value does."""
    return ~(values < bar)


def listed(observed: float, values: Floats, method: str) -> PValue:
    """Return p from the statistics of all arrangements, the observed one among them."""
    hits = int(_extreme(values, _bar(observed)).sum())
    return PValue(max(1, hits) / len(values), len(values), f"{method}, all of them")


def _count(
    observed: float, draw: Draw, draws: int, size: int, method: str
) -> tuple[PValue, Floats]:
    """Draw `size` at a time; return p with the largest statistics that were seen, ascending."""
    import numpy as np

    bar = _bar(observed)
    top = np.empty(0)
    exceeded = done = 0
    while done < draws:
        values = draw(min(size, draws - done))
        hits = _extreme(values, bar)
        if exceeded + int(hits.sum()) >= _ENOUGH:
            last = int(np.flatnonzero(hits)[_ENOUGH - exceeded - 1])
            return PValue(_ENOUGH / (done + last + 1), done + last + 1, method), top
        exceeded += int(hits.sum())
        done += len(hits)
        kept = np.concatenate([top, values])
        top = np.partition(kept, -_TAIL)[-_TAIL:] if len(kept) > _TAIL else kept
    return PValue((1 + exceeded) / (draws + 1), draws, method), np.sort(top)


def _exponential(observed: float, top: Floats, found: PValue) -> PValue:
    """Return p from an exponential tail through the largest draws."""
    start, excess = float(top[0]), float((top - top[0]).mean())
    if not excess > 0:
        return found
    p = len(top) / found.draws * math.exp(-(observed - start) / excess)
    method = f"{found.method}, exponential tail"
    return PValue(min(found.p, max(p, _EXPONENTIAL_FLOOR)), found.draws, method)


def _decided(
    observed: float, draw: Draw, alpha: float, width: int, cost: int, method: str, tail: Tail
) -> PValue:
    """Draw as often as the level needs and time allows; see the module on what follows."""
    # Of many rows the normal tail speaks, and draws need only say that p is small.
    cells = _MOST_CELLS if width < _LARGE else _MOST_CELLS // 4
    draws = min(draws_for(alpha), max(_LEAST_DRAWS, cells // (width * cost)))
    found, top = _count(observed, draw, draws, _batch(width), method)
    unseen = found.draws == draws and found.p <= 1 / (draws + 1)
    if tail == "none" or not unseen or found.p <= alpha or len(top) < _TAIL:
        return found
    return _exponential(observed, top, found)


def shuffled(
    arrangements: Arrangements,
    statistic: Statistic,
    alpha: float,
    seed: int,
    *,
    method: str,
    cost: int = 1,
    tail: Tail = "none",
) -> PValue:
    """Test a statistic of values that are exchangeable within strata; large ones are extreme.

    `statistic` takes arrangements (count, n), in the order of the strata, and returns (count,).
    `cost`: how many times as long as a sum it takes.
    """
    import numpy as np

    observed = float(statistic(arrangements.observed)[0])
    count, width = arrangements.log_count, len(arrangements.b)
    if count <= math.log(_MOST_LISTED) and math.exp(count) * width <= _LISTED_CELLS:
        return listed(observed, statistic(arrangements.every()), method)
    rng = np.random.Generator(np.random.SFC64(seed))

    drawer = arrangements.drawer(_batch(width), rng)

    def draw(size: int) -> Floats:
        return statistic(drawer(size))

    return _decided(observed, draw, alpha, width, cost, method, tail)


def stratified(a: Floats, b: Floats, strata: Codes, alpha: float, seed: int) -> PValue:
    """Test whether `a` rises with `b`, by shuffles of `b` within strata.

    `a`, `b`: shape (n,), taken from their means in each stratum; `strata`: shape (n,), codes. The
    statistic is the sum of a * b over its own error, made anew in each draw from what is left of a
    once b is taken out (for two groups: Welch's t). So p is exact where `b` is exchangeable, and
    asymptotically right where a and b only don't go together (Janssen 1997; DiCiccio and Romano
    2017): groups that differ in spread alone don't pass for higher.
    """
    found = Arrangements(centred(b, strata), strata)
    weights = centred(a, strata)[found.order]
    squares, fourth = weights**2, float((found.b**4).sum())
    scale, least = float((found.b**2).sum()), 1e-12 * float(squares @ found.observed[0] ** 2)

    def statistic(drawn: Floats) -> Floats:
        import numpy as np

        second = drawn * drawn
        together = drawn @ weights
        slope = together / scale
        error = second @ squares + slope**2 * fourth
        np.multiply(second, drawn, out=second)
        error -= 2 * slope * (second @ weights)
        result: Floats = together / np.sqrt(np.maximum(error, least))
        return result

    method = "studentized permutation within strata"
    p = shuffled(found, statistic, alpha, seed, method=method, tail="exponential")
    if p.draws >= draws_for(alpha) or p.p > 10 / max(1, p.draws) or len(b) < _LARGE:
        return p
    return _normal(float(statistic(found.observed)[0]), p)


def centred(values: Floats, strata: Codes) -> Floats:
    """Return values (n,) less their mean in each stratum."""
    import numpy as np

    codes = np.unique(strata, return_inverse=True)[1]
    found: Floats = values - (np.bincount(codes, values) / np.bincount(codes))[codes]
    return found


def _normal(observed: float, found: PValue) -> PValue:
    """Return p by the normal tail, which a studentized sum of so many terms has."""
    from scipy.special import ndtr

    p = max(float(ndtr(-observed)), _NORMAL_FLOOR)
    return PValue(p, found.draws, "studentized permutation, normal tail")


def flipped(values: Floats, statistic: Statistic, alpha: float, seed: int) -> PValue:
    """Test independent rows of `values` (groups, q), symmetric about 0, by flipping their signs.

    `statistic` takes sums (count, q) and returns (count,); large ones are extreme.
    """
    import numpy as np

    groups = len(values)
    method = "sign flips of whole groups"
    observed = float(statistic(values.sum(axis=0)[None, :])[0])
    if 2**groups <= _MOST_LISTED:
        signs = 1.0 - 2.0 * (np.arange(2**groups)[:, None] >> np.arange(groups) & 1)
        return listed(observed, statistic(signs @ values), method)
    rng = np.random.Generator(np.random.SFC64(seed))

    def draw(count: int) -> Floats:
        bits = np.frombuffer(rng.bytes(count * groups), dtype=np.uint8).reshape(count, groups)
        return statistic((1.0 - 2.0 * (bits & 1)) @ values)

    return _decided(observed, draw, alpha, groups, 1, method, "exponential")


def sign_flip(values: Floats, alpha: float, seed: int) -> PValue:
    """Test the sum of independent values (groups,), symmetric about 0 under the null."""
    return flipped(values[:, None], lambda sums: sums[:, 0], alpha, seed)
