"""Sub-agents: under the run's purse and guard, with logs of their own, found again on resume."""

import json

import numpy as np
import pandas as pd
import pytest

from earnest.agent.replay import replay
from earnest.core.acts import Act
from earnest.core.budget import Budget
from earnest.core.events import read_events
from earnest.core.messages import Observation, ToolSpec
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart, outfit, research
from earnest.tools import kit

RUN = "r1"
SUB_QUESTION = "Does y rise with x?"
EVIDENCE = """
import argparse, json, pathlib
import pandas as pd
options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "t.csv")
pathlib.Path(options.out).write_text(json.dumps({"rho": float(table["x"].corr(table["y"]))}))
"""
CLAIM = {
    "kind": "association",
    "table": "t",
    "outcome": "y",
    "exposure": "x",
    "script": EVIDENCE,
    "direction": "positive",
    "supports": "rho > 0.3",
}


class Two:
    """Plays the run's agent and its sub-agents, each from a script of its own."""

    speaks = None

    def __init__(self, own, subs):
        self.name = "scripted"
        self.own, self.subs = ScriptedModel(own), {q: ScriptedModel(s) for q, s in subs.items()}
        self.asked = []

    def generate(self, messages, tools, sampling):
        question = messages[1].content.partition("\n")[0]
        self.asked.append((question, [tool.name for tool in tools]))
        return self.subs.get(question, self.own).generate(messages, tools, sampling)


def write(path, content="x"):
    return use("write", {"path": path, "content": content}, id=f"w-{path}")


def send(question=SUB_QUESTION, **more):
    return use("delegate", {"question": question, **more}, id=f"d-{question[:4]}")


def do(home, sandbox, model, tables=(), budget=None, **more):
    task = research.make_task("What is going on?", tables)
    say_ = more.pop("progress", lambda _: None)
    return research.explore(home, RUN, task, model, sandbox, say_, budget=budget, **more)


def events(home, *under):
    return list(read_events(home.runs.joinpath(RUN, *under, "events.jsonl")))


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


@pytest.fixture
def tables(home, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    frame = pd.DataFrame({"x": x, "y": x + rng.normal(size=200)}).round(4)
    frame.to_csv(tmp_path / "t.csv", index=False)
    return apart.seal(home, [tmp_path / "t.csv"], design="iid")


def test_a_sub_agent_works_in_the_run_and_its_findings_are_the_runs(home, sandbox, tables):
    sub = [write("sub.txt"), use("submit_finding", CLAIM), say("It does.")]
    own = [send(), use("submit_finding", CLAIM), say("Done.")]
    model = Two(own, {SUB_QUESTION: sub})
    result = do(home, sandbox, model, tables)
    assert result.status == "done"
    assert [one.claim.outcome for one in result.findings] == ["y"]
    (_, told), (_, again) = replay(events(home)).calls
    assert "It does." in told.content
    assert "files changed: sub.txt" in told.content
    assert "findings queued: 1" in told.content
    assert "queued already" in again.content  # one count for both of them
    assert told.data["snapshot"]
    offered = dict(model.asked)
    assert "delegate" in offered["What is going on?"]
    assert not {"delegate", "notes"} & set(offered[SUB_QUESTION])
    assert result.findings[0].run == RUN
    assert [e.kind for e in events(home)].count("finding") == 1


def test_the_trajectory_holds_those_of_the_sub_agents(home, sandbox):
    subs = {"one?": [write("a.txt"), say("1")], "two?": [say("2")]}
    do(home, sandbox, Two([send("one?"), send("two?"), say("Done.")], subs))
    whole = json.loads((home.runs / RUN / "trajectory.json").read_bytes())
    names = [f"{RUN}/sub/1", f"{RUN}/sub/2"]
    assert [one["trajectory_id"] for one in whole["subagent_trajectories"]] == names
    refs = [
        ref["trajectory_id"]
        for step in whole["steps"]
        for result in step.get("observation", {}).get("results", ())
        for ref in result.get("subagent_trajectory_ref", ())
    ]
    assert refs == names
    assert len(whole["subagent_trajectories"][0]["steps"]) == 4
    assert (home.runs / RUN / "sub" / "2" / "trajectory.json").exists()


def test_what_sub_agents_use_counts_against_the_run(home, sandbox):
    busy = [write(f"{number}.txt") for number in range(30)]
    model = Two([send(), say("Done.")], {SUB_QUESTION: busy})
    result = do(home, sandbox, model, budget=Budget(steps=6))
    assert result.status == "over-budget"
    assert len(model.asked) == 6
    assert len([e for e in events(home, "sub", "1") if e.kind == "intent"]) == 5


def test_a_sub_agent_has_the_limits_that_it_was_given(home, sandbox):
    busy = [write(f"{number}.txt") for number in range(30)]
    model = Two([send(steps=3), say("Done.")], {SUB_QUESTION: busy})
    result = do(home, sandbox, model)
    assert result.status == "done"
    ((_, told),) = replay(events(home)).calls
    assert told.failed
    assert "over-budget" in told.content
    assert len(model.asked) == 5


def test_what_a_sub_agents_programs_use_is_held_by_its_purse_and_the_runs(home, sandbox):
    cells = [use("python", {"code": "1"}, id=f"p{number}") for number in range(3)]
    model = Two([send(), say("Done.")], {SUB_QUESTION: [*cells, say("So.")]})
    do(home, sandbox, model, budget=Budget(processes=2))
    used = [
        [e.payload["used"]["processes"] for e in events(home, *where) if "used" in e.payload][-1]
        for where in ((), ("sub", "1"))
    ]
    assert 0 < used[0] == used[1] <= 2


class Spends:
    repeatable = False
    spec = ToolSpec(name="buy", description="Buys.", parameters={"type": "object"})
    bought = 0

    def acts(self, arguments):
        return (Act(kind="spend", what="buy a thing", reach="your money"),)

    def call(self, arguments):
        type(self).bought += 1
        return Observation(content="bought")


@pytest.mark.parametrize(("policy", "asked", "bought"), [("auto", 0, 0), ("ask", 1, 1)])
def test_the_guard_holds_for_sub_agents(home, sandbox, monkeypatch, policy, asked, bought):
    def more(*given, **named):
        return [*kit.research_tools(*given, **named), Spends()]

    monkeypatch.setattr(research, "research_tools", more)
    monkeypatch.setattr(Spends, "bought", 0)
    model = Two([send(), say("Done.")], {SUB_QUESTION: [use("buy", {}), say("So.")]})
    questions = []

    def ask(question):
        questions.append(question)
        return True

    assert do(home, sandbox, model, policy=policy, ask=ask).status == "done"
    assert (len(questions), Spends.bought) == (asked, bought)
    permissions = [
        e.payload["decision"] for e in events(home, "sub", "1") if e.kind == "permission"
    ]
    assert permissions == ["allow" if bought else "deny"]


def test_a_sub_agent_that_was_cut_off_goes_on_where_it_was(home, sandbox, tables):
    def cut_off(messages):
        raise KeyboardInterrupt

    begun = [write("a.txt"), use("submit_finding", CLAIM), cut_off]
    own = [send(), say("Done.")]
    assert do(home, sandbox, Two(own, {SUB_QUESTION: begun}), tables).status == "stopped"
    left = [*begun[:2], write("b.txt"), say("It does.")]
    model = Two(own, {SUB_QUESTION: left})
    result = do(home, sandbox, model, tables)
    assert result.status == "done"
    assert len(result.findings) == 1
    assert [path.name for path in (home.runs / RUN / "sub").iterdir()] == ["1"]
    assert len(model.asked) == 3  # the sub-agent's last two turns, and the run's last
    calls = [call.id for call, _ in replay(events(home, "sub", "1")).calls]
    assert calls == ["w-a.txt", "call-submit_finding", "w-b.txt"]
    used = replay(events(home)).spent_s
    assert used >= 0
    last = [e.payload["used"] for e in events(home) if "used" in e.payload][-1]
    assert last["steps"] == 6  # both sittings, both agents


def test_servers_are_read_from_the_home_and_from_a_file(home, tmp_path):
    (home.root / outfit.MCP).write_text('{"mcpServers": {"a": {"command": "x"}}}')
    (tmp_path / "f.json").write_text(
        '{"mcpServers": {"a": {"command": "y"}, "b": {"url": "http://b"}}}'
    )
    assert [one.command for one in outfit.configured(home, "")] == ["x"]
    found = outfit.configured(home, str(tmp_path / "f.json"))
    assert [(one.name, one.command) for one in found] == [("a", "y"), ("b", "")]
