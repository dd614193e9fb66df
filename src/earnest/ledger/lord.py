"""The online error budget: LORD++ with conflict sets.

Ramdas, Yang, Wainwright and Jordan 2017 ("Online control of the false discovery rate with
decaying memory"), with the history restricted as in Zrnic, Ramdas and Jordan 2021 ("Asynchronous
online testing of multiple hypotheses"): a test's share is computed from the rejections outside
its conflict set only. Leaving rejections out can only make a share smaller, since the rule is
monotone. What is not covered: false-discovery control for p-values that depend on each other
across tables (the published guarantee asks for independence between conflict sets).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

LEVEL: Final = 0.05
_START: Final = LEVEL / 2
# Normalises gamma to a sum of 1 (Javanmard and Montanari 2018, equation 31).
_GAMMA: Final = 0.07720838


def gamma(number: int) -> float:
    """Return the weight of the test that comes `number` places after a rejection (from 1)."""
    if number < 1:
        return 0.0
    return _GAMMA * math.log(max(number, 2)) / (number * math.exp(math.sqrt(math.log(number))))


def share(number: int, rejections: Sequence[int]) -> float:
    """Return the level at which test `number` (from 1) is to be tested.

    `rejections`: the numbers of the earlier rejections outside its conflict set, in any order.
    """
    earlier = sorted(set(rejections))
    if earlier and earlier[-1] >= number:
        raise ValueError("a rejection can't come from a later test")
    level = gamma(number) * _START
    if earlier:
        level += (LEVEL - _START) * gamma(number - earlier[0])
        level += LEVEL * sum(gamma(number - rejected) for rejected in earlier[1:])
    return level
