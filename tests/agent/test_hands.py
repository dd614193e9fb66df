"""Calls side by side, and interrupts that lose nothing."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.agent.played import WRITES, Does, calls, kinds, play, told

from earnest.agent.loop import run_agent
from earnest.core.acts import Act
from earnest.core.errors import SandboxError, ToolError
from earnest.core.events import EventLog, read_events
from earnest.core.messages import Message
from earnest.core.records import Task
from earnest.models.scripted import ScriptedModel, say

NET = (Act(kind="network-read", what="ask a host", target="example.org", reach="the host's log"),)


class Meet:
    """Lets calls go on only when so many are under way, and each when so many have been logged."""

    def __init__(self, count: int, folder: Path) -> None:
        self.barrier, self.path = threading.Barrier(count), folder / "run" / "events.jsonl"

    def __call__(self, arguments: Mapping[str, Any]) -> str:
        self.barrier.wait(timeout=60)
        until_logged(self.path, arguments["after"])
        return f"met {arguments['n']}"


def until_logged(path: Path, count: int) -> None:
    """Wait until a log has so many effects."""
    end = time.monotonic() + 60
    while path.read_bytes().count(b'"kind":"effect"') < count:
        assert time.monotonic() < end
        time.sleep(0.005)


def effects(path: Path) -> list[int]:
    return [event.payload["index"] for event in read_events(path) if event.kind == "effect"]


@pytest.mark.parametrize("acts", [None, NET])
def test_calls_that_change_nothing_run_side_by_side(task: Task, tmp_path: Path, acts: Any) -> None:
    meet = Meet(3, tmp_path)
    tool = Does("look", meet, acts or Does("x").declared, concurrent=True)
    wanted = [("look", {"n": n, "after": 2 - n}) for n in range(3)]
    _, path = play(task, tmp_path, [calls(*wanted, turn=1), say("over")], tool)
    assert told(path) == ["met 0", "met 1", "met 2"]  # in the order of the calls
    assert effects(path) == [2, 1, 0]  # logged as they came


@pytest.mark.parametrize("how", ["not concurrent", "writes", "asked", "one failed to class"])
def test_all_others_run_in_order(task: Task, tmp_path: Path, how: str) -> None:
    under_way, most = [0], [0]

    def one(arguments: Mapping[str, Any]) -> str:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        under_way[0] -= 1
        return str(arguments["n"])

    def acts(arguments: Mapping[str, Any]) -> Any:
        if how == "one failed to class" and arguments["n"] != 1:
            raise ToolError("no")
        return {"writes": WRITES, "asked": NET}.get(how, Does("x").declared)

    tool = Does("do", one, acts, concurrent=how != "not concurrent")
    policy = "ask" if how == "asked" else "auto"
    turns = [calls(*(("do", {"n": n}) for n in range(3)), turn=1), say("over")]
    _, path = play(task, tmp_path, turns, tool, policy=policy, ask=lambda _: True)
    assert (most, effects(path)) == ([1], [0, 1, 2])


def test_order_is_kept_around_what_changes_something(task: Task, tmp_path: Path) -> None:
    done: list[str] = []
    look = Does("look", lambda a: done.append(f"look {a['n']}") or "ok", concurrent=True)
    write = Does("write", lambda a: done.append(f"write {a['n']}") or "ok", WRITES)
    wanted = [("look", 0), ("look", 1), ("write", 2), ("look", 3), ("look", 4)]
    turn = calls(*((name, {"n": n}) for name, n in wanted), turn=1)
    play(task, tmp_path, [turn, say("over")], look, write)
    assert set(done[:2]) == {"look 0", "look 1"}
    assert done[2] == "write 2"
    assert set(done[3:]) == {"look 3", "look 4"}


def test_a_failure_beside_others_loses_none_of_them(task: Task, tmp_path: Path) -> None:
    meet = Meet(3, tmp_path)

    def look(arguments: Mapping[str, Any]) -> str:
        meet(arguments)
        if arguments["n"] == 0:
            raise SandboxError("broken")
        if arguments["n"] == 1:
            raise ToolError("not like this")
        return "fine"

    turn = calls(*(("look", {"n": n, "after": max(0, n - 1)}) for n in range(3)), turn=1)
    result, path = play(task, tmp_path, [turn, say("over")], Does("look", look, concurrent=True))
    assert (result.status, result.reason) == ("failed", "SandboxError: broken")
    assert effects(path) == [1, 2]
    again = Does("look", lambda _: "now", concurrent=True)
    result, _ = play(task, tmp_path, [turn, say("over")], again)
    assert (result.status, told(path)) == ("done", ["now", "not like this", "fine"])


TURNS = 50


def tallied(path: Path) -> list[int]:
    """Return the calls of `tally` that the log has an effect of: each that gave something back."""
    gave = [one.payload for one in read_events(path) if one.kind == "effect"]
    return [int(one["call"].split("-")[0]) for one in gave if one["tool"] == "tally"]


def test_ctrl_c_at_any_moment_loses_no_effect_that_was_completed(
    task: Task, tmp_path: Path
) -> None:
    made, cut = list[int](), list[int]()
    rng, main = random.Random(8), threading.main_thread().ident
    strikes: list[tuple[int, threading.Timer]] = []  # after how many calls of `tally`, and what

    def tally(arguments: Mapping[str, Any]) -> str:
        if strikes and (left := strikes.pop()):
            if left[0] == 0:
                left[1].start()
            else:
                strikes.append((left[0] - 1, left[1]))
        try:
            made.append(arguments["n"])
            return f"tallied {arguments['n']}"
        except KeyboardInterrupt:  # cut off in the tool itself: it may have been done
            cut.append(arguments["n"])
            raise

    def turn(number: int) -> Message:
        looks = [("look", {"n": f"{number}-{k}"}) for k in range(2)]
        return calls(("tally", {"n": number}), *looks, turn=number)

    tools = (Does("tally", tally, WRITES), Does("look", lambda _: "seen", concurrent=True))
    turns = [*map(turn, range(TURNS)), say("over")]
    stopped, status = 0, ""
    path = tmp_path / "run" / "events.jsonl"
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for sitting in range(60):
            strike = threading.Timer(
                rng.uniform(0, 0.008), signal.pthread_kill, (main, signal.SIGINT)
            )
            strikes[:] = [(rng.randrange(3), strike)] if sitting < 12 else []
            with EventLog(path) as log:
                try:
                    status = run_agent(task, ScriptedModel(turns), tools, log).status
                    while strike.is_alive():
                        time.sleep(0.01)
                    time.sleep(0.01)  # for one that came in the last moment
                except KeyboardInterrupt:
                    status = "raised"  # before or after all of the loop's work
            stopped += status == "stopped"
            done = tallied(path)
            assert set(made) - set(done) <= set(cut)
            assert len(made) - len(set(made)) <= len(cut)
            if status == "done":
                break
    finally:
        signal.signal(signal.SIGINT, old)
    assert (status, done) == ("done", list(range(TURNS)))
    assert stopped >= 4


def test_the_check_of_interrupts_can_fail(tmp_path: Path) -> None:
    """With the interrupt let through everywhere, a completed effect does get lost."""
    from earnest.core.interrupts import held, soft

    def tool() -> str:
        signal.raise_signal(signal.SIGINT)
        return "never"

    def loop(guarded: bool) -> list[str]:
        kept: list[str] = []

        def work() -> None:
            try:
                soft(tool)
            except KeyboardInterrupt:
                kept.append("in the tool")
            signal.raise_signal(signal.SIGINT)  # between the tool's return and the log
            kept.append("logged")

        try:
            (held if guarded else lambda do: do())(work)
        except KeyboardInterrupt:
            kept.append("raised")
        return kept

    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert loop(guarded=True) == ["in the tool", "logged"]
        assert loop(guarded=False) == ["in the tool", "raised"]
    finally:
        signal.signal(signal.SIGINT, old)


def test_an_interrupt_while_calls_run_side_by_side_ends_the_run_at_once(
    task: Task, tmp_path: Path
) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        pytest.skip("SIGINT is not the interpreter's own here")
    release, main = threading.Event(), threading.main_thread().ident

    def look(arguments: Mapping[str, Any]) -> str:
        if arguments["n"] == 0:
            return "quick"
        if arguments["n"] == 1:
            until_logged(tmp_path / "run" / "events.jsonl", 1)
            signal.pthread_kill(main, signal.SIGINT)
        release.wait(timeout=60)
        return "slow"

    turn = calls(*(("look", {"n": n}) for n in range(3)), turn=1)
    began = time.monotonic()
    result, path = play(task, tmp_path, [turn, say("over")], Does("look", look, concurrent=True))
    release.set()
    assert time.monotonic() - began < 30
    assert (result.status, result.reason) == ("stopped", "interrupted")
    assert (effects(path), kinds(path)[-1]) == ([0], "end")
    quick = Does("look", lambda _: "now", concurrent=True)
    result, _ = play(task, tmp_path, [turn, say("over")], quick)
    assert (result.status, told(path)) == ("done", ["quick", "now", "now"])


def test_an_interrupt_in_a_sub_agent_ends_its_parent_too(task: Task, tmp_path: Path) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        pytest.skip("SIGINT is not the interpreter's own here")

    def hang(_: Mapping[str, Any]) -> str:
        signal.raise_signal(signal.SIGINT)
        return "never"

    def delegate(_: Mapping[str, Any]) -> str:
        inner = [calls(("hang", {})), say("over")]
        done, _ = play(task, tmp_path / "sub", inner, Does("hang", hang))
        return done.status

    turns = [calls(("sub", {}), turn=1), calls(("sub", {}), turn=2), say("over")]
    result, path = play(task, tmp_path, turns, Does("sub", delegate, WRITES))
    assert (result.status, result.steps) == ("stopped", 1)
    assert told(path) == ["stopped"]
    assert kinds(tmp_path / "sub" / "run" / "events.jsonl")[-1] == "end"
