"""`earnest testbed run`: an arm over its seeds, each in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import EarnestError, LackError, UsageError
from earnest.core.home import Home, write_whole
from earnest.core.protocols import Progress
from earnest.evals.testbed_grade import Graders
from earnest.gate.bounds import upper_bound
from earnest.recipes.testbed_arms import arm_of
from earnest.recipes.testbed_folder import alone
from earnest.recipes.testbed_lines import files_of, lines
from earnest.recipes.testbed_run import Plan, SeedRun
from earnest.recipes.testbed_tally import added
from earnest.recipes.testbed_zero import zero_of
from earnest.tasks.specs_demos import HELD_OUT, WAYS

QUICK: Final[dict[str, Any]] = {
    "generations": 1, "updates": 12, "seeds": 1, "tasks": 120, "final": 0, "prompts": 24,
    "temperature": 1.0,
}  # fmt: skip
"""Small, and no hotter than it is asked: in few updates that shows more of what an arm learns, and
fewer broken replies are graded. A gate of full size is not passed by it."""
USUAL: Final[dict[str, Any]] = {
    "generations": 12, "updates": 40, "seeds": 3, "tasks": 600, "final": 2000, "prompts": 32
}  # fmt: skip
_CONFIDENCE: Final = 0.95
_STOP_S: Final = 20.0
_LONGEST: Final = 64
_NEEDED: Final = {
    "torch": "'earnest[train]'", "transformers": "'earnest[train]'", "pytest": "pytest"
}  # fmt: skip


def folder_of(home: Home, name: str) -> Path:
    """Return a run's folder. Raises `UsageError` for a name that is no name."""
    fits = 0 < len(name) <= _LONGEST and name.isascii() and name[0] != "."
    if not fits or not all(char.isalnum() or char in "-_." for char in name):
        raise UsageError(
            f"{name!r} is no name for a run", mend="up to 64 letters, digits, dots and dashes"
        )
    return home.root / "testbed" / "runs" / name


def planned(plan: Plan, folder: Path, zero: Path, quick: bool) -> None:
    """Write the plan, or see that the folder's is the same. Raises `UsageError`."""
    from earnest.train.sft import read_checkpoint

    document = {
        "version": 1,
        **plan.document(),
        "updates_per_generation": plan.updates,
        "rollouts": plan.prompts * plan.each,
        "quick": quick,
        "families": list(WAYS),
        "held_out": list(HELD_OUT),
        "depths": list(range(1, 7)),
        "model": {"parameters": read_checkpoint(zero).parameters},
        "prompt_allows_cheating": arm_of(plan.arm).allowed,
        "dirty": None if arm_of(plan.arm).dirty is None else 100 * (arm_of(plan.arm).dirty or 0.0),
    }
    path = folder / "plan.json"
    if path.exists() and parse(path.read_bytes()) != parse(canonical(document)):
        raise UsageError(
            f"{folder.name} was begun with another plan", mend="--name NAME, a new one"
        )
    write_whole(path, canonical(document))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class _Job:
    """One seed's part of a run. `zero`: generation 0's folder; `images`: of the sandbox."""

    plan: Plan
    seed: int
    folder: Path
    zero: Path
    images: Path

    @property
    def name(self) -> str:
        return f"{self.plan.arm}, seed {self.seed}"

    def run(self) -> None:
        """Run what is left of it, in this process."""
        from earnest.sandbox.choose import open_sandbox

        with contextlib.closing(open_sandbox(self.images)) as sandbox:
            SeedRun(self.plan, self.seed, self.folder, self.zero, Graders(sandbox), _say).run()


def _orphaned(sentinel: int) -> None:
    """End this process when the one that began it has ended, in whatever way."""
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _apart(job: _Job) -> None:
    """Be the process of a seed: an error is told in words, SIGTERM ends it quietly.

    Ctrl-C, which a terminal sends to all of a run's processes, is the first one's to act on.
    """
    signal.signal(signal.SIGINT, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_orphaned, args=(parent.sentinel,), daemon=True).start()
    try:
        job.run()
    except KeyboardInterrupt:
        os._exit(130)
    except EarnestError as error:
        _say(f"{job.name}: {error}" + (f"; to mend it: {error.mend}" if error.mend else ""))
        os._exit(error.exit_status)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Take a signal, and do nothing. Unlike SIG_IGN it is not handed on to programs started."""


def _started(job: _Job) -> SpawnProcess:
    """Start a seed's process, deaf to Ctrl-C until it has said what it does then."""
    process = multiprocessing.get_context("spawn").Process(
        target=_apart, args=(job,), name=job.name
    )
    resource_tracker.ensure_running()  # it unblocks the signal where it has to be started itself
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _stop(running: Sequence[SpawnProcess]) -> None:
    for process in running:
        process.terminate()
    for process in running:
        process.join(_STOP_S)
        process.kill()
        process.join()


def _run_jobs(waiting: list[_Job], jobs: int) -> None:
    """Run them, `jobs` at once. Raises `EarnestError` where one failed; the others are ended."""
    running: list[SpawnProcess] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_started(waiting.pop(0)))
            connection.wait([process.sentinel for process in running])
            for process in running:
                if process.exitcode:
                    lacks = process.exitcode == LackError.exit_status
                    raise (LackError if lacks else EarnestError)(
                        f"{process.name} did not end well", mend="give the same command again"
                    )
            running = [process for process in running if process.is_alive()]
    finally:
        _stop(running)


def _needed() -> None:
    """Raise `LackError` for a package without which no seed can run."""
    for package, extra in _NEEDED.items():
        if importlib.util.find_spec(package) is None:
            raise LackError(f"a run of the testbed needs {package}", mend=f"pip install {extra}")


def run_all(
    home: Home, plans: Mapping[str, Plan], say: Progress, *, jobs: int = 0, quick: bool = False
) -> dict[str, dict[str, Any]]:
    """Run what is left of some runs, by their names; return their documents.

    `jobs`: seeds at once, of all runs; 0: as many as there are cores. Raises `UsageError` for a
    folder that was begun with another plan, `EarnestError` for one that another process works in,
    `LackError` without torch or pytest.
    """
    _needed()
    folders = {name: folder_of(home, name) for name in plans}
    begun, waiting = time.monotonic(), list[_Job]()
    with contextlib.ExitStack() as held:
        for name, plan in plans.items():
            zero = zero_of(home, arm_of(plan.arm).dirty, say)
            folders[name].mkdir(parents=True, exist_ok=True)
            held.enter_context(alone(folders[name]))
            planned(plan, folders[name], zero, quick)
            waiting += [
                _Job(plan, seed, folders[name] / f"seed-{seed}", zero, home.images)
                for seed in plan.seeds
            ]
        _run_jobs(waiting, jobs or len(os.sched_getaffinity(0)))
        say(f"{', '.join(plans)}: {time.monotonic() - begun:.0f} s")
        documents = {name: result(folder) for name, folder in folders.items()}
        for name, document in documents.items():
            write_whole(folders[name] / "result.json", json.dumps(document, indent=1).encode())
    return documents


def run(
    home: Home, plan: Plan, name: str, say: Progress, *, jobs: int = 0, quick: bool = False
) -> dict[str, Any]:
    """Run what is left of one run, and return its document. Raises as `run_all`."""
    return run_all(home, {name: plan}, say, jobs=jobs, quick=quick)[name]


def all_lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the lines of all seeds' files of a name, seed by seed."""
    return [line for path in files_of(folder, name) for line in lines(path)]


def result(folder: Path) -> dict[str, Any]:
    """Return the document of a run, from its seeds' files."""
    plan = parse((folder / "plan.json").read_bytes())
    every = all_lines(folder, "generations.jsonl")
    by_seed = [[line for line in every if line["seed"] == seed] for seed in plan["seeds"]]
    by_seed = [own for own in by_seed if own]
    updates = all_lines(folder, "updates.jsonl")
    before = added([own[0] for own in by_seed])
    after = added([own[-1] for own in by_seed])
    return {
        "version": 1,
        "arm": plan["arm"],
        "seeds": len(by_seed),
        "updates": max((line["update"] for line in updates), default=0),
        "seconds": round(sum(line.get("seconds", 0.0) for line in (*updates, *every)), 1),
        "solve": {
            depth: {"before": counts, "after": after["solve"].get(depth, [0, 0])}
            for depth, counts in before["solve"].items()
        },
        "families": {
            family: _family(own, after["families"].get(family, _NONE))
            for family, own in before["families"].items()
        },
        "hack_rate": {"before": before["hack_rate"], "after": after["hack_rate"]},
        "false_reports": {"before": before["false_reports"], "after": after["false_reports"]},
        "after_is": ["incumbent" if own[-1].get("final") else "last candidate" for own in by_seed],
        "generations": [
            {key: line[key] for key in ("seed", "generation", "decision", "reasons")}
            for line in every
            if line["generation"] and not line.get("final")
        ],
    }  # fmt: skip


_NONE: Final = {"hacks": 0, "attempts": 0, "n": 0}


def _family(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {
        "held_out": before["held_out"],
        "before": {"hacks": before["hacks"], "n": before["n"]},
        "after": {
            "hacks": after["hacks"],
            "n": after["n"],
            "upper95": round(upper_bound(after["hacks"], after["n"], _CONFIDENCE), 5),
        },
        "attempts": after["attempts"],
    }
