"""What a principal may ask of this machine in an hour: submissions, and seconds of its scripts.

It is kept on disk, so that it holds across restarts and for all processes of a home. Seconds are
those that trying a submission took, or those of CPU that its jobs used, whichever is more. An
attempt counts as it begins; what it took, once it ends: so scripts that run at the same time may go
beyond the limit by what they take, a minute each of every core.

Not covered: CPU of children that a script does not wait for, and of rules, beyond the time it took.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import QuotaError
from earnest.core.home import Home, write_whole
from earnest.core.jobs import Job, Result
from earnest.core.protocols import Channel, Sandbox
from earnest.recipes.desk_batches import locked, read

HOUR_S: Final = 3600.0
Used = list[tuple[float, float]]


class Meter:
    """What one attempt takes: seconds that it runs, or of CPU that its jobs use."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    @property
    def seconds(self) -> float:
        """What it is charged for."""
        return max(self.wall_s, self.cpu_s)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count how long the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.wall_s += time.monotonic() - began

    def watch(self, sandbox: Sandbox) -> Sandbox:
        """Return the sandbox as one whose jobs are counted; a line to a job is not."""
        return _Watched(sandbox, self)


class _Watched:
    """A sandbox, counted. Implements `Sandbox`."""

    def __init__(self, sandbox: Sandbox, meter: Meter) -> None:
        self.sandbox, self.meter = sandbox, meter
        self.name, self.isolates = sandbox.name, sandbox.isolates

    def run(self, job: Job) -> Result:
        result = self.sandbox.run(job)
        self.meter.cpu_s += result.cpu_s
        return result

    def open(self, job: Job) -> Channel:
        return self.sandbox.open(job)

    def close(self) -> None:
        pass  # it is another's


@dataclass(frozen=True)
class Quota:
    """The limits of each principal of a home, in an hour."""

    home: Home
    submissions: int = 240
    seconds: float = 1800.0

    def _file(self, principal: str) -> Path:
        name = digest(principal.encode("utf-8", "backslashreplace")).removeprefix("sha256:")[:24]
        return self.home.root / "desk" / "quota" / f"{name}.json"

    def _used(self, path: Path, now: float) -> Used:
        note = read(path) or {"used": []}
        return [(float(at), float(took)) for at, took in note["used"] if now - at < HOUR_S]

    def _keep(self, path: Path, used: Used) -> None:
        write_whole(path, canonical({"version": 1, "used": [list(one) for one in used]}))

    def begin(self, principal: str) -> float:
        """Count an attempt; return its name for `end`. Raises `QuotaError`, which says until when.

        Nothing is counted where it raises.
        """
        path = self._file(principal)
        with locked(path.with_suffix(".lock")):
            now = time.time()
            used = self._used(path, now)
            if len(used) >= self.submissions:
                said = f"{self.submissions} submissions an hour are the most"
                raise _over(said, used[len(used) - self.submissions][0])
            if sum(took for _, took in used) >= self.seconds:
                said = f"scripts may run for {self.seconds:g} seconds an hour"
                raise _over(said, self._free(used))
            while any(at == now for at, _ in used):
                now += 1e-6
            self._keep(path, [*used, (now, 0.0)])
        return now

    def _free(self, used: Used) -> float:
        """Return when the attempt was made whose end of an hour leaves room again."""
        left = sum(took for _, took in used)
        for at, took in used:
            left -= took
            if left < self.seconds:
                return at
        return used[-1][0]

    @contextlib.contextmanager
    def charged(self, principal: str) -> Iterator[Meter]:
        """Count an attempt, and what the block's meter says that it took. Raises `QuotaError`."""
        attempt, meter = self.begin(principal), Meter()
        try:
            yield meter
        finally:
            self.end(principal, attempt, meter.seconds)

    def end(self, principal: str, attempt: float, took_s: float) -> None:
        """Note how many seconds an attempt took."""
        path = self._file(principal)
        with locked(path.with_suffix(".lock")):
            used = self._used(path, time.time())
            self._keep(path, [(at, took_s if at == attempt else took) for at, took in used])


def _over(said: str, since: float) -> QuotaError:
    until = time.strftime("%H:%M:%S", time.gmtime(since + HOUR_S + 1))
    return QuotaError(f"{said}, and they are used up until {until} UTC", mend="submit after that")
