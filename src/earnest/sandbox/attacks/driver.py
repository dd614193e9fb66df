"""Runs inside the outer jail: opens a sandbox there, and lets the attacks loose on it.

`python -m earnest.sandbox.attacks.driver PLAN`; PLAN is JSON: `mode` (`root` or `user`), `backend`,
`image`, `families` (none: all). Answers in lines of JSON on standard output: `says` (progress),
`lacks` with its `mend`, or at last `report`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earnest.core.protocols import Sandbox
from earnest.sandbox.attacks import all_attacks, watch
from earnest.sandbox.attacks.broken import Refusing, Unconfined
from earnest.sandbox.attacks.suite import Report, run_suite
from earnest.sandbox.attacks.world import World, plant
from earnest.sandbox.outer import answering

_UID: Final = 54321
_DUMPABLE: Final = 4
_GONE_S: Final = 3.0


def settle(mode: str) -> None:
    """Mount a /proc that nothing covers (nested jails need one), then be who we are to be."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(0), None):
        raise OSError(ctypes.get_errno(), "mount /proc")
    if mode == "user":
        os.setgroups([])
        os.setresgid(_UID, _UID, _UID)
        os.setresuid(_UID, _UID, _UID)
        libc.prctl(_DUMPABLE, 1, 0, 0, 0)  # readable to its own uid again, as a user's programs are


def open_backend(name: str, image: Path) -> Sandbox:
    """Return a sandbox by name: one that `choose.py` knows, `none` or `nothing`."""
    from earnest.sandbox.choose import BACKENDS

    broken: dict[str, Callable[[Path], Sandbox]] = {"none": Unconfined, "nothing": Refusing}
    return {**BACKENDS, **broken}[name](image)


@dataclass(frozen=True)
class _State:
    processes: frozenset[int]
    mounts: int
    descriptors: int
    files: frozenset[str]

    @classmethod
    def now(cls) -> _State:
        files = [str(path) for place in ("/tmp", "/dev/shm") for path in Path(place).glob("*")]  # noqa: S108
        return cls(
            frozenset(watch.processes()),
            len(Path("/proc/self/mountinfo").read_text().splitlines()),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            frozenset(files),
        )


def _remains(before: _State) -> dict[str, str]:
    """Say what a sandbox that is closed has left behind, once it had a moment to go."""
    over = time.monotonic() + _GONE_S
    while (now := _State.now()).processes - before.processes and time.monotonic() < over:
        time.sleep(0.1)
    found = {
        "leaves_processes": sorted(now.processes - before.processes),
        "leaves_mounts": now.mounts - before.mounts,
        "leaves_descriptors": max(0, now.descriptors - before.descriptors),
        "leaves_files": sorted(now.files - before.files),
    }
    return {name: str(what) for name, what in found.items() if what}


def _as_json(report: Report, mode: str, backend: str, seconds: float) -> dict[str, Any]:
    return {
        "version": 1,
        "backend": backend,
        "as": mode,
        "attacks": report.attacks,
        "escaped": sorted(report.escaped),
        "controls_failed": sorted(report.controls_failed),
        "soft": sorted(report.soft, key=lambda soft: (soft["what"], soft["attack"])),
        "skipped": [{"attack": name, "reason": why} for name, why in report.skipped.items()],
        "reasons": {**report.controls_failed, **report.escaped},
        "seconds": round(seconds, 1),
    }


def _carry_out(plan: dict[str, Any], world: World, say: Callable[[str], None]) -> dict[str, Any]:
    start, image, families = time.monotonic(), Path(plan["image"]), plan["families"]
    before = _State.now()
    sandbox = open_backend(plan["backend"], image)
    try:
        attacks = [a for a in all_attacks() if not families or a.family in families]
        report = run_suite(sandbox, world, image, attacks, say)
    finally:
        sandbox.close()
    report.escaped |= _remains(before)
    return _as_json(report, plan["mode"], sandbox.name, time.monotonic() - start)


def main() -> None:
    """Carry out the plan given on the command line."""
    plan = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with answering() as answer:
        settle(plan["mode"])
        world = plant()
        answer(ready=True)
        answer(report=_carry_out(plan, world, lambda line: answer(says=line)))


if __name__ == "__main__":
    main()
