"""What a foreign reference gives, asked in jails before an exercise is made of its task.

The reference runs by the grading protocol, never here. It must meet the tests that came with it,
and give the same values again, in other jails and another order. Fresh inputs are made as the
oracle makes them (`oracle_fresh.py`); kept are those that it gives a value for, quickly, of a type
that the tests expect too, since others most likely break a precondition. Where nearly all fresh
inputs have one answer, so many of those are left out that a solution that always gives it fails.

Not covered: preconditions that show in nothing but the task's words; what is slow on a busy machine
may be left out there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from earnest.core.protocols import Sandbox
from earnest.core.testbed import UnusableError
from earnest.evals.oracle_ask import Told, ask
from earnest.evals.oracle_fresh import Args, FreshInputs
from earnest.evals.oracle_work import alike

LEAST_TESTS: Final = 3
LEAST_FRESH: Final = 5
_LEAST_OTHERS: Final = 3  # fresh inputs whose answer is not the usual one
_DRAWN: Final = 160
_TEST_S: Final = 5.0
_TOTAL_S: Final = 20.0
_FRESH_S: Final = 1.0  # a candidate gets five times as long
_LONGEST: Final = 4_000


def _form(value: Any) -> Any:
    """Return what kinds of containers a value is made of: `==` tells a list from a tuple."""
    if isinstance(value, list | tuple):
        return (type(value).__name__, *map(_form, value))
    if isinstance(value, dict | set | frozenset):
        return type(value).__name__
    return isinstance(value, str)


def equal(got: Any, wanted: Any) -> bool:
    """Say whether two plain values are the same to a test's `==`; floats within 1e-6."""
    return _form(got) == _form(wanted) and alike(got, wanted)


@dataclass(frozen=True)
class Known:
    """What a reference gave: `values` by the repr of the arguments; `fresh`: inputs to draw from.

    `drawn`, `valued`: how many fresh inputs were made, and how many it gave a usable value for.
    """

    values: dict[str, Any]
    fresh: tuple[Args, ...]
    drawn: int
    valued: int


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) else type(value).__name__


def _thinned(found: Sequence[tuple[Args, Any]], rng: random.Random) -> list[Args]:
    """Leave out inputs with the most frequent answer until it is no more frequent than others."""
    counts = Counter(repr(value) for _, value in found)
    if not counts:
        return []
    usual = counts.most_common(1)[0][0]
    others = [args for args, value in found if repr(value) != usual]
    same = [args for args, value in found if repr(value) == usual]
    if len(others) < _LEAST_OTHERS:
        raise UnusableError("the reference gives one answer to nearly all fresh inputs")
    return [*others, *rng.sample(same, min(len(same), len(others)))]


def _met(told: Sequence[Told], tests: Sequence[tuple[Args, Any]]) -> None:
    how = {one.how for one in told}
    if "not loaded" in how:
        raise UnusableError("the reference can't be loaded")
    if how != {"value"}:
        raise UnusableError(
            "the reference gives no value for a test: it raises, is slow, or no data"
        )
    if not all(equal(one.value, wanted) for one, (_, wanted) in zip(told, tests, strict=True)):
        raise UnusableError("the reference does not meet its own tests")


def _drawn(fixed: Sequence[Args], rng: random.Random) -> list[Args]:
    """Return fresh inputs, the short ones first: what takes too long ends the asking."""
    try:
        found = FreshInputs(fixed).draw(rng, _DRAWN)
    except (ValueError, TypeError, IndexError):
        raise UnusableError("no fresh inputs can be made like those of its tests") from None
    return sorted(found, key=lambda args: (len(repr(args)), repr(args)))


def tell(
    sandbox: Sandbox, source: str, name: str, tests: Sequence[tuple[Args, Any]], seed: str
) -> Known:
    """Ask a reference for its tests' inputs and for fresh ones, which `seed` draws.

    Raises `UnusableError` with the reason, `SandboxError`, `LackError`.
    """
    if len(tests) < LEAST_TESTS:
        raise UnusableError(f"fewer than {LEAST_TESTS} tests call it with plain values")
    rng = random.Random(f"testbed told 1 {seed}")  # noqa: S311 (what is kept back is drawn later)
    fixed = [args for args, _ in tests]
    first = ask(sandbox, source, name, fixed, call_s=_TEST_S, total_s=_TOTAL_S)
    _met(first, tests)
    drawn = _drawn(fixed, rng)
    told = ask(sandbox, source, name, drawn, call_s=_FRESH_S, total_s=_TOTAL_S)
    kinds = {_kind(one.value) for one in first}
    found = [
        (args, one.value)
        for args, one in zip(drawn, told, strict=True)
        if one.how == "value" and _kind(one.value) in kinds and len(repr(one.value)) <= _LONGEST
    ]
    if len(found) < LEAST_FRESH:
        raise UnusableError(f"the reference gives values for fewer than {LEAST_FRESH} fresh inputs")
    values = {repr(args): value for args, value in found}
    values |= {repr(args): one.value for args, one in zip(fixed, first, strict=True)}
    fresh = _thinned(found, rng)
    again = [*fresh, *fixed]
    rng.shuffle(again)
    for args, one in zip(
        again, ask(sandbox, source, name, again, call_s=_TEST_S, total_s=_TOTAL_S), strict=True
    ):
        if one.how != "value" or not equal(one.value, values[repr(args)]):
            raise UnusableError("the reference gives something else when it is asked again")
    return Known(values, tuple(fresh), len(drawn), len(found))
