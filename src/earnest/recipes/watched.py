"""A run as it is followed from outside: what its event log says so far, read on as it grows.

Reads whole lines only and keeps no hash chain: whoever needs that reads the log with
`core/events.py`. So a run is followed by the process that does it, and by any other, alike.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from earnest.core.claims import sentence
from earnest.core.errors import EarnestError
from earnest.core.records import Finding

_PLAN: Final = "PLAN.md"
_MOST_READ: Final = 64 * 1024


@dataclass
class Seen:
    """What a log says. `doing`: the calls of the open turn, not done yet."""

    model: str = ""
    prompt: str = ""
    steps: int = 0
    status: str = ""
    budget: Mapping[str, float | None] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)
    unpriced: bool = False
    words: str = ""
    doing: list[str] = field(default_factory=list)
    last: str = ""
    denied: int = 0
    findings: list[str] = field(default_factory=list)


class Watched:
    """Follows one run's folder. `fresh`: when something new was read, by the monotonic clock."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the run's own, which may not be there yet."""
        self.folder, self.seen, self.fresh = folder, Seen(), time.monotonic()
        self._at = 0
        self._rest = b""

    def look(self) -> Seen:
        """Read what is new; return what is known by now."""
        try:
            with (self.folder / "events.jsonl").open("rb") as log:
                log.seek(self._at)
                new = log.read()
        except OSError:
            return self.seen
        if new:
            self.fresh = time.monotonic()
        self._at += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
                _take(self.seen, str(event["kind"]), event["payload"])
            except (EarnestError, ValueError, KeyError, TypeError, AttributeError):
                continue  # not ours to judge: the loop and the audit read it strictly
        return self.seen

    def plan(self) -> list[str]:
        """Return the lines of the plan that the agent keeps, the empty ones left out.

        What is no plain file is not opened: this must not wait, nor lead out of the workspace.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self.folder / "workspace" / _PLAN, flags), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    return []
                file.seek(max(0, found.st_size - _MOST_READ))
                text = file.read(_MOST_READ).decode("utf-8", "replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()]


def _take(seen: Seen, kind: str, body: Mapping[str, Any]) -> None:
    """Take one event in."""
    seen.used.update(body.get("used", {}))
    if "spent_s" in body:
        seen.used["wall_s"] = float(body["spent_s"])
    if kind in ("start", "resume"):
        seen.model, seen.budget, seen.status = body["model"], body["budget"], ""
        seen.prompt = body.get("prompt", seen.prompt)
    elif kind == "intent":
        _begin(seen, body)
    elif kind == "effect":
        if seen.doing:
            seen.doing.pop(0)
        seen.last = str(body["tool"])
    elif kind == "finding":
        seen.findings.append(sentence(Finding.from_body(body["finding"]).claim))
    elif kind == "permission":
        seen.denied += body.get("decision") == "deny" or body.get("allowed") is False
    elif kind == "end":
        seen.status, seen.doing = body["status"], []


def _begin(seen: Seen, body: Mapping[str, Any]) -> None:
    """Take a turn of the model in. What it used is counted here where the log does not say it."""
    seen.steps += 1
    message = body["message"]
    seen.words = str(message["content"])
    seen.doing = [called(call) for call in message["calls"]]
    usage = body.get("usage", {})
    seen.unpriced = seen.unpriced or usage.get("cost_usd") is None
    if "used" not in body:
        seen.used["steps"] = float(seen.steps)
        seen.used["tokens"] = seen.used.get("tokens", 0.0) + float(body.get("tokens", 0))
        cost = seen.used.get("cost_usd", 0.0) + float(usage.get("cost_usd") or 0)
        seen.used["cost_usd"] = cost


def called(call: Mapping[str, Any]) -> str:
    """Return a call in a line: the tool, and the first line of what is longest in its arguments."""
    arguments = call.get("arguments") or {}
    texts = [str(value).strip() for value in arguments.values() if value not in (None, "")]
    told = max(texts, key=len, default="")
    return f"{call.get('name', '')}: {told.partition(chr(10))[0]}" if told else str(call["name"])
