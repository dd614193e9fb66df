"""Cold jails by bubblewrap: one for each job, nothing of it left afterwards.

Beside what `bubble.py` shows, a program has the job's folders read-only and a workspace in memory.
It has no capability, a network namespace whose only way out is the job's `net`, a system call
filter (`seccomp.py`), resource limits, and a wall clock that it can't stop: the whole process
namespace is killed from outside.

Not covered:
- Memory is limited for each process, not for all of a jail's together: `memory_mib` times
  `processes` at worst, and the workspace beside it. Inodes of the workspace are limited only when
  its files are collected. The warm jails (`warm.py`) limit both.
- CPU seconds are limited for each process; all of them together by the wall clock only.
- On kernels before 5.14 the number of processes is not limited.
- A bug in the kernel's remaining interfaces; side channels such as timing of the shared machine.
- The program can falsify its own end (`inside.py`): that is its own word anyway.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Final

from earnest.core.errors import UsageError
from earnest.core.jobs import Job, Result
from earnest.sandbox import seccomp, wire
from earnest.sandbox.bubble import Bubble
from earnest.sandbox.jail import start_jail
from earnest.sandbox.running import Running
from earnest.sandbox.system import IMAGE

_COUNTS_BY_NAMESPACE: Final = (5, 14)


def _kernel() -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _holding(data: bytes) -> int:
    """Return a descriptor to read some bytes from, fewer than a pipe holds."""
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
    finally:
        os.close(writer)
    return reader


class BwrapSandbox:
    """Runs each job in a jail of its own. Threads may share one."""

    name = "bwrap"
    isolates = True

    def __init__(self, image: Path) -> None:
        """Find bubblewrap; `image` is the folder of packages to show. Raises `LackError`."""
        self._bubble = Bubble(image)
        self._filter = seccomp.program(platform.machine())
        self._net_filter = seccomp.program(platform.machine(), inet=True)
        self._inside = Path(__file__).with_name("inside.py").read_text()
        self._counts = _kernel() >= _COUNTS_BY_NAMESPACE

    def run(self, job: Job) -> Result:
        """Run a job to its end.

        `status` is the exit code, for `signal` the signal's number, else -1. The workspace's
        `.tmp` folder (HOME and TMPDIR) does not come back, nor do names that are not UTF-8.
        Raises `UsageError` for a job that can't be, `SandboxError` where the jail failed.
        """
        return self._start(job, line=False).finish()

    def open(self, job: Job) -> Running:
        """Start a job with a line to it. Raises as `run` does."""
        return self._start(job, line=True)

    def close(self) -> None:
        """End nothing: no jail outlives its job."""

    def _start(self, job: Job, *, line: bool) -> Running:
        if job.net is not None and job.net.live and job.pool == "verify":
            raise UsageError("what may see sealed rows has no network", mend="use a recording")
        python = self._bubble.system.python
        payload = wire.cold_plan(job, python, IMAGE, count_processes=self._counts)
        folders = wire.mounts(job)
        filter_fd = _holding(self._filter if job.net is None else self._net_filter)
        try:
            return start_jail(
                lambda ends: self._bubble.cold(
                    folders,
                    job.limits.workspace_mib,
                    filter_fd,
                    [python, "-I", "-S", "-c", self._inside, *map(str, ends)],
                ),
                payload,
                job,
                line=line,
                pass_fds=(filter_fd,),
            )
        finally:
            os.close(filter_fd)
