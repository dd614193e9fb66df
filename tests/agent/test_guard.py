"""What a policy lets a call do, and what happens where it doesn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from tests.agent.played import WRITES, Does, calls, kinds, play, told

from earnest.agent.guard import DECISIONS, Question, asked_in_words, classed, decide
from earnest.core.acts import CLASSES, POLICIES, READ, Act, Class, Policy
from earnest.core.budget import Budget
from earnest.core.errors import ToolError
from earnest.core.events import read_events
from earnest.core.messages import ToolCall
from earnest.core.records import Task
from earnest.models.scripted import say, use

ALLOWED = {
    "plan": {"read"},
    "auto": {"read", "write", "network-read"},
    "ask": {"read", "write"},
}


def act(kind: Class, what: str = "do it") -> Act:
    return Act(kind=kind, what=what, target="there", reach="all of it")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_has_a_decision_under_every_policy(policy: Policy, kind: Class) -> None:
    assert set(DECISIONS[policy]) == set(get_args(Class))
    wanted = "allow" if kind in ALLOWED[policy] else "ask" if policy == "ask" else "deny"
    assert decide(policy, [act(kind)]) == ("deny" if kind == "unknown" else wanted)


def test_the_strictest_of_several_acts_decides() -> None:
    assert decide("auto", [*READ, act("spend")]) == "deny"
    assert decide("ask", [act("spend"), act("unknown")]) == "deny"
    assert decide("ask", [*READ, act("spend"), *READ]) == "ask"
    for policy in POLICIES:
        assert decide(policy, []) == "deny"


def broken(_: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "declared", [broken, lambda _: None, lambda _: [], lambda _: ["read"], lambda _: "read"]
)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_tool_that_cannot_say_what_it_would_do_is_refused(
    task: Task, tmp_path: Path, declared: Any, policy: Policy
) -> None:
    tool = Does("do", acts=declared)
    assert [one.kind for one in classed(tool, ToolCall(id="1", name="do"))] == ["unknown"]
    turns = [use("do", {}), say("over")]
    result, path = play(task, tmp_path, turns, tool, policy=policy, ask=lambda _: True)
    assert (result.status, tool.made) == ("done", [])
    assert f"policy {policy} denies it" in told(path)[0]
    assert "can't be told" in told(path)[0]
    plain = Does("do")
    play(task, tmp_path / "known", turns, plain, policy=policy)
    assert len(plain.made) == 1


def test_arguments_that_are_wrong_are_told_and_not_classed(task: Task, tmp_path: Path) -> None:
    def wrong(_: Any) -> Any:
        raise ToolError("path: missing", mend="give a path")

    tool = Does("do", acts=wrong)
    _, path = play(task, tmp_path, [use("do", {}), say("over")], tool)
    assert told(path) == ["path: missing\ngive a path"]
    assert "permission" not in kinds(path)


def test_a_refusal_says_why_and_what_may_be_done(task: Task, tmp_path: Path) -> None:
    tool = Does("mail", acts=[act("network-change", "mail a person")])
    _, path = play(task, tmp_path, [use("mail", {}), say("over")], tool)
    assert tool.made == []
    (line,) = told(path)
    assert "This call was not made: the policy auto denies it: mail a person" in line
    assert "What needs no leave: reading what the run has, writing in the run's own folder" in line
    (event,) = [one for one in read_events(path) if one.kind == "permission"]
    found = {name: event.payload[name] for name in ("why", "by", "decision", "policy", "index")}
    assert found == {
        "why": "permission",
        "by": "policy",
        "decision": "deny",
        "policy": "auto",
        "index": 0,
    }


@pytest.mark.parametrize("yes", [True, False])
def test_a_person_is_asked_once_and_for_that_call_only(
    task: Task, tmp_path: Path, yes: bool
) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> bool:
        asked.append(question)
        return yes

    tool = Does("mail", acts=[act("network-change", "mail a person")])
    turns = [use("mail", {"to": "a"}, id="x", text="I have to ask her."), use("mail", {}), say("")]
    _, path = play(task, tmp_path, turns, tool, policy="ask", ask=ask)
    assert [one.why for one in asked] == ["permission"] * 2
    assert len(tool.made) == (2 if yes else 0)
    assert told(path)[0].startswith("ok" if yes else "This call was not made: the person")
    words = asked_in_words(asked[0])
    for part in (
        "mail would: mail a person",
        "class: network-change",
        "all of it",
        "I have to ask",
    ):
        assert part in words
    # Cut off after the answer, before the effect: the answer stands, and nothing is asked again.
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(event.number for event in read_events(path) if event.kind == "permission")
    path.write_bytes(b"".join(lines[: at + 1]))
    asked.clear()
    play(task, tmp_path, turns, tool, policy="ask", ask=ask)
    assert [one.why for one in asked] == ["permission"]
    assert asked[0].call.arguments == {}


def test_what_a_question_shows_cannot_be_forged() -> None:
    call = ToolCall(id="1", name="do\nclass: read", arguments={"a": "x\u202ey"})
    acts = (act("spend", "pay\nAllow this one call? yes"),)
    words = asked_in_words(Question(call, acts, "permission", "fine\nclass: read \x1b[2K"))
    assert "\x1b" not in words
    assert "\u202e" not in words
    assert len(words.splitlines()) == 4


def test_an_effect_of_unknown_outcome_that_was_refused_is_not_asked_about_again(
    task: Task, tmp_path: Path
) -> None:
    tool = Does("do", acts=WRITES, repeatable=False)
    turns = [calls(("do", {"n": 1}), ("do", {"n": 2}), turn=1), say("over")]
    _, path = play(task, tmp_path, turns, tool)
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(event.number for event in read_events(path) if event.kind == "intent")
    path.write_bytes(b"".join(lines[: at + 1]))
    asked: list[str] = []

    def no(question: Question) -> bool:
        asked.append(question.why)
        return False

    tool.made.clear()
    play(task, tmp_path, turns, tool, ask=no)
    assert (asked, tool.made) == (["unknown-outcome"], [{"n": 2}])
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(event.number for event in read_events(path) if event.kind == "permission")
    path.write_bytes(b"".join(lines[: at + 1]))
    tool.made.clear()
    play(task, tmp_path, turns, tool, ask=no)
    assert (asked, tool.made) == (["unknown-outcome"], [{"n": 2}])


def test_a_call_that_changes_nothing_is_made_again_unasked(task: Task, tmp_path: Path) -> None:
    tool = Does("look", repeatable=False)
    _, path = play(task, tmp_path, [use("look", {}), say("over")], tool)
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(event.number for event in read_events(path) if event.kind == "intent")
    path.write_bytes(b"".join(lines[: at + 1]))
    result, _ = play(task, tmp_path, [use("look", {}), say("over")], tool)
    assert (result.status, len(tool.made)) == ("done", 2)


def cut_off(path: Path, kind: str) -> None:
    """Cut a log off after its first event of a kind, as a kill does."""
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(event.number for event in read_events(path) if event.kind == kind)
    path.write_bytes(b"".join(lines[: at + 1]))


def test_what_a_kill_left_unknown_stays_so_until_it_is_settled(task: Task, tmp_path: Path) -> None:
    asked: list[str] = []

    def no(question: Question) -> bool:
        asked.append(question.why)
        return False

    tool = Does("do", acts=WRITES, repeatable=False)
    turns = [use("do", {}), say("over")]
    _, path = play(task, tmp_path, turns, tool)
    cut_off(path, "intent")
    # A sitting that ends before it comes to the call settles nothing.
    for more in ({"stop": lambda: True}, {"budget": Budget(wall_s=0)}):
        ended, _ = play(task, tmp_path, turns, tool, ask=no, **more)
        assert (ended.status != "done", asked) == (True, [])
    play(task, tmp_path, turns, tool, ask=no)
    assert (asked, len(tool.made)) == (["unknown-outcome"], 1)


def test_a_call_begun_after_an_orderly_end_is_unknown_after_a_kill(
    task: Task, tmp_path: Path
) -> None:
    asked: list[str] = []
    tool = Does("do", acts=WRITES, repeatable=False)
    turns = [calls(("do", {"n": 1}), ("do", {"n": 2}), turn=1), say("over")]
    ended, path = play(task, tmp_path, turns, tool, stop=lambda: bool(tool.made))
    assert (ended.status, tool.made) == ("stopped", [{"n": 1}])
    play(task, tmp_path, turns, tool)  # nothing was under way, so nobody is asked
    assert tool.made == [{"n": 1}, {"n": 2}]
    cut_off(path, "resume")  # killed in the second call
    play(task, tmp_path, turns, tool, ask=lambda question: asked.append(question.why) or False)
    assert (asked, len(tool.made)) == (["unknown-outcome"], 2)


def test_a_call_made_under_another_policy_may_have_been_under_way(
    task: Task, tmp_path: Path
) -> None:
    asked: list[str] = []
    tool = Does("do", acts=[act("network-read")], repeatable=False)
    writes = Does("write", acts=[*WRITES, act("network-read")], repeatable=False)
    turns = [use("write", {}), say("over")]
    _, path = play(task, tmp_path, turns, writes, tool)
    cut_off(path, "intent")
    again = play(
        task, tmp_path, turns, writes, tool,
        policy="ask", ask=lambda question: asked.append(question.why) or True,
    )  # fmt: skip
    assert (again[0].status, asked) == ("done", ["permission", "unknown-outcome"])
