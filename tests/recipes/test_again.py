"""Any finding again, on new rows: with the real tool, ledger, verifier and command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.homes import home_at
from tests.ledger.recount import Recount

from earnest.cli import main
from earnest.core.sign import KeyFolder
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart, later
from earnest.recipes.research import make_task, research

SCRIPT = """
import argparse, json, pathlib
import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "first.csv")
rho = float(table["x"].corr(table["y"], method="spearman"))
pathlib.Path(options.out).write_text(json.dumps({"rho": rho, "mean": float(table["y"].mean())}))
"""


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


def table(folder, name, slope, seed, rows=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    frame = pd.DataFrame({"x": x, "y": slope * x + rng.normal(size=rows)}).round(5)
    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    return path


def claim(supports, **more):
    return {
        "kind": "association",
        "table": "first",
        "outcome": "y",
        "exposure": "x",
        "direction": "positive",
        "script": SCRIPT,
        "supports": supports,
        **more,
    }


LITTLE = claim("rho > 0.3", threshold=0.3)
"""Of 20 to 30 sealed rows that do not bear it out, an interval reaches far below that threshold."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return home_at(tmp_path_factory.mktemp("world") / "home")


@pytest.fixture
def first(home, sandbox, monkeypatch, tmp_path):
    """Make a finding of the claim given on a first table, and return it with its verdict's word."""
    monkeypatch.setenv("EARNEST_HOME", str(home.root))

    def made(path, one, design="iid"):
        (ref,) = apart.seal(home, [path], design=design)
        task = make_task("What goes together?", [ref])
        model = ScriptedModel([use("submit_finding", one), say("done")])
        found = research(home, tmp_path.name, task, model, sandbox, lambda _: None).findings
        ((finding, verdict),) = found
        return finding, verdict.word

    return made


def again(capsys, finding, path, status=0):
    assert main(["findings", "verify", finding.id[7:19], "--on", str(path), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def paid(home):
    """How many tests were paid for; the ledger holds together, and so does its error budget."""
    found = audit(home.ledger, keys=KeyFolder(home.verifier))
    assert found.clean, found.problem
    return Recount().follow(home.ledger).tests["local"]


def test_what_was_too_little_is_confirmed_on_more_rows(home, first, capsys, tmp_path):
    path = table(tmp_path, "first", 0.6, 31, rows=60)
    finding, word = first(path, LITTLE)
    assert word == "inconclusive"
    before = paid(home)
    told = again(capsys, finding, table(tmp_path, "second", 2.0, 2))
    assert (told["id"], told["verdict"]) == (finding.id, "inconclusive")
    assert told["history"] == ["inconclusive", "inconclusive"]
    new = told["tested_as"]
    assert new["verdict"] == "confirmed"
    assert told["latest"] == f"on second, as {new['id']}: confirmed"
    assert "p =" not in told["reason"]  # what the sealed rows said stays withheld
    assert paid(home) == before + 1
    with Ledger(home.ledger) as ledger:
        made = ledger.named(new["id"])
        assert made.table.table == told["on"]
        assert (made.claim, made.author) == (finding.claim, finding.author)
        assert made.evidence.results["rho"] != finding.evidence.results["rho"]


@pytest.mark.slow
def test_a_crash_in_between_costs_nothing(home, first, capsys, tmp_path, monkeypatch):
    finding, _ = first(table(tmp_path, "first", 0.6, 41, rows=60), LITTLE)
    second, before = table(tmp_path, "second", 2.0, 3), paid(home)
    with monkeypatch.context() as broken:
        broken.setattr(later, "note", None)
        with pytest.raises(TypeError):
            main(["findings", "verify", finding.id, "--on", str(second), "--json"])
    told = again(capsys, finding, second)
    assert told["tested_as"]["verdict"] == "confirmed"
    assert paid(home) == before + 1
    with Ledger(home.ledger) as ledger:
        assert [
            one for one, _ in ledger.findings() if one.run.startswith("again-" + finding.id[7:19])
        ]


@pytest.mark.slow
def test_rows_that_were_looked_at_are_not_tested_again(home, first, capsys, tmp_path):
    path = table(tmp_path, "first", 0.6, 29, rows=60)
    finding, _ = first(path, LITTLE)
    same = path.rename(tmp_path / "same.csv")
    assert main(["findings", "verify", finding.id, "--on", str(same)]) == 2
    assert "60 of 60 rows of same were looked at before" in capsys.readouterr().err
    second, before = table(tmp_path, "second", 2.0, 4), paid(home)
    again(capsys, finding, second)
    assert main(["findings", "verify", finding.id, "--on", str(second)]) == 2
    assert "400 of 400 rows of second were looked at before" in capsys.readouterr().err
    assert paid(home) == before + 1


@pytest.mark.slow
def test_two_tests_that_contradict_leave_both_open(home, first, capsys, tmp_path):
    path = table(tmp_path, "first", 0.4, 1, rows=1500)
    finding, word = first(path, claim("rho > 0.2", threshold=0.6))
    assert word == "refuted"
    told = again(capsys, finding, table(tmp_path, "second", 2.0, 2))
    assert (told["verdict"], told["history"]) == ("inconclusive", ["refuted", "inconclusive"])
    assert told["tested_as"]["verdict"] == "inconclusive"
    with Ledger(home.ledger) as ledger:
        words = [verdict.word for verdict, _ in ledger.history(told["tested_as"]["id"])]
    assert words == ["confirmed", "inconclusive"]
    paid(home)


def test_what_its_own_script_does_not_bear_out_is_noted(home, first, capsys, tmp_path):
    finding, _ = first(table(tmp_path, "first", 0.6, 14, rows=60), LITTLE)
    before = paid(home)
    told = again(capsys, finding, table(tmp_path, "second", -0.5, 2), status=1)
    assert (told["verdict"], told["tested_as"]) == ("inconclusive", None)
    assert "visible rows of second: the script's numbers do not support" in told["latest"]
    assert paid(home) == before
    assert main(["findings", "show", finding.id]) == 0
    assert "again: on 2" in capsys.readouterr().out


@pytest.mark.slow
def test_a_table_without_its_columns_is_told(home, first, capsys, tmp_path):
    finding, _ = first(table(tmp_path, "first", 0.6, 50, rows=60), LITTLE)
    other = tmp_path / "other.csv"
    pd.DataFrame({"x": range(50), "z": range(50, 100)}).to_csv(other, index=False)
    assert main(["findings", "verify", finding.id, "--on", str(other)]) == 2
    assert "other can't test it: the table first has no column 'y'" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_said_of_the_rows_at_hand_is_reproduced_on_others(home, first, capsys, tmp_path):
    about = {"kind": "value", "table": "first", "outcome": "y", "direction": "equal"}
    one = {**about, "statistic": "mean", "value": 0.0, "value_tolerance": 0.5}
    path = table(tmp_path, "first", 0.6, 16, rows=60)
    finding, word = first(path, {**one, "script": SCRIPT, "supports": "mean > -1 and mean < 1"})
    assert word == "reproduced"
    told = again(capsys, finding, table(tmp_path, "second", 2.0, 2))
    assert told["tested_as"]["verdict"] == "reproduced"
    assert told["verdict"] == "reproduced"


@pytest.mark.slow
def test_a_series_goes_on_under_another_name(home, first, capsys, tmp_path):
    def series(name, start, count, seed):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"x": np.arange(start, start + count)})
        frame["y"] = (0.004 * frame["x"] + rng.normal(size=count)).round(4)
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path / f"{name}.csv"

    rising = {**claim("rho > 0.1"), "kind": "trend", "direction": "rising"}
    finding, word = first(series("first", 0, 300, 1), rising, design="time:x")
    assert word == "inconclusive"
    told = again(capsys, finding, series("later", 300, 900, 2))
    assert told["tested_as"]["verdict"] == "confirmed", told["reason"]
    assert main(["findings", "verify", finding.id, "--on", str(series("first", 2000, 90, 3))]) == 2
    assert "or give it another name" in capsys.readouterr().err
