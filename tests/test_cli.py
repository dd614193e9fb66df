import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earnest.cli import main
from tests.homes import home_at


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    home = home_at(tmp_path / "home")
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    return home.root


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    dose = rng.normal(size=300)
    frame = pd.DataFrame(
        {
            "dose": dose,
            "response": dose + rng.normal(size=300),
            "site": rng.choice(["north", "south"], 300),
        }
    )
    path = tmp_path / "trial.csv"
    frame.round(4).to_csv(path, index=False)
    return path


def test_no_verb_and_a_wrong_one_are_wrong_usage(capsys):
    for arguments in ([], ["fly"], ["run"], ["findings", "list", "--nope"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb",
    [
        "demo",
        "run",
        "seal",
        "resume",
        "runs",
        "findings",
        "catalogue",
        "ledger",
        "verifier",
        "bench",
        "doctor",
        "testbed",
    ],
)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_an_empty_home_has_nothing_to_list(capsys):
    assert main(["findings", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"findings": [], "total": 0}
    assert main(["runs", "list"]) == 0
    assert "no runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "?"], "--data FILE"),
        (["run", "?", "--data", "none.csv"], "--data"),
        (["run", "?", "--bundled", "nope"], "choose from"),
        (["run", "?", "--model", "hal", "--data", "x.csv"], "analyst"),
        (["seal", "none.csv"], "no file"),
        (["resume", "../../etc"], "runs list"),
        (["runs", "show"], "runs list"),
        (["findings", "list", "--word", "true"], "confirmed"),
        (["findings", "show", "abc"], "8 of its hex digits"),
    ],
)
def test_errors_name_the_mend(arguments, says, capsys):
    assert main(arguments) in (1, 2)
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""


@pytest.mark.usefixtures("sandbox")
def test_a_run_from_the_file_to_the_report(table, capsys):
    assert main(["run", "What is going on here?", "--data", str(table), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"run", "status", "steps", "cost_usd", "findings", "report", "assumed"}
    assert told["assumed"] == {"trial": []}
    found = {
        (f["claim"]["outcome"], f["claim"]["exposure"]): f["verdict"] for f in told["findings"]
    }
    assert "confirmed" in (found.get(("response", "dose")), found.get(("dose", "response")))
    assert not any(word == "confirmed" for pair, word in found.items() if "site" in pair)
    assert "What is going on here?" in Path(told["report"]).read_text()
    assert main(["ledger", "audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"]
    assert main(["findings", "search", "dose", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["findings"][0]
    assert main(["findings", "show", first["id"][7:20]]) == 0
    assert "json" in capsys.readouterr().out
    assert main(["runs", "show", told["run"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"
    # The same table again: the same rows are sealed, and known claims are not tested again.
    asked = ["run", "And now?", "--data", str(table), "--json"]
    assert main([*asked, "--no-ledger"]) == 0
    again = json.loads(capsys.readouterr().out)["findings"]
    assert [f["verdict"] for f in again] == [f["verdict"] for f in told["findings"]]
    assert all(f["p"] is None for f in again if f["verdict"] == "confirmed")
    # An agent that is told of them claims none of them again.
    assert main(asked[:-1]) == 0
    said = capsys.readouterr().out
    assert not [f for f in again if f["sentence"] in said]
    assert "findings were known before it: earnest findings list" in said


@pytest.mark.usefixtures("sandbox")
def test_an_interrupted_run_is_resumed(table, own_home, capsys):
    command = [sys.executable, "-m", "earnest", "run", "?", "--data", str(table)]
    started = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)
    for line in started.stderr:
        if line.startswith("step 3"):
            break
    time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    _, rest = started.communicate(timeout=120)
    assert started.returncode == 130, rest
    assert "Traceback" not in rest
    (run,) = (own_home / "runs").iterdir()
    assert main(["resume", run.name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


@pytest.fixture
def messy(tmp_path):
    rng = np.random.default_rng(1)
    dose = rng.normal(50_000, 20_000, size=200)
    cells = [
        f'"${value:,.2f}";{n % 28 + 1:02}/03/2023;{value / 9 + rng.normal(0, 900):.1f};lab'
        for n, value in enumerate(dose)
    ]
    path = tmp_path / "messy.csv"
    path.write_text("Made by us\n\ndose;day;response;place\n" + "\n".join(cells) + "\nSource: us\n")
    return path


KINDS = {"preamble", "footer", "numbers", "currency", "dates", "constant"}


def test_what_was_assumed_is_told_by_seal(messy, capsys):
    assert main(["seal", str(messy), "--design", "iid", "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert {one["what"] for one in told["assumed"]} == KINDS
    assert all(f"messy: assumed: {what}: " in captured.err for what in KINDS)
    assert told["columns"] == ["dose", "day", "response"]


@pytest.mark.usefixtures("sandbox")
def test_what_was_assumed_is_told_by_run_and_in_its_report(messy, capsys):
    asked = ["run", "?", "--data", str(messy), "--design", "iid", "--steps", "2", "--json"]
    assert main(asked) in (0, 1)  # its steps end before it has found anything
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert {one["what"] for one in told["assumed"]["messy"]} == KINDS
    assert "assumed: currency" in captured.err
    page = Path(told["report"]).read_text()
    assert "What was assumed in reading the tables" in page
    assert "$ is taken away" in page


def test_how_a_file_is_read_can_be_said(tmp_path, capsys):
    path = tmp_path / "t.csv"
    rows = [f"{n % 12 + 1:02}/{n % 11 + 1:02}/{1960 + n},{n}" for n in range(60)]
    path.write_text("date,x\n" + "\n".join(rows) + "\n")
    assert main(["seal", str(path)]) == 2
    assert "--read dates=day-first" in capsys.readouterr().err
    assert main(["seal", str(path), "--read", "dates=day-first", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["design"] == "time:date"
    assert main(["seal", str(path), "--read", "dates=backwards"]) == 2


def test_a_slow_reading_is_told(table, monkeypatch, capsys):
    monkeypatch.setattr("earnest.recipes.apart._SAY_AFTER_S", 0.05)
    assert main(["seal", str(table)]) == 0
    assert "reading trial.csv (0 MiB): " in capsys.readouterr().err
