"""Warm jails: zygotes that wait with the packages imported, and fork a jail for each job.

What a program sees is what a cold jail shows (`bwrap.py`), with these differences: it is process 1
of its process namespace; its workspace is limited in size *and* in inodes; a job's folders are
copied into its memory instead of being mounted, so that it learns no outer path; Python programs
start with the packages of a set imported, the smallest that has what their imports name, unless
one of their files has the name of a module that is imported: those start afresh.

A zygote serves one pool (`Job.pool`) for its life and never holds a job itself; one job at a time,
so that nothing of a job meets another one, though zygotes share a network, IPC and host name
namespace with their jobs: a job's death takes all its processes along, and what could outlive them
(System V objects, message queues) the system call filter refuses. Jobs with a network or with
folders over 64 MiB run in a cold jail.

Memory of all of a job's processes together is limited by a control group where there is one. Else
softly: sampled each 40 ms from 40 ms on, killed when over.

Not covered, beside what `bwrap.py` names:
- A signal that process 1 sends itself has no effect (the kernel spares it), so a program that
  kills itself runs on; a fault still ends it, as signal 11. Nor does an interrupt reach a program
  other than Python's that does not ask for it.
- Orphans of a program are not reaped until it ends: they count as processes.
- The zygote itself may make namespaces and mount (the rest of the system call filter is on it
  too): it runs no code but ours and the packages' imports, which come before the filter.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from earnest.core.errors import SandboxError
from earnest.core.jobs import Job, Result
from earnest.sandbox import seccomp, wire
from earnest.sandbox.bubble import Bubble
from earnest.sandbox.bwrap import BwrapSandbox
from earnest.sandbox.running import Running
from earnest.sandbox.worker import Shown, Worker

_SCIENCE: Final = (
    "numpy", "pandas", "json", "argparse", "scipy.stats", "scipy.optimize",
    "statsmodels.api", "statsmodels.formula.api", "sympy",
)  # fmt: skip
_PYTEST: Final = (
    "pytest", "_pytest._argcomplete", "_pytest.faulthandler", "_pytest.helpconfig",
    "_pytest.junitxml", "_pytest.pastebin", "_pytest.setuponly", "_pytest.setupplan",
    "_pytest.skipping", "_pytest.threadexception", "_pytest.tracemalloc", "_pytest.unittest",
    "_pytest.unraisableexception", "_pytest.warnings", "pdb", "readline", "runpy",
)  # fmt: skip # what `python -m pytest` itself imports before it comes to any test
SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "bare": ("json", "math", "random", "re", "collections", "itertools", "functools", "typing"),
    "numpy": ("numpy", "json"),
    "pandas": ("numpy", "pandas", "json", "argparse"),
    "science": _SCIENCE,
    "learning": (
        *_SCIENCE, "sklearn.ensemble", "sklearn.linear_model", "sklearn.model_selection",
        "sklearn.pipeline", "sklearn.preprocessing", "sklearn.metrics", "sklearn.cluster",
        "sklearn.decomposition", "sklearn.neighbors", "sklearn.svm",
    ),
    "pytest": _PYTEST,
}  # fmt: skip
"""What is imported beforehand: a job gets the first that has the most of what it names."""

_LONGEST_TEXT: Final = 1 << 20
_Key = tuple[Literal["agent", "verify"], str]


class WarmSandbox:
    """Runs jobs in jails forked from zygotes. Threads may share one; it is closed at the end."""

    name = "warm"
    isolates = True

    def __init__(
        self, image: Path, *, workers: int = 0, sets: Mapping[str, tuple[str, ...]] = SETS
    ) -> None:
        """`workers`: zygotes a pool and set (default: one a core). Raises `LackError`."""
        self._bubble = Bubble(image)
        self._cold = BwrapSandbox(image)
        seccomp.standing(platform.machine())  # a machine without a filter has no warm jails
        self._workers = workers or len(os.sched_getaffinity(0))
        self._sets = {
            name: tuple(m for m in modules if _there(m, image)) for name, modules in sets.items()
        }
        self._tops = {
            name: {module.partition(".")[0] for module in modules}
            for name, modules in self._sets.items()
        }
        packages = set().union(*self._tops.values()) - sys.stdlib_module_names
        self._packages = re.compile(rf"\b({'|'.join(sorted(packages))})\b")
        self._free: dict[_Key, list[Worker]] = {}
        self._count: dict[_Key, int] = {}
        self._all: set[Worker] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, _end_all, self._all, self._process)

    def run(self, job: Job) -> Result:
        """Run a job to its end, with the same result as `BwrapSandbox.run` gives.

        A zygote that dies is replaced and the job run anew, once. Raises `UsageError` for a job
        that can't be, `SandboxError` where the jail failed.
        """
        shown = wire.folders(job) if job.net is None else None
        if shown is None:
            return self._cold.run(job)
        for last in (False, True):
            try:
                running = self._start(job, shown, line=False)
                result = running.finish()
                if running.clean or last:
                    return result
            except SandboxError:
                if last:
                    raise
        raise AssertionError

    def open(self, job: Job) -> Running:
        """Start a job with a line to it, in a zygote of its own. Raises as `run` does."""
        shown = wire.folders(job) if job.net is None else None
        if shown is None:
            return self._cold.open(job)
        try:
            return self._start(job, shown, line=True)
        except SandboxError:  # a zygote that died unseen
            return self._start(job, shown, line=True)

    def close(self) -> None:
        """End the zygotes and whatever still runs in them."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._finalizer()

    def _start(self, job: Job, shown: Shown, *, line: bool) -> Running:
        key: _Key = (job.pool, self._set_for(job))
        worker = self._borrow(key)
        running: list[Running] = []

        def done() -> None:
            self._give_back(key, worker, fit=running[0].clean and worker.idle(), lent=line)

        try:
            running.append(worker.start(job, shown, done, line=line))
        except BaseException:
            self._give_back(key, worker, fit=False, lent=False)
            raise
        if line:  # a long talk must not keep others waiting: another zygote may take the place
            with self._changed:
                self._count[key] -= 1
                self._changed.notify()
        return running[0]

    def _set_for(self, job: Job) -> str:
        """Return the first set that has the most of the packages that a program's imports name."""
        imports = "\n".join(line for line in _text(job).splitlines() if "import" in line)
        named = set(self._packages.findall(imports))
        return max(self._tops, key=lambda name: len(named & self._tops[name]))

    def _borrow(self, key: _Key) -> Worker:
        with self._changed:
            while True:
                if self._closed or os.getpid() != self._process:
                    raise SandboxError("this sandbox is closed")
                if self._free.get(key):
                    worker = self._free[key].pop()
                    if worker.alive:
                        return worker
                    self._forget(key, worker)
                    worker.kill()
                elif self._count.get(key, 0) < self._workers:
                    self._count[key] = self._count.get(key, 0) + 1
                    break
                else:
                    self._changed.wait()
        try:
            worker = Worker(self._bubble, self._sets[key[1]])
        except BaseException:
            with self._changed:
                self._count[key] -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._all.add(worker)
        return worker

    def _give_back(self, key: _Key, worker: Worker, *, fit: bool, lent: bool) -> None:
        with self._changed:
            if lent:  # its place was given away
                self._count[key] += 1
            if fit and not self._closed and self._count[key] <= self._workers:
                self._free.setdefault(key, []).append(worker)
                self._changed.notify()
                return
            self._forget(key, worker)
            self._changed.notify()
        worker.kill()

    def _forget(self, key: _Key, worker: Worker) -> None:
        self._count[key] -= 1
        self._all.discard(worker)


def _there(module: str, image: Path) -> bool:
    """Say whether a module can be imported in a jail: the standard library's, and the image's."""
    if module.partition(".")[0] in sys.stdlib_module_names:
        return importlib.util.find_spec(module) is not None
    path = image.joinpath(*module.split("."))
    return path.exists() or path.with_suffix(".py").exists()


def _text(job: Job) -> str:
    """Return the text of a Python program and of the modules beside it; empty for others."""
    if not job.entry or job.entry[0] != "python":
        return ""

    def parts() -> Iterator[str]:
        room = _LONGEST_TEXT
        if len(job.entry) > 2 and job.entry[1] == "-c":
            yield job.entry[2][:room]
        if len(job.entry) > 2 and job.entry[1] == "-m":
            yield f"import {job.entry[2][:room]}"
        for name, data in job.files.items():
            if name.endswith(".py") and len(data) <= room:
                room -= len(data)
                yield data.decode(errors="replace")

    return "\n".join(parts())


def _end_all(workers: set[Worker], process: int) -> None:
    if os.getpid() != process:  # a fork of ours has no children here to end
        return
    while workers:
        with contextlib.suppress(OSError):
            workers.pop().kill()
