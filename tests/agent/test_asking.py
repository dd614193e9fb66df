"""Budgets hold: whatever a run does, it never uses more than it may, but for what can't be known.

What can't be known before the act: by how much a prompt is longer than was estimated (once, since
the run ends then), and how long the act takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.agent.played import WRITES, Does, Talker, calls

from earnest.agent.loop import run_agent
from earnest.agent.replay import CHARACTERS_A_TOKEN, logged_used, replay
from earnest.core.budget import NAMES, Budget, Name, Purse
from earnest.core.events import EventLog, read_events
from earnest.core.messages import Message, Observation, ToolSpec
from earnest.core.records import Task
from earnest.models.scripted import say

RULES = "Spend."


class Price:
    """Dollars a token, in and out."""

    def __init__(self, given: float, made: float) -> None:
        self.given, self.made = given, made

    def cost(self, prompt: int, completion: int) -> float:
        return prompt * self.given + completion * self.made


BUDGETS = st.builds(
    Budget,
    steps=st.none() | st.integers(1, 9),
    wall_s=st.none() | st.floats(1, 40),
    tokens=st.none() | st.integers(100, 6000),
    cost_usd=st.none() | st.floats(0.01, 1.0),
    processes=st.none() | st.integers(0, 6),
    bytes_written=st.none() | st.integers(0, 4000),
    network_calls=st.none() | st.integers(0, 5),
)
ACT = st.fixed_dictionaries(
    {
        "processes": st.integers(0, 3),
        "bytes_written": st.integers(0, 2000),
        "network_calls": st.integers(0, 2),
        "wall_s": st.integers(0, 9),
        "words": st.sampled_from([1, 50, 400]),
    }
)
SCRIPT = st.lists(st.lists(ACT | st.just("sub"), min_size=1, max_size=3), max_size=8)
THINGS: tuple[Name, ...] = ("processes", "bytes_written", "network_calls")


class World:
    """A run with a spending tool, a sub-agent, and a clock that only they move."""

    def __init__(self, folder: Path, task: Task, script: Any, model: Talker) -> None:
        self.folder, self.task, self.script, self.model = folder, task, script, model
        self.now, self.acts, self.stop_at = 0.0, 0, -1

    def clock(self) -> float:
        return self.now

    def stop(self) -> bool:
        self.acts += 1
        return self.acts == self.stop_at

    def tools(self, purse: Purse, deep: int) -> list[Does]:
        def spend(arguments: Mapping[str, Any]) -> str:
            for name in THINGS:
                purse.take(name, arguments[name])  # before the act, as every tool does
            self.now += arguments["wall_s"]
            return "word " * arguments["words"]

        def delegate(_: Mapping[str, Any]) -> Observation:
            with EventLog(self.folder / f"sub{deep}-{self.acts}" / "events.jsonl") as log:
                child = purse.child(Budget(steps=3, tokens=2000, wall_s=None))
                done = run_agent(
                    self.task, self.model, self.tools(child, deep + 1), log, purse=child,
                    rules=RULES, stop=self.stop,
                )  # fmt: skip
            return Observation(content=done.status)

        found = [Does("spend", spend, WRITES)]
        return found if deep else [*found, Does("sub", delegate, WRITES)]

    def sit(self, budget: Budget) -> tuple[Any, Purse]:
        path = self.folder / "run" / "events.jsonl"
        with EventLog(path) as log:
            purse = Purse(budget, logged_used(log.events), clock=self.clock)
            done = run_agent(
                self.task, self.model, self.tools(purse, 0), log, purse=purse, rules=RULES,
                stop=self.stop,
            )  # fmt: skip
        return done, purse


def talker(script: Any, a_character: float, price: Price | None) -> Talker:
    def answer(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Message:
        turn = sum(one.role == "assistant" for one in messages)
        if turn >= len(script):
            return say("over")
        has = {one.name for one in tools}
        wanted = [("sub", {}) if one == "sub" else ("spend", one) for one in script[turn]]
        return calls(*(one for one in wanted if one[0] in has), turn=turn, text="go on")

    return Talker(answer, a_character=a_character, price=price)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    budget=BUDGETS,
    script=SCRIPT,
    a_character=st.sampled_from([0.1, 0.25, 1 / CHARACTERS_A_TOKEN, 0.6, 1.0]),
    priced=st.booleans(),
    stop_at=st.integers(1, 20),
)
def test_no_budget_is_exceeded(
    task: Task,
    tmp_path_factory: pytest.TempPathFactory,
    budget: Budget,
    script: Any,
    a_character: float,
    priced: bool,
    stop_at: int,
) -> None:
    price = Price(1e-4, 5e-4) if priced else None
    model = talker(script, a_character, price)
    world = World(tmp_path_factory.mktemp("run"), task, script, model)
    world.stop_at = stop_at
    done, purse = world.sit(budget)
    before = purse.used
    if done.status == "stopped":
        done, purse = world.sit(budget)
        for name in NAMES:
            assert purse.used[name] >= before[name] - 1e-6
    assert done.status in ("done", "over-budget", "stopped")
    used = purse.used
    assert used["steps"] == done.steps + sum(
        replay(read_events(path)).turns for path in world.folder.glob("sub*/events.jsonl")
    )
    for name in ("steps", *THINGS):
        limit = getattr(budget, name)
        assert limit is None or used[name] <= limit, name
    # A prompt that has more tokens than its estimate, once.
    prompts = [sum(len(one.content) + 400 for one in messages) for messages, _ in model.seen]
    longest = max(prompts, default=0) * a_character
    wrong = longest * max(0.0, 1 - 1 / (CHARACTERS_A_TOKEN * a_character)) + 1
    if budget.tokens is not None:
        assert used["tokens"] <= budget.tokens + (wrong if wrong > 1 else 0)
    if budget.cost_usd is not None and price is not None:
        assert (
            used["cost_usd"] <= budget.cost_usd + (wrong * price.given if wrong > 1 else 0) + 1e-9
        )
    if budget.wall_s is not None:
        assert used["wall_s"] < budget.wall_s + 9 + 1e-6


def test_the_check_of_the_budgets_can_fail(task: Task, tmp_path: Path) -> None:
    """A tool that takes after the act goes beyond what it may, which the property would see."""
    purse = Purse(Budget(processes=3))

    def careless(_: Mapping[str, Any]) -> str:
        purse.charge("processes", 2)
        return "ok"

    turns = [calls(("do", {"n": n}), turn=n) for n in range(3)]
    model = Talker(
        lambda messages, _: [*turns, say("over")][sum(m.role == "assistant" for m in messages)]
    )
    with EventLog(tmp_path / "events.jsonl") as log:
        run_agent(task, model, [Does("do", careless, WRITES)], log, purse=purse)
    assert purse.used["processes"] > 3


def test_what_a_tool_may_not_use_is_told_to_the_model(task: Task, tmp_path: Path) -> None:
    purse = Purse(Budget(bytes_written=10))

    def write(_: Mapping[str, Any]) -> str:
        purse.take("bytes_written", 11)
        raise AssertionError("written after all")

    model = talker([], 0.25, None)
    model.answer = lambda messages, _: (
        say("over") if any(m.role == "tool" for m in messages) else calls(("do", {}))
    )
    with EventLog(tmp_path / "events.jsonl") as log:
        result = run_agent(task, model, [Does("do", write, WRITES)], log, purse=purse)
    assert result.status == "done"
    assert "the budget of 10 bytes_written is used up" in model.seen[-1][0][-1].content


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(tokens=400), "has no room for the next answer"),
        (Budget(cost_usd=0.03), "has no room for the next answer"),
        (Budget(steps=0), "the budget of 0 steps is used up"),
        (Budget(wall_s=0), "the budget of time"),
    ],
)
def test_a_model_is_not_asked_where_what_is_left_may_not_suffice(
    task: Task, tmp_path: Path, budget: Budget, reason: str
) -> None:
    model = talker([], 1 / CHARACTERS_A_TOKEN, Price(1e-4, 5e-4))
    with EventLog(tmp_path / "events.jsonl") as log:
        result = run_agent(task, model, [], log, budget, rules="word " * 300)
    assert (result.status, result.steps, model.seen) == ("over-budget", 0, [])
    assert reason in result.reason
    with EventLog(tmp_path / "events.jsonl") as log:
        result = run_agent(task, model, [], log, Budget(tokens=10_000), rules=RULES)
    assert (result.status, len(model.seen)) == ("done", 1)


def test_money_shortens_the_answer(task: Task, tmp_path: Path) -> None:
    model = talker([], 0.1, Price(1e-4, 1e-3))
    with EventLog(tmp_path / "events.jsonl") as log:
        run_agent(task, model, [], log, Budget(cost_usd=0.2), rules=RULES)
    ((_, most),) = model.seen
    assert 100 < most < 200


def test_a_sub_agent_that_is_cut_off_is_counted_once(task: Task, tmp_path: Path) -> None:
    """The parent's log ends where the sub-agent was called, and the sub-agent's own goes on."""
    cut = [True]

    def one(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Message:
        turn = sum(message.role == "assistant" for message in messages)
        if tools[0].name == "sub":
            return calls(("sub", {}), turn=turn) if turn == 0 else say("over")
        if turn == 1 and cut.pop():
            cut.append(False)
            raise KeyboardInterrupt
        return calls(("spend", {}), turn=turn) if turn < 2 else say("over")

    def sit() -> tuple[Any, Purse]:
        with EventLog(tmp_path / "run" / "events.jsonl") as log:
            purse = Purse(Budget(), logged_used(log.events))

            def delegate(_: Mapping[str, Any]) -> str:
                with EventLog(tmp_path / "sub" / "events.jsonl") as log:
                    child = purse.child(Budget(), logged_used(log.events))
                    spend = Does("spend", lambda _: child.take("processes") or "ok", WRITES)
                    done = run_agent(task, Talker(one), [spend], log, purse=child, rules=RULES)
                if done.status == "stopped":
                    raise KeyboardInterrupt
                return done.status

            tools = [Does("sub", delegate, WRITES)]
            return run_agent(task, Talker(one), tools, log, purse=purse, rules=RULES), purse

    assert sit()[0].status == "stopped"
    done, purse = sit()
    assert done.status == "done"
    assert (purse.used["steps"], purse.used["processes"]) == (2 + 3, 2)
