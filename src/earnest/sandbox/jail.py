"""One run of a jail, whichever backend makes it: start it, supervise it, say how it ended."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from earnest.core.errors import SandboxError
from earnest.core.jobs import Limits, Result
from earnest.sandbox import wire
from earnest.sandbox.supervise import Transcript, supervise

_CPU_SIGNAL: Final = 24


def run_jail(
    command: Callable[[int], list[str]],
    payload: bytes,
    limits: Limits,
    *,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    kill: Callable[[int], None] | None = None,
) -> Result:
    """Start `command(descriptor of process 1's socket)`, feed it, drain it, end it in time.

    `kill` takes a process id and ends what a plain SIGKILL of it would leave behind.
    Raises `SandboxError` where the jail could not be started.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            process = subprocess.Popen(
                command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment or {}),
                cwd="/",
                pass_fds=(*pass_fds, theirs.fileno()),
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"can't start a jail: {error}") from error
        theirs.close()

        def end() -> None:
            if kill and process.poll() is None:
                kill(process.pid)
            process.kill()

        with process:
            seen = supervise(
                process,
                ours,
                payload,
                wall_s=limits.wall_s,
                output_bytes=limits.output_bytes,
                report_bytes=wire.most_bytes(limits),
                kill=end,
            )
    return _result(seen)


def _result(seen: Transcript) -> Result:
    """Say how a jail ended. Raises `SandboxError` where it never began."""
    stdout, stderr = (bytes(text).decode(errors="replace") for text in (seen.stdout, seen.stderr))

    def result(ended: str, status: int, files: dict[str, bytes], *, note: str = "") -> Result:
        return Result(
            ended=ended,  # type: ignore[arg-type]
            status=status,
            stdout=stdout,
            stderr=stderr + note,
            files=files,
            wall_s=seen.wall_s,
            truncated=seen.truncated,
        )

    if not seen.report:
        raise SandboxError(f"the jail did not start ({seen.status}): {stderr.strip()[:500]}")
    if not wire.ended(seen.report) and seen.killed:
        return result("timeout", -1, {})
    try:
        report = wire.read_report(bytes(seen.report))
    except wire.GarbledError as error:
        return result("too-much", -1, {}, note=f"\n[sandbox: {error}]")
    files = dict(report.files)
    if report.too_much:
        return result("too-much", -1, files, note=f"\n[sandbox: {report.reason}]")
    if report.code is None:
        return result("too-much", -1, files, note="\n[sandbox: the jail was killed]")
    if report.late or report.code == -_CPU_SIGNAL:
        return result("timeout", -1, files)
    if report.code < 0:
        return result("signal", -report.code, files)
    return result("exit", report.code, files)
