"""What the counts of a testbed run come to: rates with exact intervals, before and after.

*Before* is generation 0. *After* is the last evaluation of each seed, whether or not the gate let
that generation through (the final statement, where there is one); *kept* is what the gate let
stand at the end. All are pooled over seeds, as one population.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.gate.bounds import rate_interval
from earnest.gate.clauses import UNKNOWN
from earnest.recipes.testbed_report_read import Generation, Measured, Run, Tempted

SHALLOW: Final = (1, 2)
DEEP: Final = (4,)


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    hits: int = 0
    n: int = 0

    def __add__(self, other: Rate) -> Rate:
        """Pool."""
        return Rate(self.hits + other.hits, self.n + other.n)

    @property
    def share(self) -> float | None:
        """Return the share, 0 to 1; none of nothing."""
        return self.hits / self.n if self.n else None

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Return the two-sided 95 % interval (Clopper-Pearson)."""
        return rate_interval(self.hits, self.n)

    @property
    def told(self) -> str:
        """Return the share in per cent."""
        return f"{percent(self.hits / self.n)} %" if self.n else "not measured"

    @property
    def bounds(self) -> str:
        """Return the ends of the interval, in per cent."""
        low, high = self.interval
        return f"{percent(low)} to {percent(high)}" if self.n else ""

    def document(self) -> dict[str, Any] | None:
        """Return it for JSON; nothing where nothing was measured."""
        if not self.n:
            return None
        low, high = (round(end, 5) for end in self.interval)
        share = round(self.hits / self.n, 5)
        return {"hits": self.hits, "n": self.n, "share": share, "low": low, "high": high}


def percent(share: float) -> str:
    """Return a share in per cent, to two places below 1 % and above 99 %."""
    return f"{100 * share:.{2 if min(share, 1 - share) < 0.01 else 1}f}"


def total(rates: Iterable[Rate]) -> Rate:
    """Pool rates."""
    return sum(rates, Rate())


@dataclass(frozen=True)
class Pair:
    """Before and after."""

    before: Rate
    after: Rate

    @property
    def rose(self) -> bool:
        """Whether the intervals lie apart, the later one above."""
        return self.measured and self.after.interval[0] > self.before.interval[1]

    @property
    def fell(self) -> bool:
        """Whether the intervals lie apart, the later one below."""
        return self.measured and self.after.interval[1] < self.before.interval[0]

    @property
    def measured(self) -> bool:
        """Whether there is something to compare."""
        return bool(self.before.n and self.after.n)

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"before": self.before.document(), "after": self.after.document()}


Pick = Callable[[Measured], Rate]
"""What of a line is counted."""


def solved(depths: Sequence[int]) -> Pick:
    """Count what was solved at these depths."""
    return lambda one: total(Rate(*one.solve.get(str(depth), (0, 0))) for depth in depths)


def hacked(one: Measured) -> Rate:
    """Count hacks of any family, of all rollouts."""
    return Rate(*one.hack_rate)


def reported(one: Measured) -> Rate:
    """Count false reports of conflict."""
    return Rate(*one.false_reports)


def tried(one: Measured) -> Rate:
    """Count attempts of listed families, of all offers: a rollout that offers three counts thrice.

    What no rule knows can't be seen as a try of it, so *unknown* is not among them.
    """
    listed = (found for name, found in one.families.items() if name != UNKNOWN)
    return total(Rate(found.attempts, found.n) for found in listed)


def hacks_of(name: str) -> Pick:
    """Count a family's hacks, of the rollouts that offered it."""
    return lambda one: _of(one, name, lambda found: found.hacks)


def attempts_of(name: str) -> Pick:
    """Count a family's attempts, of the rollouts that offered it."""
    return lambda one: _of(one, name, lambda found: found.attempts)


def _of(one: Measured, name: str, hits: Callable[[Tempted], int]) -> Rate:
    found = one.families.get(name)
    return Rate(hits(found), found.n) if found else Rate()


@dataclass(frozen=True)
class Worst:
    """The family with the highest rate of hacks afterwards."""

    name: str
    rates: Pair

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"family": self.name, **self.rates.document()}


@dataclass(frozen=True)
class Arm:
    """A run under the name that the report gives it."""

    label: str
    run: Run

    @cached_property
    def before(self) -> tuple[Generation, ...]:
        """Return what was measured before training."""
        return tuple(one for one in self.run.generations if one.generation == 0)

    @cached_property
    def after(self) -> tuple[Generation, ...]:
        """Return each seed's last evaluation; none where training has not been evaluated yet."""
        return self._last(lambda one: one.generation > 0)

    @cached_property
    def kept(self) -> tuple[Generation, ...]:
        """Return what stands of each seed: the last that was let through, else the anchor."""
        return self._last(lambda one: one.decision != "refuse")

    def _last(self, fits: Callable[[Generation], bool]) -> tuple[Generation, ...]:
        found = {one.seed: one for one in self.run.generations if fits(one)}
        return tuple(found.values())

    @property
    def final(self) -> bool:
        """Whether the final statement was made, for each seed."""
        return bool(self.after) and all(one.final for one in self.after)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Return the families that training never offered."""
        return self.run.plan.held_out

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Return all families: those that training offers, *unknown*, then those held out."""
        lines: tuple[Measured, ...] = (*self.run.generations, *self.run.updates)
        met = dict.fromkeys(name for one in lines for name in one.families)
        named = dict.fromkeys((*self.run.plan.families, *met))
        offered = [name for name in named if name not in self.held_out and name != UNKNOWN]
        return (*offered, *((UNKNOWN,) if UNKNOWN in named else ()), *self.held_out)

    @cached_property
    def words(self) -> dict[tuple[int, int], str]:
        """Return the gate's word by (seed, generation); a final statement comes after it."""
        found: dict[tuple[int, int], str] = {}
        for one in self.run.generations:
            if one.decision not in ("anchor", "final"):
                found.setdefault((one.seed, one.generation), one.decision)
        return found

    @property
    def decisions(self) -> Counter[str]:
        """Count the gate's words."""
        return Counter(self.words.values())

    def pair(self, pick: Pick) -> Pair:
        """Return a rate before and after."""
        return Pair(total(map(pick, self.before)), total(map(pick, self.after)))

    def worst(self, held_out: bool) -> Worst | None:
        """Return the family hacked most, of those held out or of all others."""
        found = [
            Worst(name, self.pair(hacks_of(name)))
            for name in self.families
            if (name in self.held_out) is held_out
        ]
        told = [one for one in found if one.rates.after.n]
        return max(told, key=lambda one: one.rates.after.share or 0.0, default=None)


def arms(runs: Sequence[Run]) -> list[Arm]:
    """Return the runs as arms, each under a name of its own, `naive` first."""
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UsageError("a run is named twice", mend="name each folder once")
    named = [(_name(run), run) for run in runs]
    count = Counter(name for name, _ in named)
    found = [
        Arm(name if count[name] == 1 else f"{name} ({run.path.resolve().name})", run)
        for name, run in named
    ]
    if len({one.label for one in found}) < len(found):
        found = [Arm(f"{name} ({run.path.resolve()})", run) for name, run in named]
    return sorted(found, key=lambda one: one.run.plan.arm != "naive")


def _name(run: Run) -> str:
    plan = run.plan
    whole = plan.dirty is None or plan.arm.startswith("dirty-")
    return plan.arm if whole else f"{plan.arm} {plan.dirty:g}%"
