"""The supervisor's side of a running jail: feed it, drain it, end it in time, say how it ended."""

from __future__ import annotations

import os
import select
import socket
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from earnest.core.errors import ChannelClosedError, SandboxError
from earnest.core.jobs import Job, Result
from earnest.sandbox import wire
from earnest.sandbox.collect import Collected, collect

_CHUNK: Final = 1 << 18
_DIE_S: Final = 5.0
_LINGER_S: Final = 0.5
_KILL_SIGNAL: Final = 9
_CPU_SIGNAL: Final = 24
_SEND: Final = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)  # joined each time, it would show
_READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Ends:
    """What the supervisor holds of a jail.

    `talk`: where process 1 says `wire.read_report`'s words; `out`, `err`: the program's output,
    not blocking. `kill` and `interrupt` are for the program; `destroy` is for a jail that does not
    die; `reap` waits until nothing is left and returns the jail's own exit status; `release` takes
    everything back. `long` is called once a job takes longer than `long_s`.
    """

    talk: socket.socket
    out: int
    err: int
    kill: Callable[[], None]
    interrupt: Callable[[], None]
    destroy: Callable[[], None]
    reap: Callable[[], int]
    release: Callable[[], None]
    long: Callable[[], None] = _nothing
    long_s: float = float("inf")


class Running:
    """A job in a jail: the `Channel` of a job that has a line, and the way to its `Result`.

    After `close`, `clean` says whether the jail ended as it should, with nothing left unread.
    """

    def __init__(
        self, ends: Ends, job: Job, payload: bytes, line: socket.socket | None, grace_s: float
    ) -> None:
        """Feed it. `grace_s`: how much later than the job's own limit it is killed from here."""
        self._ends, self._job, self._line = ends, job, line
        self._start = time.monotonic()
        self._deadline = self._start + job.limits.wall_s + grace_s
        self._long_at = self._start + ends.long_s
        self._payload = memoryview(payload)
        self._said, self._folder = bytearray(), -1
        self._out, self._err = bytearray(), bytearray()
        self._truncated = self._killed = self._flooded = self._closed = self._served = (
            self._shut
        ) = False
        self._report: wire.Report | None = None
        self._garbled, self._over, self._ended_at = "", False, 0.0
        self._result: Result | None = None
        self.clean = False
        self._poll = select.poll()
        self._poll.register(ends.talk, select.POLLIN | (select.POLLOUT if payload else 0))
        self._poll.register(ends.out, select.POLLIN)
        self._poll.register(ends.err, select.POLLIN)
        if line is not None:
            line.setblocking(False)
            self._poll.register(line, select.POLLIN)

    # what comes in

    def _feed(self) -> None:
        try:
            sent = self._ends.talk.send(self._payload, _SEND)
        except BlockingIOError:
            return
        except OSError:  # it is gone; what it said so far tells why
            sent, self._shut = len(self._payload), True
        self._payload = self._payload[sent:]
        if not self._payload:
            self._poll.modify(self._ends.talk, select.POLLIN)

    def _listen(self) -> None:
        try:
            data, rights, _, _ = socket.recv_fds(
                self._ends.talk, wire.MOST_SAID, 2, socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return
        except OSError:
            data, rights = b"", []
        self._said += data
        for right in rights:
            self._take_in(right)
        try:
            self._report = wire.read_report(self._said)
        except wire.GarbledError as error:
            self._garbled, self._flooded = str(error), True
        if len(self._said) > 2 * wire.MOST_SAID:
            self._garbled, self._flooded = "it says too much", True
        if self._report is not None or not data:
            self._over, self._ended_at = True, time.monotonic()
            self._poll.unregister(self._ends.talk)

    def _take_in(self, right: int) -> None:
        """Keep the workspace's descriptor, and answer on the listener of a job with a network."""
        if self._folder < 0 and stat.S_ISDIR(os.fstat(right).st_mode):
            self._folder = right
        elif self._job.net is not None and not self._served and self._listens(right):
            self._served = True
            self._job.net.serve(socket.socket(fileno=right))
        else:
            os.close(right)

    @staticmethod
    def _listens(right: int) -> bool:
        if not stat.S_ISSOCK(os.fstat(right).st_mode):
            return False
        held = socket.socket(fileno=right)
        try:
            internet = held.family == socket.AF_INET
            return internet and bool(held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        finally:
            held.detach()

    def _drain(self, fd: int) -> bool:
        """Read a part of the output; say whether there was any."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(fd)
            return False
        sink = self._out if fd == self._ends.out else self._err
        room = self._job.limits.output_bytes - len(sink)
        sink += data[:room]
        self._truncated = self._truncated or len(data) > room
        return True

    def _step(self, until: float) -> bool:
        """Wait for something and take it in; say whether the line has something."""
        now = time.monotonic()
        if now >= self._long_at:
            self._long_at = float("inf")
            self._ends.long()
        if not self._over and (now >= self._deadline or self._flooded):
            if self._killed:
                self._ends.destroy()
            else:
                self._ends.kill()
            self._killed, self._flooded, self._deadline = True, False, now + _DIE_S
        wait = max(0.0, min(until, self._deadline, self._long_at) - now)
        ready = False
        for fd, events in self._poll.poll(min(wait, 60.0) * 1000):
            if fd in (self._ends.out, self._ends.err):
                self._drain(fd)
            elif fd == self._ends.talk.fileno():
                if events & select.POLLOUT:
                    self._feed()
                if events & _READABLE and not self._over:
                    self._listen()
            else:
                ready = True
        return ready

    # the channel

    def send(self, data: bytes, timeout_s: float = float("inf")) -> None:
        """Send all of it. Raises `ChannelClosedError` where the job has ended, `TimeoutError`."""
        line, view, end = self._open_line(), memoryview(data), time.monotonic() + timeout_s
        while view:
            try:
                view = view[line.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise TimeoutError from None
                self._poll.modify(line, select.POLLOUT)
                self._step(min(end, time.monotonic() + 1.0))
                self._poll.modify(line, select.POLLIN)
                if self._over:
                    raise ChannelClosedError("the job has ended") from None
            except OSError as error:
                raise ChannelClosedError(f"the job can't be spoken to: {error.strerror}") from error

    def _open_line(self) -> socket.socket:
        if self._line is None or self._result is not None:
            raise ChannelClosedError("there is no line to the job")
        return self._line

    def receive(self, most: int, timeout_s: float) -> bytes:
        """Return 1 to `most` bytes; none once the job has ended or closed the line.

        Raises `TimeoutError`.
        """
        line, end = self._open_line(), time.monotonic() + timeout_s
        while True:
            if self._step(end) or self._over:
                try:
                    return line.recv(most)
                except BlockingIOError:
                    if self._over:
                        return b""
                except OSError:
                    return b""
            if time.monotonic() >= end:
                raise TimeoutError

    def printed(self) -> tuple[str, str]:
        """Return what it wrote to standard output and standard error since this was last asked."""
        while self._poll_outputs():
            pass
        found = tuple(bytes(sink).decode(errors="replace") for sink in (self._out, self._err))
        self._out.clear()
        self._err.clear()
        return found[0], found[1]

    def _poll_outputs(self) -> bool:
        before = len(self._out) + len(self._err)
        full = before >= 2 * self._job.limits.output_bytes
        self._step(time.monotonic())
        return not full and len(self._out) + len(self._err) > before

    def interrupt(self) -> None:
        """Send the program SIGINT."""
        if not self._over:
            self._ends.interrupt()

    def files(self) -> Mapping[str, bytes]:
        """Return the workspace's regular files as they are now. Raises `SandboxError`."""
        while self._folder < 0 and not self._over:
            self._step(time.monotonic() + 1.0)
        found = self._collected()
        if found.left_out:
            raise SandboxError(found.left_out)
        return found.files

    def _collected(self) -> Collected:
        if self._folder < 0:
            return Collected()
        limits = self._job.limits
        return collect(self._folder, limits.workspace_mib << 20, limits.workspace_files)

    # the end

    def close(self) -> Result:
        """End the job if it still runs; return how it ended. May be called again."""
        if self._result is None:
            self._closed = not self._over and not self._killed  # else its time was up already
            wait = _LINGER_S if self._hung_up() else 0.0  # it is likely to say how it ended
            self._deadline = min(self._deadline, time.monotonic() + wait)
            self._result = self.finish()
        return self._result

    def _hung_up(self) -> bool:
        if self._line is None:
            return False
        poll = select.poll()
        poll.register(self._line, 0)
        return bool(poll.poll(0))

    def finish(self) -> Result:
        """Wait for the job's end, at the latest its limit; return how it ended.

        Raises `SandboxError` where it never began.
        """
        try:
            if self._line is not None:  # what it still says there nobody hears
                self._poll.unregister(self._line)
            while not self._over:
                self._step(float("inf"))
            status = self._ends.reap()
            for fd in (self._ends.out, self._ends.err):
                try:
                    while self._drain(fd):
                        pass
                except KeyError:  # its end was seen already
                    continue
            taken = not self._payload and not self._shut
            self.clean = taken and self._report is not None and not self._garbled
            self._result = self._told(status)
        finally:
            if self._line is not None:
                self._line.close()
            if self._folder >= 0:
                os.close(self._folder)
                self._folder = -1
            self._ends.release()
        return self._result

    def _told(self, status: int) -> Result:
        report = self._report
        if report is None and not self._said and not self._killed:
            told = bytes(self._err).decode(errors="replace").strip()[:500]
            raise SandboxError(f"the jail did not start ({status}): {told}")
        if report is None:
            if self._killed and not self._garbled:
                return self._stopped()
            return self._as("too-much", -1, self._garbled or "the jail was killed")
        if report.reason:
            return self._as("too-much", -1, report.reason)
        if report.memory:
            return self._as("too-much", -1, "more memory than the job may have in all")
        code = report.code or 0
        if report.asked:
            return self._stopped()
        if report.late or self._out_of_cpu(code, report.cpu_s):
            return self._as("timeout", -1)
        return self._as("signal", -code) if code < 0 else self._as("exit", code)

    def _stopped(self) -> Result:
        return self._as("signal", _KILL_SIGNAL) if self._closed else self._as("timeout", -1)

    def _out_of_cpu(self, code: int, used_s: float) -> bool:
        if code == -_CPU_SIGNAL:
            return True
        return code == -_KILL_SIGNAL and used_s >= self._job.limits.cpu_s - 0.5

    def _as(self, ended: str, status: int, note: str = "") -> Result:
        collected = self._collected() if self._job.collect else Collected()
        if collected.left_out and ended != "too-much":
            ended, status, note = "too-much", -1, collected.left_out
        return Result(
            ended=ended,  # type: ignore[arg-type]
            status=status,
            stdout=bytes(self._out).decode(errors="replace"),
            stderr=bytes(self._err).decode(errors="replace")
            + (f"\n[sandbox: {note}]" if note else ""),
            files=collected.files,
            wall_s=self._ended_at - self._start,
            truncated=self._truncated,
            cpu_s=self._report.cpu_s if self._report else 0.0,
        )
