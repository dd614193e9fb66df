"""Two programs on the same fresh inputs, each in a jail of its own: do they give the same?

Values are compared type for type and bit for bit, exceptions by their type's name. p is as in
`instances`. What a program gave must be what it gives again: some inputs once more in the same
jails, and some in fresh jails in another order; else it is no function of its arguments.

Not covered: differences on fewer than 1 in 1,000 of the inputs as drawn; state that shows only
after more calls than were made; what `earnest.core.purity` leaves out; how long they take.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from earnest.core.inputs import parse_inputs, simplest
from earnest.core.kinds import Claim
from earnest.core.protocols import Sandbox
from earnest.core.purity import impure
from earnest.core.records import Check
from earnest.sandbox.grade_pair import Answer, Pair, PairError, agree, told
from earnest.verify.instances import Told, Tried, Values, estimated, p_value, tried
from earnest.verify.results import Estimate
from earnest.verify.units import NotTestableError

SECONDS: Final = 90.0
CALL_S: Final = 5.0
_ROOM_S: Final = 20.0
_OF_THE_PLACE: Final = ("MemoryError", "RecursionError")
_SIMPLER_S: Final = 10.0
_KEPT: Final = 200
_LIGHT: Final = 10_000  # single values; of larger answers fewer are kept, for memory's sake
_MOST_HEAVY: Final = 8
_AGAIN: Final = 60
_NAME: Final = "share of inputs on which both programs give the same"

Both = tuple[Answer, Answer]


class NotAFunctionError(Exception):
    """A program whose value does not follow from its arguments; the message says how."""


@dataclass
class Asking:
    """Asks a pair, and keeps some of its answers to compare them with later ones."""

    pair: Pair
    names: tuple[str, ...]
    rng: Random
    kept: list[tuple[Values, Both]] = field(default_factory=list)
    asked: int = 0
    raised: int = 0
    heavy: int = 0

    def ask(self, values: Values) -> Told:
        """Say how both compare at an input. Raises `NotTestableError`, `NotAFunctionError`."""
        both = _both(self.pair, values, self.names)
        self.asked += 1
        self.raised += all(one.how == "raised" for one in both)
        if any(_weight(one.value, _LIGHT) >= _LIGHT for one in both):
            self.heavy += 1
            if self.heavy > _MOST_HEAVY:
                return "same" if agree(*both) else "differs"
        if len(self.kept) < _KEPT:
            self.kept.append((values, both))
        elif (place := self.rng.randrange(self.asked)) < _KEPT:
            self.kept[place] = values, both
        return "same" if agree(*both) else "differs"

    def again(self, pair: Pair, count: int) -> None:
        """Ask some inputs again, in another order. Raises `NotAFunctionError`."""
        for values, before in self.rng.sample(self.kept, min(count, len(self.kept))):
            for which, was, now in zip(
                ("program", "reference"), before, _both(pair, values, self.names), strict=True
            ):
                if not agree(was, now) and "not data" not in (was.how, now.how):
                    raise NotAFunctionError(
                        f"at {_at(self.names, values)} the {which} {was}, and then {now}"
                    )


def _weight(value: object, most: int) -> int:
    """Return of how many single values and characters a value consists, up to so many."""
    if isinstance(value, str | bytes | bytearray):
        return len(value) // 8
    if isinstance(value, int):
        return 1 + value.bit_length() // 64
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if not isinstance(value, list | tuple | set | frozenset):
        return 1
    found = len(value)
    for one in value:
        if found >= most:
            break
        found += _weight(one, most - found)
    return found


def _at(names: Sequence[str], values: Values) -> str:
    return ", ".join(f"{name} = {told(value)}" for name, value in zip(names, values, strict=True))


def _both(pair: Pair, values: Values, names: Sequence[str]) -> Both:
    try:
        both = pair.ask(values)
    except PairError as error:
        message = f"at {_at(names, values)} {error}"
        raise (NotTestableError if error.late else NotAFunctionError)(message) from error
    for which, one in zip(("program", "reference"), both, strict=True):
        if one.how == "not data":
            raise NotTestableError(f"at {_at(names, values)} {one.value}: it can't be compared")
        if one.how == "raised" and one.value in _OF_THE_PLACE:
            raise NotTestableError(
                f"at {_at(names, values)} the {which} {one}, which depends on where it runs"
            )
    return both


@contextlib.contextmanager
def _opened(sandbox: Sandbox, claim: Claim, seconds: float) -> Iterator[Pair]:
    wall_s = seconds + _ROOM_S
    try:
        with Pair(sandbox, claim.program, claim.reference, wall_s=wall_s, call_s=CALL_S) as pair:
            yield pair
    except PairError as error:
        raise (NotTestableError if error.late else NotAFunctionError)(str(error)) from error


def pure(claim: Claim) -> Check | None:
    """Return the failed check of programs that may look at their surroundings; None: they don't."""
    for which in ("program", "reference"):
        if why := impure(getattr(claim, which)):
            return Check(name="function", passed=False, detail=f"the {which}: {why}")
    return None


def program(
    claim: Claim, sandbox: Sandbox, *, alpha: float, seed: int, seconds: float = SECONDS
) -> tuple[Tried, Estimate, str]:
    """Try both programs on fresh inputs, or on all; return also the failure in words.

    Raises `NotTestableError`, `NotAFunctionError`, `SandboxError`.
    """
    if not getattr(sandbox, "lines", True):
        raise NotTestableError(
            f"{sandbox.name} keeps no line to its jails, and programs are asked through one"
        )
    inputs = parse_inputs(claim.inputs)
    domains, names = [one.domain for one in inputs], tuple(one.name for one in inputs)
    rng = Random(seed)  # noqa: S311 - its seed is secret
    threshold = claim.threshold if claim.threshold != 1 else None
    deadline = time.monotonic() + seconds
    with _opened(sandbox, claim, seconds) as pair:
        asking = Asking(pair, names, rng)
        found = tried(
            domains, asking.ask, rng, alpha=alpha, threshold=threshold, seconds=0.8 * seconds
        )
        if not found.late:
            asking.again(pair, _AGAIN)
    left = max(5.0, deadline - time.monotonic())
    with _opened(sandbox, claim, left) as pair:
        asking.again(pair, _KEPT)
    failure = ""
    if found.failure is not None:
        failure = _failure(claim, sandbox, found.failure, left)
    elif 2 * asking.raised > asking.asked:
        raise NotTestableError(
            f"both raise an exception on {asking.raised} of {asking.asked} inputs: "
            "there is little to compare"
        )
    return found, estimated(found, p_value(found, threshold), _NAME), failure


def _failure(claim: Claim, sandbox: Sandbox, values: Values, seconds: float) -> str:
    """Return the simplest input found on which both differ, in words; asked anew in fresh jails."""
    inputs = parse_inputs(claim.inputs)
    names = tuple(one.name for one in inputs)

    with _opened(sandbox, claim, min(seconds, _SIMPLER_S)) as pair:

        def fails(other: Values) -> bool:
            return not agree(*_both(pair, other, names))

        with contextlib.suppress(NotTestableError, NotAFunctionError):
            values = simplest([one.domain for one in inputs], values, fails)
    with _opened(sandbox, claim, seconds) as pair:
        one, other = _both(pair, values, names)
    if agree(one, other):
        raise NotAFunctionError(
            f"at {_at(names, values)} they differed, and in fresh jails they don't"
        )
    return f"at {_at(names, values)} the program {one}, the reference {other}"
