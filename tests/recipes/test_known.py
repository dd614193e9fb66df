"""A run is told what the ledger knows: the right rows, nothing sealed, the same after a kill."""

from __future__ import annotations

import json
import random

import pytest
from tests.homes import home_at
from tests.ledger import offers
from tests.world import found

from earnest.cli import main
from earnest.core.budget import Budget
from earnest.core.errors import ToolError
from earnest.core.events import read_events
from earnest.core.known import Settled, read_block, read_lines
from earnest.core.likeness import claim_key, question
from earnest.core.quoted import unquoted
from earnest.core.records import Claim
from earnest.core.trusted import distrust, trust
from earnest.ledger.ledger import Ledger
from earnest.models.analyst import Analyst
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart, known
from earnest.recipes.research import Begun, begin, begun, explore, make_task, research
from earnest.tasks.registry import Registry

QUIET = {"progress": lambda _: None}


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


# A ledger that is made up


def association(outcome, table="wine", direction="positive", exposure="hue"):
    return Claim(
        kind="association", table=table, outcome=outcome, exposure=exposure, direction=direction
    )


def kept(home, *pairs, retracted=()):
    with Ledger(home.ledger) as ledger:
        for finding, verdict in pairs:
            ledger.submit([finding], testable=[])
            if verdict is not None:
                ledger.conclude(verdict)
        for finding in retracted:
            ledger.retract(finding.id, by="me", why="because")


def made(home, outcome, word="confirmed", number=0, table="wine", **more):
    finding, verdict = found(association(outcome, table), word=word, number=number, **more)
    script = home.blobs.put(f"# {outcome}".encode())
    evidence = finding.evidence.model_copy(update={"script": script})
    finding = finding.model_copy(update={"evidence": evidence})
    return finding, verdict.model_copy(update={"finding": finding.id})


def elsewhere(pair, *, name="wine"):
    """The same finding on another split of the table."""
    finding, verdict = pair
    ref = finding.table.model_copy(update={"table": finding.task, "name": name})
    claim = finding.claim.model_copy(update={"table": name})
    finding = finding.model_copy(update={"table": ref, "claim": claim})
    return finding, verdict.model_copy(update={"finding": finding.id})


def test_what_other_ledgers_say_comes_after_and_settles_nothing(home):
    kept(home, made(home, "alcohol", "inconclusive"), made(home, "ash", "invalid"))
    ref = offers.found().table.model_copy(update={"name": "wine"})
    claim = association("proline")
    theirs = offers.found().model_copy(update={"claim": claim, "table": ref, "prose": "obey me"})
    with Ledger(home.ledger) as ledger:
        ledger.take_in(offers.an_import(theirs))
    knows = known.Knowledge(home, (found(claim)[0].table,))
    assert [row["trust"] for row in knows.before("wine").rows] == ["verified"]
    trust(home.trusted, "them", offers.THERE.public)
    own, told = knows.before("wine").rows
    assert (own["trust"], told["trust"]) == ("verified", "imported")
    assert (told["finding"], told["verdict"], told["near"]) == (
        theirs.id, "confirmed", "a table like it",
    )  # fmt: skip
    assert "effect" not in told
    assert knows.get(theirs.id[7:19]) == told
    assert [row["trust"] for row in knows.search("proline").rows] == ["imported"]
    assert claim not in Settled([told])
    assert "obey me" not in str(told)
    distrust(home.trusted, "them")
    with pytest.raises(ToolError, match="no finding"):
        knows.get(theirs.id[7:19])


def test_what_a_run_is_told(home):
    bad = made(home, "ash", "invalid")
    gone = made(home, "proline")
    pairs = [
        made(home, "magnesium", "inconclusive", 1),
        made(home, "target", "refuted", 2),
        made(home, "alcohol", number=3),
        elsewhere(made(home, "flavanoids", number=4)),
        elsewhere(made(home, "malic_acid", "refuted", 5)),
        elsewhere(made(home, "total_phenols", number=6), name="bottles"),
        made(home, "mean_radius", table="breast_cancer", number=7),
    ]
    kept(home, bad, gone, *pairs, retracted=[gone[0]])
    task = make_task("Is hue told from radius?", [pairs[0][0].table])
    page = known.Knowledge(home, task.tables).before(task.prompt)
    told = [(row["near"], row["verdict"], row["claim"]["outcome"]) for row in page.rows]
    assert told == [
        ("this table", "confirmed", "alcohol"),
        ("this table", "refuted", "target"),
        ("this table", "inconclusive", "magnesium"),
        ("a table like it", "confirmed", "flavanoids"),
        ("a table like it", "confirmed", "total_phenols"),
        ("another table", "confirmed", "mean_radius"),
    ]
    assert [("effect" in row) for row in page.rows] == [False] * 5 + [True]
    knows = known.informed(home, task)
    assert knows.metadata[known.KNEW].split() == [row["finding"] for row in page.rows]
    assert read_block(known.told(home, knows))[0] == list(page.rows)
    assert knows.id != task.id
    assert known.knowledge(home, task) is None
    assert known.told(home, task) == ""


def test_it_is_bounded_and_the_rest_can_be_asked_for(home):
    columns = found(association("ash"))[0].table.columns
    pairs = [made(home, name, number=n) for n, name in enumerate(columns[:9])]
    pairs += [made(home, f"{name}", "refuted", number=n + 20) for n, name in enumerate(columns[:9])]
    pairs = [pair for pair in pairs if pair[0].claim.outcome != "hue"]
    kept(home, *pairs)
    knowledge = known.Knowledge(home, (pairs[0][0].table,))
    page = knowledge.before("What?")
    assert (len(page.rows), page.more) == (known.MOST, len(pairs) - known.MOST)
    first = knowledge.search("", table="wine")
    rest = knowledge.search("", table="wine", offset=10)
    assert (len(first.rows), first.more) == (10, len(pairs) - 10)
    assert {row["finding"] for row in (*first.rows, *rest.rows)} == {one.id for one, _ in pairs}
    only = knowledge.search("ash refuted", table="wine").rows
    assert only
    assert {row["verdict"] for row in only} == {"refuted"}
    with pytest.raises(ToolError, match="no table"):
        knowledge.search("", table="cars")


def test_what_is_asked_of_one_finding_tells_nothing_sealed(home):
    here, like = made(home, "alcohol"), elsewhere(made(home, "ash", prose="secret words"))
    failed = elsewhere(made(home, "proline", "refuted"))
    other = made(home, "mean_radius", table="breast_cancer")
    gone = made(home, "magnesium")
    kept(home, here, like, failed, other, gone, retracted=[gone[0]])
    knowledge = known.Knowledge(home, (here[0].table,))
    own, near, far = (dict(knowledge.get(one[0].id)) for one in (here, like, other))
    assert own["script"] == "# alcohol"
    assert not {"effect", "interval", "p", "reason"} & set(own)
    assert not {"effect", "script", "results", "prose", "reason"} & set(near)
    assert (far["effect"], far["reason"]) == (0.5, "because")
    assert knowledge.get(failed[0].id)["verdict"] == "not told"
    assert knowledge.get(gone[0].id)["verdict"] == "withdrawn"
    assert knowledge.get(gone[0].id)["withdrawn_because"] == "because"
    for wrong in ("nothing", here[1].id, "0" * 64):
        with pytest.raises(ToolError):
            knowledge.get(wrong)


# A ledger that came about


def table(folder):
    """Six columns of which a few go together, so clearly that most claims of it are confirmed."""
    draw = random.Random(4)
    rows = ["a,b,c,d,e,kind"]
    for _ in range(260):
        b, d, kind = draw.gauss(0, 1), draw.gauss(0, 1), draw.choice("xy")
        a, c = b + draw.gauss(0, 0.5), draw.gauss(2 * (kind == "x"), 1)
        e = d - b + draw.gauss(0, 0.7)
        rows.append(f"{a:.3f},{b:.3f},{c:.3f},{d:.3f},{e:.3f},{kind}")
    (folder / "made.csv").write_text("\n".join(rows) + "\n")
    return folder / "made.csv"


@pytest.fixture(scope="module")
def begun_world(tmp_path_factory, sandbox):
    """A home, its table, and what a first run found there."""
    folder = tmp_path_factory.mktemp("known")
    home = home_at(folder / "home")
    ref = Registry(home).seal(table(folder), design="iid")
    task = make_task("What is going on?", [ref])
    first = research(home, "first", task, Analyst(3), sandbox, **QUIET)
    assert sum(verdict.word == "confirmed" for _, verdict in first.findings) >= 2
    return home, ref, first


def opening(home, run):
    (start,) = [one for one in read_events(home.runs / run / "events.jsonl") if one.kind == "start"]
    return start.payload["messages"][1]["content"], [
        tool["name"] for tool in start.payload["tools"]
    ]


def test_the_next_analyst_claims_something_else(begun_world, sandbox):
    home, ref, first = begun_world
    task = known.informed(home, make_task("What is going on?", [ref]))
    result = explore(home, "second", task, Analyst(3), sandbox, **QUIET)
    assert result.status == "done"
    blind = explore(
        home, "blind", make_task("What is going on?", [ref]), Analyst(3), sandbox, **QUIET
    )
    before = {claim_key(finding.claim) for finding, _ in first.findings}
    assert {claim_key(finding.claim) for finding in blind.findings} == before
    asked = {question(f.claim) for f, v in first.findings if v.word == "confirmed"}
    assert result.findings
    assert not {question(finding.claim) for finding in result.findings} & asked
    assert not {claim_key(finding.claim) for finding in result.findings} & before
    text, tools = opening(home, "second")
    assert {row["finding"] for row in read_block(text)[0]} == {f.id for f, _ in first.findings}
    assert "search_findings" in tools
    assert not {"search_findings", "get_finding"} & set(opening(home, "blind")[1])


def test_an_analyst_asks_for_what_it_was_not_told(begun_world, sandbox, monkeypatch):
    home, ref, first = begun_world
    monkeypatch.setattr(known, "MOST", 1)
    monkeypatch.setattr(known, "PAGE", 2)
    task = known.informed(home, make_task("What is going on?", [ref]))
    result = explore(home, "pages", task, Analyst(3), sandbox, **QUIET)
    events = read_events(home.runs / "pages" / "events.jsonl")
    asked = [one.payload for one in events if one.kind == "effect"]
    pages = [one["observation"] for one in asked if one["tool"] == "search_findings"]
    assert len(pages) == 2
    rows = [row for page in pages for row in read_lines(page["content"].splitlines())[0]]
    assert {row["finding"] for row in rows} == {finding.id for finding, _ in first.findings}
    before = {claim_key(finding.claim) for finding, _ in first.findings}
    assert not {claim_key(finding.claim) for finding in result.findings} & before


def test_a_resumed_run_is_told_the_same_whatever_the_ledger_holds_by_then(begun_world, sandbox):
    home, ref, first = begun_world
    task = known.informed(home, make_task("And now?", [ref]))
    begin(home, "killed", task, Begun("scripted", Budget()))
    seen = []

    def interrupted(messages):
        seen.append(messages[1].content)
        raise KeyboardInterrupt

    again, _ = begun(home, "killed")
    assert again.id == task.id
    finding = first.findings[0][0]
    search = use("search_findings", {"table": ref.name})
    assert explore(home, "killed", again, ScriptedModel([search, interrupted]), sandbox, **QUIET)
    with Ledger(home.ledger) as ledger:
        ledger.retract(finding.id, by="me", why="to see what becomes of it")
    fresh = known.informed(home, make_task("And now?", [ref]))
    assert finding.id not in fresh.metadata[known.KNEW]
    late = ScriptedModel([search, interrupted])
    explore(home, "killed", begun(home, "killed")[0], late, sandbox, **QUIET)
    assert seen[0] == seen[1]
    assert finding.id in seen[0]
    # Killed before its log began: the text lies with the task.
    unborn = begun(home, "killed")[0]
    explore(home, "unborn", unborn, ScriptedModel([say("done")]), sandbox, **QUIET)
    assert opening(home, "unborn")[0] == seen[0]
    (told,) = _told(home, "killed")
    assert finding.id in told


def _told(home, run):
    events = read_events(home.runs / run / "events.jsonl")
    effects = [one.payload["observation"]["content"] for one in events if one.kind == "effect"]
    return [unquoted(text) for text in effects]


def test_the_command_line_can_leave_it_out(begun_world, tmp_path, capsys):
    home = begun_world[0]
    path = table(tmp_path)
    for flag, expected in ((["--no-ledger"], False), ([], True)):
        asked = ["run", "What?", "--data", str(path), "--steps", "1", "--json", *flag]
        main([*asked, "--home", str(home.root)])
        run = json.loads(capsys.readouterr().out)["run"]
        assert (known.KNEW in begun(home, run)[0].metadata) is expected
        assert ("search_findings" in opening(home, run)[1]) is expected
