"""What `runs list|show|report|export` do: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from earnest.agent.replay import State, Turn, replay
from earnest.core.errors import EarnestError, UsageError
from earnest.core.events import Event, read_events
from earnest.core.home import Home, write_whole
from earnest.core.messages import Picture
from earnest.core.quoted import plain
from earnest.core.shown import row
from earnest.recipes.answer import Answer
from earnest.recipes.chat import conversation, turns
from earnest.recipes.listed import lines
from earnest.recipes.watched import called

_LOG: Final = "events.jsonl"
_ENDINGS: Final = {"atif": "atif.json", "chat": "chat.jsonl", "html": "html"}


def look(options: argparse.Namespace, home: Home) -> Answer:
    """`runs list`, `runs show|report|export RUN`."""
    if options.what == "list":
        return _listed(home)
    does: Mapping[str, Callable[[argparse.Namespace, Home], Answer]] = {
        "show": _show,
        "report": _report,
        "export": _export,
    }
    return does[options.what](options, home)


def _read(home: Home, run: str) -> tuple[list[Event], State]:
    """Return a run's log and its state. Raises `UsageError`, `LogError`."""
    path = home.runs / run / _LOG
    if os.sep in run or run in ("", ".", "..") or not path.exists():
        raise UsageError(f"there is no run {run!r} with a log", mend="earnest runs list")
    events = list(read_events(path))
    if not events:
        raise UsageError(f"the run {run!r} has not begun yet", mend=f"earnest resume {run}")
    return events, replay(events)


def _listed(home: Home) -> Answer:
    rows = [_row(path) for path in sorted(home.runs.glob(f"*/{_LOG}"))]
    words = "\n".join(
        f"  {one['run']}  {_status(one):<20} {_age(one['seconds_ago']):>8}  "
        f"{one['steps']:>3} steps  {_cost(one['cost_usd']):>8}  {one['findings']:>3} findings  "
        f"{plain(one['prompt'][:60])}"
        for one in rows
    )
    return 0, {"version": 1, "runs": rows}, words or "  no runs"


def _status(one: Mapping[str, Any]) -> str:
    by = f" (process {one['process']})" if one["process"] else ""
    return f"{one['status']}{by}"


def _row(path: Path) -> dict[str, Any]:
    """Return what a list says of a run; one whose log is damaged says so."""
    told: dict[str, Any] = {
        "run": path.parent.name,
        "status": "damaged",
        "process": None,
        "seconds_ago": max(0, round(time.time() - path.stat().st_mtime)),
        "steps": 0,
        "cost_usd": None,
        "findings": 0,
        "prompt": "",
        "final": "",
    }
    try:
        events = list(read_events(path))
        state = replay(events)
    except (EarnestError, ValueError, KeyError) as error:
        return told | {"final": str(error)}
    process = writer(path)
    return told | {
        "status": "running" if process else state.status or "open",
        "process": process,
        "steps": state.turns,
        "cost_usd": state.cost_usd,
        "findings": len(state.findings),
        "prompt": next((e.payload["prompt"] for e in events if e.kind == "start"), ""),
        "final": state.final,
    }


def writer(path: Path) -> int | None:
    """Return the process that holds a log open for writing, as the system knows it; None: none."""
    try:
        found = path.stat()
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    name = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in locks.splitlines():
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == name:
            return int(words[4])
    return None


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _cost(cost: float | None) -> str:
    return "$ ?" if cost is None else f"${cost:.2f}"


def _show(options: argparse.Namespace, home: Home) -> Answer:
    from earnest.ledger.ledger import Ledger

    events, _state = _read(home, options.run)
    told = _row(home.runs / options.run / _LOG)
    made = turns(events)
    if options.step is not None:
        return _step(options, made)
    with Ledger(home.ledger) as ledger:
        found = ledger.findings(run=options.run)
    steps = [_brief(number, turn) for number, turn in enumerate(made, 1)]
    document = {
        "version": 1,
        **told,
        "findings": [row(f, v) for f, v in found],
        "made": steps,
    }
    head = f"{told['run']}: {_status(told)}, {told['steps']} steps, {_cost(told['cost_usd'])}"
    parts = [f"{head}\n  {plain(told['prompt'])}"]
    parts += [
        f"{one['step']:>4}{' ' if not one['failed'] else '!'} {plain(one['line'])}" for one in steps
    ]
    parts.append(lines(found))
    parts.append(f"one step whole: earnest runs show {options.run} --step N")
    return 0, document, "\n".join(parts)


def _brief(number: int, turn: Turn) -> dict[str, Any]:
    """Return a step in a line: what was called, and what came of it."""
    calls = [called(call.model_dump(mode="json")) for call in turn.message.calls]
    told = []
    for index, call in enumerate(calls):
        effect = turn.effects.get(index)
        came = "no effect on record" if effect is None else effect.content.strip()
        told.append(f"{call[:70]} -> {came.partition(chr(10))[0][:60]}")
    failed = any(effect.failed for effect in turn.effects.values())
    line = "; ".join(told) or f"says: {' '.join(turn.message.content.split())[:120]}"
    return {"step": number, "at": turn.at, "failed": failed, "line": line}


def _step(options: argparse.Namespace, made: list[Turn]) -> Answer:
    if not 1 <= options.step <= len(made):
        raise UsageError(f"the run has {len(made)} steps", mend=f"earnest runs show {options.run}")
    turn = made[options.step - 1]
    effects = {str(n): one.model_dump(mode="json") for n, one in turn.effects.items()}
    document = {
        "version": 1,
        "step": options.step,
        "at": turn.at,
        "message": turn.message.model_dump(mode="json"),
        "effects": effects,
        "usage": turn.usage.model_dump(mode="json"),
    }
    parts = [f"step {options.step}, {turn.at}"]
    if turn.message.content.strip():
        parts += ["the model:", *_barred(turn.message.content)]
    for index, call in enumerate(turn.message.calls):
        asked = json.dumps(dict(call.arguments), ensure_ascii=False, indent=2).replace("\\n", "\n")
        parts += [f"call {index + 1}: {plain(call.name)}", *_barred(call.problem or asked)]
        effect = turn.effects.get(index)
        if effect is None:
            parts.append("no effect on record: the run was cut off during it")
        else:
            parts += ["it failed:" if effect.failed else "it gave:", *_barred(effect.content)]
    return 0, document, "\n".join(parts)


def _barred(text: str) -> list[str]:
    return [f"  | {plain(line)}" for line in text.replace("\t", "    ").splitlines()]


def pictures(events: Iterable[Event]) -> list[Picture]:
    """Return the figures that a run's agent made, in their order."""
    effects = (effect for turn in turns(events) for _, effect in sorted(turn.effects.items()))
    return [picture for effect in effects for picture in effect.pictures]


def _report(options: argparse.Namespace, home: Home) -> Answer:
    from earnest.ledger.ledger import Ledger
    from earnest.recipes import research
    from earnest.recipes.report import run_report

    task, _ = research.begun(home, options.run)
    events, state = _read(home, options.run)
    with Ledger(home.ledger) as ledger:
        found = ledger.findings(run=options.run)
    ended = (state.final, state.status or "open")
    path = run_report(
        home, options.run, task.prompt, *ended, found, task.tables, pictures=pictures(events)
    )
    return 0, {"version": 1, "report": str(path)}, str(path)


def _export(options: argparse.Namespace, home: Home) -> Answer:
    events, state = _read(home, options.run)
    form = options.form
    data = _exported(home, options.run, form, events, state).encode("utf-8", "replace")
    path = options.out or Path(f"{options.run}.{_ENDINGS[form]}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", mend="name a file: --out FILE")
    write_whole(path.absolute(), data, mode=0o644)
    told = {"version": 1, "run": options.run, "form": form, "file": str(path), "bytes": len(data)}
    return 0, told, f"{path}: {form}, {len(data):,} bytes"


def _exported(home: Home, run: str, form: str, events: list[Event], state: State) -> str:
    if form == "atif":
        from earnest.agent.atif import trajectory

        told = trajectory(events, state, home.runs / run)
        return json.dumps(told, ensure_ascii=False, indent=1) + "\n"
    if form == "chat":
        told = conversation(events, state.status or "open")
        return json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n"
    from earnest.recipes.report import figures, page

    start = events[0].payload
    values = {
        "run": start["run"],
        "prompt": start["prompt"],
        "model": start["model"],
        "status": state.status or "open",
        "opening": start["messages"],
        "turns": turns(events),
        "figures": figures(home, pictures(events)),
    }
    return page("trajectory.html", values)
