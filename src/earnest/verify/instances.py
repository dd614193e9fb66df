"""Trying a claim on inputs: all of them where they are few, else drawn anew; and what p that gives.

The null of a claim that holds on all inputs: it fails on at least `RARE` of the inputs as drawn. Of
one that holds on a share: on no more than that share. Both p are exact: (1 - RARE)^m after m inputs
without a failure, and the upper tail of the binomial. How many inputs are drawn is fixed before the
first one; stopping when time is over gains nothing, since the claim is
confirmed only once all that the level asks for have held. A failure doesn't end it, so that the
share of the inputs on which the claim holds is that of a number fixed before.

Not covered: what fails on fewer than `RARE` of the inputs as drawn is mostly missed.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

from earnest.core.domains import Domain
from earnest.core.inputs import count, drawn, every
from earnest.verify.permute import PValue
from earnest.verify.results import LEVEL, Estimate
from earnest.verify.units import NotTestableError

RARE: Final = 1e-3
FLOOR: Final = 1e-12
MOST_LISTED: Final = 20_000
_SHARED: Final = 2_000
_MOST_DRAWN: Final = 40_000
_LEAST_DRAWN: Final = 1_000

Values = tuple[Any, ...]
Told = Literal["same", "differs", "undefined"]


@dataclass
class Tried:
    """What came of the inputs so far. `failure`: the first one that differs.

    `counted`: those that were defined; `late`: time was over before all that were wanted.
    """

    counted: int = 0
    same: int = 0
    undefined: int = 0
    failure: Values | None = None
    listed: bool = False
    late: bool = False

    @property
    def share(self) -> float:
        """The share of the inputs on which both agree."""
        return self.same / self.counted if self.counted else 0.0


def wanted(alpha: float, threshold: float | None) -> int:
    """Return how many inputs are drawn so that p can meet a level."""
    if threshold is None:
        need = math.ceil(math.log(max(alpha, FLOOR)) / math.log1p(-RARE))
        return max(_LEAST_DRAWN, need)
    need = 1 if threshold <= 0 else math.ceil(2 * math.log(max(alpha, FLOOR)) / math.log(threshold))
    return min(_MOST_DRAWN, max(_SHARED, need))


def tried(
    domains: Sequence[Domain],
    ask: Callable[[Values], Told],
    rng: Random,
    *,
    alpha: float,
    threshold: float | None = None,
    seconds: float = 60.0,
    draw: Callable[[Sequence[Domain], Random], Values] = drawn,
    most: int | None = None,
) -> Tried:
    """Ask about inputs: all in random order where they are few, else as many as `alpha` takes.

    `most`: so many, and none of them listed. Raises what `ask` does before a first failure.
    """
    number = count(domains) if most is None else None
    found = Tried(listed=number is not None and number <= MOST_LISTED)
    goal = most or wanted(alpha, threshold)
    deadline = time.monotonic() + seconds
    for values in _inputs(domains, rng, draw, listed=found.listed):
        if not found.listed and (
            found.counted >= goal or found.undefined > max(_LEAST_DRAWN, found.counted)
        ):
            break
        if time.monotonic() > deadline:
            found.late, found.listed = True, False
            break
        try:
            told = ask(values)
        except NotTestableError:
            if found.failure is None:
                raise
            found.late, found.listed = True, False
            break
        found.undefined += told == "undefined"
        found.counted += told != "undefined"
        found.same += told == "same"
        if told == "differs" and found.failure is None:
            found.failure = values
    return found


def _inputs(
    domains: Sequence[Domain],
    rng: Random,
    draw: Callable[[Sequence[Domain], Random], Values],
    *,
    listed: bool,
) -> Iterator[Values]:
    if listed:
        found = list(every(domains))
        rng.shuffle(found)
        return iter(found)
    return (draw(domains, rng) for _ in itertools.count())


def interval(same: int, counted: int) -> tuple[float, float]:
    """Return the exact interval of Clopper and Pearson (1934) for a share."""
    from scipy.stats import beta

    if not counted:
        return 0.0, 1.0
    tail = (1 - LEVEL) / 2
    failed = counted - same
    low = float(beta.ppf(tail, same, failed + 1)) if same else 0.0
    high = float(beta.ppf(1 - tail, same + 1, failed)) if failed else 1.0
    return low, high


def p_value(found: Tried, threshold: float | None) -> PValue:
    """Return the exact p of a claim that holds on all inputs, or on a share of them."""
    from scipy.stats import binom

    number = found.counted
    if found.listed:
        held = found.share >= (1.0 if threshold is None else threshold)
        return PValue(FLOOR if held else 1.0, number, f"all {number} inputs there are")
    if threshold is not None:
        if found.late:  # it stopped at a time that a program may have chosen
            return PValue(1.0, number, "time was over before all inputs that were wanted")
        p = float(binom.sf(found.same - 1, number, threshold))
        return PValue(max(FLOOR, p), number, f"exact binomial against a share of {threshold:g}")
    p = (1 - RARE) ** number if found.failure is None else 1.0
    return PValue(
        max(FLOOR, p), number, f"exact binomial against failing on {RARE:g} of the inputs as drawn"
    )


def estimated(found: Tried, p: PValue, name: str) -> Estimate:
    """Return the share of inputs on which a claim holds as an estimate."""
    low, high = interval(found.same, found.counted)
    if found.listed:
        low = high = found.share
    return Estimate(found.share, (low, high), p, found.counted, name)
