"""Runs that repeat themselves end; runs that wait, or go through pages, don't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.agent.played import Does, kinds, play, told

from earnest.core.budget import Budget, Purse
from earnest.core.errors import ToolError
from earnest.core.events import read_events
from earnest.core.messages import Message, ToolCall
from earnest.core.records import Task
from earnest.models.scripted import Turn, say, use

LONG = Budget(steps=100)


def stuck(task: Task, folder: Path, turns: list[Turn], *tools: Any) -> tuple[int, int, str]:
    """Return the steps, the step of the warning, and the reason of a run that gets stuck."""
    result, path = play(task, folder, [*turns, say("over")], *tools, budget=LONG)
    assert result.status == "stuck"
    warned = [event.payload["reason"] for event in read_events(path) if event.kind == "warning"]
    assert len(warned) == 1
    notes = [message for message in told_whole(path) if "Note by the loop" in message]
    assert len(notes) == 1
    return result.steps, int(warned[0].split(" to ")[1].split(":")[0]), result.reason


def told_whole(path: Path) -> list[str]:
    from earnest.agent.replay import replay

    return [one.content for one in replay(read_events(path)).messages if one.role == "tool"]


def test_the_same_call_with_the_same_result_ends_a_run(task: Task, tmp_path: Path) -> None:
    steps, warned, reason = stuck(task, tmp_path, [use("do", {})] * 50, Does("do"))
    assert (steps, warned) == (7, 4)
    assert reason == (
        "the run repeats itself: steps 1 to 7: the same call with the same result each time"
    )


@pytest.mark.parametrize("length", [2, 3])
def test_a_cycle_of_calls_ends_a_run(task: Task, tmp_path: Path, length: int) -> None:
    turns: list[Turn] = [use("do", {"n": n}) for n in range(length)] * 20
    first: list[Turn] = [use("do", {"n": "before"})]
    steps, warned, reason = stuck(task, tmp_path, first + turns, Does("do"))
    assert (steps, warned) == (1 + 5 * length, 1 + 3 * length)
    assert f"steps 2 to {steps}: the same {length} calls" in reason


def test_the_same_error_again_and_again_ends_a_run(task: Task, tmp_path: Path) -> None:
    def fail(arguments: Mapping[str, Any]) -> str:
        raise ToolError(f"line {arguments['n']}: no such column: 'x'")

    turns: list[Turn] = [use("do", {"n": n}) for n in range(50)]
    steps, warned, reason = stuck(task, tmp_path, turns, Does("do", fail))
    assert (steps, warned) == (8, 4)
    assert "the same error each time (do: line N: no such column: 'x')" in reason


def test_nothing_but_failures_ends_a_run(task: Task, tmp_path: Path) -> None:
    words = "abcdefghijklmnopqrstuvwxyz"

    def fail(arguments: Mapping[str, Any]) -> str:
        raise ToolError(f"no {words[arguments['n']]}")

    turns: list[Turn] = [use("do", {"n": n}) for n in range(26)]
    steps, warned, reason = stuck(task, tmp_path, turns, Does("do", fail))
    assert (steps, warned) == (16, 8)
    assert "nothing but failed calls" in reason


def test_malformed_calls_end_a_run(task: Task, tmp_path: Path) -> None:
    def bad(n: int) -> Message:
        call = ToolCall(id="c", name="do", problem=f"not JSON: column {n}")
        return Message(role="assistant", content="", calls=(call,))

    steps, warned, _ = stuck(task, tmp_path, [bad(n) for n in range(50)], Does("do"))
    assert (steps, warned) == (8, 4)


def fine(task: Task, folder: Path, turns: list[Turn], *tools: Any, **more: Any) -> None:
    more.setdefault("budget", LONG)
    result, path = play(task, folder, [*turns, say("over")], *tools, **more)
    assert result.status == "done"
    assert "warning" not in kinds(path)


def test_pages_are_progress(task: Task, tmp_path: Path) -> None:
    numbered: list[Turn] = [use("page", {"offset": 20 * n}) for n in range(40)]
    fine(task, tmp_path / "offset", numbered, Does("page", lambda _: "20 rows"))
    pages: Iterator[int] = iter(range(100))
    cursor: list[Turn] = [use("next", {})] * 40
    fine(task, tmp_path / "cursor", cursor, Does("next", lambda _: f"row {next(pages)}"))


def test_waiting_for_something_is_progress(task: Task, tmp_path: Path) -> None:
    now = [0.0]

    def wait(arguments: Mapping[str, Any]) -> str:
        now[0] += arguments["s"]
        return "still running"

    def purse() -> Purse:
        return Purse(Budget(steps=100, wall_s=3600), clock=lambda: now[0])

    slow: list[Turn] = [use("poll", {"s": 5})] * 15
    fine(task, tmp_path / "one", slow, Does("poll", wait), purse=purse())
    both: list[Turn] = [use("sleep", {"s": 10}), use("poll", {"s": 0})] * 12
    tools = (Does("sleep", wait), Does("poll", wait))
    fine(task, tmp_path / "two", both, *tools, purse=purse())
    moving = iter(range(0, 100, 4))
    quick: list[Turn] = [use("poll", {})] * 20
    fine(task, tmp_path / "quick", quick, Does("poll", lambda _: f"{next(moving)} % done"))
    # It has an end, too: nobody waits for ever.
    for_ever: list[Turn] = [use("poll", {"s": 5})] * 60
    result, _ = play(task, tmp_path / "ever", for_ever, Does("poll", wait), purse=purse())
    assert (result.status, result.steps) == ("stuck", 35)


def test_a_mended_error_is_progress(task: Task, tmp_path: Path) -> None:
    def sometimes(arguments: Mapping[str, Any]) -> str:
        if arguments["n"] % 3:
            raise ToolError("no such column")
        return f"row {arguments['n']}"

    fine(task, tmp_path, [use("do", {"n": n}) for n in range(40)], Does("do", sometimes))


def test_a_stuck_run_that_is_resumed_has_another_chance(task: Task, tmp_path: Path) -> None:
    tool = Does("do")
    result, path = play(task, tmp_path, [use("do", {})] * 50, tool, budget=LONG)
    assert (result.status, result.steps) == ("stuck", 7)
    turns: list[Turn] = [use("do", {})] * 7
    again, _ = play(task, tmp_path, [*turns, use("do", {}), say("over")], tool, budget=LONG)
    assert (again.status, again.steps) == ("done", 9)
    assert len(told(path)) == 8
