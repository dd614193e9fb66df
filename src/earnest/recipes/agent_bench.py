"""`earnest bench agent`: what a step costs of the agent itself, early in a run and late.

A scripted model makes one call a step of a tool that does nothing. A step is timed from one
question to the model to the next, and what model and tool took is taken out. What is left has the
guard, the budgets, the breaker, summaries of what no longer fits, and the log, whose flushes to
the disk have a row of their own.

Not covered: a disk that others load (its flushes can take any time); real observations' lengths.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.agent.context import WINDOW
from earnest.agent.loop import run_agent
from earnest.core.acts import Act, writes
from earnest.core.budget import Budget
from earnest.core.canon import digest
from earnest.core.errors import EarnestError
from earnest.core.events import EventLog
from earnest.core.machine import machine
from earnest.core.messages import Completion, Message, Observation, Sampling, ToolSpec
from earnest.core.protocols import Progress
from earnest.core.records import TableRef, Task
from earnest.models.scripted import ScriptedModel, say, use

STEPS: Final = 1000
GOAL_MS: Final = 5.0
"""The most that a step may cost late in a run: the median, and without the disk 95 of 100."""


class _Clock:
    """Adds up what is not the agent's own time, and what the disk took of it."""

    def __init__(self) -> None:
        self.others, self.disk = 0.0, 0.0
        self.steps: list[tuple[float, float]] = []  # milliseconds of the agent's own, of the disk
        self._mark: tuple[float, float, float] | None = None

    def step(self) -> None:
        now = (time.perf_counter(), self.others, self.disk)
        if self._mark is not None:
            took, others, disk = (1000 * (a - b) for a, b in zip(now, self._mark, strict=True))
            self.steps.append((took - others, disk))
        self._mark = now


class _Nothing:
    """A tool that does nothing."""

    spec = ToolSpec(name="nothing", description="Do nothing.", parameters={"type": "object"})
    repeatable = True

    def __init__(self, clock: _Clock) -> None:
        self.clock = clock

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:  # noqa: ARG002
        """Nothing, in the run's own folder."""
        return writes("do nothing")

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it."""
        began = time.perf_counter()
        seen = Observation(content=f"nothing came of {arguments['n']}")
        self.clock.others += time.perf_counter() - began
        return seen


class _Script(ScriptedModel):
    """A scripted model whose time is taken."""

    def __init__(self, turns: Sequence[Message], clock: _Clock) -> None:
        super().__init__(turns)
        self.clock = clock

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next turn."""
        self.clock.step()
        began = time.perf_counter()
        found = super().generate(messages, tools, sampling)
        self.clock.others += time.perf_counter() - began
        return found


class _Log(EventLog):
    """A log whose flushes are timed."""

    def __init__(self, path: Path, clock: _Clock) -> None:
        super().__init__(path)
        self.clock = clock

    def flush(self) -> None:
        """Flush to the disk."""
        began = time.perf_counter()
        super().flush()
        self.clock.disk += time.perf_counter() - began


def _task() -> Task:
    table, visible = digest(b"t"), digest(b"v")
    ref = TableRef(name="t", table=table, visible=visible, design="iid", rows=9, columns=("a", "b"))
    return Task(kind="research", prompt="Do nothing.", tables=(ref,))


def _run(folder: Path, steps: int, clock: _Clock) -> float:
    """Run so many steps, and return the seconds of opening the log again and going on from it."""
    turns = [use("nothing", {"n": n}, id=f"{n}") for n in range(steps)]
    path = folder / "run" / "events.jsonl"
    with _Log(path, clock) as log:
        model = _Script([*turns, say("done")], clock)
        budget = Budget(steps=steps + 1)
        done = run_agent(_task(), model, [_Nothing(clock)], log, budget, window=WINDOW)
    if done.status != "done":
        raise EarnestError(f"the run did not end as it should: {done.reason}")
    began = time.perf_counter()
    with EventLog(path) as log:
        run_agent(_task(), ScriptedModel([]), [_Nothing(clock)], log)
    return time.perf_counter() - began


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def bench(*, steps: int = STEPS, progress: Progress) -> dict[str, Any]:
    """Measure; return the document that `bench NAME --json` prints."""
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        again = _run(Path(folder), steps, clock)
        size = (Path(folder) / "run" / "events.jsonl").stat().st_size
    progress(f"{steps} steps, {size / 2**20:.1f} MiB of log")
    parts = {"first": clock.steps[: steps // 10], "last": clock.steps[-(steps // 10) :]}
    found: dict[str, tuple[float, int]] = {}
    for part, taken in parts.items():
        for label, values in (
            ("all", [all_ for all_, _ in taken]),
            ("without the disk", [all_ - disk for all_, disk in taken]),
            ("the disk", [disk for _, disk in taken]),
        ):
            for name, share in (("median", 0.5), ("95th percentile", 0.95)):
                found[f"{part} steps: {label}, {name}"] = _percentile(values, share), len(values)
    rows = [
        {"what": what, "value": value, "unit": "ms", "n": count}
        for what, (value, count) in found.items()
    ]
    rows.append({"what": f"going on from {steps} steps", "value": again, "unit": "s", "n": 1})
    goals = {
        "late_step_median_ms": found["last steps: all, median"][0],
        "late_step_without_disk_p95_ms": found["last steps: without the disk, 95th percentile"][0],
    }
    medians = [found[f"{part} steps: without the disk, median"][0] for part in ("last", "first")]
    return {
        "name": "agent",
        "machine": machine(),
        "rows": rows,
        "ratios": {"late_over_early_without_disk": medians[0] / medians[1]},
        "goals": {
            name: {"most": GOAL_MS, "value": value, "met": value <= GOAL_MS}
            for name, value in goals.items()
        },
    }
