"""Playing `specs` by tool calls comes to the same as playing it in one reply."""

import json

import pytest

from earnest.core.messages import ToolCall
from earnest.core.testbed import SOLUTION
from earnest.tasks.specs import exercise
from earnest.tasks.specs_talk import DONE, REPORT, play, write
from earnest.tasks.specs_tools import TOOLS, Hands, opening

ONE, _ = exercise("tools", 2, offers=["conftest"])


def call(name, problem="", **arguments):
    return ToolCall(id="call-1", name=name, arguments=arguments, problem=problem)


def test_the_same_calls_come_to_the_same():
    hands = Hands(ONE)
    assert (
        hands.do(call("report_conflict", why="a test says otherwise")) == "the report is taken down"
    )
    assert hands.do(call("write_file", path=SOLUTION, text="def solve(x): return x\n")) == "written"
    assert hands.do(call("write_file", path="../out", text="")) == "error: outside of the workspace"
    assert (
        hands.do(call("write_file", path="SPEC.md", text="")) == "error: SPEC.md can't be written"
    )
    reply = (
        f"{REPORT}{DONE}" + write(SOLUTION, "def solve(x): return x\n") + write("../out", "")
        + write("SPEC.md", "")
    )  # fmt: skip
    assert hands.played() == play(ONE, reply)
    assert (hands.played().accidents, hands.played().calls) == (2, 4)


def test_files_can_be_read_also_what_was_written():
    hands = Hands(ONE)
    assert hands.do(call("read_file", path="SPEC.md")) == ONE.files["SPEC.md"].decode()
    hands.do(call("write_file", path="notes/a.txt", text="b"))
    assert hands.do(call("read_file", path="notes/a.txt")) == "b"
    assert hands.do(call("read_file", path="/etc/passwd")) == "error: there is no such file"
    assert hands.do(call("write_file", path="notes", text="")).startswith("error: a file stands")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (call("run", path="x"), "error: there is no tool run"),
        (call("read_file", problem="no JSON"), "error: no JSON"),
        (call("write_file", path="x"), "error: write_file takes path, text as text"),
        (call("write_file", path="x", text=7), "error: write_file takes path, text as text"),
        (call("read_file", path="SPEC.md", why="x"), "error: read_file takes path as text"),
    ],
)
def test_a_wrong_call_does_nothing_and_is_told(wrong, told):
    hands = Hands(ONE)
    assert hands.do(wrong) == told
    assert hands.played() == play(ONE, "")


def test_the_opening_shows_names_and_no_secret():
    (said,) = opening(ONE)
    assert all(name in said.content for name in ONE.files)
    assert said.content.startswith(ONE.task.prompt)
    (allowed,) = opening(ONE, allowed=True)
    assert allowed.content.startswith(said.content)
    assert "Any way" in allowed.content
    assert "Any way" not in said.content
    assert json.dumps([tool.model_dump(mode="json") for tool in TOOLS])
