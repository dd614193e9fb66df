"""No jail at all: a program with the rights of whoever started it, chosen by name only.

For a machine that is thrown away afterwards. Refused for grading and verification
(`choose.require_isolation`), never chosen by `auto`.

Not covered: everything that a jail is for. `GIVES_UP` says it in words for a person.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

from earnest.core.errors import LackError, UsageError
from earnest.core.jobs import Job, Limits, Result
from earnest.sandbox import wire
from earnest.sandbox.collect import TEMPORARY, collect
from earnest.sandbox.scratch import scratch

GIVES_UP: Final = (
    "unsafe-local isolates nothing: a program can read, change and delete whatever you can, "
    "sealed rows included, and reach the network; only its time, and each process's memory, "
    "files and CPU, are limited. What is found with it is reproduced at most, never confirmed. Use "
    "it on a machine that you can throw away"
)
_CHUNK: Final = 1 << 16
_CPU_SIGNAL: Final = 24


def _limit(limits: Limits) -> None:
    for which, soft, hard in wire.resource_limits(limits, count_processes=False):
        most = resource.getrlimit(which)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        with contextlib.suppress(ValueError, OSError):  # macOS has no limit of address space
            resource.setrlimit(which, (soft, hard))


def _drain(process: subprocess.Popen[bytes], limits: Limits) -> tuple[bytes, bytes, bool, bool]:
    """Read what it writes until it is over or late: both streams, whether late, whether cut."""
    assert process.stdout  # noqa: S101 - it was started with pipes
    assert process.stderr  # noqa: S101
    sinks = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    deadline, cut = time.monotonic() + limits.wall_s, False
    waiting = set(sinks)
    while waiting and (left := deadline - time.monotonic()) > 0:
        for fd in select.select(list(waiting), [], [], min(left, 0.2))[0]:
            data = os.read(fd, _CHUNK)
            room = limits.output_bytes - len(sinks[fd])
            sinks[fd] += data[:room]
            cut = cut or len(data) > room
            if not data:
                waiting.discard(fd)
        if process.poll() is not None:  # what it left behind may hold the pipes open
            deadline = min(deadline, time.monotonic() + 0.2)
    late = False
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        late = True
    out, err = (bytes(sink) for sink in sinks.values())
    return out, err, late, cut


class UnsafeLocal:
    """Runs each job as a plain process in a folder of its own."""

    name = "unsafe-local"
    isolates = False
    lines = False
    gives_up = GIVES_UP

    def __init__(self, image: Path) -> None:
        """`image` is the folder of packages that programs find first."""
        self._image = image

    def run(self, job: Job) -> Result:
        """Run a job to its end, as `BwrapSandbox.run`, but for isolation.

        A job's folders lie where they are: `DATA` in its words and its files' text is replaced by
        their real paths. Raises `UsageError` for a job that can't be.
        """
        if job.net:
            raise UsageError("this sandbox can't allow single hosts: leave `net` empty")
        words, files = self._localised(job)
        with scratch("earnest-unsafe-") as (place, folder):
            (place / TEMPORARY).mkdir()
            for name, data in files.items():
                target = place / wire.relative(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            start = time.monotonic()
            with self._started(words, place, job.limits) as process:
                try:
                    out, err, late, cut = _drain(process, job.limits)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
            took = time.monotonic() - start
            most = (job.limits.workspace_mib << 20, job.limits.workspace_files)
            found = collect(folder, *most)
        code = process.returncode
        ended, status = ("signal", -code) if code < 0 else ("exit", code)
        if late or code == -_CPU_SIGNAL:
            ended, status = "timeout", -1
        elif found.left_out:
            ended, status = "too-much", -1
        return Result(
            ended=ended,  # type: ignore[arg-type]
            status=status,
            stdout=out.decode(errors="replace"),
            stderr=err.decode(errors="replace"),
            files=found.files if job.collect else {},
            wall_s=took,
            truncated=cut,
        )

    def _localised(self, job: Job) -> tuple[list[str], dict[str, bytes]]:
        words = wire.command(job, sys.executable)
        files = {name: bytes(data) for name, data in job.files.items()}
        for inner, outer in sorted(wire.mounts(job).items(), reverse=True):
            words = [word.replace(inner, outer) for word in words]
            for name, data in files.items():
                files[name] = data.replace(inner.encode(), outer.encode())
        return words, files

    def _started(self, words: list[str], place: Path, limits: Limits) -> subprocess.Popen[bytes]:
        environment = wire.environment(str(self._image), str(place / TEMPORARY))
        try:
            return subprocess.Popen(
                words,
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=lambda: _limit(limits),
            )
        except OSError as error:
            raise UsageError(f"{words[0]}: {error.strerror}") from error

    def open(self, job: Job) -> NoReturn:
        """Refuse. Raises `LackError`: what talks to a job trusts that it is held."""
        raise LackError(
            f"unsafe-local holds no job to talk to, not even one that starts {job.entry[:1]}",
            mend="earnest doctor (it names a sandbox for this machine)",
        )

    def close(self) -> None:
        """End nothing: no program outlives its job."""
