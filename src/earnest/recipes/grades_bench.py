"""`earnest bench grades`: what the testbed's grades cost, and whether the quick way errs.

The exploitable grader starts pytest in warm jails, imported already. *Plain* is `python -m pytest`
in an interpreter and a jail of its own. Both grade every labelled case (`testbed_families.cases`)
and must believe the same: passed or not, the ids that pytest named, the summary but for its time.
Rates are measured in turns in one run, with one worker and with two. CPU time is told apart, which
other work on the machine stretches less than it does the clock: of an exploitable grade its jail's,
of a secure one this process's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from earnest.core.machine import machine
from earnest.core.protocols import Progress
from earnest.core.testbed import Exercise, Files, Secrets
from earnest.evals.testbed_grade import Believed, exploitable, secure
from earnest.recipes.testbed_families import Labelled, cases
from earnest.sandbox.choose import open_sandbox
from earnest.tasks.specs import exercise, program_of
from earnest.tasks.specs_honest import honest

Believer = Callable[[Exercise, Files], Believed]
_Item = tuple[Exercise, Secrets, Files]
_TIME: Final = re.compile(r"\bin [0-9.]+s( \([0-9:]+\))?")
_WAYS: Final = ("plain", "a near miss", "unfinished", "a syntax error")
_ROUNDS: Final = 4
_TOLD_EVERY: Final = 25


def _words(believed: Believed) -> tuple[bool, tuple[str, ...], str]:
    return believed.passed, believed.reported, _TIME.sub("", believed.summary)


def compare(
    quick: Believer, plain: Believer, found: Iterable[Labelled], say: Progress = lambda _: None
) -> tuple[int, list[dict[str, Any]]]:
    """Let both graders grade each case; return how many there were, and where they differ."""
    differ, number = [], 0
    for number, case in enumerate(found, 1):
        told = [grade(case.one, case.files) for grade in (quick, plain)]
        if _words(told[0]) != _words(told[1]):
            words = {
                name: f"{'passed' if one.passed else 'failed'}: {one.summary}"
                for name, one in zip(("quick", "plain"), told, strict=True)
            }
            differ.append({"sort": case.sort, "label": case.label, **words})
        if number % _TOLD_EVERY == 0:
            say(f"{number} workspaces graded by both")
    return number, differ


@dataclass
class _Way:
    """One kind of grade with some workers, on some workspaces, and what it took so far."""

    what: str
    grade: Callable[[_Item], float]
    items: Sequence[_Item]
    workers: int
    spent_s: float = 0.0
    cpu_s: list[float] = field(default_factory=list)

    def turn(self) -> None:
        with ThreadPoolExecutor(self.workers) as pool:
            start = time.perf_counter()
            self.cpu_s += pool.map(self.grade, self.items)
            self.spent_s += time.perf_counter() - start

    @property
    def name(self) -> str:
        return f"{self.what}, {('one worker', 'two workers')[self.workers - 1]}"

    @property
    def rate(self) -> float:
        return len(self.cpu_s) / self.spent_s


def _items(seed: int) -> dict[str, list[_Item]]:
    """Return honest work on six exercises, one of each depth, by how it was done."""
    found: dict[str, list[_Item]] = {way: [] for way in _WAYS}
    for depth in range(1, 7):
        one, secrets = exercise(f"{seed} bench", depth, offers=[])
        for way in _WAYS:
            found[way].append((one, secrets, honest(one, program_of(secrets), way)))
    return found


def _row(what: str, value: float, unit: str, count: int) -> dict[str, Any]:
    return {"what": what, "value": round(value, 2), "unit": unit, "n": count}


def _rates(
    quick: Believer, plain: Believer, safe: Callable[[_Item], float], seed: int, say: Progress
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    made = _items(seed)
    every = [item for mine in made.values() for item in mine]
    kinds: tuple[tuple[str, Callable[[_Item], float], Sequence[_Item]], ...] = (
        ("exploitable, plain", lambda item: plain(item[0], item[2]).cpu_s, every[::3]),
        ("exploitable, quick", lambda item: quick(item[0], item[2]).cpu_s, every),
        ("secure", safe, every),
    )
    ways = [_Way(*kind, workers) for kind in kinds for workers in (1, 2)]
    for way in ways:  # the first time has imports in it
        way.turn()
        way.spent_s, way.cpu_s = 0.0, []
    times: dict[str, list[float]] = {way: [] for way in _WAYS}
    for number in range(_ROUNDS):
        say(f"round {number + 1} of {_ROUNDS} ...")
        for way in ways:
            way.turn()
        for name, mine in made.items():
            for item in mine:
                start = time.perf_counter()
                safe(item)
                times[name].append(1000 * (time.perf_counter() - start))
    rows = [_row(way.name, way.rate, "grades/s", len(way.cpu_s)) for way in ways]
    rows += [
        _row(f"{way.what}, CPU p50", 1000 * median(way.cpu_s), "ms", len(way.cpu_s))
        for way in ways[::2]
    ]
    rows += [_row(f"secure, {name}, p50", median(t), "ms", len(t)) for name, t in times.items()]
    plain_one, plain_two, quick_one, quick_two, safe_one, safe_two = (way.rate for way in ways)
    ratios = {
        "quick_over_plain_one_worker": quick_one / plain_one,
        "quick_over_plain_two_workers": quick_two / plain_two,
        "two_over_one_exploitable": quick_two / quick_one,
        "two_over_one_secure": safe_two / safe_one,
    }
    return rows, {name: round(value, 2) for name, value in ratios.items()}


def bench(images_dir: Path, *, seed: int, tasks: int, progress: Progress) -> dict[str, Any]:
    """Measure; return the document that `bench NAME --json` prints, with `backend` and `differ`.

    `tasks`: exercises for each way to cheat and to be honest. Raises `LackError`, `SandboxError`.
    """
    with ExitStack() as held:
        warm, cold = open_sandbox(images_dir), open_sandbox(images_dir, prefer="bwrap")
        for sandbox in (warm, cold):
            held.callback(sandbox.close)

        def quick(one: Exercise, files: Files) -> Believed:
            return exploitable(warm, one, files)

        def plain(one: Exercise, files: Files) -> Believed:
            return exploitable(cold, one, files)

        def safe(item: _Item) -> float:
            start = time.thread_time()
            secure(warm, item[1], item[2])
            return time.thread_time() - start

        rows, ratios = _rates(quick, plain, safe, seed, progress)
        count, differ = compare(quick, plain, cases(seed, tasks), progress)
        backend = warm.name
    rows.append(_row("cases on which quick and plain differ", len(differ), "cases", count))
    return {
        "name": "grades",
        "machine": machine(),
        "backend": backend,
        "rows": rows,
        "ratios": ratios,
        "goals": {"the same word": {"most": 0, "value": len(differ), "met": not differ}},
        "differ": differ,
    }
