"""Jails by sandlock (Landlock and supervised system calls), for where bubblewrap can't be had.

The weaker of the two, used only when it passes the same self-test. Not covered, beside what
`bwrap.py` names:
- There is no namespace: names of files and processes outside can be seen, though not read.
- The workspace is a folder on disk: the size of each file is limited, their sum only when they
  are collected.
- Landlock does not cover metadata: what sandlock does not intercept (modes, times of the user's
  own files) is not protected. As root that would be everything, so root is refused.
- A program can make network and netlink sockets, though not connect or bind them.
- sandlock leaves descriptors of the loader and of a copy of the interpreter open.
- Programs can't read their own limits, nor most of /proc.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from earnest.core.errors import LackError, UsageError
from earnest.core.jobs import WORK, Job, Result
from earnest.core.protocols import Channel
from earnest.sandbox import wire
from earnest.sandbox.confine import end_descendants
from earnest.sandbox.jail import start_jail
from earnest.sandbox.system import IMAGE, describe

# prlimit64 reaches every process of the user; sandlock does not count memory made with the others
_REFUSED: Final = ("memfd_create", "memfd_secret", "prlimit64")


class SandlockSandbox:
    """Runs each job confined by sandlock. Threads may share one."""

    name = "sandlock"
    isolates = True
    lines = False

    def __init__(self, image: Path) -> None:
        """`image` is the folder of packages to show. Raises `LackError`."""
        if importlib.util.find_spec("sandlock") is None:
            raise LackError("sandlock is not installed", mend="pip install 'earnest[sandlock]'")
        if os.geteuid() == 0:
            raise LackError(
                "sandlock does not take root's rights away",
                mend="run as an ordinary user, or apt-get install bubblewrap",
            )
        self._image = image
        self._system = describe()
        self._worker = str(Path(__file__).with_name("confine.py"))

    def run(self, job: Job) -> Result:
        """Run a job to its end, with the same result as `BwrapSandbox.run` gives.

        Raises `UsageError` for a job that can't be, `SandboxError` where the jail failed.
        """
        if job.net is not None:
            raise UsageError("this sandbox has no network: leave `net` empty")
        payload = wire.cold_plan(job, self._system.python, IMAGE, count_processes=False)
        folders = wire.mounts(job)
        with tempfile.TemporaryDirectory(prefix="earnest-work-") as workspace:
            arguments = {
                "chroot": "/",
                "fs_readable": [
                    *self._system.folders,
                    *(path for path, _ in self._system.links),
                    "/dev/null",
                    "/dev/urandom",
                ],
                "fs_denied": list(self._system.masks),
                "fs_mount": {WORK: workspace},
                "fs_mount_ro": {IMAGE: str(self._image), **folders},
                "extra_deny_syscalls": list(_REFUSED),
                "clean_env": True,
                "max_memory": f"{job.limits.memory_mib}M",
                "max_processes": job.limits.processes,
                "no_coredump": True,
            }
            plan = {
                "arguments": arguments,
                "workspace": workspace,
                "work": WORK,
                "python": self._system.python,
            }
            return start_jail(
                lambda ends: [sys.executable, "-I", self._worker, str(ends[0]), json.dumps(plan)],
                payload,
                job,
                environment={"HOME": workspace},
                kill=end_descendants,
            ).finish()

    def open(self, job: Job) -> Channel:
        """Refuse: sandlock closes what it does not know. Raises `LackError`."""
        raise LackError(
            f"sandlock can't keep a line to {job.entry[:1]}", mend="apt-get install bubblewrap"
        )

    def close(self) -> None:
        """End nothing: no jail outlives its job."""
