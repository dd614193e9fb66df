"""Jails by docker or podman: one container for each job, removed when it ends.

For macOS, where it is the only one, and for machines without user namespaces. A container has no
network, no capability, no way to gain one, its own uid, a read-only root without shared memory,
the engine's own system call filter and ours on top (`contained.py` adds it), and a workspace in
memory. On Linux it sees what `system.py` lists, and the image, mounted read-only on an empty root:
nothing is fetched. Elsewhere the interpreter and the packages come with a Linux image of their own
(`base.py`).

Not covered, beside what `bwrap.py` names:
- What the engine can't limit here is left to the limits of each process (`soft` names it).
- Podman can't limit the workspace's inodes; they count as memory, where that is limited.
- /sys is visible, read-only, and says much about the machine.
- Under docker and rootful podman a bug in the engine is root's. Rootless podman has no such risk.
- Docker was not run where this was written: its command line is held to its own client only.
"""

from __future__ import annotations

import json
import marshal
import resource
import secrets
import subprocess
import sys
import threading
import weakref
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.jobs import WORK, Job, Result
from earnest.sandbox import seccomp, wire
from earnest.sandbox.base import PYTHON, require_base
from earnest.sandbox.collect import TEMPORARY
from earnest.sandbox.engine import Box, Engine, find_engine, import_base, run_words, settle
from earnest.sandbox.relay import Relay
from earnest.sandbox.scratch import copy_plain, open_to_others, scratch
from earnest.sandbox.system import IMAGE, describe

_ARCHITECTURES: Final = ("x86_64", "aarch64")
_LOWEST_UID: Final = 0x40000000  # above what containers and directories hand out
_LOWEST_OWN, _OWN_UIDS = 1000, 60000  # within a user's own range
_REMOVE_S: Final = 30.0
_MIB: Final = 1 << 20
_AWKWARD: Final = frozenset(',"\n')  # what a mount's description can't hold
# a container is Linux wherever it runs: macOS has other numbers
_LINUX: Final = {
    resource.RLIMIT_CPU: 0,
    resource.RLIMIT_FSIZE: 1,
    resource.RLIMIT_CORE: 4,
    resource.RLIMIT_NPROC: 6,
    resource.RLIMIT_NOFILE: 7,
    resource.RLIMIT_MEMLOCK: 8,
    resource.RLIMIT_AS: 9,
}


def make_plan(job: Job, python: str, *, line: bool) -> bytes:
    """Return what `contained.py` reads first. Raises `UsageError` for a job that can't be."""
    names = [wire.relative(name) for name in job.files]
    size = sum(map(len, job.files.values()))
    most = (job.limits.workspace_mib * _MIB, job.limits.workspace_files)
    if size > most[0] or len(names) > most[1]:
        raise UsageError(f"{len(names)} files of {size} bytes don't fit into the workspace")
    limits = wire.resource_limits(job.limits, count_processes=True)
    content: dict[str, Any] = {
        "entry": wire.command(job, python),
        "environment": wire.environment(IMAGE, f"{WORK}/{TEMPORARY}"),
        "files": {name: bytes(data) for name, data in job.files.items()},
        "temporary": TEMPORARY,
        "limits": [(_LINUX[which], soft, hard) for which, soft, hard in limits],
        "wall": job.limits.wall_s,
        "collect": job.collect,
        "most": most,
        "line": line,
    }
    return marshal.dumps(content)


def _entry(python: str) -> list[str]:
    """Return the command line of process 1."""
    here = Path(__file__)
    sources = [here.with_name(name).read_text() for name in ("contained.py", "collect.py")]
    filters = {name: seccomp.program(name).hex() for name in _ARCHITECTURES}
    return [python, "-I", "-S", "-c", *sources, json.dumps(filters)]


class ContainerSandbox:
    """Runs each job in a container of its own. Threads may share one."""

    name = "container"
    isolates = True

    def __init__(self, image: Path) -> None:
        """Find an engine that starts containers; `image` is the folder of packages to show.

        Raises `LackError` where there is none, `SandboxError` where it starts none.
        """
        engine = find_engine()
        self._binds: tuple[tuple[str, str], ...] = ()
        self._masks: tuple[str, ...] = ()
        if sys.platform == "linux":
            system = describe()
            self._tag, self._python = import_base(engine, system), system.python
            self._binds = (*((path, path) for path in system.folders), (str(image), IMAGE))
            self._masks = system.masks
        else:
            self._tag, self._python = require_base(engine), PYTHON
        self.engine: Engine = settle(engine, self._tag, self._python, self._binds)
        self._command = _entry(self._python)
        self._running: weakref.WeakSet[Relay] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def soft(self) -> tuple[str, ...]:
        """What is limited for each process only, not for all of a job's together."""
        lacking = [name for name in ("memory", "pids") if name not in self.engine.limits]
        inodes = ["inodes"] if self.engine.name == "podman" else []
        return (*lacking, *inodes)

    def run(self, job: Job) -> Result:
        """Run a job to its end, with the same result as `BwrapSandbox.run` gives.

        Raises `UsageError` for a job that can't be, `SandboxError` where the container failed.
        """
        return self._start(job, line=False).finish()

    def open(self, job: Job) -> Relay:
        """Start a job with a line to it. Raises as `run` does."""
        return self._start(job, line=True)

    def close(self) -> None:
        """End the containers that still run."""
        with self._lock:
            running = list(self._running)
        for relay in running:
            with suppress(Exception):
                relay.close()

    def _start(self, job: Job, *, line: bool) -> Relay:
        if job.net:
            raise UsageError("this sandbox has no network: leave `net` empty")
        plan = make_plan(job, self._python, line=line)
        folders = wire.mounts(job)
        name = f"earnest-{secrets.token_hex(8)}"
        with ExitStack() as held:
            binds = [*self._binds, *((self._shown(o, held), i) for i, o in folders.items())]
            box = Box(self._tag, name, self._uid(), tuple(binds), self._masks, job.limits)
            relay = Relay(
                run_words(self.engine, box, self._command),
                plan,
                job,
                line=line,
                remove=lambda: self._remove(name),
                release=held.pop_all().close,
            )
        with self._lock:
            self._running.add(relay)
        return relay

    def _uid(self) -> int:
        if self.engine.rootless:
            return _LOWEST_OWN + secrets.randbelow(_OWN_UIDS)
        return _LOWEST_UID + secrets.randbelow(_LOWEST_UID - 1)

    def _shown(self, outer: str, held: ExitStack) -> str:
        """Return the folder to mount for one of a job's: itself, or a copy that others can read."""
        if open_to_others(Path(outer)) and not _AWKWARD.intersection(outer):
            return outer
        folder, _ = held.enter_context(scratch("earnest-shown-"))
        copy_plain(Path(outer), folder / "data")
        return str(folder / "data")

    def _remove(self, name: str) -> None:
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                self.engine.command("rm", "--force", name),
                capture_output=True,
                timeout=_REMOVE_S,
                check=False,
            )
