"""The supervisor's side of a running jail: feed it, drain it, and end it in time."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from earnest.sandbox import wire

_CHUNK: Final = 1 << 18
_START_S: Final = 10.0  # what a loaded machine may need to start a jail
_COLLECT_S: Final = 15.0
_DIE_S: Final = 5.0


@dataclass
class Transcript:
    """What a jail gave until it was over. `killed`: the supervisor had to end it."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    report: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    flooded: bool = False
    killed: bool = False
    wall_s: float = 0.0
    status: int = 0


class _Loop:
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        control: socket.socket,
        payload: bytes,
        bounds: tuple[int, int],
    ) -> None:
        self.seen = Transcript()
        self.process, self.control = process, control
        self.payload = memoryview(payload)
        self.output_bytes, self.report_bytes = bounds
        self.selector = selectors.DefaultSelector()
        assert process.stdout  # noqa: S101 - it was started with pipes
        assert process.stderr  # noqa: S101
        self.sinks = {
            process.stdout.fileno(): (self.seen.stdout, self.output_bytes),
            process.stderr.fileno(): (self.seen.stderr, self.output_bytes),
            control.fileno(): (self.seen.report, self.report_bytes),
        }
        control.setblocking(False)
        for fd in self.sinks:
            self.selector.register(fd, selectors.EVENT_READ)
        self.selector.modify(control, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def feed(self) -> None:
        try:
            sent = self.control.send(self.payload[:_CHUNK])
        except BlockingIOError:
            return
        except OSError:  # it is gone; what it said so far tells why
            sent = len(self.payload)
        self.payload = self.payload[sent:]
        if not self.payload:
            self.selector.modify(self.control, selectors.EVENT_READ)

    def drain(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(fd)
            return
        sink, most = self.sinks[fd]
        room = most - len(sink)
        sink += data[:room]
        if len(data) > room:
            if sink is self.seen.report:
                self.seen.flooded = True
            else:
                self.seen.truncated = True

    def step(self, timeout: float) -> None:
        for key, events in self.selector.select(timeout):
            if events & selectors.EVENT_WRITE:
                self.feed()
            if events & selectors.EVENT_READ:
                self.drain(key.fd)


def supervise(
    process: subprocess.Popen[bytes],
    control: socket.socket,
    payload: bytes,
    *,
    wall_s: float,
    output_bytes: int,
    report_bytes: int,
    kill: Callable[[], None],
) -> Transcript:
    """Feed a jail its plan, and read all it gives until it is over or out of time.

    Process 1 ends the program after `wall_s` and reports; a jail that has not done so some seconds
    later is killed from outside. Output beyond `output_bytes` a stream is read and dropped.
    """
    start = time.monotonic()
    loop = _Loop(process, control, payload, (output_bytes, report_bytes))
    deadline, over = start + wall_s + _START_S, 0.0
    while loop.selector.get_map():
        now = time.monotonic()
        if not over and wire.ended(loop.seen.report):
            over, deadline = now, now + _COLLECT_S
        if now > deadline or loop.seen.flooded:
            if loop.seen.killed:
                break
            kill()
            loop.seen.killed, loop.seen.flooded, deadline = True, False, now + _DIE_S
            over = over or now
        loop.step(max(0.0, min(deadline - now, 1.0)))
    loop.selector.close()
    kill()
    loop.seen.status = process.wait()
    loop.seen.wall_s = (over or time.monotonic()) - start
    return loop.seen
