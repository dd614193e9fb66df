"""A run that a script played, on no table and without a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earnest.agent.loop import run_agent
from earnest.core.budget import Budget
from earnest.core.events import EventLog
from earnest.core.home import Home
from earnest.core.messages import Message, ToolCall
from earnest.models.scripted import ScriptedModel, Turn, say, use
from earnest.recipes.research import Begun, begin, make_task
from earnest.tools.notes import NotesTool
from earnest.tools.workspace import Workspace


def played(
    home: Home, turns: Sequence[Turn], run: str = "r", prompt: str = "What is going on?"
) -> Path:
    """A run of a script, on no table, with the notes for its tool."""
    task = make_task(prompt, [])
    begin(home, run, task, Begun("analyst", Budget()))
    folder = home.runs / run
    tools = [NotesTool(Workspace(folder / "workspace"))]
    with EventLog(folder / "events.jsonl") as log:
        run_agent(task, ScriptedModel(turns), tools, log, run=run)
    return folder


def both(text: str) -> Message:
    calls = tuple(
        ToolCall(id=f"c{n}", name="notes", arguments={"action": "append", "text": f"{text}{n}"})
        for n in range(2)
    )
    return Message(role="assistant", content=text, calls=calls)


TURNS = [
    use("notes", {"action": "append", "text": "one\ntwo"}, text="I begin."),
    both("two at once "),
    use("nope", {"a": 1}, id="wrong"),
    say("Nothing more."),
]
