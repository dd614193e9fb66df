"""A cold jail: a process started for one job, whichever backend makes it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from earnest.core.errors import SandboxError
from earnest.core.jobs import Job
from earnest.sandbox.running import Ends, Running

START_S: Final = 10.0  # what a loaded machine may need to start a jail
_DIE_S: Final = 5.0


def spawn(
    command: list[str], inherited: Sequence[int], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a jail's own process, its output in pipes that don't block. Raises `SandboxError`."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
            pass_fds=inherited,
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"can't start a jail: {error}") from error
    for stream in (process.stdout, process.stderr):
        assert stream  # noqa: S101 - it was started with pipes
        os.set_blocking(stream.fileno(), False)
    return process


def outputs(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Return the descriptors of a jail's standard output and error."""
    assert process.stdout  # noqa: S101 - it was started with pipes
    assert process.stderr  # noqa: S101
    return process.stdout.fileno(), process.stderr.fileno()


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Interrupt process 1 of a jail, which hands it on; its parent is the jail's own process."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        for child in children.split():
            os.kill(int(child), signal.SIGINT)


def _ends(
    process: subprocess.Popen[bytes], talk: socket.socket, kill: Callable[[int], None] | None
) -> Ends:
    def end() -> None:
        if kill and process.poll() is None:
            kill(process.pid)
        process.kill()

    def reap() -> int:
        try:
            return process.wait(_DIE_S)
        except subprocess.TimeoutExpired:
            end()
            return process.wait()

    def release() -> None:
        end()
        talk.close()
        with process:
            pass

    out, err = outputs(process)
    return Ends(
        talk,
        out,
        err,
        kill=end,
        interrupt=lambda: _interrupt(process),
        destroy=end,
        reap=reap,
        release=release,
    )


def start_jail(
    command: Callable[[list[int]], list[str]],
    payload: bytes,
    job: Job,
    *,
    line: bool = False,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    kill: Callable[[int], None] | None = None,
) -> Running:
    """Start `command([descriptor of process 1's socket, of the line's end if there is a line])`.

    `kill` takes a process id and ends what a plain SIGKILL of it would leave behind.
    Raises `SandboxError` where the jail could not be started.
    """
    pairs = [socket.socketpair() for _ in range(2 if line else 1)]
    theirs = [end.fileno() for _, end in pairs]
    try:
        process = spawn(command(theirs), (*pass_fds, *theirs), environment or {})
    except BaseException:
        for ours, _ in pairs:
            ours.close()
        raise
    finally:
        for _, end in pairs:
            end.close()
    ends = _ends(process, pairs[0][0], kill)
    return Running(ends, job, payload, pairs[1][0] if line else None, START_S)
