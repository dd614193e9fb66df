"""The breaker: tells a run that repeats itself, or gets nowhere, so; then ends it.

It sees the last turns only as fingerprints: each call with its result. What changes from turn to
turn is progress to it: another page, another cursor, a state that moves. What is asked again
and again *and waited for* (polling) is given `_PATIENCE` times as long.

Not covered: a run that wanders without repeating itself; the budgets end that one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from earnest.core.messages import Observation, ToolCall

MEMORY: Final = 192
"""Turns that have to be remembered."""
_CYCLES: Final = {1: (4, 7), 2: (3, 5), 3: (3, 5)}  # length of the cycle: rounds to warn, to end
_SAME_ERROR: Final = (4, 8)
_ONLY_FAILURES: Final = (8, 16)
_PATIENCE: Final = 5
_WAITED_S: Final = 2.0  # a round that takes longer than this has waited for something


@dataclass(frozen=True)
class Trace:
    """What the breaker keeps of a turn. `error`: what failed, where all of its calls did."""

    turn: int
    key: str
    error: str
    took_s: float


@dataclass(frozen=True)
class Alarm:
    """What the breaker says: `ends`, or else a warning for the model. `reason` names the steps."""

    ends: bool
    reason: str


def trace(
    turn: int, calls: Sequence[ToolCall], gave: Sequence[Observation], took_s: float
) -> Trace:
    """Return what is kept of a turn with its observations, in the order of the calls."""
    if not calls:
        return Trace(turn, "cut off", "an answer that was cut off", took_s)
    key = hashlib.sha256()
    for call, seen in zip(calls, gave, strict=True):
        for part in (call.name, call.problem or call.written(), seen.content):
            key.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
    errors = {_error(call, seen) for call, seen in zip(calls, gave, strict=True) if seen.failed}
    all_failed = all(seen.failed for seen in gave)
    return Trace(turn, key.hexdigest(), "; ".join(sorted(errors)) if all_failed else "", took_s)


def _error(call: ToolCall, seen: Observation) -> str:
    """Return an error without what differs each time: its last line, numbers left out."""
    lines = [line.strip() for line in seen.content.splitlines() if line.strip()] or ["nothing"]
    return f"{call.name}: {re.sub(r'[0-9]+', 'N', lines[-1])[:200]}"


def alarm(trail: Sequence[Trace]) -> Alarm | None:
    """Judge a run by its last turns. A warning is given once for each time it sets in."""
    said = [found for found in _found(trail) if found is not None]
    return next((one for one in said if one.ends), said[0] if said else None)


def _found(trail: Sequence[Trace]) -> Iterable[Alarm | None]:
    if not trail:
        return
    for length, (warn, end) in _CYCLES.items():
        same = _run(trail[at].key == trail[at - length].key for at in _back(trail, length))
        if same < length:
            continue
        part = trail[-(same + length) :]
        waits = not any(one.error for one in part)
        waits = waits and sum(one.took_s for one in part) >= _WAITED_S * (len(part) / length)
        more = _PATIENCE if waits else 1
        what = "the same call with the same result" if length == 1 else f"the same {length} calls"
        yield _judged(
            same, (warn * more - 1) * length, (end * more - 1) * length, part, f"{what} each time"
        )
        break  # a shorter cycle is a longer one too
    error = trail[-1].error
    if error:
        same = _run(trail[at].error == error for at in _back(trail, 0))
        warn, end = _SAME_ERROR
        yield _judged(same, warn, end, trail[-same:], f"the same error each time ({error})")
        failed = _run(bool(trail[at].error) for at in _back(trail, 0))
        warn, end = _ONLY_FAILURES
        yield _judged(failed, warn, end, trail[-failed:], "nothing but failed calls")


def _back(trail: Sequence[Trace], length: int) -> range:
    """Return the places from the last back to the first that has one `length` turns before it."""
    return range(len(trail) - 1, length - 1, -1)


def _run(same: Iterable[bool]) -> int:
    """Return how many are true before the first that is not."""
    count = 0
    for one in same:
        if not one:
            break
        count += 1
    return count


def _judged(count: int, warn: int, end: int, part: Sequence[Trace], what: str) -> Alarm | None:
    reason = f"steps {part[0].turn} to {part[-1].turn}: {what}"
    if count >= end:
        return Alarm(True, reason)
    return Alarm(False, reason) if count == warn else None


def warning(found: Alarm) -> str:
    """Return what the model is told before a run is ended."""
    return (
        f"Note by the loop, not by a tool: you repeat yourself ({found.reason}). Do something "
        "else: look at what came back, change the approach, or end the run with what you have. "
        "If this goes on, the run is ended."
    )
