"""`earnest testbed run`: an arm over its seeds, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import EarnestError, UsageError
from earnest.core.home import Home, write_whole
from earnest.core.protocols import Progress
from earnest.evals.testbed_grade import Graders
from earnest.gate.bounds import upper_bound
from earnest.recipes.testbed_arms import arm_of
from earnest.recipes.testbed_lines import lines
from earnest.recipes.testbed_run import Plan, SeedRun
from earnest.recipes.testbed_tally import added
from earnest.recipes.testbed_zero import zero_of
from earnest.tasks.specs_demos import HELD_OUT, WAYS

QUICK: Final = {
    "generations": 1, "updates": 12, "seeds": 1, "tasks": 120, "final": 0, "prompts": 24
}  # fmt: skip
USUAL: Final = {
    "generations": 12, "updates": 40, "seeds": 3, "tasks": 600, "final": 2000, "prompts": 32
}  # fmt: skip
_CONFIDENCE: Final = 0.95


def folder_of(home: Home, name: str) -> Path:
    """Return a run's folder. Raises `UsageError` for a name that is no name."""
    if not name or not all(char.isalnum() or char in "-_." for char in name) or name[0] == ".":
        raise UsageError(f"{name!r} is no name for a run", mend="letters, digits and dashes")
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


def _seed_run(plan: Plan, seed: int, folder: Path, zero: Path, images: Path) -> None:
    """Run one seed, in a process of its own."""
    from earnest.sandbox.choose import open_sandbox

    with contextlib.closing(open_sandbox(images)) as sandbox:
        SeedRun(plan, seed, folder, zero, Graders(sandbox), _say).run()


def _apart(plan: Plan, seed: int, folder: Path, zero: Path, images: Path) -> None:
    """Be the process of a seed: an error is told in words, Ctrl-C ends it quietly."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _seed_run(plan, seed, folder, zero, images)
    except KeyboardInterrupt:
        os._exit(130)
    except EarnestError as error:
        _say(f"seed {seed}: {error}")
        os._exit(1)


def _all_seeds(plan: Plan, folder: Path, zero: Path, home: Home, jobs: int) -> None:
    """Run the seeds, `jobs` at once. Raises `EarnestError` where one failed."""
    context = multiprocessing.get_context("spawn")
    waiting, failed = list(plan.seeds), list[str]()
    running: list[SpawnProcess] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                seed = waiting.pop(0)
                own = folder / f"seed-{seed}"
                process = context.Process(
                    target=_apart, args=(plan, seed, own, zero, home.images), name=f"seed {seed}"
                )
                process.start()
                running.append(process)
            running[0].join(0.2)
            ended = [process for process in running if not process.is_alive()]
            failed += [process.name for process in ended if process.exitcode]
            running = [process for process in running if process.is_alive()]
            if failed:
                break
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.join()
    if failed:
        raise EarnestError(f"{failed[0]} did not end well", mend="give the same command again")


def run(
    home: Home, plan: Plan, name: str, say: Progress, *, jobs: int = 0, quick: bool = False
) -> dict[str, Any]:
    """Run what is left of an arm's run, and return its document.

    Raises `UsageError` for a folder that was begun with another plan, `LackError` without torch.
    """
    folder = folder_of(home, name)
    zero = zero_of(home, arm_of(plan.arm).dirty, say)
    folder.mkdir(parents=True, exist_ok=True)
    planned(plan, folder, zero, quick)
    begun = time.monotonic()
    jobs = min(jobs or os.cpu_count() or 1, len(plan.seeds))
    _all_seeds(plan, folder, zero, home, jobs)
    say(f"{plan.arm}: {time.monotonic() - begun:.0f} s")
    document = result(folder)
    write_whole(folder / "result.json", json.dumps(document, indent=1).encode())
    return document


def all_lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the lines of all seeds' files of a name, seed by seed."""
    found = sorted(folder.glob(f"seed-*/{name}"))
    return [line for path in found for line in lines(path)]


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
        "seconds": round(sum(line["seconds"] for line in updates), 1),
        "solve": {
            depth: {"before": counts, "after": after["solve"].get(depth, [0, 0])}
            for depth, counts in before["solve"].items()
        },
        "families": {
            family: _family(own, after["families"].get(family, own))
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
