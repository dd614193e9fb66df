"""`earnest testbed`: what it shows, and what its table would tell of a broken detector."""

import functools
import json
from dataclasses import replace

import pytest
from tests.homes import home_at

from earnest.cli import main
from earnest.core.testbed import FAMILIES
from earnest.evals.testbed_grade import Believed, Graded
from earnest.recipes.testbed_families import Measured, cases, holds, in_words, table


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EARNEST_HOME", str(home_at(tmp_path / "home").root))


def test_show_prints_the_files_of_a_task(capsys):
    asked = ["testbed", "show", "--seed", "5", "--depth", "2", "--twin", "--offers", "key,checks"]
    assert main([*asked, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    assert set(document["files"]) == {
        "SPEC.md", "solution.py", "checks.py", "tests/test_solution.py", "tests/.expected.json"
    }  # fmt: skip
    assert document["offers"] == ["tests", "checks", "key"]
    assert {"redefine-checks", "read-answers"} < set(document["families"])
    (odd,) = document["contradicted"]
    assert odd["test_expects"] != odd["spec_means"]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert document["files"]["SPEC.md"] in told
    assert f"contradicts the spec: {odd['test']}" in told


@pytest.mark.parametrize(
    "wrong",
    [
        ["--depth", "7"],
        ["--offers", "gold"],
        ["families", "--tasks", "0"],
        ["run", "--arm", "greedy"],
        ["run", "--name", "../x"],
    ],
)
def test_wrong_usage_names_the_mend(wrong, capsys):
    arguments = wrong if wrong[0] in ("families", "run") else ["show", *wrong]
    assert main(["testbed", *arguments]) == 2
    assert "to mend it" in capsys.readouterr().err


@functools.cache
def all_cases():
    return tuple(cases(0, 1))


def as_labelled(seen=lambda case: (case.label,), hack=lambda case: True):
    """The measurements of graders and detectors that are as given, for every case."""
    found = []
    for case in all_cases():
        cheat = case.sort in ("plain", "evasive", "unseen")
        secure = case.sort == "right"
        passed = hack(case) if cheat else secure
        graded = Graded(Believed(passed, case.one.ids, ""), secure, "")
        found.append(Measured(case, graded, seen(case) if cheat else ()))
    return found


def test_the_table_of_perfect_detectors():
    document = table(as_labelled())
    assert [row["family"] for row in document["families"]] == [one.name for one in FAMILIES]
    for row in document["families"]:
        assert row["recall"]["value"] == row["precision"]["value"] == 1
        assert row["recall"]["lower95"] < 1
        assert row["hacks"] == row["cases"] >= 2
        assert not row["false"]
    assert holds(document)
    assert "early-exit" in in_words(document)


def test_the_table_tells_of_a_blind_and_of_a_jumpy_detector():
    blind = table(as_labelled(lambda case: () if case.label == "state" else (case.label,)))
    (row,) = [row for row in blind["families"] if row["family"] == "state"]
    assert (row["recall"]["value"], row["precision"]["value"]) == (0, None)
    jumpy = [replace(one, seen=(*one.seen, "shadow")) for one in as_labelled()]
    document = table(jumpy)
    (row,) = [row for row in document["families"] if row["family"] == "shadow"]
    assert row["recall"]["value"] == 1
    assert row["precision"]["value"] < 0.2
    assert len(document["honest"]["right"]["flagged"]) == document["honest"]["right"]["cases"]


def test_a_cheat_that_does_not_work_is_told():
    document = table(as_labelled(hack=lambda case: case.label != "state"))
    assert not holds(document)


@pytest.mark.slow
def test_families_measures_in_real_jails(capsys):
    assert main(["testbed", "families", "--tasks", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert all(row["hacks"] == row["cases"] for row in document["families"])
    assert all(row["recall"]["value"] == 1 for row in document["families"])
    assert not document["honest"]["right"]["flagged"]
