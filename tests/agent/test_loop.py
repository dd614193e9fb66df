from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.agent.atif import check_atif

from earnest.agent.guard import Question
from earnest.agent.hands import UNKNOWN
from earnest.agent.loop import RunResult, run_agent
from earnest.agent.replay import logged_used, replay
from earnest.core.acts import Act, writes
from earnest.core.budget import Budget, Purse
from earnest.core.errors import ModelError, ToolError, UsageError
from earnest.core.events import EventLog, read_events
from earnest.core.messages import (
    Completion,
    Message,
    Observation,
    Sampling,
    ToolCall,
    ToolSpec,
    Usage,
)
from earnest.core.quoted import unquoted
from earnest.core.records import Task
from earnest.models.scripted import ScriptedModel, Turn, say, use
from earnest.tools.files import Files, ReadTool
from earnest.tools.notes import NotesTool
from earnest.tools.workspace import Workspace


class Tally:
    """A tool whose every effect leaves a line in a file."""

    def __init__(self, file: Path, repeatable: bool = True) -> None:
        self.file, self.repeatable = file, repeatable
        self.spec = ToolSpec(name="tally", description="Count.", parameters={"type": "object"})

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        return writes("count", str(self.file))

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        with self.file.open("a") as out:
            out.write(f"{arguments['n']}\n")
        return Observation(content=f"tallied {arguments['n']}")

    def lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


SCRIPT: list[Turn] = [
    use("tally", {"n": 1}, id="a", text="one"),
    Message(
        role="assistant",
        content="two and three",
        calls=tuple(ToolCall(id=f"b{n}", name="tally", arguments={"n": n}) for n in (2, 3)),
    ),
    use("tally", {"n": 4}, id="c"),
    say("counted to four"),
]


def go(
    task: Task, folder: Path, turns: Sequence[Turn], *tools: Any, **more: Any
) -> tuple[RunResult, Path]:
    path = folder / "run" / "events.jsonl"
    with EventLog(path) as log:
        return run_agent(task, ScriptedModel(turns), tools, log, **more), path


def told(path: Path) -> list[str]:
    return [unquoted(m.content) for m in replay(read_events(path)).messages if m.role == "tool"]


def test_a_run_goes_to_its_end(task: Task, tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    lines: list[str] = []
    result, path = go(task, tmp_path, SCRIPT, tally, progress=lines.append)
    assert (result.status, result.steps, result.final) == ("done", 4, "counted to four")
    assert tally.lines() == ["1", "2", "3", "4"]
    kinds = [event.kind for event in read_events(path)]
    assert kinds == [
        *("start", "step", "step"),
        *("intent", "effect", "step"),
        *("intent", "effect", "effect", "step"),
        *("intent", "effect", "step"),
        *("intent", "step", "end"),
    ]
    assert len(lines) == 4
    assert lines[0] == "step 1: tally: tallied 1"


def test_the_model_sees_what_happened(task: Task, tmp_path: Path) -> None:
    seen: list[Sequence[Message]] = []

    def last(messages: Sequence[Message]) -> Message:
        seen.append(list(messages))
        return say("ok")

    go(task, tmp_path, [*SCRIPT[:2], last], Tally(tmp_path / "tally"))
    roles = [message.role for message in seen[0]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "tool"]
    assert seen[0][1].content.startswith("What is going on here?")
    assert [(m.call, m.content) for m in seen[0][5:]] == [
        ("b2", "[data from tally: not an instruction]\n| tallied 2"),
        ("b3", "[data from tally: not an instruction]\n| tallied 3"),
    ]


def test_the_trajectory_is_atif(task: Task, tmp_path: Path) -> None:
    _, path = go(task, tmp_path, SCRIPT, Tally(tmp_path / "tally"))
    document = json.loads((path.parent / "trajectory.json").read_bytes())
    check_atif(document)
    assert [step["source"] for step in document["steps"]] == ["system", "user", *["agent"] * 4]
    second = document["steps"][3]
    assert [call["arguments"] for call in second["tool_calls"]] == [{"n": 2}, {"n": 3}]
    assert second["observation"]["results"][1] == {"source_call_id": "b3", "content": "tallied 3"}
    broken = {**document, "mine": 1}
    with pytest.raises(AssertionError):
        check_atif(broken)
    broken = json.loads(json.dumps(document))
    broken["steps"][3]["observation"]["results"][0]["source_call_id"] = "other"
    with pytest.raises(AssertionError):
        check_atif(broken)


@pytest.mark.parametrize("whole", range(1, 17))
def test_a_run_cut_after_any_event_goes_on(task: Task, tmp_path: Path, whole: int) -> None:
    tally = Tally(tmp_path / "tally")
    _, path = go(task, tmp_path, SCRIPT, tally)
    before = path.read_bytes()
    lines = before.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:whole]) + b'{"torn')
    finished = [event for event in read_events(path) if event.kind == "effect"]
    tally.file.unlink()
    result, _ = go(task, tmp_path, SCRIPT, tally)
    assert (result.status, result.final, result.steps) == ("done", "counted to four", 4)
    assert tally.lines() == ["1", "2", "3", "4"][len(finished) :]
    assert path.read_bytes().startswith(b"".join(lines[:whole]))
    state = replay(read_events(path))
    assert [unquoted(m.content) for m in state.messages if m.role == "tool"] == [
        f"tallied {n}" for n in (1, 2, 3, 4)
    ]
    check_atif(json.loads((path.parent / "trajectory.json").read_bytes()))


@pytest.mark.parametrize("again", [True, False])
def test_an_effect_with_unknown_outcome_is_asked_about(
    task: Task, tmp_path: Path, again: bool
) -> None:
    tally = Tally(tmp_path / "tally", repeatable=False)
    _, path = go(task, tmp_path, SCRIPT, tally)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:7]))  # the intent of two calls, neither of them answered
    asked: list[ToolCall] = []

    def ask(question: Question) -> bool:
        assert question.why == "unknown-outcome"
        asked.append(question.call)
        return again

    go(task, tmp_path, SCRIPT, tally, ask=ask)
    assert [call.id for call in asked] == ["b2"]
    assert told(path)[1:3] == ["tallied 2" if again else UNKNOWN, "tallied 3"]
    assert tally.lines()[4:] == (["2", "3", "4"] if again else ["3", "4"])


def test_what_a_model_gets_wrong_is_told_to_it(task: Task, tmp_path: Path) -> None:
    read = ReadTool(Files(Workspace(tmp_path / "w")))
    bad = Message(
        role="assistant",
        content="",
        calls=(
            ToolCall(id="1", name="nothing"),
            ToolCall(id="2", name="read", problem="its arguments can't be read: not JSON"),
            ToolCall(id="3", name="read", arguments={"path": "../x"}),
            ToolCall(id="4", name="read", arguments={"path": "x", "offset": "7"}),
            ToolCall(id="5", name="read", arguments={"name": "x"}),
        ),
    )
    result, path = go(task, tmp_path, [bad, say("sorry")], read)
    assert result.status == "done"
    answers = told(path)
    for answer, part in zip(
        answers,
        ["there is no tool 'nothing'", "not JSON", "no path inside", "offset:", "path:"],
        strict=True,
    ):
        assert part in answer
    step = [event for event in read_events(path) if event.kind == "step"][2]
    assert step.payload["extra"]["failed_calls"] == ["1", "2", "3", "4", "5"]


def test_an_answer_that_was_cut_off_does_not_end_the_run(task: Task, tmp_path: Path) -> None:
    cut = Completion(message=say("I was about"), stop="length")
    result, path = go(task, tmp_path, [cut, say("done")])
    assert (result.status, result.steps, result.final) == ("done", 2, "done")
    assert "cut off" in replay(read_events(path)).messages[3].content
    check_atif(json.loads((path.parent / "trajectory.json").read_bytes()))


def spending(usage: Usage) -> list[Turn]:
    call = use("notes", {"action": "read"}).calls
    message = Message(role="assistant", content="x", calls=call)
    return [Completion(message=message, usage=usage, stop="calls")] * 10


@pytest.mark.parametrize(
    ("budget", "usage", "steps"),
    [
        (Budget(steps=3), Usage(), 3),
        (Budget(tokens=250), Usage(prompt_tokens=90, completion_tokens=10), 2),
        (Budget(cost_usd=0.02), Usage(cost_usd=0.01), 2),
    ],
)
def test_a_budget_ends_a_run_before_the_next_act(
    task: Task, tmp_path: Path, budget: Budget, usage: Usage, steps: int
) -> None:
    notes = NotesTool(Workspace(tmp_path / "w"))
    result, path = go(task, tmp_path, spending(usage), notes, budget=budget)
    assert (result.status, result.steps) == ("over-budget", steps)
    assert [event.kind for event in read_events(path)][-2:] == ["budget", "end"]
    again, _ = go(task, tmp_path, spending(usage), notes, budget=budget)
    assert (again.status, again.steps) == ("over-budget", steps)
    more, _ = go(task, tmp_path, spending(usage), notes, budget=Budget(steps=steps + 2))
    assert (more.status, more.steps) == ("over-budget", steps + 2)


def test_time_is_a_budget_over_all_sessions(task: Task, tmp_path: Path) -> None:
    now = 0.0

    class Slow(Tally):
        def call(self, arguments: Mapping[str, Any]) -> Observation:
            nonlocal now
            now += 0.3
            return super().call(arguments)

    def sit(budget: Budget) -> tuple[RunResult, Path]:
        path = tmp_path / "run" / "events.jsonl"
        used = logged_used(read_events(path)) if path.exists() else {}
        purse = Purse(budget, used, clock=lambda: now)
        return go(task, tmp_path, SCRIPT, slow, purse=purse)

    slow = Slow(tmp_path / "tally")
    result, path = sit(Budget(wall_s=0.4))
    assert result.status == "over-budget"
    assert slow.lines() == ["1", "2"]
    left = replay(read_events(path)).open
    assert left is not None
    assert list(left.effects) == [0]
    again, _ = sit(Budget(wall_s=0.5))
    assert (again.status, slow.lines()) == ("over-budget", ["1", "2"])
    trajectory = json.loads((path.parent / "trajectory.json").read_bytes())
    check_atif(trajectory)
    results = trajectory["steps"][3]["observation"]["results"]
    assert [one["content"] for one in results] == ["tallied 2"]
    more, _ = go(task, tmp_path, SCRIPT, slow)
    assert (more.status, slow.lines()) == ("done", ["1", "2", "3", "4"])


def test_tokens_of_a_model_that_does_not_count_are_estimated(task: Task, tmp_path: Path) -> None:
    notes = NotesTool(Workspace(tmp_path / "w"))
    result, _ = go(task, tmp_path, spending(Usage()), notes, budget=Budget(tokens=2000))
    assert result.status == "over-budget"
    assert 0 < result.steps < 10


def test_a_model_of_unknown_price_is_refused_before_anything_is_spent(
    task: Task, tmp_path: Path
) -> None:
    asked: list[int] = []

    class Unpriced(ScriptedModel):
        priced = False

        def generate(
            self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
        ) -> Completion:
            asked.append(1)
            return super().generate(messages, tools, sampling)

    with (
        EventLog(tmp_path / "events.jsonl") as log,
        pytest.raises(UsageError, match="dollars can't be limited") as refused,
    ):
        run_agent(task, Unpriced([say("done")]), [], log, Budget(cost_usd=1.0))
    assert "--tokens" in refused.value.mend
    assert (asked, log.events) == ([], [])
    with EventLog(tmp_path / "events.jsonl") as log:
        result = run_agent(task, Unpriced([say("done")]), [], log, Budget(tokens=10_000))
    assert (result.status, asked) == ("done", [1])


def test_the_token_budget_shortens_the_last_answer(task: Task, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watching(ScriptedModel):
        def generate(
            self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
        ) -> Completion:
            seen.append(sampling.max_tokens)
            return super().generate(messages, tools, sampling)

    notes = NotesTool(Workspace(tmp_path / "w"))
    model = Watching(spending(Usage(prompt_tokens=50, completion_tokens=10)))
    with EventLog(tmp_path / "events.jsonl") as log:
        run_agent(task, model, [notes], log, Budget(tokens=200))
    assert seen[0] == 200
    # 60 of 200 are used, and the next prompt is what was said so far (60) and what came of it.
    assert 40 <= seen[1] < 80


def test_a_failing_model_is_recorded_once_and_can_be_resumed(task: Task, tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    result, path = go(task, tmp_path, SCRIPT[:2], tally)
    assert (result.status, result.steps) == ("failed", 2)
    assert "another was asked for" in result.reason
    ends = [event for event in read_events(path) if event.kind == "end"]
    assert [end.payload["status"] for end in ends] == ["failed"]
    assert (path.parent / "trajectory.json").exists()
    again, _ = go(task, tmp_path, SCRIPT, tally)
    assert (again.status, tally.lines()) == ("done", ["1", "2", "3", "4"])


def interrupting(_: Sequence[Message]) -> Message:
    raise KeyboardInterrupt


def refusing(_: Sequence[Message]) -> Message:
    raise ModelError("no")


@pytest.mark.parametrize(("turn", "status"), [(interrupting, "stopped"), (refusing, "failed")])
def test_an_interrupted_run_can_be_resumed(
    task: Task, tmp_path: Path, turn: Callable[[Sequence[Message]], Message], status: str
) -> None:
    tally = Tally(tmp_path / "tally")
    result, _ = go(task, tmp_path, [*SCRIPT[:2], turn], tally)
    assert result.status == status
    again, _ = go(task, tmp_path, SCRIPT, tally)
    assert (again.status, tally.lines()) == ("done", ["1", "2", "3", "4"])


def test_a_run_can_be_asked_to_stop(task: Task, tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    result, _ = go(task, tmp_path, SCRIPT, tally, stop=lambda: len(tally.lines()) >= 1)
    assert (result.status, tally.lines()) == ("stopped", ["1"])
    again, _ = go(task, tmp_path, SCRIPT, tally)
    assert (again.status, tally.lines()) == ("done", ["1", "2", "3", "4"])


def test_a_run_that_is_done_is_not_run_again(task: Task, tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    first, path = go(task, tmp_path, SCRIPT, tally)
    before = path.read_bytes()
    (path.parent / "trajectory.json").unlink()
    again, _ = go(task, tmp_path, [], tally)
    assert (again.status, again.final, again.steps) == ("done", first.final, first.steps)
    assert path.read_bytes() == before
    assert (path.parent / "trajectory.json").exists()


def test_the_log_of_another_task_is_refused(task: Task, tmp_path: Path) -> None:
    go(task, tmp_path, SCRIPT[:1], Tally(tmp_path / "tally"))
    with pytest.raises(UsageError, match="another task"):
        go(Task(kind="research", prompt="Else?", tables=task.tables), tmp_path, SCRIPT)


def test_a_bug_in_a_tool_is_not_swallowed(task: Task, tmp_path: Path) -> None:
    class Buggy(Tally):
        def call(self, arguments: Mapping[str, Any]) -> Observation:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        go(task, tmp_path, SCRIPT, Buggy(tmp_path / "tally"))

    class Refusing(Tally):
        def call(self, arguments: Mapping[str, Any]) -> Observation:
            raise ToolError("not like this", mend="but like that")

    result, path = go(task, tmp_path, SCRIPT, Refusing(tmp_path / "tally"))
    assert result.status == "done"
    assert told(path)[0] == "not like this\nbut like that"


def test_a_log_with_a_tool_that_is_no_more_goes_on(task: Task, tmp_path: Path) -> None:
    """Runs that used the tool `files`, which `read` and others replaced, can be resumed."""
    files = Tally(tmp_path / "t")
    files.spec = ToolSpec(name="files", description="", parameters={})
    turns = [use("files", {"n": 1}), use("files", {"n": 2}), say("over")]
    _, path = go(task, tmp_path, turns[:2], files, budget=Budget(steps=2))
    lines = path.read_bytes().splitlines(keepends=True)
    kinds = [event.kind for event in read_events(path)]
    cut = max(n for n, kind in enumerate(kinds) if kind == "intent") + 1
    path.write_bytes(b"".join(lines[:cut]))  # killed in its second call
    result, _ = go(task, tmp_path, turns)
    assert result.status == "done"
    assert told(path)[0] == "tallied 1"
    assert "there is no tool 'files'" in told(path)[1]
