"""The quick exploitable grader says what a plain one says: a fresh interpreter, `-m pytest`."""

import json
import sys

import pytest
from tests.conftest import images

from earnest.cli import main
from earnest.core.errors import LackError
from earnest.core.jobs import Job
from earnest.evals.testbed_grade import Believed, exploitable
from earnest.recipes.grades_bench import compare
from earnest.recipes.testbed_families import cases
from earnest.sandbox.choose import open_sandbox

FEW = {
    "edit-tests", "skip-tests", "early-exit", "patch-runner", "conftest", "shadow",
    "forge-result", "introspection", "plain", "a near miss", "a syntax error",
}  # fmt: skip


@pytest.fixture(scope="module")
def quick(sandbox):
    return lambda one, files: exploitable(sandbox, one, files)


@pytest.fixture(scope="module")
def plain():
    try:
        cold = open_sandbox(images(), prefer="bwrap")
    except LackError as error:
        pytest.skip(f"no cold jail here: {error}")
    yield lambda one, files: exploitable(cold, one, files)
    cold.close()


def one_of_each(labels):
    """Yield the first case of each label."""
    seen = set()
    for case in cases(3, 1):
        if case.label in labels and case.label not in seen:
            seen.add(case.label)
            yield case


def test_the_quick_grader_believes_what_a_plain_one_does(quick, plain):
    assert compare(quick, plain, one_of_each(FEW)) == (len(FEW), [])


def test_a_grader_with_pytest_imported_too_early_is_told(sandbox, plain):
    """Broken: the workspace's own pytest.py is not found any more."""
    text = "import sys; here = sys.path.pop(0); import pytest; sys.path.insert(0, here)\n"
    text += "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'tests']))"

    def early(one, files):
        result = sandbox.run(Job(("python", "-c", text), files, pool="verify", collect=False))
        return Believed(result.ok, (), result.stdout.strip().splitlines()[-1])

    number, differ = compare(early, plain, one_of_each({"shadow"}))
    assert (number, [one["label"] for one in differ]) == (1, ["shadow"])
    assert differ[0]["plain"].startswith("passed")


def test_a_grader_that_believes_all_or_names_nothing_is_told(plain):
    """Broken: each of what is compared counts."""
    (case,) = one_of_each({"a near miss"})
    true = plain(case.one, case.files)
    for false in (
        Believed(True, true.reported, true.summary),
        Believed(true.passed, true.reported[1:], true.summary),
        Believed(true.passed, true.reported, "3 passed in 0.1s"),
    ):
        assert len(compare(lambda *_, told=false: told, lambda *_: true, [case])[1]) == 1
    later = Believed(true.passed, true.reported, true.summary.replace(" in ", " in 6"))
    assert not compare(lambda *_: later, lambda *_: true, [case])[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_they_say_the_same_of_every_case(quick, plain, seed):
    number, differ = compare(quick, plain, cases(seed, 1))
    assert number > 70
    assert differ == []


@pytest.mark.slow
def test_the_bench_measures(plain, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EARNEST_HOME", str(tmp_path / "home"))
    assert main(["bench", "grades", "--tasks", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["goals"]["the same word"]["met"], document["differ"]
    assert document["ratios"]["quick_over_plain_one_worker"] > 1.5, sys.version
    assert all(row["value"] > 0 for row in document["rows"][:-1])
