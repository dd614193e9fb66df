"""Asking one jailed function about many inputs, in an order that the caller chooses.

What the candidate raised, and what it returned that is no data, is an answer without a value. What
ends its jail ends the asking. Not covered: a candidate that remembers what it was asked before; ask
again, in another jail and another order, and compare (`differing`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from earnest.core.protocols import Sandbox
from earnest.sandbox.grade_call import (
    LIMITS,
    CallTimeoutError,
    CandidateError,
    JailedCallable,
    NotDataError,
)
from earnest.sandbox.grade_same import same

_LOAD_S: Final = 30.0  # a candidate may import what takes its time


@dataclass(frozen=True)
class Answer:
    """What came of one input: a value, or in the candidate's own words why there is none."""

    value: Any = None
    why: str = ""


def answers(
    sandbox: Sandbox,
    source: str,
    name: str,
    inputs: Sequence[Any],
    order: Sequence[int],
    *,
    call_s: float,
    total_s: float,
) -> list[Answer]:
    """Call a source's function with one argument at a time; return the answers as `inputs` stand.

    `order`: the places of the inputs, each once. Raises what `JailedCallable` does:
    `CandidateError` where its source can't be loaded, `ProtocolError`, `SandboxError`, `LackError`,
    and `CallTimeoutError` where one call took longer than `call_s`, or all of them than `total_s`;
    its loading has a time of its own.
    """
    found = [Answer()] * len(inputs)
    limits = replace(LIMITS, wall_s=total_s + _LOAD_S)
    with JailedCallable(sandbox, source, name, limits, load_s=_LOAD_S) as jailed:
        began = time.monotonic()
        for place in order:
            left = total_s - (time.monotonic() - began)
            try:
                value = jailed.call([inputs[place]], timeout_s=max(0.0, min(call_s, left)))
                found[place] = Answer(value)
            except CallTimeoutError as error:
                if left > call_s:
                    raise
                long = f"{len(inputs)} calls took longer than {total_s:g} s"
                raise CallTimeoutError(long) from error
            except CandidateError as error:
                found[place] = Answer(why=f"{error.name}: {error.text}")
            except NotDataError as error:
                found[place] = Answer(why=str(error))
        jailed.quiet()
    return found


def differing(one: Sequence[Answer], other: Sequence[Answer]) -> list[int]:
    """Return the places at which two askings differ: in a value, or in whether there is one.

    The words of an exception may hold an address: they count for nothing.
    """
    return [
        place
        for place, (left, right) in enumerate(zip(one, other, strict=True))
        if bool(left.why) != bool(right.why) or not same(left.value, right.value)
    ]
