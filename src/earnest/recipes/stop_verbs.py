"""What `stop RUN` and `stop --all` do: (exit status, JSON document, words).

It is in a hurry: nothing heavy is imported before all that is to end has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import EarnestError, UsageError
from earnest.core.running import (
    RUN_FILE,
    Worker,
    at_work,
    began,
    below,
    ended_in_time,
    kill,
    read_worker,
)
from earnest.recipes.answer import Answer

if TYPE_CHECKING:
    from earnest.core.home import Home
    from earnest.core.protocols import Progress

FOLDER: Final = "running"
SERVERS: Final = ("serve", "mcp", "verifier")
"""Verbs that wait for others to ask: `stop --all` leaves them, unless told otherwise."""
_GRACE_S: Final = 1.2  # from the signal to the kill
_END_S: Final = 1.9
_PAUSE_S: Final = 0.03


@contextlib.contextmanager
def stoppable(home: Home, verb: str, *, process: bool = False) -> Iterator[None]:
    """Let `stop --all` find a verb while it works, and an interrupt end it in time.

    `process`: an interrupt ends the whole process, as from the command line.
    """
    server = verb in SERVERS
    with at_work(home.root / FOLDER / f"{os.getpid()}.json", verb, server=server):
        if server:  # it has its own way to end
            yield
            return
        with ended_in_time(process=process):
            yield


@dataclass
class _Target:
    worker: Worker
    below: set[tuple[int, int]] = field(default_factory=set)
    how: str = "interrupt"
    ended_s: float | None = None

    def lives(self) -> bool:
        return bool(self.worker.began) and began(self.worker.pid) == self.worker.began

    def left(self) -> list[tuple[int, int]]:
        """Return what it began and has not ended."""
        return [(pid, when) for pid, when in self.below if began(pid) == when]


def _interrupt(pid: int) -> int:
    """Return the signal that a process takes for an interrupt."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigIgn:") and int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1:
                return signal.SIGTERM
    return signal.SIGINT


def end(workers: Sequence[Worker]) -> list[_Target]:
    """End processes and all that they began, within two seconds: asked first, then killed."""
    targets = [_Target(one) for one in {one.pid: one for one in workers}.values()]
    start = time.monotonic()
    for one in targets:
        one.below |= below(one.worker.pid)
        kill(one.worker.pid, one.worker.began, _interrupt(one.worker.pid))
    while (spent := time.monotonic() - start) < _END_S:
        open_ = [one for one in targets if one.ended_s is None]
        for one in open_:
            if one.lives():
                one.below |= below(one.worker.pid)
            elif not one.left():
                one.ended_s = round(time.monotonic() - start, 3)
                continue
            if spent > _GRACE_S:
                one.how = "kill"
                kill(one.worker.pid, one.worker.began)
            if spent > _GRACE_S or not one.lives():
                for pid, when in one.left():
                    kill(pid, when)
        if not open_:
            break
        time.sleep(_PAUSE_S)
    return targets


def mark_stopped(home: Home, run: str) -> bool:
    """Write into a run's log that it was stopped, where it has no end yet; say whether it had none.

    A run whose agent was done, and whose findings were not verified yet, stays `done`.
    """
    from earnest.agent.replay import replay
    from earnest.core.events import EventLog

    path = home.runs / run / "events.jsonl"
    if not path.exists():
        return False
    try:
        with EventLog(path) as log:
            if not log.events or replay(log.events).status:
                return False
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            log.append("end", {"status": "stopped", "reason": "earnest stop", "at": at})
    except EarnestError:
        return False
    return True


def working(home: Home, *, servers: bool) -> list[Worker]:
    """Return who is at work in a home, ourselves left out."""
    paths = [*(home.root / FOLDER).glob("*.json"), *home.runs.glob(f"*/{RUN_FILE}")]
    found = [one for path in paths if (one := read_worker(path))]
    return [one for one in found if one.pid != os.getpid() and (servers or not one.server)]


def _stopped(home: Home, run: str) -> str:
    """Say that a run is stopped, and how it goes on, where it had begun."""
    begun = (home.runs / run / "run.json").exists()
    return f"{run} is stopped: " + (f"earnest resume {run}" if begun else "it had not begun yet")


def _told(home: Home, targets: Sequence[_Target], runs: dict[int, list[str]]) -> Answer:
    rows: list[dict[str, Any]] = []
    for one in targets:
        of = runs.get(one.worker.pid, []) if one.ended_s is not None else []
        for run in of:
            mark_stopped(home, run)
        rows.append(
            {
                "pid": one.worker.pid,
                "verb": one.worker.verb,
                "runs": of,
                "how": one.how,
                "seconds": one.ended_s,
            }
        )
    lines = [
        f"{row['verb']} ({row['pid']}): "
        + (f"ended in {row['seconds']:.1f} s" if row["seconds"] is not None else "NOT ENDED")
        + "".join(f"\n  {_stopped(home, run)}" for run in row["runs"])
        for row in rows
    ]
    failed = any(row["seconds"] is None for row in rows)
    return int(failed), {"version": 1, "stopped": rows}, "\n".join(lines) or "nothing is at work"


def stop(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: ARG001
    """`stop RUN`, `stop --all [--servers]`."""
    if bool(options.run) == options.all:
        raise UsageError("say what to stop", mend="earnest stop RUN, or earnest stop --all")
    workers = working(home, servers=options.servers)
    runs: dict[int, list[str]] = {}
    for one in workers:
        if one.run:
            runs.setdefault(one.pid, []).append(one.run)
    if options.run:
        if "/" in options.run or not (home.runs / options.run).is_dir():
            raise UsageError(f"there is no run {options.run!r}", mend="earnest runs list")
        workers = [one for one in workers if one.run == options.run]
        if not workers:
            marked = mark_stopped(home, options.run)
            words = "is stopped" if marked else "is not at work"
            return 0, {"version": 1, "stopped": []}, f"{options.run} {words}"
    return _told(home, end(workers), runs)
