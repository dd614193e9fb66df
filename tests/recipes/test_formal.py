"""Findings that speak of no table, from a run on a table to report, export and a later trial."""

import contextlib
import io
import json
import re
import subprocess
import sys

import pytest
from tests.homes import home_at

from earnest.cli import main
from earnest.core.home import Home
from earnest.ledger.ledger import Ledger
from earnest.models.scripted import ScriptedModel, say, use

SCRIPT = """
import argparse, json
parser = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    parser.add_argument(name)
args = parser.parse_args()
json.dump({"failed": 0}, open(args.out, "w"))
"""
REST = {"script": SCRIPT, "supports": "failed == 0", "prose": "as it must be"}
CUBES = {
    "kind": "identity",
    "direction": "equal",
    "left": "sum(k**3, k, 1, n)",
    "right": "(n*(n+1)/2)**2",
    "inputs": ["n: integer 1..200"],
    **REST,
}
RARELY = {  # false at 1 in 200: no quick input is among them, 3,000 even ones miss it never
    **CUBES,
    "left": "mod(n, 200) * 2",
    "right": "mod(n, 200) + mod(n, 200) + 0**abs(mod(n, 200) - 105)",
    "inputs": ["n: integer 0..1e9"],
}
SORTS = {
    "kind": "program",
    "direction": "equivalent",
    "program": "def f(v):\n    return sorted(v)\n",
    "reference": "import heapq\ndef f(v):\n    h = list(v)\n    heapq.heapify(h)\n"
    "    return [heapq.heappop(h) for _ in v]\n",
    "inputs": ["v: list of integer -9..9"],
    **REST,
}
TRIVIAL = {**CUBES, "left": "n + 1", "right": "1 + n"}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The document of a run that submits four findings of no table, and its home."""
    tmp_path = tmp_path_factory.mktemp("formal")
    home = home_at(tmp_path / "home")
    rows = ["a,b", *(f"{n * 37 % 101},{n * 11 % 17}" for n in range(60))]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    turns = [
        use("submit_finding", one, id=f"call-{number}")
        for number, one in enumerate((CUBES, SORTS, TRIVIAL, RARELY))
    ]
    model = ScriptedModel([*turns, say("done")])
    arguments = ["run", "What holds?", "--data", str(tmp_path / "t.csv"), "--design", "iid"]
    arguments += ["--model", "analyst", "--json", "--home", str(home.root)]
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(io.StringIO()) as out:
        patched.setattr("earnest.models.choose.open_model", lambda _: model)
        status = main(arguments)
    return status, json.loads(out.getvalue()), tmp_path


@pytest.fixture
def ran(done, monkeypatch):
    monkeypatch.setenv("EARNEST_HOME", str(done[2] / "home"))
    return done


def shown(capsys, *arguments, status=0):
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_from_a_run_to_its_verdicts_and_back(ran, capsys):
    status, document, tmp_path = ran
    assert (status, document["status"]) == (0, "done")
    words = [one["verdict"] for one in document["findings"]]
    assert words == ["confirmed", "confirmed", "inconclusive", "refuted"]
    cubes, sorts, trivial, rarely = document["findings"]
    assert 0.99 < rarely["effect"] < 1
    assert (cubes["effect"], cubes["p"]) == (1.0, 1e-12)
    told = shown(capsys, "findings", "show", cubes["id"])
    assert "all 200 inputs" in told["reason"]
    assert {"proof", "fresh"} <= {check["name"] for check in told["checks"]}
    why = shown(capsys, "findings", "show", rarely["id"])["reason"]
    assert re.search(r"at n = \d{3} the left side is 210, the right 211", why)
    assert "true by construction" in shown(capsys, "findings", "show", trivial["id"])["reason"]
    page = (tmp_path / "home" / "runs" / document["run"] / "report.html").read_text()
    assert "200 fresh inputs" in page
    assert "visible rows, design fresh" not in page
    shown(capsys, "runs", "report", document["run"])
    assert main(["findings", "list"]) == 0
    assert all(len(line) < 500 for line in capsys.readouterr().out.splitlines())
    assert len(shown(capsys, "runs", "show", document["run"])["findings"]) == 4
    assert shown(capsys, "findings", "search", "heapq")["findings"][0]["id"] == sorts["id"]
    stats = shown(capsys, "ledger", "stats")
    assert (stats["tables"], stats["principals"][0]["tests"]) == ([], 3)
    assert shown(capsys, "ledger", "audit")["clean"]


def test_a_confirmed_one_is_tried_again_on_inputs_drawn_anew(ran, capsys):
    _, document, tmp_path = ran
    cubes, sorts, *_ = document["findings"]
    later = shown(capsys, "findings", "verify", sorts["id"])
    assert (later["verdict"], later["on"]) == ("replicated", "")
    assert later["history"] == ["confirmed", "replicated"]
    again = shown(capsys, "findings", "verify", sorts["id"])
    assert again["history"] == ["confirmed", "replicated", "replicated"]
    assert main(["findings", "verify", cubes["id"]]) == 2
    assert "all 200 inputs" in capsys.readouterr().err
    assert main(["findings", "verify", sorts["id"], "--on", str(tmp_path / "t.csv")]) == 2
    assert "leave --on away" in capsys.readouterr().err
    with Ledger(Home(tmp_path / "home").ledger) as ledger:
        seeds = {verdict.seed for verdict, _ in ledger.history(sorts["id"])}
    assert len(seeds) == 3
    assert shown(capsys, "ledger", "audit")["clean"]


def test_a_crate_of_one_is_run_again_without_earnest(ran, capsys):
    pytest.importorskip("rocrate")
    _, document, tmp_path = ran
    out = tmp_path / "crate"
    told = shown(capsys, "findings", "export", document["findings"][0]["id"], "--out", str(out))
    assert not any(name.startswith("data/") for name in told["files"])
    done = subprocess.run(
        [sys.executable, "-I", str(out / "rerun.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (out / "README.md").read_text()
    assert "speaks of no table" in page
    assert "rows in `data/`" not in page


def test_an_identity_that_is_plainly_false_is_told_and_not_queued(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EARNEST_HOME", str(home_at(tmp_path / "home").root))
    (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{n},{n % 7}" for n in range(60)) + "\n")
    said = []
    wrong = {**CUBES, "right": "(n*(n+1)/2)**2 + floor(n/3)"}
    turns = [use("submit_finding", wrong), lambda messages: said.append(messages[-1]) or say("no")]
    monkeypatch.setattr("earnest.models.choose.open_model", lambda _: ScriptedModel(turns))
    arguments = ["run", "What holds?", "--data", str(tmp_path / "t.csv"), "--design", "iid"]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert "not true: at n = " in said[0].content
