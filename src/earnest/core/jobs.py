"""What a sandbox is asked to run, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

# Inner paths are names that no host has: a jail that leaks can't mistake a real folder for its own.
JAIL: Final = "/earnest-jail"
WORK: Final = f"{JAIL}/work"
DATA: Final = f"{JAIL}/data"


@dataclass(frozen=True)
class Limits:
    """Hard limits of one job: seconds, mebibytes, counts, bytes."""

    wall_s: float = 60.0
    cpu_s: int = 60
    memory_mib: int = 2048
    processes: int = 64
    open_files: int = 256
    workspace_mib: int = 128
    output_bytes: int = 65536


@dataclass(frozen=True)
class Job:
    """A program to run in a jail.

    `entry`: the command line, its first word `python` (the image's) or an absolute path in the
    jail. `files`: relative POSIX paths → contents, laid out in the workspace, which is the
    working directory (`WORK`). `ro_mounts`: inner path → folder of this machine, read-only; the
    inner path is `DATA` or below. `pool`: jobs that see sealed data never share a pool with an
    agent's. `collect`: whether the workspace's files come back.
    """

    entry: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    ro_mounts: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = Limits()
    net: tuple[str, ...] = ()
    pool: Literal["agent", "verify"] = "agent"
    session: str | None = None
    collect: bool = True


@dataclass(frozen=True)
class Result:
    """How a job ended.

    `ended` is `exit` where the program ended by itself (see `status`), else what ended it.
    `files`: the workspace's regular files afterwards, links and special files left out.
    """

    ended: Literal["exit", "signal", "timeout", "too-much"]
    status: int
    stdout: str
    stderr: str
    files: Mapping[str, bytes]
    wall_s: float
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the program ended by itself with status 0."""
        return self.ended == "exit" and self.status == 0
