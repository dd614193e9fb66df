"""Starting bubblewrap: what every jail made by it has in common, cold or warm.

A program sees the interpreter, its libraries and `/usr/bin` read-only, the image, its own /proc,
six devices, and an empty environment. Started by root, a jail runs under a high uid of its own
(`launch.py`), never under 0.

Not covered: /proc/self/mountinfo names the outer paths of the folders that are shown.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from earnest.core.errors import LackError
from earnest.core.jobs import DATA, WORK
from earnest.sandbox.system import IMAGE, System, describe

_LOWEST_UID: Final = 0x40000000  # above what containers and directories hand out
_INNER_UID: Final = "1000"
_COVERABLE: Final = ("/sys", "/mnt", "/media", "/srv")


def find_bwrap() -> str:
    """Return bubblewrap's path. Raises `LackError`."""
    if found := shutil.which("bwrap"):
        return found
    raise LackError("bubblewrap is not installed", mend="apt-get install bubblewrap")


@dataclass(frozen=True)
class _Bind:
    outer: str
    inner: str
    data: bool = False  # a job's folder: its files may be readable by their owner only


def _shown(system: System, binds: list[_Bind]) -> list[str]:
    found = ["--unshare-all", "--unshare-user", "--uid", _INNER_UID, "--gid", _INNER_UID]
    found += ["--hostname", "jail", "--cap-drop", "ALL", "--new-session", "--as-pid-1"]
    for target, link in system.links:
        found += ["--symlink", link, target]
    for bind in binds:
        found += ["--ro-bind", bind.outer, bind.inner]
    for mask in system.masks:
        found += ["--tmpfs", mask, "--remount-ro", mask]
    return [*found, "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]


def _cold(workspace_mib: int, seccomp_fd: int) -> list[str]:
    # the workspace comes last, and nothing is mounted beneath it (CVE-2026-87766)
    found = ["--size", str(workspace_mib << 20), "--perms", "0700", "--tmpfs", WORK]
    found += ["--remount-ro", "/", "--chdir", WORK, "--seccomp", str(seccomp_fd)]
    return [*found, "--die-with-parent"]


def _warm(environment: Mapping[str, str]) -> list[str]:
    """No workspace, no filter: each job's own process mounts the one and installs the other.

    What it may do, it may do in its own user namespace only, and each job gives that up for good.

    Nor does the jail die with the *thread* that started it, as `--die-with-parent` has it.
    """
    found = ["--dir", WORK, "--dir", DATA, "--remount-ro", "/"]
    for capability in ("CAP_SYS_ADMIN", "CAP_SETPCAP"):  # to make jails, and to take these away
        found += ["--cap-add", capability]
    # a symbol that a zygote never used would be looked up anew in each job
    for name, value in {**environment, "LD_BIND_NOW": "1"}.items():
        found += ["--setenv", name, value]
    return found


def _cover(binds: list[_Bind]) -> str:
    """Return a folder of this machine that the launcher may cover. Raises `LackError`."""
    for name in _COVERABLE:
        if Path(name).is_dir() and not any(Path(bind.outer).is_relative_to(name) for bind in binds):
            return name
    raise LackError("no folder to stage a jail in", mend="mkdir /mnt")


class Bubble:
    """Makes command lines that start a jail with the image at `IMAGE`."""

    def __init__(self, image: Path) -> None:
        """Find bubblewrap. Raises `LackError`."""
        self._bwrap = find_bwrap()
        self._image = image
        self.system = describe()
        self._launch = str(Path(__file__).with_name("launch.py"))

    def cold(
        self, folders: Mapping[str, str], workspace_mib: int, seccomp_fd: int, inside: Sequence[str]
    ) -> list[str]:
        """Return the command of a jail for one job; `folders`: inner path to outer path."""
        return self._command(folders, _cold(workspace_mib, seccomp_fd), inside)

    def warm(self, environment: Mapping[str, str], inside: Sequence[str]) -> list[str]:
        """Return the command of a jail that makes jails."""
        return self._command({}, _warm(environment), inside)

    def _command(
        self, folders: Mapping[str, str], own: list[str], inside: Sequence[str]
    ) -> list[str]:
        binds = [
            *(_Bind(path, path) for path in self.system.folders),
            _Bind(str(self._image), IMAGE),
            *(_Bind(outer, inner, data=True) for inner, outer in folders.items()),
        ]
        if os.geteuid() != 0:
            return [self._bwrap, *_shown(self.system, binds), *own, "--", *inside]
        over = _cover(binds)
        staged = [
            _Bind(f"{over}/{number}", bind.inner, bind.data) for number, bind in enumerate(binds)
        ]
        plan = {
            "over": over,
            "bind": [(b.outer, str(n)) for n, b in enumerate(binds) if not b.data],
            "data": [(b.outer, str(n)) for n, b in enumerate(binds) if b.data],
            "uid": _LOWEST_UID + secrets.randbelow(_LOWEST_UID - 1),
            "command": [self._bwrap, *_shown(self.system, staged), *own, "--", *inside],
        }
        return [sys.executable, "-I", "-S", self._launch, json.dumps(plan)]
