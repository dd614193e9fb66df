"""Asking a source that nobody vouches for about many inputs, by the grading protocol, in jails.

What ends a jail (a call too late, an end of the process, words outside the protocol) is the answer
to the input asked; the next ones go to a new jail, a few times. Nothing of the source runs here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from earnest.core.protocols import Sandbox
from earnest.sandbox.grade_call import (
    LIMITS,
    CallTimeoutError,
    CandidateError,
    JailedCallable,
    NotDataError,
    ProtocolError,
)

How = Literal["value", "raised", "not data", "late", "ended", "not loaded", "not asked"]
CALL_S: Final = 1.0
_RESTARTS: Final = 2
_TOTAL_S: Final = 10.0  # a source that takes its time for each of 40 inputs is not waited for


@dataclass(frozen=True)
class Told:
    """What came of one input. `value`: the value, or the name of the exception."""

    how: How
    value: Any = None


class UnloadableError(Exception):
    """A source that could not be loaded; its argument is what came of it."""


def _load(sandbox: Sandbox, source: str, name: str, stack: contextlib.ExitStack) -> JailedCallable:
    jailed = JailedCallable(sandbox, source, name, replace(LIMITS, wall_s=60.0))
    try:
        return stack.enter_context(jailed)
    except CandidateError as error:
        raise UnloadableError(error.name[:80]) from None
    except ProtocolError:
        raise UnloadableError("ended") from None
    except CallTimeoutError:
        raise UnloadableError("late") from None


def _call(jailed: JailedCallable, args: Sequence[Any], call_s: float) -> Told:
    try:
        return Told("value", jailed.call(args, timeout_s=call_s))
    except CandidateError as error:
        return Told("raised", error.name[:80])
    except NotDataError:
        return Told("not data")
    except CallTimeoutError:
        return Told("late")
    except ProtocolError:
        return Told("ended")


def ask(
    sandbox: Sandbox,
    source: str,
    name: str,
    inputs: Sequence[Sequence[Any]],
    *,
    call_s: float = CALL_S,
    restarts: int = _RESTARTS,
    total_s: float = _TOTAL_S,
) -> list[Told]:
    """Return what a source's function gives for each input, in order.

    After `restarts` new jails, or `total_s` in all, the rest is `not asked`. Raises `SandboxError`,
    `LackError`.
    """
    found: list[Told] = []
    until = time.monotonic() + total_s
    for _ in range(restarts + 1):
        if len(found) == len(inputs) or time.monotonic() > until:
            break
        with contextlib.ExitStack() as stack:
            try:
                jailed = _load(sandbox, source, name, stack)
            except UnloadableError as error:
                return found + [Told("not loaded", str(error))] * (len(inputs) - len(found))
            for args in inputs[len(found) :]:
                found.append(_call(jailed, args, call_s))
                ended = found[-1].how in ("late", "ended")
                if ended or time.monotonic() > until:
                    break
    return found + [Told("not asked")] * (len(inputs) - len(found))
