"""Rate limits: a token bucket for each name, in bounded memory.

They are kept by the process: a restart forgets them, and two servers on one ledger count apart.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_NAMES: Final = 4096


@dataclass(frozen=True)
class Rate:
    """So many at once, and so many a minute from then on."""

    burst: int
    a_minute: float


class Buckets:
    """One bucket a name. Safe for threads.

    Of more than `MOST_NAMES` names, the one that asked longest ago is forgotten: who asks from that
    many addresses gets a fresh bucket sooner, and our memory stays as it is.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, never backwards."""
        self.rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one from a name's bucket: 0.0; or nothing, and return in how many seconds to ask."""
        with self._lock:
            now = self._clock()
            left, at = self._kept.pop(name, (float(self.rate.burst), now))
            left = min(self.rate.burst, left + (now - at) * self.rate.a_minute / 60)
            wait = 0.0 if left >= 1 else (1 - left) * 60 / self.rate.a_minute
            self._kept[name] = (left if wait else left - 1, now)
            while len(self._kept) > MOST_NAMES:
                self._kept.popitem(last=False)
            return wait


def seconds(wait: float) -> int:
    """Return a wait as the header `Retry-After` tells it: whole seconds, at least one."""
    return max(1, math.ceil(wait))
