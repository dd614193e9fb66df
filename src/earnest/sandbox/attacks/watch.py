"""What a job's processes take together, seen from outside its jail: sampled from /proc.

Not covered: peaks between two samples (10 ms apart); memory that no process maps (files in memory).
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

from earnest.sandbox.attacks.kit import Peak

_EVERY_S: Final = 0.01
_PAGE_MIB: Final = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def processes() -> set[int]:
    """Return the ids of all processes in sight."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208


def marked(mark: str) -> tuple[str, ...]:
    """Return the processes whose command line holds a mark."""
    found = []
    for pid in processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in words:
            found.append(str(pid))
    return tuple(found)


def _memory(pid: int) -> float:
    """Return a process's own resident memory (MiB): what it shares with files is left out."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(words[1]) - int(words[2])) * _PAGE_MIB


def _cpu(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


class Watch:
    """Samples all processes that were not there before, while its `with` block runs."""

    def __init__(self, limit_mib: float) -> None:
        self._before, self._limit = processes(), limit_mib
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._cpu: dict[int, float] = {}
        self._most = Peak()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def peak(self) -> Peak:
        """The most that was seen."""
        return self._most

    def _run(self) -> None:
        last = time.monotonic()
        while not self._over.wait(_EVERY_S):
            now = time.monotonic()
            self._sample(now - last)
            last = now

    def _sample(self, elapsed: float) -> None:
        count, memory = 0, 0.0
        for pid in processes() - self._before:
            try:
                memory += _memory(pid)
                self._cpu[pid] = max(_cpu(pid), self._cpu.get(pid, 0.0))
            except (OSError, IndexError, ValueError):
                continue
            count += 1
        self._most = Peak(
            max(count, self._most.processes),
            max(memory, self._most.memory_mib),
            sum(self._cpu.values()),
            self._most.over_s + (elapsed if memory > self._limit else 0.0),
        )
