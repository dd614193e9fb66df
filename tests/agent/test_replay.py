from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from earnest.agent.loop import run_agent
from earnest.agent.replay import logged_calls, replay
from earnest.core.acts import READ, Act
from earnest.core.budget import Budget
from earnest.core.errors import ToolError
from earnest.core.events import EventLog, read_events
from earnest.core.messages import Message, Observation, ToolCall, ToolSpec
from earnest.core.quoted import unquoted
from earnest.core.records import Task
from earnest.models.scripted import ScriptedModel, say, use


class Echo:
    """Gives back what it is told; refuses to say nothing."""

    repeatable = True

    def __init__(self, name: str) -> None:
        self.spec = ToolSpec(name=name, description="Echo.", parameters={"type": "object"})

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        return READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        if not arguments["text"]:
            raise ToolError("nothing to say")
        return Observation(content=arguments["text"], data={"cell": {"how": arguments["text"]}})


def both(number: int) -> Message:
    calls = tuple(
        ToolCall(id=f"{number}{name}", name=name, arguments={"text": f"{name} {number}"})
        for name in ("one", "two", "one")
    )
    return Message(role="assistant", content="", calls=calls)


@pytest.fixture
def log(task: Task, tmp_path: Path) -> Path:
    turns = [both(1), use("one", {"text": ""}), both(2), use("none", {}), say("over")]
    path = tmp_path / "run" / "events.jsonl"
    with EventLog(path) as log:
        run_agent(task, ScriptedModel(turns), [Echo("one"), Echo("two")], log, Budget())
    return path


def test_a_tool_s_calls_come_in_their_order(log: Path) -> None:
    found = logged_calls(read_events(log), "one")
    assert [call.arguments["text"] for call, _ in found] == ["one 1", "one 1", "", "one 2", "one 2"]
    assert [seen.content for _, seen in found][1:3] == ["one 1", "nothing to say"]
    assert found[0][1].data == {"cell": {"how": "one 1"}}
    assert [seen.data for _, seen in found][2] == {}
    assert len(logged_calls(read_events(log), "two")) == 2
    assert logged_calls(read_events(log), "three") == []


def test_a_call_without_an_outcome_is_left_out(log: Path) -> None:
    events = list(read_events(log))
    effects = [event.number for event in events if event.kind == "effect"]
    for number, count in zip(effects, (0, 1, 1, 2), strict=False):
        assert len(logged_calls(events[:number], "one")) == count
    assert len(logged_calls(events[: effects[-1]], "one")) == 5


def test_a_log_from_before_tool_output_was_marked_goes_on(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "run" / "events.jsonl"
    path.parent.mkdir()
    shutil.copy(Path(__file__).with_name("unmarked.jsonl"), path)
    before = path.read_bytes()
    turns = [use("one", {"text": "never again"})] * 2
    with EventLog(path) as log:
        model = ScriptedModel([*turns, use("one", {"text": "new"}), say("over")])
        result = run_agent(task, model, [Echo("one")], log, Budget())
    assert (result.status, result.steps, result.final) == ("done", 4, "over")
    assert path.read_bytes().startswith(before)
    state = replay(read_events(path))
    told = [message.content for message in state.messages if message.role == "tool"]
    assert [unquoted(text) for text in told] == ["appended to NOTES.md", "one", "new"]
    assert all(text.startswith("[data from ") for text in told)
    document = json.loads((path.parent / "trajectory.json").read_bytes())
    gave = [step["observation"]["results"][0] for step in document["steps"][2:-1]]
    assert [one["content"] for one in gave] == ["appended to NOTES.md", "one\n", "new"]
