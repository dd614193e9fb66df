"""A run that is killed at any moment loses no step and repeats no effect that is on record."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from earnest.agent.replay import replay
from earnest.core.events import read_events
from earnest.core.quoted import unquoted

TURNS = 40
PROGRAM = """
import sys
from pathlib import Path
from earnest.agent.loop import run_agent
from earnest.core.acts import writes
from earnest.core.budget import Budget
from earnest.core.canon import digest
from earnest.core.events import EventLog
from earnest.core.messages import Message, Observation, ToolCall, ToolSpec
from earnest.core.records import TableRef, Task
from earnest.models.scripted import ScriptedModel, say

folder, turns = Path(sys.argv[1]), int(sys.argv[2])


class Tally:
    repeatable = True
    spec = ToolSpec(name="tally", description="Count.", parameters={"type": "object"})

    def acts(self, arguments):
        return writes("count")

    def call(self, arguments):
        with (folder / "tally").open("a") as out:
            out.write(f"{arguments['n']}\\n")
        return Observation(content=f"tallied {arguments['n']}")


def turn(number):
    calls = tuple(
        ToolCall(id=f"{number}-{k}", name="tally", arguments={"n": f"{number}-{k}"})
        for k in range(3)
    )
    return Message(role="assistant", content="on", calls=calls)


ref = TableRef(name="t", table=digest(b"t"), visible=digest(b"v"), design="iid", rows=9,
               columns=("a", "b"))
task = Task(kind="research", prompt="Count.", tables=(ref,))
model = ScriptedModel([*map(turn, range(turns)), say("done")])
print("ready", flush=True)
with EventLog(folder / "run" / "events.jsonl") as log:
    result = run_agent(task, model, [Tally()], log, Budget(steps=turns + 1))
print(result.status, flush=True)
"""


def test_kill_at_random_moments(tmp_path: Path) -> None:
    rng = random.Random(5)
    log = tmp_path / "run" / "events.jsonl"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(TURNS)]
    kills = 0
    for _ in range(60):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = list(read_events(log)) if log.exists() else []
        if kills < 12:
            grown = (log.stat().st_size if log.exists() else 0) + rng.randrange(6000)
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
        if rest == "done\n":
            break
    assert rest == "done\n"
    assert kills >= 5
    names = [f"{turn}-{k}" for turn in range(TURNS) for k in range(3)]
    effects = [event.payload["call"] for event in read_events(log) if event.kind == "effect"]
    assert effects == names
    messages = replay(read_events(log)).messages
    answers = [unquoted(m.content) for m in messages if m.role == "tool"]
    assert answers == [f"tallied {n}" for n in names]
    made = (tmp_path / "tally").read_text().split()
    assert list(dict.fromkeys(made)) == names
    # Made again is at most the one call a kill had left without an outcome.
    assert len(made) - len(names) <= kills
