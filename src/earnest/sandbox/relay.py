"""The supervisor's side of a container, all of it through the engine's standard streams.

`contained.py` has the other end and says what the frames mean. A container whose process 1 does
not end it in time is ended from here by its name, through the engine.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from earnest.core.errors import ChannelClosedError, SandboxError, UsageError
from earnest.core.jobs import Job, Result
from earnest.sandbox import wire

_START_S: Final = 30.0  # what an engine may need to start a container
_TAKE_S: Final = 15.0
_DIE_S: Final = 5.0
_MOST_LINE: Final = 64 << 20
_MOST_COMPLAINT: Final = 8192
_CPU_SIGNAL, _KILL_SIGNAL = 24, 9
_ASKED, _LATE = 1, 3


class Relay:
    """A job in a container: the `Channel` of a job with a line, and the way to its `Result`."""

    def __init__(
        self,
        command: list[str],
        plan: bytes,
        job: Job,
        *,
        line: bool,
        remove: Callable[[], None],
        release: Callable[[], None],
    ) -> None:
        """Start it and feed it the plan. `remove` ends the container by its name.

        `release` is called once, when nothing of it is left. Raises `SandboxError`.
        """
        self._job, self._has_line = job, line
        self._remove, self._release = remove, release
        self._changed = threading.Condition()
        self._streams = {b"O": bytearray(), b"R": bytearray(), b"L": bytearray()}
        self._line_closed = self._truncated = self._closed = self._forced = self._gone = False
        self._started = False
        self._complaint = bytearray()
        self._garbled = self._reason = self._left_out = ""
        self._end: tuple[int, int, float] | None = None
        self._coming: dict[str, bytes] = {}
        self._files: dict[str, bytes] = {}
        self._answers = 0
        self._result: Result | None = None
        self._start = self._ended_at = time.monotonic()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            release()
            raise SandboxError(f"can't start a container: {error}") from error
        assert self._process.stdin  # noqa: S101 - it was started with pipes
        self._into = self._process.stdin.fileno()
        os.set_blocking(self._into, False)
        self._threads = [
            threading.Thread(target=act, daemon=True) for act in (self._listen, self._overhear)
        ]
        for thread in self._threads:
            thread.start()
        with contextlib.suppress(ChannelClosedError):  # it is gone; `finish` says why
            self._write(b"P", plan, _START_S)

    # what it says

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream  # noqa: S101 - it was started with pipes
        most = (self._job.limits.workspace_mib << 20) + 8192
        try:
            while len(head := stream.read(5)) == 5:
                size = int.from_bytes(head[1:], "big")
                if size > most:
                    raise wire.GarbledError("more than a container may say at once")
                body = stream.read(size)
                with self._changed:
                    self._hear(head[:1], body)
                    self._changed.notify_all()
        except (wire.GarbledError, OSError, ValueError) as error:
            self._garbled = str(error)
        finally:
            with self._changed:
                if self._end is None:
                    self._ended_at = time.monotonic()
                self._gone = True
                self._changed.notify_all()

    def _hear(self, kind: bytes, body: bytes) -> None:
        if kind in self._streams:
            self._keep(kind, body)
        elif kind == b"H":
            self._started = True
        elif kind == b"N":
            self._take_file(body)
        elif kind == b".":
            self._files, self._coming = self._coming, {}
            self._left_out = body.decode(errors="replace")
            self._answers += 1
        elif kind == b"E" and len(body) == 13:
            code, spent = int.from_bytes(body[1:5], "big", signed=True), body[5:]
            self._end = (body[0], code, int.from_bytes(spent, "big") / 1000)
            self._ended_at = time.monotonic()
        elif kind == b"!":
            self._reason = body.decode(errors="replace") or "the files can't be laid out"
        else:
            raise wire.GarbledError("a container says what it should not")

    def _keep(self, kind: bytes, body: bytes) -> None:
        sink = self._streams[kind]
        if kind == b"L":
            self._line_closed = self._line_closed or not body
            if len(sink) + len(body) > _MOST_LINE:
                raise wire.GarbledError("a line that no one reads is too full")
            sink += body
            return
        room = self._job.limits.output_bytes - len(sink)
        sink += body[:room]
        self._truncated = self._truncated or len(body) > room

    def _take_file(self, body: bytes) -> None:
        size = int.from_bytes(body[:4], "big")
        held = sum(map(len, self._coming.values())) + len(body)
        full = len(self._coming) >= self._job.limits.workspace_files
        if full or held > (self._job.limits.workspace_mib << 20) + 8192:
            raise wire.GarbledError("more files or bytes than may come back")
        try:
            name = wire.relative(body[4 : 4 + size].decode())
        except (UsageError, UnicodeDecodeError) as error:
            raise wire.GarbledError(str(error)) from error
        self._coming[name] = body[4 + size :]

    def _overhear(self) -> None:
        stream = self._process.stderr
        assert stream  # noqa: S101 - it was started with pipes
        while part := stream.read1(_MOST_COMPLAINT):  # type: ignore[attr-defined]
            self._complaint += part[: _MOST_COMPLAINT - len(self._complaint)]

    # what it is told

    def _write(self, kind: bytes, data: bytes, patience_s: float) -> None:
        view = memoryview(kind + len(data).to_bytes(4, "big") + data)
        asked = select.poll()
        asked.register(self._into, select.POLLOUT)
        while view:
            if self._gone or not asked.poll(patience_s * 1000):
                raise ChannelClosedError("the job has ended, or takes no more")
            try:
                view = view[os.write(self._into, view[: 1 << 16]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelClosedError("the job has ended") from error

    def send(self, data: bytes, timeout_s: float = float("inf")) -> None:
        """Send all of it. Raises `ChannelClosedError` where the job has ended, or takes no more."""
        self._check()
        for at in range(0, len(data), 1 << 20):
            self._write(b"L", data[at : at + (1 << 20)], min(timeout_s, _TAKE_S))

    def _check(self) -> None:
        if not self._has_line or self._result is not None or self._line_closed or self._gone:
            raise ChannelClosedError("there is no line to the job")

    def receive(self, most: int, timeout_s: float) -> bytes:
        """Return 1 to `most` bytes; none once the job has ended or closed the line.

        Raises `TimeoutError`.
        """
        if not self._has_line:
            raise ChannelClosedError("there is no line to the job")
        sink = self._streams[b"L"]
        with self._changed:
            if not self._changed.wait_for(
                lambda: sink or self._line_closed or self._gone, timeout_s
            ):
                raise TimeoutError
            found = bytes(sink[:most])
            del sink[:most]
        return found

    def printed(self) -> tuple[str, str]:
        """Return what it wrote to standard output and standard error since this was last asked."""
        with self._changed:
            found = [bytes(self._streams[kind]).decode(errors="replace") for kind in (b"O", b"R")]
            self._streams[b"O"].clear()
            self._streams[b"R"].clear()
        return found[0], found[1]

    def interrupt(self) -> None:
        """Send the program SIGINT."""
        with contextlib.suppress(ChannelClosedError):
            self._write(b"I", b"", _TAKE_S)

    def files(self) -> Mapping[str, bytes]:
        """Return the workspace's regular files as they are now. Raises `SandboxError`."""
        before = self._answers
        with contextlib.suppress(ChannelClosedError):
            self._write(b"F", b"", _TAKE_S)
        with self._changed:
            self._changed.wait_for(lambda: self._answers > before or self._gone, _TAKE_S)
            if self._left_out or not self._answers:
                raise SandboxError(self._left_out or "the container's files don't come")
            return dict(self._files)

    # the end

    def close(self) -> Result:
        """End the job if it still runs; return how it ended. May be called again."""
        if self._result is None:
            self._closed = self._end is None
            with contextlib.suppress(ChannelClosedError):
                self._write(b"K", b"", _TAKE_S)
            self._result = self._finish(_TAKE_S)
        return self._result

    def finish(self) -> Result:
        """Wait for the job's end, at the latest some time after its limit; return how it ended.

        Raises `SandboxError` where it never began.
        """
        if self._result is None:
            self._result = self._finish(self._job.limits.wall_s + _START_S)
        return self._result

    def _finish(self, patience_s: float) -> Result:
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._gone or self._end is not None, patience_s)
                ended = self._end is not None
                self._changed.wait_for(lambda: self._gone, _TAKE_S if ended else 0)
            self._stop()
            return self._told()
        finally:
            self._release()

    def _stop(self) -> None:
        """Leave nothing of the container, nor of the engine's own process."""
        process = self._process
        assert process.stdin  # noqa: S101 - it was started with pipes
        process.stdin.close()  # process 1 ends at once, and all others with it
        try:
            process.wait(_DIE_S)
        except subprocess.TimeoutExpired:
            self._forced = self._end is None
        if process.returncode is None or not self._started or self._garbled:
            self._remove()
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join(_DIE_S)
        for stream in (process.stdout, process.stderr):
            if stream and not any(thread.is_alive() for thread in self._threads):
                stream.close()

    def _told(self) -> Result:
        if not self._started:
            told = self._complaint.decode(errors="replace").strip()[-500:]
            raise SandboxError(f"the container did not start ({self._process.returncode}): {told}")
        if self._garbled or self._reason:
            return self._as("too-much", -1, self._garbled or self._reason)
        if self._end is None:
            if self._closed or self._forced:
                return self._as("signal", _KILL_SIGNAL) if self._closed else self._as("timeout", -1)
            return self._as("too-much", -1, "the container was killed")
        cause, code, cpu_s = self._end
        if cause == _ASKED:
            return self._as("signal", _KILL_SIGNAL)
        spent = code == -_KILL_SIGNAL and cpu_s >= self._job.limits.cpu_s - 0.5
        if cause == _LATE or code == -_CPU_SIGNAL or spent:
            return self._as("timeout", -1)
        if self._left_out:
            return self._as("too-much", -1, self._left_out)
        return self._as("signal", -code) if code < 0 else self._as("exit", code)

    def _as(self, ended: str, status: int, note: str = "") -> Result:
        stdout, stderr = (self._streams[kind].decode(errors="replace") for kind in (b"O", b"R"))
        return Result(
            ended=ended,  # type: ignore[arg-type]
            status=status,
            stdout=stdout,
            stderr=stderr + (f"\n[sandbox: {note}]" if note else ""),
            files=dict(self._files) if self._job.collect else {},
            wall_s=self._ended_at - self._start,
            truncated=self._truncated,
            cpu_s=self._end[2] if self._end else 0.0,
        )
