"""A run that is killed at any moment loses no step and repeats no effect that is on record.

The run has all that a run can have between two lines of its log: calls side by side, questions to
a person, effects that may not be repeated, and summaries of what no longer fits.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from earnest.agent.hands import UNKNOWN
from earnest.agent.replay import replay
from earnest.core.events import read_events

TURNS = 60
PROGRAM = """
import sys
from pathlib import Path
from tests.agent.conftest import made_task
from tests.agent.played import WRITES, Does, calls
from earnest.agent.loop import run_agent
from earnest.core.acts import Act
from earnest.core.budget import Budget
from earnest.core.events import EventLog
from earnest.models.scripted import ScriptedModel, say

folder, turns = Path(sys.argv[1]), int(sys.argv[2])


def note(name, text):
    with (folder / name).open("a") as out:
        out.write(f"{text}\\n")


def tally(arguments):
    note("tally", arguments["n"])
    return f"tallied {arguments['n']} " + "word " * 80


def mail(arguments):
    note("mail", arguments["n"])
    return f"mailed {arguments['n']}"


def ask(question):
    note(question.why, question.call.id)
    return question.why == "permission"


def turn(n):
    looks = [("look", {"n": f"{n}-{k}"}) for k in range(2)]
    return calls(("tally", {"n": n}), *looks, ("mail", {"n": n}), turn=n)


tools = [
    Does("tally", tally, WRITES),
    Does("look", lambda a: f"saw {a['n']}", concurrent=True),
    Does("mail", mail, [Act(kind="network-change", what="mail")], repeatable=False),
]
model = ScriptedModel([*map(turn, range(turns)), say("done")])
print("ready", flush=True)
with EventLog(folder / "run" / "events.jsonl") as log:
    result = run_agent(
        made_task(), model, tools, log, Budget(steps=turns + 1), policy="ask", ask=ask,
        window=2500, rules="Count.", notes=lambda: "PLAN.md: count",
    )
print(result.status, result.steps, flush=True)
"""


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_kill_at_random_moments(tmp_path: Path) -> None:
    rng = random.Random(5)
    log = tmp_path / "run" / "events.jsonl"
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(TURNS)]
    kills = 0
    for _ in range(40):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = list(read_events(log)) if log.exists() else []
        if kills < 6:
            grown = (log.stat().st_size if log.exists() else 0) + rng.randrange(9000)
            while process.poll() is None and (not log.exists() or log.stat().st_size < grown):
                time.sleep(0.0005)
            time.sleep(rng.uniform(0.0, 0.002))
            process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        kills += process.returncode == -signal.SIGKILL
        after = list(read_events(log)) if log.exists() else []
        whole = [event.chain for event in before]
        assert [event.chain for event in after][: len(whole)] == whole
        if rest.startswith("done"):
            break
    assert rest == f"done {TURNS + 1}\n"
    assert kills >= 3
    check(tmp_path, kills)


def check(folder: Path, kills: int) -> None:
    events = list(read_events(folder / "run" / "events.jsonl"))
    effects = [event.payload for event in events if event.kind == "effect"]
    ids = [f"{turn}-{k}" for turn in range(TURNS) for k in range(4)]
    assert sorted(one["call"] for one in effects) == sorted(ids)
    state = replay(events)
    assert [call.id for call, _ in state.calls] == ids
    gave = {call.id: seen.content for call, seen in state.calls}
    # What may be repeated was repeated at most once a kill; what may not, never.
    names = [str(turn) for turn in range(TURNS)]
    tallied, mailed = lines(folder / "tally"), lines(folder / "mail")
    assert list(dict.fromkeys(tallied)) == names
    assert len(tallied) - len(names) <= kills
    unknown = [turn for turn in names if gave[f"{turn}-3"] == UNKNOWN]
    assert len(set(mailed)) == len(mailed)
    assert set(names) - set(mailed) <= set(unknown)
    assert [gave[f"{turn}-3"] for turn in names if turn not in unknown] == [
        f"mailed {turn}" for turn in names if turn not in unknown
    ]
    # Each mail was allowed once, and asked about again only where a kill lost the answer.
    allowed = [one.payload for one in events if one.kind == "permission"]
    leave = [one["call"] for one in allowed if one["why"] == "permission"]
    assert leave == [f"{turn}-3" for turn in names]
    assert len(lines(folder / "permission")) - len(leave) <= kills
    assert {one["call"] for one in allowed if one["why"] == "unknown-outcome"} == {
        f"{turn}-3" for turn in unknown
    }
    # The window was kept by summaries, and what they stand for is what they say.
    upto = [event.payload["upto"] for event in events if event.kind == "compact"]
    assert len(upto) >= 2
    assert upto == sorted(set(upto))
    assert state.messages[2].stands_for == upto[-1]
    kept = sum(one.role == "assistant" for one in state.messages)
    assert upto[-1] + kept == TURNS + 1
    for number, event in enumerate(events):
        if event.kind == "compact":
            sat = replay(events[: number + 1])
            assert sat.messages[2].content == event.payload["message"]["content"]
