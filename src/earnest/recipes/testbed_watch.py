"""The time of an update: on the clock, in the graders, and this process's own without them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Watch:
    """Runs from when it is made.

    `told`: seconds since then, on the clock; those in the graders; and seconds of processor time
    of this process outside of the graders: of sampling and learning. The last is what two engines
    on a machine that others use are compared by.
    """

    def __init__(self) -> None:
        self._clock, self._cpu = time.monotonic(), time.process_time()
        self._grading, self._graders_cpu = 0.0, 0.0

    @contextlib.contextmanager
    def grading(self) -> Iterator[None]:
        """Count what is done inside to the graders."""
        clock, cpu = time.monotonic(), time.process_time()
        yield
        self._grading += time.monotonic() - clock
        self._graders_cpu += time.process_time() - cpu

    def told(self) -> dict[str, float]:
        """Return it so far, for the line of an update."""
        found = {
            "seconds": time.monotonic() - self._clock,
            "grading": self._grading,
            "cpu": time.process_time() - self._cpu - self._graders_cpu,
        }
        return {name: round(value, 3) for name, value in found.items()}
