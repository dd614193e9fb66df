"""Jails by bubblewrap: one for each job, nothing of it left afterwards.

A program sees the interpreter, its libraries and `/usr/bin` read-only, the image, the job's
folders read-only, its own /proc, six devices, and a workspace in memory. It has no capability, a
network namespace without a way out, a system call filter (`seccomp.py`), resource limits, and a
wall clock that it can't stop: the whole process namespace is killed from outside.

Started by root, a job runs under a high uid of its own (`launch.py`), never under 0.

Not covered:
- Memory is limited for each process, not for all of a jail's together: `memory_mib` times
  `processes` at worst, and the workspace beside it. Inodes of the workspace are not limited.
  A control group per jail is the remedy.
- CPU seconds are limited for each process; all of them together by the wall clock only.
- On kernels before 5.14 the number of processes is not limited.
- /proc/self/mountinfo names the outer paths of the folders that are shown.
- `session` is not kept: each job starts in a fresh workspace.
- A bug in the kernel's remaining interfaces; side channels such as timing of the shared machine.
- The program can falsify its own end and files (`inside.py`): both are its own word anyway.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from earnest.core.errors import LackError, UsageError
from earnest.core.jobs import WORK, Job, Result
from earnest.sandbox import seccomp, wire
from earnest.sandbox.jail import run_jail
from earnest.sandbox.system import IMAGE, System, describe

_LOWEST_UID: Final = 0x40000000  # above what containers and directories hand out
_INNER_UID: Final = "1000"
_COVERABLE: Final = ("/sys", "/mnt", "/media", "/srv")
_COUNTS_BY_NAMESPACE: Final = (5, 14)


def find_bwrap() -> str:
    """Return bubblewrap's path. Raises `LackError`."""
    if found := shutil.which("bwrap"):
        return found
    raise LackError("bubblewrap is not installed", mend="apt-get install bubblewrap")


def _kernel() -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(match[1]), int(match[2])) if match else (0, 0)


@dataclass(frozen=True)
class _Bind:
    outer: str
    inner: str
    data: bool = False  # a job's folder: its files may be readable by their owner only


def _binds(system: System, image: Path, folders: dict[str, str]) -> list[_Bind]:
    return [
        *(_Bind(path, path) for path in system.folders),
        _Bind(str(image), IMAGE),
        *(_Bind(outer, inner, data=True) for inner, outer in folders.items()),
    ]


def _arguments(
    system: System, binds: list[_Bind], workspace_mib: int, seccomp_fd: int
) -> list[str]:
    """Return bubblewrap's arguments, up to the command."""
    found = ["--unshare-all", "--unshare-user", "--uid", _INNER_UID, "--gid", _INNER_UID]
    found += ["--hostname", "jail", "--cap-drop", "ALL"]
    found += ["--die-with-parent", "--new-session", "--as-pid-1"]
    for target, link in system.links:
        found += ["--symlink", link, target]
    for bind in binds:
        found += ["--ro-bind", bind.outer, bind.inner]
    for mask in system.masks:
        found += ["--tmpfs", mask, "--remount-ro", mask]
    found += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    # the workspace comes last, and nothing is mounted beneath it (CVE-2026-87766)
    found += ["--size", str(workspace_mib << 20), "--perms", "0700", "--tmpfs", WORK]
    found += ["--remount-ro", "/", "--chdir", WORK, "--seccomp", str(seccomp_fd)]
    return found


def _holding(data: bytes) -> int:
    """Return a descriptor to read some bytes from, fewer than a pipe holds."""
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
    finally:
        os.close(writer)
    return reader


def _cover(binds: list[_Bind]) -> str:
    """Return a folder of this machine that the launcher may cover. Raises `LackError`."""
    for name in _COVERABLE:
        if Path(name).is_dir() and not any(Path(bind.outer).is_relative_to(name) for bind in binds):
            return name
    raise LackError("no folder to stage a jail in", mend="mkdir /mnt")


class BwrapSandbox:
    """Runs each job in a jail of its own. Threads may share one."""

    name = "bwrap"

    def __init__(self, image: Path) -> None:
        """Find bubblewrap; `image` is the folder of packages to show. Raises `LackError`."""
        self._bwrap = find_bwrap()
        self._image = image
        self._system = describe()
        self._filter = seccomp.program(platform.machine())
        self._inside = Path(__file__).with_name("inside.py").read_text()
        self._launch = str(Path(__file__).with_name("launch.py"))
        self._counts = _kernel() >= _COUNTS_BY_NAMESPACE

    def run(self, job: Job) -> Result:
        """Run a job to its end.

        `status` is the exit code, for `signal` the signal's number, else -1. The workspace's
        `.tmp` folder (HOME and TMPDIR) does not come back, nor do names that are not UTF-8.
        Raises `UsageError` for a job that can't be, `SandboxError` where the jail failed.
        """
        if job.net:
            raise UsageError("this sandbox has no network: leave `net` empty")
        payload = wire.plan(job, self._system.python, IMAGE, count_processes=self._counts)
        binds = _binds(self._system, self._image, wire.mounts(job))
        filter_fd = _holding(self._filter)
        try:
            return run_jail(
                lambda control: self._command(binds, job.limits.workspace_mib, filter_fd, control),
                payload,
                job.limits,
                pass_fds=(filter_fd,),
            )
        finally:
            os.close(filter_fd)

    def _command(
        self, binds: list[_Bind], workspace_mib: int, filter_fd: int, control_fd: int
    ) -> list[str]:
        inside = ["--", self._system.python, "-I", "-S", "-c", self._inside, str(control_fd)]
        if os.geteuid() != 0:
            arguments = _arguments(self._system, binds, workspace_mib, filter_fd)
            return [self._bwrap, *arguments, *inside]
        over = _cover(binds)
        staged = [
            _Bind(f"{over}/{number}", bind.inner, bind.data) for number, bind in enumerate(binds)
        ]
        arguments = _arguments(self._system, staged, workspace_mib, filter_fd)
        plan = {
            "over": over,
            "bind": [(b.outer, str(n)) for n, b in enumerate(binds) if not b.data],
            "data": [(b.outer, str(n)) for n, b in enumerate(binds) if b.data],
            "uid": _LOWEST_UID + secrets.randbelow(_LOWEST_UID - 1),
            "command": [self._bwrap, *arguments, *inside],
        }
        return [sys.executable, "-I", "-S", self._launch, json.dumps(plan)]
