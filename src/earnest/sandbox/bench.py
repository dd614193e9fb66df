"""`earnest bench sandbox`: what a job costs, cold and warm, beside what it can't be faster than.

All is measured in one run, in turns: a short slice of each way and program, then the next, and so
round and round, so that whatever else the machine does hits all alike. The limit is a process that
has the same modules imported and forks for each run: no isolation, nothing read or handed back.

Not covered: jobs with files; machines with more than two cores in use; the first job of a set,
which waits for the imports.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from earnest.core.machine import machine
from earnest.core.protocols import Progress
from earnest.sandbox.bench_runners import (
    PROGRAMS,
    Loop,
    Remote,
    Runner,
    bare,
    forking,
    in_sandbox,
    supervising,
)
from earnest.sandbox.bwrap import BwrapSandbox
from earnest.sandbox.image import build_image
from earnest.sandbox.warm import WarmSandbox

WORKERS: Final = 2
GOALS: Final = {
    "warm_over_bwrap_cold_trivial": 6.0,
    "warm_over_fork_limit_trivial": 0.5,
    "warm_over_bwrap_cold_numpy": 25.0,
}
_BARE, _COLD, _WARM, _FORK = "bare python", "bwrap cold", "warm pool", "fork + exit limit"
_APART: Final = "warm pool, a supervisor process each"
_OVER: Final = {
    "warm_over_bwrap_cold_trivial": (_COLD, "trivial"),
    "warm_over_fork_limit_trivial": (_FORK, "trivial"),
    "warm_over_bwrap_cold_numpy": (_COLD, "numpy loaded"),
}
_ROUNDS: Final = 6


@dataclass
class _Way:
    """One way to run one program: a runner for each worker, and what was measured so far."""

    what: str
    program: str
    runners: Sequence[Runner]
    alone_ms: list[float] = field(default_factory=list)
    done: int = 0
    spent_s: float = 0.0

    def measure_alone(self, seconds: float) -> None:
        self.alone_ms += self.runners[0].turn(seconds)

    def measure_together(self, seconds: float) -> None:
        """Let all workers run at once; the time of a turn is that of its longest worker."""
        turns: list[list[float]] = [[] for _ in self.runners]
        failures: list[BaseException] = []

        def one(number: int) -> None:
            try:
                turns[number] = self.runners[number].turn(seconds)
            except BaseException as error:  # noqa: BLE001 - it is raised again below
                failures.append(error)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(len(turns))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        self.done += sum(map(len, turns))
        self.spent_s += max(sum(turn) for turn in turns) / 1000

    @property
    def rate(self) -> float:
        return self.done / self.spent_s

    def rows(self) -> list[dict[str, Any]]:
        name, times = f"{self.what}, {self.program}", sorted(self.alone_ms)
        found = [_row(f"{name}, two workers", self.rate, "executions/s", self.done)]
        for word, share in (("p50", 0.5), ("p99", 0.99)):
            value = times[min(len(times) - 1, int(len(times) * share))]
            found.append(_row(f"{name}, {word}", value, "ms", len(times)))
        return found


def _row(what: str, value: float, unit: str, count: int) -> dict[str, Any]:
    return {"what": what, "value": round(value, 2), "unit": unit, "n": count}


def _ways(image: Path, held: ExitStack) -> list[_Way]:
    cold, warm = BwrapSandbox(image), WarmSandbox(image, workers=WORKERS)
    held.callback(warm.close)

    def loops(once: Callable[[], None]) -> list[Runner]:
        return [Loop(once) for _ in range(WORKERS)]

    def remotes(start: Callable[[Path, str], Remote], program: str) -> list[Runner]:
        found: list[Runner] = []
        for _ in range(WORKERS):
            remote = start(image, program)
            held.callback(remote.close)
            found.append(remote)
        return found

    ways = []
    for program in PROGRAMS:
        ways += [
            _Way(_BARE, program, loops(bare(image, program))),
            _Way(_COLD, program, loops(in_sandbox(cold, program))),
            _Way(_WARM, program, loops(in_sandbox(warm, program))),
            _Way(_FORK, program, remotes(forking, program)),
        ]
    return [*ways, _Way(_APART, "trivial", remotes(supervising, "trivial"))]


def _goals(ratios: dict[str, float]) -> dict[str, dict[str, Any]]:
    return {
        name: {"at_least": goal, "value": ratios[name], "met": ratios[name] >= goal}
        for name, goal in GOALS.items()
    }


def bench_sandbox(
    images_dir: Path, *, seconds: float = 90.0, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Measure; return what `bench NAME --json` prints (DESIGN.md, section 11), and `goals`.

    `images_dir`: where the image is kept. `seconds`: about how long to measure in all; slow ways
    take at least one run a slice, so it may be longer. Ratios are those of executions/s with two
    workers. Raises `LackError` where bubblewrap is missing, `SandboxError` where a program fails.
    """
    image = build_image(images_dir)
    with ExitStack() as held:
        progress("starting ...")
        ways = _ways(image, held)
        for way in ways:  # the first time has imports in it
            way.measure_together(0.0)
            way.done, way.spent_s = 0, 0.0
        slice_s = seconds / (_ROUNDS * len(ways) * 2)
        for number in range(_ROUNDS):
            progress(f"round {number + 1} of {_ROUNDS} ...")
            for way in ways:
                way.measure_alone(slice_s)
                way.measure_together(slice_s)
    rates = {(way.what, way.program): way.rate for way in ways}
    ratios = {
        name: round(rates[_WARM, program] / rates[over, program], 2)
        for name, (over, program) in _OVER.items()
    }
    return {
        "name": "sandbox",
        "machine": machine(),
        "rows": [row for way in ways for row in way.rows()],
        "ratios": ratios,
        "goals": _goals(ratios),
    }


def table(report: dict[str, Any]) -> str:
    """Return a report for a person to read: a line for each way and program, then the ratios."""
    lines = [f"{'':45} {'per s, two workers':>18} {'p50 ms':>9} {'p99 ms':>9}"]
    rows = report["rows"]
    for rate, half, most in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        name = rate["what"].removesuffix(", two workers")
        lines.append(f"{name:45} {rate['value']:18.1f} {half['value']:9.2f} {most['value']:9.2f}")
    for name, goal in report["goals"].items():
        word = "met" if goal["met"] else "not met"
        lines.append(
            f"{name:45} {goal['value']:18.2f}  (goal: at least {goal['at_least']}, {word})"
        )
    return "\n".join(lines)
