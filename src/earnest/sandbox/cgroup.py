"""A control group for a warm jail: a hard limit on the memory of all its processes together.

Version 2 where the group that we are in may have groups below it, else version 1's memory
controller; both need write access, which root has, and a user to whom a group was delegated.
Where there is none, `Group.around` returns None, and the zygote samples the memory instead: a soft
limit (`warm.py`).

Source: cgroups(7); Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.

Not covered: the file cache that a jail fills is charged to it, and then given up by the kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

_PREFIX: Final = "earnest-"
_NAME: Final = re.compile(r"earnest-(\d+)-(\d+)-[0-9a-f]{8}")
_MIB: Final = 1 << 20


def _started(process: int) -> str:
    """Return when a process began, in clock ticks since boot; empty: it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _mounted() -> list[tuple[Path, str]]:
    """Return the mount points of version 2 and of version 1's memory controller."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found.append((Path(place), ""))
        elif kind == "cgroup" and "memory" in options.split(","):
            found.append((Path(place), "memory"))
    return found


def _own(controller: str) -> str:
    """Return the group that we are in, below its mount point."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") if controller else not controllers:
            return path.lstrip("/")
    return ""


def _candidates() -> list[tuple[Path, bool]]:
    """Return folders in which a group with a memory limit may be made, and whether version 2."""
    found = []
    for place, controller in _mounted():
        parent = place / _own(controller)
        if controller:
            found.append((parent, False))
            continue
        with contextlib.suppress(OSError):
            if "memory" in (parent / "cgroup.subtree_control").read_text().split():
                found.append((parent, True))
    return [(parent, new) for parent, new in found if os.access(parent, os.W_OK)]


def sweep(parent: Path) -> None:
    """Remove the empty groups of supervisors that are gone (a killed one can't do it itself)."""
    for folder in parent.glob(f"{_PREFIX}*"):
        match = _NAME.fullmatch(folder.name)
        if match and _started(int(match[1])) != match[2]:
            with contextlib.suppress(OSError):
                folder.rmdir()


class Group:
    """A group of processes with a memory limit."""

    def __init__(self, folder: Path, *, new: bool) -> None:
        """`new`: whether it is of version 2."""
        self.folder, self._new = folder, new
        self._mib = 0

    @classmethod
    def around(cls, process: int) -> Group | None:
        """Put a process, with what it starts from now on, in a new group; None: it can't be had."""
        for parent, new in _candidates():
            sweep(parent)
            own = os.getpid()
            folder = parent / f"{_PREFIX}{own}-{_started(own)}-{secrets.token_hex(4)}"
            group = cls(folder, new=new)
            try:
                folder.mkdir()
                group._take_in(process)
                group.limit(1 << 20)
            except OSError:
                group.remove()
                continue
            return group
        return None

    def _take_in(self, process: int) -> None:
        """Move a process and all below it, until none is found outside."""
        for _ in range(20):
            moved = [pid for pid in _family(process) if not self._holds(pid)]
            for pid in moved:
                with contextlib.suppress(ProcessLookupError):
                    (self.folder / "cgroup.procs").write_text(str(pid))
            if not moved:
                return

    def _holds(self, process: int) -> bool:
        return str(process) in (self.folder / "cgroup.procs").read_text().split()

    def used(self) -> int:
        """Return the bytes in use."""
        name = "memory.current" if self._new else "memory.usage_in_bytes"
        return int((self.folder / name).read_text())

    def limit(self, mib: int) -> None:
        """Let the group have so much memory, beside what it has now."""
        if mib == self._mib:
            return
        most = str(self.used() + mib * _MIB)
        if self._new:
            (self.folder / "memory.max").write_text(most)
            with contextlib.suppress(OSError):
                (self.folder / "memory.swap.max").write_text("0")
        else:
            (self.folder / "memory.limit_in_bytes").write_text(most)
        self._mib = mib

    def remove(self) -> None:
        """Remove it; its processes must be gone, or are about to be."""
        for _ in range(100):
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)
            else:
                return


def _family(process: int) -> list[int]:
    found = [process]
    for member in found:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{member}/task/{member}/children").read_text()
            found += [int(word) for word in text.split()]
    return found
