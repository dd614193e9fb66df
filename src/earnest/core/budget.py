"""What a run may use in all, and the purse that holds it to that: before each act, not after."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final, Literal, get_args

from earnest.core.errors import BudgetError

Name = Literal[
    "steps", "wall_s", "tokens", "cost_usd", "processes", "bytes_written", "network_calls"
]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
_ENDING: Final[tuple[Name, ...]] = ("steps", "wall_s", "tokens", "cost_usd")


@dataclass(frozen=True)
class Budget:
    """What a run may use in all, resumed or not, its sub-agents included. None sets no limit.

    `steps`: model turns. `wall_s`: seconds. `tokens`: of the model, in and out, as it reports
    them; where it does not count, a quarter of the characters. `cost_usd`: US dollars.
    `processes`: programs started in the sandbox. `bytes_written`: into the workspace.
    `network_calls`: requests to hosts.
    """

    steps: int | None = 60
    wall_s: float | None = 1800.0
    tokens: int | None = None
    cost_usd: float | None = None
    processes: int | None = 2000
    bytes_written: int | None = 2**30
    network_calls: int | None = 1000


class Purse:
    """What is left of a budget. Safe for several threads.

    A child (`child`) has limits of its own and takes from its parent as well, so that sub-agents
    can't use more together than the run may.
    """

    def __init__(
        self,
        budget: Budget,
        used: Mapping[str, float] | None = None,
        *,
        parent: Purse | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`used`: what earlier sittings used, by name."""
        self.budget, self._parent, self._clock = budget, parent, clock
        self._limits: dict[str, float | None] = asdict(budget)
        self._used = dict.fromkeys(NAMES, 0.0) | dict(used or {})
        self._lent = dict.fromkeys(map(str, NAMES), 0.0)
        self._began = clock() - self._used["wall_s"]
        self._lock: threading.RLock = parent._lock if parent else threading.RLock()

    def child(self, budget: Budget, used: Mapping[str, float] | None = None) -> Purse:
        """Return a purse with limits of its own that takes from this one too.

        `used`: what earlier sittings of a sub-agent used that goes on. It is charged here as well:
        what this purse was made with ends where the sub-agent was called.
        """
        for name in NAMES:
            if used and name != "wall_s":
                self._lend(name, used.get(name, 0.0))
        return Purse(budget, used, parent=self, clock=self._clock)

    def at_least(self, used: Mapping[str, float]) -> None:
        """Take in what a record says was used, as far as it isn't counted here yet."""
        with self._lock:
            for name in NAMES:
                self._used[name] = max(self._used[name], used.get(name, 0.0))
            self._began = min(self._began, self._clock() - used.get("wall_s", 0.0))

    @property
    def used(self) -> dict[str, float]:
        """What was used so far, by name."""
        with self._lock:
            return {**self._used, "wall_s": self._clock() - self._began}

    def left(self, name: Name) -> float:
        """Return what is left of one limit, the parent's included; infinite where there is none."""
        limit = self._limits[name]
        own = math.inf if limit is None else max(0.0, limit - self.used[name])
        return min(own, self._parent.left(name)) if self._parent else own

    def take(self, name: Name, amount: float = 1) -> None:
        """Count what is about to be used. Raises `BudgetError`, with nothing counted."""
        with self._lock:
            if amount > self.left(name):
                limit = self._limit(name)
                raise BudgetError(
                    f"the budget of {limit:g} {name} is used up: this needs {amount:g} more"
                )
            self.charge(name, amount)

    @contextmanager
    def aside(self, worst: Mapping[Name, float]) -> Iterator[dict[Name, float]]:
        """Set aside what an act may use at worst; count what it did use, which is filled in.

        Raises `BudgetError`, with nothing counted, where there is less. An act that fails counts
        for what was filled in by then.
        """
        used: dict[Name, float] = {}
        with self._lock:
            for name, amount in worst.items():
                if amount > self.left(name):
                    self.take(name, amount)
            for name, amount in worst.items():
                self.charge(name, amount)
        try:
            yield used
        finally:
            for name, amount in worst.items():
                self.charge(name, used.get(name, 0.0) - amount)

    def charge(self, name: Name, amount: float) -> None:
        """Count what is known only now that it was used."""
        with self._lock:
            self._used[name] += amount
        if self._parent:
            self._parent._lend(name, amount)

    def _lend(self, name: Name, amount: float) -> None:
        with self._lock:
            self._lent[name] += amount
        self.charge(name, amount)

    def lent(self, *, settled: bool = False) -> dict[str, float]:
        """Return what children used since this was last settled: it is in their records too.

        `settled`: from now on it is this purse's own, since their work is on record here.
        """
        with self._lock:
            found = dict(self._lent)
            if settled:
                self._lent = dict.fromkeys(map(str, NAMES), 0.0)
        return found

    def ended(self) -> tuple[Name, float, float] | None:
        """Return the limit that ends a run, it and what was used; None: none has been reached."""
        for name in _ENDING:
            limit = self._limits[name]
            if limit is not None and self.used[name] >= limit:
                return name, limit, self.used[name]
        return self._parent.ended() if self._parent else None

    def _limit(self, name: Name) -> float:
        """Return the limit that is the nearest to its end."""
        own = self._limits[name]
        if self._parent and (own is None or self._parent.left(name) < own - self.used[name]):
            return self._parent._limit(name)
        return math.inf if own is None else own
