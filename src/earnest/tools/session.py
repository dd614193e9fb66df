"""A session: one jail in which Python cells run one after another and share their variables.

This is the supervisor's side; `cells.py` is the program in the jail. What the jail says is read as
data, within fixed bounds: a wrong word, or one too many, ends the session. A cell that does not
end in time is interrupted, and where that does not help, the session ends with it.

Not covered:
- What runs on in the background between cells: it prints into the next cell's output, and uses
  the session's own CPU time.
- The truth of a report: a cell can say of itself that it ended well. Nothing rests on that.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from earnest.core.errors import ChannelClosedError, SandboxError
from earnest.core.jobs import DATA, Gateway, Job, Limits, Result
from earnest.core.protocols import Channel, Sandbox

LIFE_S: Final = 12 * 3600.0
_CHUNK: Final = 1 << 16  # as in cells.py: a socket takes it in whole
_READY_S: Final = 60.0
_GRACE_S: Final = 3.0
_END_S: Final = 0.3
_MOST_REPORT: Final = 512
_SOURCE: Final = Path(__file__).with_name("cells.py").read_text()

How = Literal["done", "error", "interrupted", "exit", "lost"]
Cause = Literal["ended", "late", "deaf", "garbled", "unready", "too-much"]


@dataclass(frozen=True)
class Loss:
    """Why a session is no more.

    `cause`: its process `ended` (`result` says how), was killed because its cell was `late`, was
    `deaf` to what it was told, spoke `garbled`, could not lay out its files (`unready`), or left
    `too-much`.
    """

    cause: Cause
    result: Result


@dataclass(frozen=True)
class CellResult:
    """How a cell ended, and what it left.

    `how`: `exit` is SystemExit, with its `status`; `lost` ended the session too, see `loss`.
    `files`: the workspace's files; `whole`: all of them, so that what is missing was removed.
    `fresh`: it was the first of its session; `before`: why there is no older one, where one was
    lost unnoticed. `sent`, `removed`: what was changed in the workspace before it ran.
    """

    how: How
    status: int
    seconds: float
    stdout: str
    stderr: str
    files: Mapping[str, bytes]
    whole: bool
    truncated: bool
    loss: Loss | None
    fresh: bool
    before: Loss | None
    sent: Mapping[str, bytes]
    removed: tuple[str, ...]


class _LostError(Exception):
    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause: Cause = cause


@dataclass
class _Prints:
    """What a cell printed, at most `most` bytes (roughly) of each stream."""

    most: int
    texts: list[str] = field(default_factory=lambda: ["", ""])
    truncated: bool = False

    def add(self, *parts: str) -> None:
        """Take in a part of each stream."""
        for number, part in enumerate(parts):
            self.truncated |= len(part.encode(errors="replace")) >= self.most
            room = self.most - len(self.texts[number])
            self.truncated |= len(part) > room
            self.texts[number] += part[:room]


def kept(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that are the author's, without compiled modules."""
    return {name: data for name, data in files.items() if "__pycache__" not in name.split("/")}


class Session:
    """Runs cells in one jail, opened with the first. One thread at a time may use it."""

    def __init__(
        self,
        sandbox: Sandbox,
        data: Path,
        limits: Limits,
        *,
        life_s: float = LIFE_S,
        net: Gateway | None = None,
    ) -> None:
        """`data`: the folder mounted at `DATA`. `limits`: the jail's, but for its times.

        `net`: the jail's way to a network. `life_s`: how long a session lives, and its CPU time,
        at most; a cell has its own limit.
        """
        self._sandbox, self._data, self._net = sandbox, data, net
        self.limits = replace(limits, wall_s=life_s, cpu_s=max(1, int(life_s)))
        self._channel: Channel | None = None
        self._known: dict[str, bytes] = {}
        self._inbox = bytearray()
        self._number = self._interrupts = 0

    @property
    def known(self) -> Mapping[str, bytes]:
        """The workspace's files as the last cell left them."""
        return self._known

    def run(self, code: str, files: Mapping[str, bytes], timeout_s: float) -> CellResult:
        """Run a cell on these files, interrupted after `timeout_s` seconds.

        Raises `SandboxError`, `LackError` where the sandbox has no lines to its jails.
        """
        before = self._gone()
        fresh = self._channel is None
        if fresh:
            self._open()
        sent = {name: data for name, data in files.items() if self._known.get(name) != data}
        removed = tuple(sorted(set(self._known) - set(files)))
        prints = _Prints(self.limits.output_bytes)
        began, loss, whole = time.monotonic(), None, True
        how: How = "lost"
        try:
            self._send(code, sent, removed)
            began = time.monotonic()
            how, status = self._answer(timeout_s)
            seconds = time.monotonic() - began
            prints.add(*self._line.printed())
            self._known = self._files()
        except _LostError as lost:
            seconds, how, status = time.monotonic() - began, "lost", 0
            loss = self._end(lost.cause, prints)
            self._known = kept(loss.result.files)
            whole = lost.cause == "ended" and loss.result.ended == "exit"
        except BaseException:
            self.close()
            raise
        left = self._known
        if loss:
            self._known = {}
        return CellResult(
            how=how,
            status=status,
            seconds=seconds,
            stdout=prints.texts[0],
            stderr=prints.texts[1],
            files=left,
            whole=whole,
            truncated=prints.truncated,
            loss=loss,
            fresh=fresh,
            before=before,
            sent=sent,
            removed=removed,
        )

    def close(self) -> None:
        """End the jail, if there is one; the next cell opens another."""
        channel, self._channel, self._known = self._channel, None, {}
        if channel is not None:
            with contextlib.suppress(SandboxError):
                channel.close()

    def _open(self) -> None:
        entry = ("python", "-c", _SOURCE)
        job = Job(entry, ro_mounts={DATA: self._data}, limits=self.limits, net=self._net)
        self._channel = self._sandbox.open(job)
        self._known, self._number, self._interrupts = {}, 0, 0
        self._inbox.clear()

    @property
    def _line(self) -> Channel:
        if self._channel is None:
            raise SandboxError("the session is closed")
        return self._channel

    def _gone(self) -> Loss | None:
        """Say why a session that should be there is not: it ended, or spoke unasked."""
        if self._channel is None:
            return None
        try:
            said = self._channel.receive(1, 0.0)
        except TimeoutError:
            return None
        loss = self._end("garbled" if said else "ended", _Prints(0))
        self._known = {}
        return loss

    # what is said to the jail, and heard from it

    def _send(self, code: str, sent: Mapping[str, bytes], removed: tuple[str, ...]) -> None:
        """Hand a cell in; each part is waited for, so that a deaf program blocks nothing."""
        self._number += 1
        head = json.dumps(
            {
                "id": self._number,
                "code": code,
                "interrupts": self._interrupts,
                "files": [(name, len(data)) for name, data in sent.items()],
                "removed": removed,
            }
        ).encode()
        cell = b"".join((len(head).to_bytes(4, "big"), head, *sent.values()))
        length = len(cell).to_bytes(8, "big")
        for start in range(0, len(cell), _CHUNK):
            try:
                self._line.send((length if start == 0 else b"") + cell[start : start + _CHUNK])
                self._hear(1, time.monotonic() + _READY_S)
            except ChannelClosedError as error:
                raise _LostError("ended") from error
            except TimeoutError as error:
                raise _LostError("deaf") from error
            if self._inbox != b"+":
                raise _LostError("garbled")
            self._inbox.clear()

    def _hear(self, count: int, deadline: float) -> None:
        """Read until so many bytes are there. Raises `TimeoutError`."""
        while len(self._inbox) < count:
            left = max(0.0, deadline - time.monotonic())
            part = self._line.receive(count - len(self._inbox), left)
            if not part:
                raise _LostError("ended")
            self._inbox += part

    def _answer(self, timeout_s: float) -> tuple[How, int]:
        """Wait for a cell's end; interrupt it in time. Return how it ended, and its status."""
        try:
            return self._report(time.monotonic() + timeout_s)
        except TimeoutError:
            self._interrupts += 1
            self._line.interrupt()
        try:
            return self._report(time.monotonic() + _GRACE_S)
        except TimeoutError as error:
            raise _LostError("late") from error

    def _report(self, deadline: float) -> tuple[How, int]:
        self._hear(4, deadline)
        size = int.from_bytes(self._inbox[:4], "big")
        if size > _MOST_REPORT:
            raise _LostError("garbled")
        self._hear(4 + size, deadline)
        body = bytes(self._inbox[4:])
        self._inbox.clear()
        how, status = _read(body, self._number)
        if how == "unready":
            raise _LostError("unready")
        return how, status

    def _files(self) -> dict[str, bytes]:
        try:
            return kept(self._line.files())
        except SandboxError as error:
            raise _LostError("too-much") from error

    def _end(self, cause: Cause, prints: _Prints) -> Loss:
        """End the session; say why. Raises `SandboxError` where its jail never began."""
        channel = self._line
        wait = _END_S if cause == "ended" else 0.0  # its line is closed; its end is told later
        end = time.monotonic() + wait
        prints.add(*self._line.printed())
        while time.monotonic() < end:
            time.sleep(0.01)
            prints.add(*self._line.printed())
        self._channel = None
        result = channel.close()
        prints.add(result.stdout, result.stderr)
        prints.truncated |= result.truncated
        return Loss(cause, result)


def _read(body: bytes, number: int) -> tuple[How | Literal["unready"], int]:
    """Read a report on the cell of this number. Raises `_LostError`."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _LostError("garbled") from error
    match said:
        case {
            "id": int(found),
            "how": "done" | "error" | "interrupted" | "exit" | "unready" as how,
            "status": int(status),
        } if len(said) == 3 and found == number and 0 <= status <= 255:
            return how, status
    raise _LostError("garbled")
