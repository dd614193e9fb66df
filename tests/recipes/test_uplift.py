"""The harness of `eval uplift`, proven by its players: all of the uplift, and none."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from tests.openai_server import serving

from earnest.cli import main
from earnest.core.errors import ModelError, UsageError
from earnest.core.events import read_events
from earnest.core.home import Home
from earnest.core.messages import Completion, Message, Usage
from earnest.evals.uplift import FAMILIES
from earnest.evals.uplift_players import Careful, Guesser
from earnest.evals.uplift_table import paired, table
from earnest.recipes import eval_verbs
from earnest.recipes.uplift import Asked, folder_of, uplift

pytest.importorskip("cryptography")
ASKED = Asked(("python", "search", "http"), 2, 0, tokens=20_000)
JOB = replace(ASKED, families=("notes",), tasks=1)


def opened(sandbox):
    if sandbox.name not in ("warm", "bwrap"):
        pytest.skip(f"{sandbox.name} has no network")
    return lambda: sandbox


@pytest.fixture(scope="module")
def careful(tmp_path_factory, sandbox):
    home, said = Home(tmp_path_factory.mktemp("careful")), []
    outcomes = []
    for asked in (ASKED, JOB):
        found, ended = uplift(home, Careful(), asked, opened(sandbox), said.append)
        assert ended == ""
        outcomes += found
    return home, outcomes, said


def test_the_careful_player_shows_the_whole_uplift(careful):
    _, outcomes, said = careful
    assert len(said) == len(outcomes) == 2 * (2 * 3 + 1)
    for one, other in paired(outcomes):
        assert (one.grade, one.status) == ("right", "done"), one
        assert (other.grade, other.status) == ("abstained", "done"), other
    rows = {row["family"]: row for row in table(outcomes)}
    assert set(rows) == {*FAMILIES, "all"}
    assert all(row["difference"] == 1 for row in rows.values())
    assert rows["all"]["p"] == 2 / 2**7
    assert rows["all"]["interval"][0] > 0.25


def test_the_guesser_shows_none(tmp_path, sandbox):
    asked = replace(ASKED, families=FAMILIES)
    outcomes, _ = uplift(Home(tmp_path), Guesser(), asked, opened(sandbox), lambda _: None)
    assert {one.grade for one in outcomes} == {"wrong"}
    assert [row["difference"] for row in table(outcomes)] == [0] * 5


def test_the_arms_differ_in_one_tool_only(careful):
    home, outcomes, _ = careful
    runs = folder_of(home, "careful", ASKED).runs
    for one, other in paired(outcomes):
        starts = [
            next(read_events(runs / f"{arm.family}-{arm.number:03}-{arm.arm}-1" / "events.jsonl"))
            for arm in (one, other)
        ]
        tools = [{tool["name"] for tool in start.payload["tools"]} for start in starts]
        assert tools[0] - tools[1] == {one.family}
        assert tools[1] <= tools[0]
        texts = [[part["content"] for part in start.payload["messages"]] for start in starts]
        assert texts[0] == texts[1]


def test_a_job_is_compacted_and_interrupted_and_pages_are_compacted(careful):
    home, _, _ = careful
    for run, resumes in (
        ("notes-000-with-1", 1),
        ("notes-000-without-1", 1),
        ("search-001-with-1", 0),
    ):
        events = list(read_events(folder_of(home, "careful", ASKED).runs / run / "events.jsonl"))
        kinds = [event.kind for event in events]
        assert kinds.count("resume") == resumes, run
        assert kinds.count("compact") >= 2, run


def test_what_is_done_is_not_done_again_and_more_can_be_asked(careful, sandbox):
    home, outcomes, _ = careful
    said = []
    again, _ = uplift(home, Careful(), ASKED, opened(sandbox), said.append)
    assert (again, said) == ([one for one in outcomes if one.family != "notes"], [])
    more = Asked(("http", "python"), 3, 0, tokens=ASKED.tokens)
    found, _ = uplift(home, Careful(), more, opened(sandbox), said.append)
    assert sorted(line.partition(":")[0] for line in said) == [
        *("http-002-with", "http-002-without", "python-002-with", "python-002-without")
    ]
    assert len(found) == 12


class Interrupted(Careful):
    """Is interrupted at its n-th answer, once."""

    def __init__(self, at):
        self.left = at

    def generate(self, messages, tools, sampling):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().generate(messages, tools, sampling)


def test_an_interrupted_eval_goes_on(tmp_path, sandbox):
    home, asked = Home(tmp_path), Asked(("http",), 2, 0)
    model = Interrupted(9)
    with pytest.raises(KeyboardInterrupt):
        uplift(home, model, asked, opened(sandbox), lambda _: None)
    said = []
    outcomes, _ = uplift(home, model, asked, opened(sandbox), said.append)
    assert [one.grade for one in outcomes] == ["right", "abstained"] * 2
    assert 0 < len(said) < 4


@pytest.mark.slow
def test_stop_all_ends_it_in_time_and_the_same_command_goes_on(tmp_path):
    """From the command line, in the middle of a job."""
    command = [sys.executable, "-m", "earnest"]
    asked = [*command, "eval", "uplift", "--model", "careful", "--families", "search,notes"]
    asked += ["--tasks", "1", "--home", str(tmp_path), "--json"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        for line in run.stderr:
            if line.startswith("search-000-without"):
                break
        time.sleep(0.5)
        began = time.monotonic()
        stopped = [*command, "stop", "--all", "--home", str(tmp_path)]
        told = subprocess.run(stopped, capture_output=True, text=True, check=True).stdout
        run.wait(10)
        assert time.monotonic() - began < 10  # a process starts, on whatever machine; it says:
    assert float(re.search(r"eval \(\d+\): ended in ([\d.]+) s", told)[1]) < 2
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)["families"]
    assert [(row["with"]["right"], row["without"]["right"]) for row in rows] == [(1, 0)] * 2 + [
        (2, 0)
    ]
    assert "search-000" not in done.stderr


class Dear(Guesser):
    name = "dear"

    def generate(self, messages, tools, sampling):
        made = super().generate(messages, tools, sampling)
        return made.model_copy(update={"usage": Usage(cost_usd=0.3)})


def test_the_dollars_hold_over_all_sittings(tmp_path, sandbox):
    asked = Asked(("python",), 4, 0, dollars=1.0)
    for sitting in range(2):
        said = []
        outcomes, ended = uplift(Home(tmp_path), Dear(), asked, opened(sandbox), said.append)
        assert "1 dollars are used up" in ended
        assert len(said) == (0 if sitting else 4)
        assert len(outcomes) == 4


class Counted(Careful):
    """Costs 0.3 dollars a turn."""

    name = "counted"

    def generate(self, messages, tools, sampling):
        made = super().generate(messages, tools, sampling)
        return made.model_copy(update={"usage": Usage(cost_usd=0.3)})


def test_an_arm_that_the_dollars_cut_short_does_not_count_and_is_done_with_more(tmp_path, sandbox):
    little = Asked(("http",), 1, 0, dollars=0.7)
    outcomes, ended = uplift(Home(tmp_path), Counted(), little, opened(sandbox), lambda _: None)
    assert (outcomes, ended) == ([], "0.7 dollars are used up")
    said = []  # what it cost is counted all the same: a second sitting has nothing left
    again, _ = uplift(Home(tmp_path), Counted(), little, opened(sandbox), said.append)
    assert (again, said) == ([], [])
    enough = replace(little, dollars=50.0)
    outcomes, ended = uplift(Home(tmp_path), Counted(), enough, opened(sandbox), lambda _: None)
    assert ended == ""
    assert {one.arm: one.grade for one in outcomes}["with"] == "right"


def test_runs_that_failed_are_told_with_why(tmp_path, capsys):
    given = ["eval", "uplift", "--model", "analyst", "--families", " http ", "--tasks", "1"]
    assert main([*given, "--home", str(tmp_path), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["failed"] == 2
    assert "http-000-with: no answer (failed, 0 steps): ModelError: the analyst needs" in said.err


def test_prices_are_those_of_the_home_and_dollars_need_one(tmp_path, capsys):
    pytest.importorskip("openai")
    given = ["eval", "uplift", "--model", "http://127.0.0.1:9/v1#m", "--families", "http"]
    given += ["--tasks", "1", "--home", str(tmp_path), "--dollars"]
    assert main([*given, "1"]) == 2
    assert "prices.json" in capsys.readouterr().err
    prices = {"models": {"http://127.0.0.1:9/v1#m": {"in": 2, "out": 10}}}
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    with pytest.raises(SystemExit):
        main([*given, "nan"])


class Failing(Guesser):
    """A model that can't be reached, and is there again later."""

    name = "failing"
    down = True

    def generate(self, messages, tools, sampling):
        if self.down:
            raise ModelError("it can't be reached")
        return super().generate(messages, tools, sampling)


def test_what_failed_is_no_answer_and_is_tried_again(tmp_path, sandbox):
    model, asked, home = Failing(), Asked(("python",), 1, 0), Home(tmp_path)
    outcomes, _ = uplift(home, model, asked, opened(sandbox), lambda _: None)
    assert {(one.grade, one.status) for one in outcomes} == {("no answer", "failed")}
    assert "can't be reached" in outcomes[0].reason
    model.down = False
    outcomes, _ = uplift(home, model, asked, opened(sandbox), lambda _: None)
    assert {(one.grade, one.status) for one in outcomes} == {("wrong", "done")}


class Sloppy(Guesser):
    """Knows the answer to nothing, and keeps to no form."""

    name = "sloppy"

    def generate(self, messages, tools, sampling):
        return Completion(message=Message(role="assistant", content="It is 42, I think."))


def test_a_wrong_form_is_wrong_and_counted_apart(tmp_path, sandbox):
    outcomes, _ = uplift(
        Home(tmp_path), Sloppy(), Asked(("http",), 1, 0), opened(sandbox), lambda _: None
    )
    (row,) = table(outcomes)
    assert (row["with"]["right"], row["with"]["grades"]["wrong form"]) == (0, 1)


def test_the_verb_prints_the_table_and_one_document(tmp_path, capsys):
    given = ["eval", "uplift", "--model", "guesser", "--families", "http", "--tasks", "2"]
    assert main([*given, "--home", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["suite"], document["model"]) == (1, "uplift", "guesser")
    (row,) = document["families"]
    assert (row["n"], row["difference"], row["p"]) == (2, 0, 1)
    assert main([*given, "--home", str(tmp_path)]) == 0
    assert "McNemar" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"families": "python,juggling"}, {"tasks": 0}])
def test_what_is_not_there_can_not_be_asked(home, wrong):
    asked = {
        "suite": "uplift",
        "families": "",
        "tasks": 1,
        "seed": 0,
        "model": "guesser",
        "dollars": None,
        **wrong,
    }
    with pytest.raises(UsageError):
        eval_verbs.eval(argparse.Namespace(**asked), home, lambda _: None)


def test_a_model_of_a_server_is_asked_the_same(tmp_path, capsys, monkeypatch):
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with serving(Careful()) as url:
        given = ["eval", "uplift", "--model", url, "--families", "http", "--tasks", "2"]
        assert main([*given, "--home", str(tmp_path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["families"]
    assert (row["with"]["right"], row["without"]["right"]) == (2, 0)
    assert row["with"]["tokens"] == 110 * row["with"]["steps"]
    assert row["with"]["cost_usd"] is None
