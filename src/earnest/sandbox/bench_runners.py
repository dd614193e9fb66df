"""What `earnest bench sandbox` measures: ways to run a program once, over and over for a while.

Each way checks that its program ended well. A `Loop` runs in a thread of this process, as a user's
calls do; a `Remote` in a process of its own, which is told for how long.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from earnest.core.errors import SandboxError
from earnest.core.jobs import Job
from earnest.core.protocols import Sandbox
from earnest.sandbox.system import describe
from earnest.sandbox.warm import SETS
from earnest.sandbox.wire import environment

PROGRAMS: Final = {
    "trivial": "pass",
    "5 ms of work": (
        "import time\nend = time.process_time() + 0.005\nwhile time.process_time() < end: pass"
    ),
    "numpy loaded": "import numpy\nassert numpy.arange(1000).sum() == 499500",
    "pandas loaded": "import pandas\nassert pandas.Series(range(100)).sum() == 4950",
}
_LOADED: Final = {"numpy loaded": "numpy", "pandas loaded": "pandas"}

_FORK: Final = """
import gc, json, os, sys, time
for name in sys.argv[1].split(","): __import__(name)
source = sys.argv[2]
exec(compile("class A: pass\\ntry: A().a\\nexcept AttributeError: pass", "", "exec"), {})
gc.collect(); gc.freeze()
print("ready", flush=True)
for line in sys.stdin:
    times, start = [], time.perf_counter()
    end = last = start
    while not times or last - start < float(line):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                exec(compile(source, "<string>", "exec"), {"__name__": "__main__"})
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(child, 0)[1]: sys.exit(1)
        now = time.perf_counter()
        times.append((now - last) * 1000)
        last = now
    print(json.dumps(times), flush=True)
"""
_SUPERVISOR: Final = """
import json, sys
from pathlib import Path
from earnest.sandbox.bench_runners import Loop, in_sandbox
from earnest.sandbox.warm import WarmSandbox
sandbox = WarmSandbox(Path(sys.argv[1]), workers=1)
loop = Loop(in_sandbox(sandbox, sys.argv[2]))
loop.turn(0.0)
print("ready", flush=True)
for line in sys.stdin: print(json.dumps(loop.turn(float(line))), flush=True)
sandbox.close()
"""


class Runner(Protocol):
    """Runs a program again and again."""

    def turn(self, seconds: float) -> list[float]:
        """Run it for a while, at least once; return each time's milliseconds."""
        ...


class Loop:
    """Runs something in this thread."""

    def __init__(self, once: Callable[[], None]) -> None:
        """`once` runs it, and raises where it failed."""
        self._once = once

    def turn(self, seconds: float) -> list[float]:
        """Run it for a while, at least once; return each time's milliseconds."""
        found: list[float] = []
        start = last = time.perf_counter()
        while not found or last - start < seconds:
            self._once()
            now = time.perf_counter()
            found.append((now - last) * 1000)
            last = now
        return found


class Remote:
    """A process that runs something when it is told for how many seconds, and says what it took."""

    def __init__(self, words: list[str], environment: dict[str, str] | None = None) -> None:
        """Start it; it says `ready`. Raises `SandboxError`."""
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        if self._line() != "ready":
            self.close()
            raise SandboxError("a process to measure did not start")

    def _line(self) -> str:
        assert self._process.stdout  # noqa: S101 - it was started with pipes
        return self._process.stdout.readline().strip()

    def turn(self, seconds: float) -> list[float]:
        """Run it for a while, at least once; return each time's milliseconds."""
        assert self._process.stdin  # noqa: S101 - it was started with pipes
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        line = self._line()
        if not line:
            raise SandboxError("a process to measure has ended")
        found: list[float] = json.loads(line)
        return found

    def close(self) -> None:
        """End it, once it is through."""
        assert self._process.stdin  # noqa: S101 - it was started with pipes
        self._process.stdin.close()
        with self._process:
            pass


def in_sandbox(sandbox: Sandbox, program: str) -> Callable[[], None]:
    """Return what runs one of `PROGRAMS` in a sandbox once."""
    job = Job(("python", "-c", PROGRAMS[program]), collect=False)

    def once() -> None:
        result = sandbox.run(job)
        if not result.ok:
            raise SandboxError(f"{sandbox.name}: {program} failed: {result.stderr[-300:]}")

    return once


def bare(image: Path, program: str) -> Callable[[], None]:
    """Return what runs one of `PROGRAMS` in a fresh interpreter, without any isolation."""
    source = PROGRAMS[program]
    if program in _LOADED:
        source = f"import sys; sys.path.append({str(image)!r})\n{source}"
    words = [describe().python, "-I", "-S", "-c", source]
    variables = environment(str(image), "/")

    def once() -> None:
        if subprocess.run(words, env=variables, stdin=subprocess.DEVNULL, check=False).returncode:
            raise SandboxError(f"bare python: {program} failed")

    return once


def forking(image: Path, program: str) -> Remote:
    """Return a process that forks for each run, with the modules of the warm set imported."""
    modules = ",".join(SETS[_LOADED.get(program, "bare")])
    words = [describe().python, "-P", "-s", "-S", "-c", _FORK, modules, PROGRAMS[program]]
    # as zygotes have it: no symbol is looked up for the first time in a fork
    return Remote(words, {**environment(str(image), "/"), "LD_BIND_NOW": "1"})


def supervising(image: Path, program: str) -> Remote:
    """Return a process that has a warm sandbox of its own, with one worker."""
    return Remote([sys.executable, "-c", _SUPERVISOR, str(image), program])
