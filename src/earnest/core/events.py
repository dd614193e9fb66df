"""The event log: append-only, hash-chained, one JSON object a line.

A killed writer leaves at most one torn last line; opening the log for writing cuts it off.
Any other damage is an error that names the line.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from earnest.core.canon import GENESIS, canonical, chained, parse
from earnest.core.errors import EarnestError, LogError, RecordError


@dataclass(frozen=True)
class Event:
    """One line of a log: its number from 0, its kind, its payload, and its place in the chain."""

    number: int
    kind: str
    payload: Mapping[str, Any]
    chain: str


def _encode(number: int, kind: str, payload: Mapping[str, Any], previous: str) -> tuple[bytes, str]:
    body = {"kind": kind, "number": number, "payload": payload, "previous": previous}
    link = chained(previous, canonical(body))
    return canonical({**body, "chain": link}) + b"\n", link


def _decode(line: bytes, number: int, previous: str) -> Event:
    """Read one line and re-verify its link. Raises `RecordError`."""
    body = parse(line)
    if not isinstance(body, dict) or set(body) != {
        "chain",
        "kind",
        "number",
        "payload",
        "previous",
    }:
        raise RecordError("not an event")
    expected, link = _encode(number, str(body["kind"]), body["payload"], previous)
    if expected != line:
        raise RecordError("the chain does not hold")
    return Event(number, str(body["kind"]), body["payload"], link)


def _scan(path: Path) -> tuple[list[Event], int]:
    """Return the whole events and the number of bytes they take. A torn tail is left out."""
    events: list[Event] = []
    data = path.read_bytes() if path.exists() else b""
    position, previous = 0, GENESIS
    while position < len(data):
        end = data.find(b"\n", position)
        if end < 0:
            break
        try:
            event = _decode(data[position : end + 1], len(events), previous)
        except RecordError as error:
            raise LogError(f"{path}, line {len(events) + 1}: {error}") from error
        events.append(event)
        position, previous = end + 1, event.chain
    return events, position


def read_events(path: Path) -> Iterator[Event]:
    """Read a log, re-verifying every link. Raises `LogError`, which names the first bad line."""
    return iter(_scan(path)[0])


class EventLog:
    """A log open for appending, by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the log at `path`, cutting off a torn last line.

        Raises `LogError` where the chain is broken, `EarnestError` where another process writes.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.events, size = _scan(path)
            os.ftruncate(self._file, size)
        except BlockingIOError as error:
            os.close(self._file)
            raise EarnestError(f"{path} is being written by another process") from error
        except BaseException:
            os.close(self._file)
            raise

    def append(self, kind: str, payload: Mapping[str, Any], *, flush: bool = True) -> Event:
        """Write one event; return it once it, and all before it, are on the disk.

        Without `flush` it outlives this process, whatever ends it, but not a loss of power before
        the next flush.
        """
        previous = self.events[-1].chain if self.events else GENESIS
        line, link = _encode(len(self.events), kind, payload, previous)
        if os.write(self._file, line) != len(line):
            raise LogError(f"{self.path}: the disk took only part of an event")
        if flush:
            self.flush()
        event = Event(len(self.events), kind, parse(canonical(payload)), link)
        self.events.append(event)
        return event

    def flush(self) -> None:
        """Wait until what was written is on the disk."""
        os.fdatasync(self._file)

    def of_kind(self, kind: str) -> list[Event]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if event.kind == kind]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
