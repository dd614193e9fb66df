"""What a sandbox is asked to run, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Final, Literal, Protocol

# Inner paths are names that no host has: a jail that leaks can't mistake a real folder for its own.
JAIL: Final = "/earnest-jail"
WORK: Final = f"{JAIL}/work"
DATA: Final = f"{JAIL}/data"
LINE: Final = 3  # the descriptor of a job's line to its supervisor, where it has one


@dataclass(frozen=True)
class Limits:
    """Hard limits of one job: seconds, mebibytes, counts, bytes."""

    wall_s: float = 60.0
    cpu_s: int = 60
    memory_mib: int = 2048
    processes: int = 64
    open_files: int = 256
    workspace_mib: int = 128
    workspace_files: int = 4096
    output_bytes: int = 65536


class Gateway(Protocol):
    """A jail's way to a network, in a trusted process outside: a proxy, or a recording's replay.

    `certificate`: the authority (PEM) that programs in the jail are to trust. `live`: whether
    anything outside is reached; a job that sees sealed rows may have a replay only.
    """

    certificate: bytes
    live: bool

    def serve(self, listener: socket) -> None:
        """Answer on a socket that listens in a jail, in the background, until it is closed."""
        ...

    def close(self) -> None:
        """End all that is served."""
        ...


@dataclass(frozen=True)
class Job:
    """A program to run in a jail.

    `entry`: the command line, its first word `python` (the image's) or an absolute path in the
    jail. `files`: relative POSIX paths → contents, laid out in the workspace, which is the
    working directory (`WORK`). `ro_mounts`: inner path → folder of this machine, read-only; the
    inner path is `DATA` or below. `net`: the way to a network, closed by who made it; None: there
    is no network. `pool`: jobs that see sealed data never share a pool with an agent's. `collect`:
    whether the workspace's files come back.
    """

    entry: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    ro_mounts: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = Limits()
    net: Gateway | None = None
    pool: Literal["agent", "verify"] = "agent"
    collect: bool = True


@dataclass(frozen=True)
class Result:
    """How a job ended.

    `ended` is `exit` where the program ended by itself (see `status`), else what ended it.
    `files`: the workspace's regular files afterwards, links and special files left out. `cpu_s`:
    what it and the children that it waited for used, where its jail could say; else 0.
    """

    ended: Literal["exit", "signal", "timeout", "too-much"]
    status: int
    stdout: str
    stderr: str
    files: Mapping[str, bytes]
    wall_s: float
    truncated: bool = False
    cpu_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the program ended by itself with status 0."""
        return self.ended == "exit" and self.status == 0
