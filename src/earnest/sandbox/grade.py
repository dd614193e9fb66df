"""Grading a function that nobody vouches for, so that a pass can't be forged.

This process holds the cases and the expected values, and compares; the candidate runs in a jail
that holds neither (`grade_call.py`). Inputs are partly fresh, made anew for each grading from a
seed that nobody could know. What can't be decided is not passed.

Not covered: a candidate that computes the right values by other means than were meant (a table of
all inputs, a slow way), or that guesses: a yes-or-no function needs some 40 fresh cases. Within
one jail it may keep state between cases; `fresh_jail_per_case` takes that away.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from earnest.core.errors import UsageError
from earnest.core.jobs import Limits
from earnest.core.protocols import Sandbox
from earnest.sandbox.callee import UnsayableError, decode, encode
from earnest.sandbox.choose import require_isolation
from earnest.sandbox.grade_call import (
    LIMITS,
    CallTimeoutError,
    CandidateError,
    JailedCallable,
    NotDataError,
    ProtocolError,
)
from earnest.sandbox.grade_same import check_data, same

__all__ = ["BY_REFERENCE", "Case", "Grade", "Grader", "JailedCallable", "Outcome", "Raises"]


@dataclass(frozen=True)
class Raises:
    """Expected of a case: an exception of just this type's name, whatever its text."""

    name: str


class _Reference:
    """Stands for a value that the grader's reference function is to give."""


BY_REFERENCE: Final = _Reference()


@dataclass(frozen=True)
class Case:
    """Arguments, and what must come back: a value, `Raises`, or what the reference returns.

    `tolerance`: how far a float may be off, absolute or relative; 0 means not at all.
    """

    args: Sequence[Any]
    expected: Any = BY_REFERENCE
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.0


Why = Literal[
    "passed", "wrong value", "wrong type", "raised", "did not raise", "not data", "protocol",
    "too late", "not run", "failed test", "missing test", "unexpected test",
]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How one case went. `said`: the candidate's own words, for a person; never to be obeyed."""

    passed: bool
    why: Why
    wall_s: float = 0.0
    said: str = ""


@dataclass(frozen=True)
class Grade:
    """Passed where every case did. `weak`: a candidate could have forged it.

    `seed` makes the same fresh cases again, in the same order. `why` says in a few words what the
    first failure was, without what was expected.
    """

    passed: bool
    outcomes: tuple[Outcome, ...]
    strength: Literal["strong", "weak"]
    why: str
    seed: int = 0


@dataclass(frozen=True)
class _Expected:
    case: Case
    value: Any  # or `Raises`


def _judge(call: Callable[[], Any], wanted: _Expected) -> tuple[Why, str]:
    """Make a call; return how it went, and the candidate's words."""
    raises = wanted.value.name if isinstance(wanted.value, Raises) else ""
    try:
        got = call()
    except CandidateError as error:
        return ("passed" if error.name == raises else "raised"), f"{error.name}: {error.text}"
    except NotDataError as error:
        return "not data", str(error)
    except ProtocolError as error:
        return "protocol", str(error)
    except CallTimeoutError:
        return "too late", ""
    if raises:
        return "did not raise", ""
    if type(got) is not type(wanted.value):
        return "wrong type", ""
    return ("passed" if same(got, wanted.value, wanted.case.tolerance) else "wrong value"), ""


@dataclass(frozen=True)
class Grader:
    """Grades a function by fixed cases and by fresh ones, which are made anew for each grading.

    `fresh` takes a random generator and returns a case's arguments, or a `Case`; `count` are made.
    `reference` is a trusted function of the same arguments; its exceptions are expected ones too.
    `case_s`, `suite_s`: seconds for a case, and for all of them with the start of their jails.
    `to_first_failure`: once a case failed, the others are not run; passed and why are the same.
    """

    fixed: Sequence[Case] = ()
    fresh: Callable[[random.Random], Sequence[Any] | Case] | None = None
    count: int = 20
    reference: Callable[..., Any] | None = None
    case_s: float = 5.0
    suite_s: float = 60.0
    load_s: float = 10.0
    limits: Limits = LIMITS
    fresh_jail_per_case: bool = False
    to_first_failure: bool = False

    def _cases(self, rng: random.Random) -> Iterator[Case]:
        yield from self.fixed
        for _ in range(self.count if self.fresh else 0):
            made = self.fresh(rng) if self.fresh else ()
            yield made if isinstance(made, Case) else Case(made)

    def _expect(self, case: Case) -> _Expected:
        """Work out what is expected; the reference may spoil its arguments, so it gets a copy."""
        value = case.expected
        try:
            args = [decode(encode(item)) for item in case.args]
            kwargs = {name: decode(encode(item)) for name, item in case.kwargs.items()}
            if value is BY_REFERENCE:
                if self.reference is None:
                    raise UsageError("a case expects what the reference gives, but there is none")
                try:
                    value = self.reference(*args, **kwargs)
                except Exception as error:  # noqa: BLE001 - it is the expected outcome
                    value = Raises(type(error).__name__)
            if not isinstance(value, Raises):
                check_data(value)
        except UnsayableError as error:
            raise UsageError(f"a case can't be asked or answered: {error}") from None
        return _Expected(case, value)

    def grade(self, sandbox: Sandbox, source: str, name: str, *, seed: int | None = None) -> Grade:
        """Grade a candidate's function. Without `seed`, the operating system gives one.

        Raises `UsageError` for a sandbox that isolates nothing and for cases that can't be, and
        `SandboxError` where the sandbox failed: nothing may be concluded then, a pass least of all.
        """
        require_isolation(sandbox, "a grade")
        seed = secrets.randbits(63) if seed is None else seed
        rng = random.Random(seed)  # noqa: S311 - its seed is secret
        wanted = [self._expect(case) for case in self._cases(rng)]
        if not wanted:
            raise UsageError("without a case there is nothing to pass")
        rng.shuffle(wanted)
        run = _Run(self, sandbox, source, name)
        outcomes = run.separate(wanted) if self.fresh_jail_per_case else run.together(wanted)
        failed = [outcome.why for outcome in outcomes if not outcome.passed]
        return Grade(not failed, tuple(outcomes), "strong", failed[0] if failed else "", seed)


class _Run:
    """One grading, up to its deadline."""

    def __init__(self, grader: Grader, sandbox: Sandbox, source: str, name: str) -> None:
        self.grader = grader
        self.deadline = time.monotonic() + grader.suite_s
        self.sandbox, self.source, self.name = sandbox, source, name

    def open(self) -> JailedCallable:
        left = self.left()
        limits = replace(self.grader.limits, wall_s=min(self.grader.limits.wall_s, left))
        load_s = min(self.grader.load_s, left)
        return JailedCallable(self.sandbox, self.source, self.name, limits, load_s=load_s)

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def one(self, jailed: JailedCallable, wanted: _Expected) -> Outcome:
        start = time.monotonic()
        allowed = min(self.grader.case_s, self.left())
        if not allowed:
            return Outcome(False, "not run")
        case = wanted.case
        why, said = _judge(lambda: jailed.call(case.args, case.kwargs, allowed), wanted)
        return Outcome(why == "passed", why, time.monotonic() - start, said)

    def loaded(self, wanted: Sequence[_Expected]) -> Iterator[Outcome]:
        """Yield outcomes from one jail, until something ends it."""
        try:
            with self.open() as jailed:
                for item in wanted:
                    outcome = self.one(jailed, item)
                    yield outcome
                    if outcome.why in ("protocol", "too late", "not run") or self.over(outcome):
                        return
                jailed.quiet()
        except CandidateError as error:  # as it was loaded
            yield Outcome(False, "raised", said=f"{error.name}: {error.text}")
        except ProtocolError as error:
            yield Outcome(False, "protocol", said=str(error))
        except CallTimeoutError:
            yield Outcome(False, "too late")

    def over(self, outcome: Outcome) -> bool:
        return self.grader.to_first_failure and not outcome.passed

    def together(self, wanted: Sequence[_Expected]) -> list[Outcome]:
        found = list(self.loaded(wanted))
        missing = len(wanted) - len(found)
        return found + [Outcome(False, "not run")] * missing

    def separate(self, wanted: Sequence[_Expected]) -> list[Outcome]:
        found: list[Outcome] = []
        for item in wanted:
            run = self.left() and not (found and self.over(found[-1]))
            found += self.loaded([item]) if run else [Outcome(False, "not run")]
        return found
