"""Whether a claim of no table can be tested, before it is queued: a few quick inputs.

What is found here an author could have found: it says of a claim what is plainly wrong with it, and
nothing where it finds nothing. It is no verdict.
"""

from __future__ import annotations

import time
from random import Random
from typing import Any, Final

from earnest.core.domains import Domain
from earnest.core.errors import ExpressionError, ToolError
from earnest.core.exact import TooMuchError, UndefinedError
from earnest.core.expressions import parse_expression
from earnest.core.formal import Sides
from earnest.core.inputs import drawn, evenly, parse_inputs, simplest
from earnest.core.kinds import FORMAL, Claim
from earnest.core.protocols import Sandbox
from earnest.core.purity import impure
from earnest.sandbox.grade_pair import Pair, PairError, agree, told

_INSTANCES: Final = 200
_CALLS: Final = 40
_SECONDS: Final = 3.0
_CALL_S: Final = 2.0
_WALL_S: Final = 30.0
_OTHERWISE: Final = "claim what holds of all its inputs, or name inputs of which it holds"


def check_readable(kind: str, inputs: tuple[str, ...], left: str, right: str) -> None:
    """Raise `ToolError`, with the mend, where inputs or sides can't be read."""
    if kind not in FORMAL:
        return
    try:
        parse_inputs(inputs)
        if kind == "identity":
            parse_expression(left)
            parse_expression(right)
    except ExpressionError as error:
        raise ToolError(str(error), mend=error.mend) from error


def check_formal_claim(claim: Claim, sandbox: Sandbox) -> None:
    """Raise `ToolError` where a claim is not true, or can't be tested. Raises `SandboxError`.

    Programs are run only in a sandbox that isolates and keeps lines to its jails.
    """
    if claim.kind == "identity":
        _check_identity(claim)
        return
    for which in ("program", "reference"):
        if why := impure(getattr(claim, which)):
            raise ToolError(
                f"the {which}: {why}", mend="write f so that it depends on its arguments alone"
            )
    if sandbox.isolates and getattr(sandbox, "lines", True):
        try:
            with Pair(
                sandbox, claim.program, claim.reference, wall_s=_WALL_S, call_s=_CALL_S
            ) as pair:
                _check_programs(claim, pair)
        except PairError as error:
            raise ToolError(str(error), mend="mend it and submit again") from error


def _quick(claim: Claim, most: int) -> list[tuple[Any, ...]]:
    """Return some inputs, the same each time."""
    rng = Random(0)  # noqa: S311 - no verdict rests on these
    return [(drawn if number % 2 else evenly)(_domains(claim), rng) for number in range(most)]


def _domains(claim: Claim) -> list[Domain]:
    return [one.domain for one in parse_inputs(claim.inputs)]


def _check_identity(claim: Claim) -> None:
    sides, deadline, defined = Sides.of(claim), time.monotonic() + _SECONDS, 0
    for values in _quick(claim, _INSTANCES):
        try:
            left, right = sides.values(values)
        except UndefinedError:
            continue
        except TooMuchError as error:
            raise ToolError(f"at {sides.told(values)}: {error}", mend=error.mend) from error
        defined += 1
        if left != right:
            simple = simplest(_domains(claim), values, lambda other: _unlike(sides, other))
            raise ToolError(f"not true: {sides.differing(simple)}", mend=_OTHERWISE)
        if time.monotonic() > deadline:
            return
    if not defined:
        raise ToolError(
            f"a side is not defined at any of {_INSTANCES} inputs", mend="name other inputs"
        )


def _unlike(sides: Sides, values: tuple[Any, ...]) -> bool:
    try:
        left, right = sides.values(values)
    except (UndefinedError, TooMuchError):
        return False
    return left != right


def _check_programs(claim: Claim, pair: Pair) -> None:
    deadline, raised, asked = time.monotonic() + _SECONDS, 0, 0
    names = [one.name for one in parse_inputs(claim.inputs)]
    for values in _quick(claim, _CALLS):
        at = ", ".join(f"{name} = {told(one)}" for name, one in zip(names, values, strict=True))
        one, other = pair.ask(values)
        asked += 1
        raised += one.how == other.how == "raised"
        for which, answer in (("program", one), ("reference", other)):
            if answer.how == "not data":
                raise ToolError(
                    f"at {at} the {which}: {answer.value}",
                    mend="return numbers, text, booleans, None, lists, tuples, sets or dicts",
                )
        if not agree(one, other) and claim.threshold is None:
            raise ToolError(
                f"not the same: at {at} the program {one}, the reference {other}",
                mend=_OTHERWISE,
            )
        if not all(map(agree, (one, other), pair.ask(values))):
            raise ToolError(
                f"at {at} one of them gives something else when it is asked again",
                mend="write f so that it depends on its arguments alone",
            )
        if time.monotonic() > deadline:
            break
    if raised == asked:
        raise ToolError(
            f"both raise an exception at all of {asked} inputs; at {at} the program {one}",
            mend="check the inputs: one entry an argument, in their order",
        )
