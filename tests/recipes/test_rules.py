"""Rules from submission to verdict, with the real tool, ledger, verifier and command line."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.homes import home_at

from earnest.cli import main
from earnest.core.facts import established, unclaimed
from earnest.data.build import build
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart
from earnest.recipes.report import run_report
from earnest.recipes.research import make_task, research

SCRIPT = """
import argparse, json, pathlib
import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "TABLE.csv")

PROGRAM

said = pd.Series([f(row) for row in table.to_dict("records")])
right = float((said == table["OUTCOME"]).mean())
constant = float(table["OUTCOME"].value_counts(normalize=True).iloc[0])
pathlib.Path(options.out).write_text(json.dumps({"right": right, "gain": right - constant}))
"""
CULTIVAR = """\
def f(row):
    if row["flavanoids"] < 1.6:
        return "class_2"
    return "class_0" if row["proline"] > 755 else "class_1"
"""
ALWAYS = "def f(row):\n    return 'class_1'  # <script>alert(1)</script>\n"


def rule(table, outcome, given, program, supports, direction="predicts", **more):
    script = SCRIPT.replace("TABLE", table).replace("OUTCOME", outcome)
    return {
        "kind": "rule",
        "table": table,
        "outcome": outcome,
        "direction": direction,
        "given": list(given),
        "program": program,
        "script": script.replace("PROGRAM", program),
        "supports": supports,
        **more,
    }


def told(capsys, *arguments, status=0):
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def submitted(home, ref, sandbox, claims):
    turns = [use("submit_finding", one) for one in claims]
    task = make_task("Which rule says what a wine was made of?", [ref])
    model = ScriptedModel([*turns, say("done")])
    return task, research(home, "r", task, model, sandbox, lambda _: None)


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


@pytest.fixture(scope="module")
def wine(tmp_path_factory, sandbox):
    """A home in which a scripted author claimed a rule that holds on wines, and an empty one."""
    home = home_at(tmp_path_factory.mktemp("world") / "home")
    (ref,) = apart.seal_bundled(home, ["wine"])
    claims = [
        rule("wine", "target", ("flavanoids", "proline"), CULTIVAR, "gain > 0.2", threshold=0.5),
        rule("wine", "target", ("alcohol",), ALWAYS, "right > 0.3"),
    ]
    task, outcome = submitted(home, ref, sandbox, claims)
    return home, task, outcome


def test_a_rule_is_confirmed_and_a_constant_is_not(wine, monkeypatch, capsys):
    home, _, outcome = wine
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    good, empty = outcome.findings
    shown = told(capsys, "findings", "show", good[0].id[7:19])
    assert shown["verdict"] == "confirmed", shown["reason"]
    assert shown["effect"] > 0.5
    checks = {check["name"]: check for check in shown["checks"]}
    assert checks["function"]["passed"] is True
    assert "no way to plant a rule" in checks["planted"]["detail"]
    assert shown["claim"]["program"] == CULTIVAR
    shown = told(capsys, "findings", "show", empty[0].id[7:19])
    assert shown["verdict"] in ("inconclusive", "invalid"), shown["reason"]


def test_a_rule_can_be_read_as_it_was_written(wine, monkeypatch, capsys):
    home, task, outcome = wine
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    finding = outcome.findings[0][0]
    assert main(["findings", "show", finding.id[7:19]]) == 0
    said = capsys.readouterr().out
    assert f"its rule:\n{CULTIVAR}" in said
    assert "`target` is predicted from `flavanoids`, `proline` by the rule «def f(row): ⏎" in said
    assert main(["findings", "list"]) == 0
    listed = capsys.readouterr().out
    assert "by the rule «def f(row): ⏎" in listed
    assert " …» better than by a constant" in listed
    assert "class_0" not in listed
    page = run_report(home, "r", task.prompt, "", "done", outcome.findings).read_text()
    assert (
        "return &#34;class_0&#34; if row[&#34;proline&#34;] &gt; 755 else &#34;class_1&#34;" in page
    )
    assert "<script>alert" not in page
    (row,) = told(capsys, "findings", "search", "proline flavanoids")["findings"]
    assert row["id"] == finding.id


def test_a_rule_leaves_with_its_crate(wine, monkeypatch, capsys, tmp_path):
    home, _, outcome = wine
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    finding = outcome.findings[0][0]
    made = told(capsys, "findings", "export", finding.id[7:19], "--out", str(tmp_path / "crate"))
    assert (tmp_path / "crate" / "rule.py").read_text() == CULTIVAR
    assert "rule.py" in made["files"]
    assert "rule.py" in (tmp_path / "crate" / "README.md").read_text()


def test_a_rule_has_no_words_to_be_taught_in_and_is_not_taught_as_unclaimed(wine, tmp_path):
    _, task, outcome = wine
    known, refused = established(outcome.findings)
    assert known == []
    assert refused["no wording for a claim of this form: rule"] == 2
    free = {fact.pair for fact in unclaimed(task.tables, outcome.findings)}
    assert ("wine", "proline", "target") not in free
    assert ("wine", "ash", "target") in free
    made = build(outcome.findings, task.tables, None, tmp_path / "data", 0)
    assert made.refused["no wording for a claim of this form: rule"] == 2


@pytest.mark.parametrize("design", [pytest.param("iid", marks=pytest.mark.slow), "grouped:site"])
def test_a_rule_is_verified_again_on_new_rows(home, sandbox, monkeypatch, capsys, tmp_path, design):
    monkeypatch.setenv("EARNEST_HOME", str(home.root))

    def table(name, seed):
        rng = np.random.default_rng(seed)
        rows = 1200
        size = rng.normal(10, 2, rows).round(2)
        kind = np.where(size + rng.normal(size=rows) > 10, "oak", "fir")
        site = [f"{name}{number}" for number in rng.integers(0, 200, rows)]
        path = tmp_path / f"{name}.csv"
        frame = pd.DataFrame({"size": size, "kind": kind, "site": site})
        frame.to_csv(path, index=False)
        return path

    (ref,) = apart.seal(home, [table("trees", 1)], design=design)
    program = "def f(row):\n    return 'oak' if row['size'] > 10 else 'fir'\n"
    claims = [rule("trees", "kind", ("size",), program, "gain > 0.1")]
    _, outcome = submitted(home, ref, sandbox, claims)
    finding, verdict = outcome.findings[0]
    assert verdict.word == "confirmed", verdict.reason
    later = told(capsys, "findings", "verify", finding.id[7:19], "--on", str(table("woods", 2)))
    assert (later["verdict"], later["history"]) == ("replicated", ["confirmed", "replicated"])


DATA = Path(
    os.environ.get("EARNEST_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
PENGUINS = DATA / "seaborn_data" / "penguins.csv.gz"
TREE = """\
def f(row):
    if row["flipper_length_mm"] is None or row["flipper_length_mm"] < 206.5:
        return "Chinstrap" if (row["bill_length_mm"] or 0) >= 43.35 else "Adelie"
    return "Gentoo"
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not PENGUINS.exists(), reason="the shared tables are not here: set EARNEST_SHARED_DATA"
)
def test_a_published_tree_tells_penguins_apart(home, sandbox, tmp_path):
    path = tmp_path / "penguins.csv"
    path.write_bytes(gzip.decompress(PENGUINS.read_bytes()))
    (ref,) = apart.seal(home, [path])
    given = ("bill_length_mm", "flipper_length_mm")
    one = rule("penguins", "species", given, TREE, "gain > 0.3", threshold=0.6)
    one["script"] = (
        one["script"]
        .replace('table.to_dict("records")', "EACH")
        .replace("EACH", "table.astype(object).where(table.notna(), None).to_dict('records')")
    )
    _, outcome = submitted(home, ref, sandbox, [one])
    ((_, verdict),) = outcome.findings
    assert verdict.word == "confirmed", verdict.reason
    assert verdict.effect > 0.75
