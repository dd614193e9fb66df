"""The online error budget: LORD++ with conflict sets.

Ramdas, Yang, Wainwright and Jordan 2017 ("Online control of the false discovery rate with
decaying memory"), made asynchronous as in Zrnic, Ramdas and Jordan 2021 ("Asynchronous online
testing of multiple hypotheses"): a test's share is computed from the rejections outside its
conflict set only, and a rejection counts from when it became known. Whatever is left out, the
shares of all tests up to any moment sum to at most the level times the rejections (1 where there
are none): each rejection pays out at most the level, once. What is not covered: false-discovery
control for p-values that depend on each other across tables (the published guarantee asks for
independence between conflict sets).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

LEVEL: Final = 0.05
START: Final = LEVEL / 2
# Normalises gamma to a sum of 1 (Javanmard and Montanari 2018, equation 31).
_GAMMA: Final = 0.07720838


@cache
def gamma(number: int) -> float:
    """Return the weight of the test that comes `number` places after a rejection (from 1)."""
    if number < 1:
        return 0.0
    return _GAMMA * math.log(max(number, 2)) / (number * math.exp(math.sqrt(math.log(number))))


def share(
    number: int, known: Sequence[int], *, level: float = LEVEL, start: float = START
) -> float:
    """Return the level at which test `number` (from 1) is to be tested.

    `known`: for each earlier rejection outside its conflict set, in any order, how many tests had
    been given their share when it became known; where tests are done one by one that is the
    rejected test's own number. `start`: what may be spent before the first rejection.
    """
    earlier = sorted(known)
    if earlier and earlier[-1] >= number:
        raise ValueError("a rejection can't come from a later test")
    spent = gamma(number) * start
    if earlier:
        spent += (level - start) * gamma(number - earlier[0])
        spent += level * sum(gamma(number - rejected) for rejected in earlier[1:])
    return spent
