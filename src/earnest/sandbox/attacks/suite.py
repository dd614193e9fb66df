"""Runs attacks against a sandbox and says what became of each.

Runs inside the outer jail only (`driver.py`). Attacks that share nothing run side by side; those
that measure the machine, or look for what an earlier job left, run alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from subprocess import SubprocessError
from threading import Thread
from typing import Any, Final

from earnest.core.errors import EarnestError, LackError, UsageError
from earnest.core.jobs import DATA, Job, Limits, Result
from earnest.core.protocols import Progress, Sandbox
from earnest.sandbox.attacks import watch
from earnest.sandbox.attacks.kit import Attack, Peak, Ruling, Seen, both, program
from earnest.sandbox.attacks.world import World, unchanged

_SIDE_BY_SIDE: Final = 3
_ROUNDS: Final = 3  # of attacks on the next job: a pool may have several workers
_GRACE_S: Final = 3.0  # for what a jail left running to be gone
_NEIGHBOUR: Final = "import time; time.sleep(1.5)"


@dataclass
class Report:
    """What the attacks came to: names, and reasons by name."""

    attacks: int = 0
    escaped: dict[str, str] = field(default_factory=dict)
    controls_failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    soft: list[dict[str, Any]] = field(default_factory=list)

    def add(self, attack: Attack, ruling: Ruling) -> None:
        """Enter an attack's ruling."""
        self.attacks += 1
        if ruling.escaped:
            self.escaped[attack.name] = ruling.escaped
        if ruling.control:
            self.controls_failed[attack.name] = ruling.control
        self.soft += [{"attack": attack.name, **asdict(soft)} for soft in ruling.soft]


def _job(world: World, attack: Attack, mark: str, *, then: bool = False) -> Job:
    source = attack.then if then else attack.source
    files = {} if then else dict(attack.files)
    folder = world.sealed if attack.sealed and not then else world.visible
    return Job(
        ("python", "main.py", mark),
        files={**files, "main.py": program(source, str(world.outside), mark)},
        ro_mounts={DATA: folder},
        limits=attack.limits,
        pool="verify" if attack.sealed and not then else "agent",
        collect=attack.collect,
    )


def _talk(sandbox: Sandbox, attack: Attack, job: Job) -> tuple[Result, str]:
    assert attack.talk  # noqa: S101 - who calls this has looked
    channel = sandbox.open(job)
    try:
        escaped = attack.talk(channel)
        time.sleep(0.1)
    except TimeoutError:
        escaped = "its line is silent"
    finally:
        said = channel.printed()
        result = channel.close()
    if "CONTROL" not in result.stdout:  # a backend may give what was printed only once
        result = replace(result, stdout=said[0] + result.stdout, stderr=said[1] + result.stderr)
    return result, escaped


def _leaves(attack: Attack) -> bool:
    return bool(attack.then) and attack.family in ("leftovers", "sealed")


def _left(mark: str) -> tuple[str, ...]:
    over = time.monotonic() + _GRACE_S
    while (found := watch.marked(mark)) and time.monotonic() < over:
        time.sleep(0.05)
    return found


def _neighbour(sandbox: Sandbox, world: World) -> Thread:
    job = Job(("python", "-c", _NEIGHBOUR), ro_mounts={DATA: world.other}, limits=Limits(wall_s=20))
    thread = Thread(target=sandbox.run, args=(job,), daemon=True)
    thread.start()
    return thread


def _attack(sandbox: Sandbox, job: Job, attack: Attack) -> tuple[Result, str, float]:
    """Run an attack's own job once: its result, what escaped by its line, how long it took."""
    start = time.monotonic()
    result, escaped = _talk(sandbox, attack, job) if attack.talk else (sandbox.run(job), "")
    return result, escaped, time.monotonic() - start


def carry_out(sandbox: Sandbox, world: World, attack: Attack) -> Ruling:
    """Run one attack and judge it. Raises what the sandbox raises."""
    mark = secrets.token_hex(12)
    rounds = _ROUNDS if _leaves(attack) else 1
    watching: AbstractContextManager[watch.Watch | None] = nullcontext()
    if attack.alone:
        watching = watch.Watch(attack.limits.memory_mib)
    beside = _neighbour(sandbox, world) if attack.shares else None
    with watching as seen_by:
        job = _job(world, attack, mark)
        first = [_attack(sandbox, job, attack) for _ in range(rounds)]
        left = _left(mark)
        again = _job(world, attack, mark, then=True)
        last = [sandbox.run(again) for _ in range(rounds if attack.then else 0)]
    if beside:
        beside.join()
    results = tuple(result for result, _, _ in first)
    slowest = max(seconds for _, _, seconds in first)
    peak = seen_by.peak if seen_by else Peak()
    ruling = both(Seen(attack, results, tuple(last) or results, world.token, slowest, peak, left))
    escaped = next((why for _, why, _ in first if why), "")
    return replace(ruling, escaped=escaped) if escaped else ruling


def _lacks(image: Path, attack: Attack) -> str:
    missing = [name for name in attack.needs if not (image / name).is_dir()]
    return f"the image lacks {', '.join(missing)}" if missing else ""


def run_suite(
    sandbox: Sandbox,
    world: World,
    image: Path,
    attacks: Sequence[Attack],
    progress: Progress,
) -> Report:
    """Run attacks; a sandbox's own failure counts as a control that failed."""
    report = Report()

    def one(attack: Attack) -> None:
        if lacking := _lacks(image, attack):
            report.skipped[attack.name] = lacking
            return
        try:
            ruling = carry_out(sandbox, world, attack)
        except (LackError, NotImplementedError, UsageError) as error:
            report.skipped[attack.name] = str(error)
            return
        except (EarnestError, OSError, SubprocessError) as error:
            ruling = Ruling(control=f"{type(error).__name__}: {error}")
        report.add(attack, ruling)
        word = "ESCAPED" if ruling.escaped else "control failed" if ruling.control else "held"
        progress(f"{word}: {attack.family}: {attack.name}")

    alone = [attack for attack in attacks if attack.alone or _leaves(attack)]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        list(pool.map(one, [attack for attack in attacks if attack not in alone]))
    for attack in alone:
        one(attack)
    if not unchanged(world):
        report.escaped["writes_to_its_data"] = "a folder that jobs are shown is changed"
    return report
