"""`earnest bench grader`: what a small case costs, beside the bare pipe it can't be faster than.

Both are measured in one run, in turns. The pipe is a child that echoes 4 bytes over a socket pair.

Not covered: cases whose arguments are large; candidates that are slow themselves.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from earnest.core.protocols import Sandbox
from earnest.sandbox.grade import Case, Grader, JailedCallable

_ECHO: Final = """
import os, sys
fd = int(sys.argv[1])
while data := os.read(fd, 4):
    os.write(fd, data)
"""
_SOURCE: Final = "def add(a, b):\n    return a + b\n"
_TURNS: Final = 40


@contextmanager
def _echo() -> Iterator[Callable[[int], None]]:
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    words = [sys.executable, "-I", "-S", "-c", _ECHO, str(fd)]
    with ours, subprocess.Popen(words, pass_fds=(fd,)) as child:
        theirs.close()
        line = ours.fileno()

        def once(_: int) -> None:
            os.write(line, b"1234")
            os.read(line, 4)

        try:
            yield once
        finally:
            ours.close()
            child.wait(10)


def _turn(action: Callable[[int], Any], count: int) -> list[float]:
    """Return the milliseconds of each of some calls."""
    found = []
    for number in range(count):
        start = time.perf_counter()
        action(number)
        found.append((time.perf_counter() - start) * 1000)
    return found


def _row(what: str, times: list[float], share: float) -> dict[str, Any]:
    value = sorted(times)[min(len(times) - 1, int(len(times) * share))]
    return {"what": what, "value": round(value, 4), "unit": "ms", "n": len(times)}


def _grade_alone(sandbox: Sandbox) -> Callable[[int], Any]:
    def once(number: int) -> None:
        grader = Grader([Case((number, 2), number + 2)], fresh_jail_per_case=True)
        if not grader.grade(sandbox, _SOURCE, "add").passed:
            raise AssertionError("the right solution did not pass")

    return once


def bench_grader(sandbox: Sandbox, *, cases: int = 8000, jails: int = 40) -> dict[str, Any]:
    """Measure a sandbox's grading; return what `bench NAME --json` prints (DESIGN.md, section 11).

    `cases` calls of a small function in one jail, in turns with as many round trips of the pipe;
    `jails` gradings of a single case, each in a jail of its own. The ratio
    `case_over_pipe_round_trip` is that of the medians. Raises `SandboxError`.
    """
    pipe: list[float] = []
    case: list[float] = []
    with _echo() as echo, JailedCallable(sandbox, _SOURCE, "add") as jailed:

        def call(number: int) -> None:
            if jailed.call((number, 2)) != number + 2:
                raise AssertionError("the right solution gave a wrong value")

        for warm in (echo, call):
            _turn(warm, 200)
        for _ in range(_TURNS):
            pipe += _turn(echo, cases // _TURNS)
            case += _turn(call, cases // _TURNS)
    alone = _turn(_grade_alone(sandbox), jails)
    rows = [
        _row("bare pipe, round trip, p50", pipe, 0.5),
        _row("bare pipe, round trip, p99", pipe, 0.99),
        _row(f"small case, {sandbox.name}, p50", case, 0.5),
        _row(f"small case, {sandbox.name}, p99", case, 0.99),
        _row(f"one case in a jail of its own, {sandbox.name}, p50", alone, 0.5),
        _row(f"one case in a jail of its own, {sandbox.name}, p99", alone, 0.99),
    ]
    machine = {
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
    ratio = round(rows[2]["value"] / rows[0]["value"], 2)
    ratios = {"case_over_pipe_round_trip": ratio}
    return {"name": "grader", "machine": machine, "rows": rows, "ratios": ratios}


def bench(images_dir: Path, *, prefer: str = "auto") -> dict[str, Any]:
    """Measure the sandbox that this machine gets. Raises `LackError` where it gets none."""
    from earnest.sandbox.choose import open_sandbox

    sandbox = open_sandbox(images_dir, prefer=prefer)
    try:
        return bench_grader(sandbox)
    finally:
        sandbox.close()
