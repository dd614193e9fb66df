"""Does it help to be told? What is counted, on sittings that are made up; and the real thing."""

from __future__ import annotations

import json

import pytest

from earnest.cli import main
from earnest.recipes.shared import Log, Sitting, Spent
from earnest.recipes.shared_figures import document, table


def sitting(way, turn, confirmed, before=0, told=0, again=0, **more):
    spent = Spent(10, 9, 8, 1000)
    log = Log(spent, told, Spent(1, 1, 0, 90), again, Spent(7, 6, 5, 700))
    body = {
        "agent": "reader",
        "way": way,
        "turn": turn,
        "table": "t",
        "log": log,
        "seconds": 2.0,
        "cost_usd": 0.1,
        "claims": ("x",) * 4,
        "words": ("confirmed",) * 4,
        "confirmed": confirmed,
        "spent": 0.01,
        "tested": 4,
        "rejected": len(confirmed),
        "before": before,
        "true": len(confirmed),
        "false": 0,
    }
    return Sitting(**{**body, **more})


@pytest.fixture
def report():
    sittings = [
        sitting("alone", 1, ("a", "b")),
        sitting("alone", 2, ("c",), before=2, again=1),
        sitting("shared", 1, ("a", "b")),
        sitting("shared", 2, ("c", "d"), before=2, told=2),
    ]
    return document(sittings, {}, 12.3)


def test_what_is_counted(report):
    value = {row["what"]: row["value"] for row in report["rows"]}
    assert value["reader, alone: steps"] == value["reader, shared: steps"] == 20
    assert value["reader, alone: questions answered (confirmed)"] == 3
    assert value["reader, shared: questions answered (confirmed)"] == 4
    assert value["reader, shared: of them true"] == 4
    assert value["reader, alone: steps to as many findings"] == 20
    assert value["reader, alone: of what was confirmed before, a later run has"] == 0.5
    assert value["reader, shared: of what was confirmed before, a later run has"] == 1
    assert value["reader, alone: a later run has them after: steps"] == 7
    assert value["reader, shared: a later run has them after: steps"] == 1
    assert value["reader, alone: confirmed of those tested, later turns"] == 0.25
    assert report["ratios"]["reader: confirmed findings, shared over alone"] == 1.3333
    assert report["ratios"]["reader: steps a confirmed finding, shared over alone"] == 0.75


def test_the_document_is_the_contract_s(report):
    assert report["name"] == "shared"
    assert {"name", "machine", "rows", "ratios"} <= set(report)
    assert all({"what", "value", "unit", "n"} == set(row) for row in report["rows"])
    json.dumps(report, allow_nan=False)


def test_the_table(report):
    lines = table(report).splitlines()
    assert lines[0] == "| | reader, alone | reader, shared |"
    assert "| of them true | 3 | 4 |" in lines
    assert "| of what was confirmed before, a later run has | 50 % | 100 % |" in lines


def test_nothing_confirmed_is_no_division_by_nothing():
    none = [sitting(way, 1, ()) for way in ("alone", "shared")]
    assert document(none, {}, 1.0)["ratios"] == {}


@pytest.mark.slow
def test_the_experiment_itself(tmp_path, capsys):
    pytest.importorskip("statsmodels")
    asked = ["bench", "shared", "--turns", "2", "--json", "--home", str(tmp_path)]
    assert main(asked) == 0
    report = json.loads(capsys.readouterr().out)
    told = [one for one in report["sittings"] if one["agent"] == "analyst" and one["turn"] == 2]
    alone, shared = ([one for one in told if one["way"] == way] for way in ("alone", "shared"))
    assert not any(one["confirmed"] for one in alone)  # it claims what it claimed before
    assert any(one["confirmed"] for one in shared)
    assert all(one["log"]["told"] == one["before"] for one in shared)
    assert not any(one["log"]["again"] for one in shared)
    first = [one for one in report["sittings"] if one["turn"] == 1]
    for one in first:
        twin = [o for o in first if (o["agent"], o["table"]) == (one["agent"], one["table"])]
        assert twin[0]["claims"] == twin[1]["claims"]
