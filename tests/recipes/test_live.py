"""The live view, in pseudo-terminals of several widths; what hostile text makes of them."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios

import pytest
from tests.injections import TEXTS
from tests.recipes.played import TURNS, played
from tests.terminal import Screen, Terminal

from earnest.core.home import Home
from earnest.recipes.screen import Region
from earnest.recipes.watched import Seen, Watched

CHILD = r"""
import sys, time
from pathlib import Path
from earnest.agent.loop import run_agent
from earnest.core.acts import Act, READ
from earnest.core.budget import Budget
from earnest.core.events import EventLog
from earnest.core.messages import Observation, ToolSpec
from earnest.core.records import Task
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes.live import view_of
from earnest.tools.notes import NotesTool
from earnest.tools.workspace import Workspace
from argparse import Namespace
from tests.injections import TEXTS

folder, pause, said = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]


class Post:
    repeatable = False
    spec = ToolSpec(name="post", description="", parameters={"type": "object"})

    def acts(self, arguments):
        words = str(arguments.get("text", ""))
        return [Act(kind=arguments["kind"], what=f"send {words}", target="host", reach="a host")]

    def call(self, arguments):
        time.sleep(pause)
        return Observation(content=said + " sent")


class Talking(ScriptedModel):
    heard = None

    def generate(self, *given):
        for piece in said, " and so on ":
            if self.heard:
                self.heard(piece)
            time.sleep(pause)
        return super().generate(*given)


kinds = sys.argv[4].split(",")
turns = [use("notes", {"action": "append", "file": "plan", "text": f"- look\n- {said}"})]
for n, kind in enumerate(filter(None, kinds)):
    turns.append(use("post", {"text": said, "kind": kind}, id=f"c{n}"))
model = Talking([*turns, say("over")])
task = Task(kind="research", prompt="What?", tables=())
options = Namespace(quiet="quiet" in sys.argv, json="json" in sys.argv)
tools = [NotesTool(Workspace(folder / "workspace")), Post()]
line = lambda text: print(text, file=sys.stderr, flush=True)
try:
    with view_of(options, line) as view, EventLog(folder / "events.jsonl") as log:
        view.watch(folder, model)
        view.say("begin " + said)
        found = run_agent(task, model, tools, log, Budget(), policy="ask", ask=view.ask,
                          progress=view.say)
        if found.status == "stopped":
            raise KeyboardInterrupt
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(130)
print("ended", found.status)
"""
HOSTILE = " ".join(text for text in TEXTS.values() if len(text) < 1000)


def begun(folder, *, pause="0.3", said="hello", kinds="", columns=80, rows=24, more=(), **extra):
    return Terminal(
        CHILD, str(folder), pause, said, kinds, *more, columns=columns, rows=rows, **extra
    )


@pytest.mark.parametrize(
    "columns",
    [pytest.param(20, marks=pytest.mark.slow), 80, pytest.param(200, marks=pytest.mark.slow)],
)
def test_it_shows_plan_step_budget_and_words_and_leaves_nothing(columns, tmp_path):
    with begun(
        tmp_path, said="hello there", kinds="read", columns=columns, pause="0.4"
    ) as terminal:
        assert terminal.finish() == 0
        for told in ("plan  - look", "says  hello", "now   step 2", "used  step 2/60"):
            assert any(told in text for text in terminal.seen), told
        views = [text.split("\n---")[1].split("\n") for text in terminal.seen if "\n---" in text]
        assert max(len(line) for view in views for line in view[1:]) < columns
        assert terminal.screen.wrongs == []
        left = [line for line in terminal.screen.lines if line]
        assert left[-1] == "ended done"
        assert not [line for line in left if line.startswith(("used", "plan", "now", "---"))]
        assert left[0].startswith("begin hello")


def test_no_text_of_a_model_or_tool_reaches_the_terminal_as_more_than_text(tmp_path):
    with begun(tmp_path, said=HOSTILE, kinds="read", pause="0.15") as terminal:
        terminal.until("ended done")
        assert terminal.finish() == 0
        assert terminal.screen.wrongs == []
        assert any("\\u{1b}" in text for text in terminal.seen)
        assert "\x1b[2J" not in terminal.raw
        assert "\x1b]" not in terminal.raw


def test_what_would_be_sent_without_that_is_found():
    screen = Screen(80)
    screen.feed(HOSTILE)
    assert len(screen.wrongs) > 5


def test_a_resize_leaves_no_lines_behind(tmp_path):
    with begun(tmp_path, said="hello there, all of you", kinds="read", pause="0.4") as terminal:
        terminal.until("used  step 1/60")
        for columns in (24, 60, 33, 120):
            terminal.resize(columns)
            terminal.read(0.3)
        assert terminal.finish() == 0
        left = [line for line in terminal.screen.lines if line]
        assert left[-1] == "ended done"
        assert not [line for line in left if re.match("(used|says|plan|now|---)", line)]


@pytest.mark.slow
def test_a_terminal_that_was_told_no_size_has_the_usual_one(monkeypatch):
    monkeypatch.setenv("COLUMNS", "")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        assert os.get_terminal_size(stream.fileno()) == (0, 0)
        assert Region(stream).size()[0] >= 80
    os.close(master)


def test_a_low_terminal_shows_the_budget_first(tmp_path):
    with begun(tmp_path, rows=4, kinds="read", pause="0.5") as terminal:
        terminal.until("used  step 2")
        assert terminal.finish() == 0


@pytest.mark.slow
def test_without_colour_there_is_none(tmp_path):
    with begun(tmp_path, kinds="read", NO_COLOR="1") as plain:
        assert plain.finish() == 0
        assert plain.screen.styles <= {"0", "1", "2"}


@pytest.mark.slow
def test_with_colour_there_is_some(tmp_path):
    with begun(tmp_path, kinds="read") as coloured:
        assert coloured.finish() == 0
        assert coloured.screen.styles & {"32", "36"}


def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path):
    with begun(tmp_path, kinds="read", pause="3") as terminal:
        terminal.until("now   step 1")
        terminal.type("\x03")
        assert terminal.finish() == 130
        assert terminal.screen.wrongs == []
        assert "?25l" not in terminal.raw
        left = [line for line in terminal.screen.lines if line]
        assert left[-1].endswith("interrupted")
        assert not [line for line in left if line.startswith(("used", "now"))]
        assert termios.tcgetattr(terminal._side)[:4] == terminal.before[:4]


def test_a_question_says_what_and_how_far_and_takes_the_answer(tmp_path):
    kinds = "network-change,network-change,spend,network-change,irreversible"
    with begun(tmp_path, said=f"x{HOSTILE[:300]}", kinds=kinds, pause="0.05") as terminal:
        terminal.until("m = show more [n]")
        shown = terminal.screen.text()
        assert "would: send x" in shown
        assert "touches at worst: a host" in shown
        terminal.type("m\n")
        terminal.until("in full:")
        terminal.type("what\n")  # not an answer: asked again
        terminal.until(lambda screen: screen.text().count("show more [n]") == 3)
        terminal.type("n\n")
        terminal.until(lambda screen: "refused" in screen.text())
        terminal.until(lambda screen: screen.text().count("show more [n]") == 4)
        terminal.type("a\n")  # always, for this class
        terminal.until(lambda screen: screen.text().count("show more [n]") == 5)
        assert "spend" in terminal.screen.lines[-5] + terminal.screen.text()
        terminal.type("y\n")
        terminal.until("allowed, as you said")
        terminal.until(lambda screen: screen.text().count("show more [n]") == 6)
        assert "always" not in terminal.screen.lines[-1]  # what can't be undone: each time
        terminal.type("\n")
        assert terminal.finish() == 0
        assert terminal.screen.wrongs == []
        assert terminal.screen.text().count("x") > 0


def test_ctrl_c_at_a_question_ends_the_run_and_nothing_was_done(tmp_path):
    with begun(tmp_path, kinds="network-change", pause="0.05") as terminal:
        terminal.until("show more [n]")
        terminal.type("\x03")
        assert terminal.finish() == 130
        assert "sent" not in terminal.screen.text()


@pytest.mark.slow
def test_what_was_typed_before_the_question_answers_nothing(tmp_path):
    with begun(tmp_path, kinds="network-change", pause="1.5") as terminal:
        terminal.until("now   step 1")
        terminal.type("y\ny\n")
        terminal.until("show more [n]")
        assert terminal.read(1.0)
        assert "sent" not in terminal.screen.text()
        terminal.type("\n")
        assert terminal.finish() == 0
        assert "refused" in terminal.screen.text()


def test_quiet_says_nothing_but_what_is_asked(tmp_path):
    with begun(tmp_path, kinds="network-change", pause="0.05", more=["quiet"]) as terminal:
        terminal.until("show more [n]")
        assert "begin" not in terminal.screen.text()
        terminal.type("y\n")
        assert terminal.finish() == 0
        assert "step" not in terminal.screen.text()


def test_where_there_is_no_terminal_lines_are_plain_and_a_question_is_a_no(tmp_path):
    arguments = [str(tmp_path), "0.01", "hello", "network-change"]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, start_new_session=True, env=os.environ, check=True,
    )  # fmt: skip
    assert "\x1b" not in done.stderr
    assert done.stderr.splitlines()[0] == "begin hello"
    assert "refused, since nobody can be asked (no terminal): post would: send hello" in done.stderr
    assert done.stdout == "ended done\n"


def test_a_plan_that_is_no_plain_file_is_not_opened(tmp_path):
    (tmp_path / "workspace").mkdir()
    plan = tmp_path / "workspace" / "PLAN.md"
    watched = Watched(tmp_path)
    assert watched.plan() == []
    (tmp_path / "secret").write_text("the key")
    plan.symlink_to(tmp_path / "secret")
    assert watched.plan() == []
    plan.unlink()
    os.mkfifo(plan)
    assert watched.plan() == []
    plan.unlink()
    plan.write_text("- one\n\n- two\n")
    assert watched.plan() == ["- one", "- two"]


def test_a_log_is_followed_as_it_grows(tmp_path):
    home = Home(tmp_path / "home")
    folder = played(home, TURNS)
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "run").mkdir()
    watched = Watched(tmp_path / "run")
    assert watched.look() == Seen()
    with (tmp_path / "run" / "events.jsonl").open("ab") as log:
        for line in lines:
            for part in (line[:40], line[40:]):  # a line that is half there counts for nothing
                log.write(part)
                log.flush()
                watched.look()
        log.write(b"not an event\n{}\n")
        for body in ('{"finding": {"version": 99}}', "[]", '{"finding": 7}'):
            log.write(f'{{"kind": "finding", "payload": {body}}}\n'.encode())
        log.write(b'{"kind": "permission", "payload": {"decision": "deny"}}\n')
    seen = watched.look()
    assert (seen.steps, seen.status, seen.doing) == (4, "done", [])
    assert seen.denied == 1  # what stands behind a damaged event is read all the same
    assert seen.used["steps"] == 4
    assert seen.words == "Nothing more."
