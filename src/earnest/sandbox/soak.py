"""A soak of the warm pool: honest and hostile programs by the thousand, and what they leave behind.

`earnest sandbox soak --executions N` runs in the outer jail (`outer.py`): processes,
mounts, descriptors, temporary files and memory are counted there between batches, once what ended
had a moment to go. Ctrl-C ends it early, with a report of what was done.

Not covered: control groups, which the outer jail does not show (`tests/sandbox/test_warm.py` counts
them on the machine itself); attacks that measure the machine or take two programs.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import EarnestError
from earnest.core.jobs import Job
from earnest.core.protocols import Progress, Sandbox
from earnest.sandbox.image import build_image
from earnest.sandbox.outer import answering, outer_command, try_outside
from earnest.sandbox.soak_programs import Kind
from earnest.sandbox.warm import SETS, WarmSandbox

WORKERS: Final = 2
_BATCHES: Final = 40
_LARGEST: Final = 2000  # a few seconds, so that who waits hears of it
_GRACE_S: Final = 5.0
_QUICK_S: Final = 0.25
_ATTACKS_SHARE: Final = 0.006  # they are the slow ones
_RISE_KIB: Final = 3072.0  # what a run may grow by in all, or 5 % where that is more
_MOST_TOLD: Final = 20
_FEW: Final = 1000
_LONGEST_S: Final = 7200.0


@dataclass(frozen=True)
class State:
    """What there is at one moment: counts, and KiB of memory that is a process's own."""

    processes: int
    mounts: int
    descriptors: int
    files: int
    supervisor_kib: float
    others_kib: float

    @classmethod
    def now(cls) -> State:
        """Look. `others_kib`: of the largest other process, which is a zygote."""
        own = os.getpid()
        memory = {int(p.name): _own_kib(p) for p in Path("/proc").iterdir() if p.name.isdigit()}
        temporary = [Path(tempfile.gettempdir()), Path("/dev/shm")]  # noqa: S108
        return cls(
            len(memory),
            len(Path("/proc/self/mountinfo").read_text().splitlines()),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            sum(len(list(place.iterdir())) for place in temporary if place.is_dir()),
            memory.pop(own),
            max(memory.values(), default=0.0),
        )


def _own_kib(process: Path) -> float:
    with contextlib.suppress(OSError):
        for line in (process / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return float(line.split()[1])
    return 0.0


def leaked(before: State, now: State) -> dict[str, int]:
    """Return by how much each count has grown."""
    names = ("processes", "mounts", "descriptors", "files")
    return {name: max(0, getattr(now, name) - getattr(before, name)) for name in names}


def rise(points: Sequence[tuple[int, float]]) -> float:
    """Return by how much the straight line through points (x, y) rises from first to last."""
    if len(points) < 2:
        return 0.0
    middle = sum(x for x, _ in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    slope = sum((x - middle) * y for x, y in points) / spread if spread else 0.0
    return slope * (points[-1][0] - points[0][0])


def _memory(points: Sequence[tuple[int, float]]) -> dict[str, Any]:
    first, last, grown = points[0][1], points[-1][1], rise(points)
    return {
        "first_kib": round(first),
        "last_kib": round(last),
        "rise_kib": round(grown),
        "flat": grown <= max(_RISE_KIB, 0.05 * first),
    }


def passed(report: dict[str, Any]) -> bool:
    """Say whether the pool held: nothing went wrong, leaked or grew, and all was run."""
    return bool(report["held"]) and not report["interrupted"]


@dataclass
class _Tally:
    """What was run, and what of it was wrong."""

    ran: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, sandbox: Sandbox, kind: Kind, seed: int) -> float:
        """Run a kind once; return the seconds that it took."""
        job, judge = kind.make(random.Random(seed))  # noqa: S311 - which program is no secret
        start = time.monotonic()
        try:
            wrong = judge(sandbox.run(job))
        except (EarnestError, OSError) as error:
            wrong = f"{type(error).__name__}: {error}"
        with self.lock:
            self.ran["hostile" if kind.hostile else "honest"] += 1
            if wrong:
                self.wrong[kind.name] += 1
                self.reasons.append(f"{kind.name}: {wrong}")
                del self.reasons[_MOST_TOLD:]
        return time.monotonic() - start


def _settled(before: State) -> State:
    over = time.monotonic() + _GRACE_S
    while (now := State.now()).processes > before.processes and time.monotonic() < over:
        time.sleep(0.05)
    return now


def _one_each() -> Iterator[Job]:
    for pool in ("agent", "verify"):
        for modules in SETS.values():
            source = f"import time; time.sleep(0.3)\nif 0: import {', '.join(modules)}"
            yield Job(("python", "-c", source), pool=pool, collect=False)


def _warm_up(sandbox: Sandbox, own: Sequence[Kind], attacks: Sequence[Kind]) -> list[Kind]:
    """Run everything, on every worker too, uncounted; return the attacks that are quick."""
    tally = _Tally()
    with ThreadPoolExecutor(WORKERS) as pool:
        for job in _one_each():  # side by side, so that each worker of each pool and set is there
            list(pool.map(lambda _, job=job: sandbox.run(job), range(WORKERS)))
        list(pool.map(lambda kind: tally.run(sandbox, kind, 0), [*own, *attacks]))
    return [kind for kind in attacks if tally.run(sandbox, kind, 1) < _QUICK_S]


def run_soak(
    sandbox: Sandbox,
    executions: int,
    own: Sequence[Kind],
    attacks: Sequence[Kind],
    told: Callable[[str, dict[str, Any]], None] = lambda _line, _report: None,
) -> dict[str, Any]:
    """Soak a sandbox, which is closed at the end; return the report (`soak` has its form).

    `told` hears how far it is, with the report so far.
    """
    opened, start = State.now(), time.monotonic()
    quick = _warm_up(sandbox, own, attacks)
    tally, draw = _Tally(), random.Random(20)  # noqa: S311 - which program is no secret
    before = _settled(opened)
    points, done, spent = [(0, before)], 0, 0.0

    def report(last: State | None) -> dict[str, Any]:
        return {
            **_report(tally, points, last, opened),
            "seconds": round(time.monotonic() - start, 1),
            "per_second": round(done / spent),
            "asked": executions,
            "interrupted": last is None,
            "attacks": len(quick),
        }

    while done < executions:
        count = min(max(20, executions // _BATCHES), _LARGEST, executions - done)
        batch = draw.choices(own, [kind.weight for kind in own], k=count)
        for number in range(count):
            if quick and draw.random() < _ATTACKS_SHARE:
                batch[number] = draw.choice(quick)
        begun = time.monotonic()
        with ThreadPoolExecutor(WORKERS) as pool:
            seeds = [draw.getrandbits(32) for _ in batch]
            list(pool.map(lambda kind, seed: tally.run(sandbox, kind, seed), batch, seeds))
        spent += time.monotonic() - begun
        done += count
        points.append((done, _settled(before)))
        line = f"{done} of {executions}: {done / spent:.0f}/s, {sum(tally.wrong.values())} wrong"
        told(line, report(None))
    sandbox.close()
    return report(_settled(opened))


def _report(
    tally: _Tally, points: list[tuple[int, State]], last: State | None, opened: State
) -> dict[str, Any]:
    """Return what came of it; `last`: how things stood once it was closed, None: it is not."""
    running = leaked(points[0][1], points[-1][1])
    left = leaked(opened, last) if last else {}
    memory = {
        "supervisor": _memory([(x, state.supervisor_kib) for x, state in points]),
        "zygotes": _memory([(x, state.others_kib) for x, state in points]),
    }
    flat = all(what["flat"] for what in memory.values())
    held = not tally.wrong and not any(running.values()) and not any(left.values()) and flat
    return {
        "version": 1,
        "executions": points[-1][0],
        "honest": tally.ran["honest"],
        "hostile": tally.ran["hostile"],
        "wrong": dict(tally.wrong),
        "reasons": tally.reasons,
        "leaked": running,
        "left_at_the_end": left if last else None,
        "memory": memory,
        "held": held,
    }


def _within(plan: dict[str, Any]) -> None:
    """In the outer jail: soak."""
    from earnest.sandbox.attacks.driver import settle
    from earnest.sandbox.attacks.world import plant
    from earnest.sandbox.soak_programs import kinds

    settle(plan["mode"])
    world, image = plant(), Path(plan["image"])
    own, attacks = kinds(world, image)
    sets = dict(SETS)
    if plan["executions"] < _FEW:  # a short one is not to spend its time on starting
        sets.pop("science")
        attacks = attacks[::4]
    with answering() as answer:
        answer(ready=True)
        report = run_soak(
            WarmSandbox(image, workers=WORKERS, sets=sets),
            plan["executions"],
            own,
            attacks,
            told=lambda line, so_far: answer(says=line, so_far={**so_far, "as": plan["mode"]}),
        )
        answer(report={**report, "as": plan["mode"]})


def soak(
    images_dir: Path,
    executions: int,
    *,
    as_user: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Soak the warm pool in an outer jail, and return the report.

    `as_user`: where this is root, as an ordinary user in there. Returns `version`, `as`, `asked`,
    `executions`, `honest` and `hostile` (how many ran), `attacks` (how many of the shipped ones
    took part), `wrong` (by program: how often it came to what it must not), `reasons`, `leaked`
    (counts that grew while it ran), `left_at_the_end` (None where it was interrupted), `memory` (of
    the supervisor and the largest zygote), `seconds`, `per_second`, `interrupted`, `held`. Raises
    `LackError`, `SandboxError`.
    """
    image = build_image(images_dir).resolve()
    root = os.geteuid() == 0 and not as_user
    plan = {"mode": "root" if root else "user", "image": str(image), "executions": executions}
    words = [sys.executable, "-s", "-m", "earnest.sandbox.soak", json.dumps(plan)]
    command = outer_command(words, folders=[image])
    return try_outside(command, progress, longest_s=_LONGEST_S)


if __name__ == "__main__":
    _within(json.loads(sys.argv[1]))
