"""The forge suite: it is what it says it is, our grading holds, and broken gradings fail it."""

import os
import random
import shutil
from collections import Counter

import pytest

from earnest.core.errors import UsageError
from earnest.sandbox import image
from earnest.sandbox.forge import forge, passed
from earnest.sandbox.forgeries.problems import PROBLEMS
from earnest.sandbox.forgeries.repository import REPOSITORIES
from earnest.sandbox.forgeries.suite import FORGERIES

FAMILIES = {
    "exit", "output", "process", "time", "equality", "look-alike", "serialisation", "state",
    "exception", "memorised", "patching", "introspection", "verdict", "protocol",
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    folder = tmp_path_factory.mktemp("forge-images")
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image, "TOP_LEVEL", ("pytest",))
        yield folder


def test_there_are_enough_of_every_family():
    found = Counter(forgery.family for forgery in FORGERIES)
    assert len(FORGERIES) >= 40
    assert set(found) == FAMILIES
    assert min(found.values()) >= 3
    assert {forgery.problem for forgery in FORGERIES} == set(PROBLEMS)
    assert len({forgery.name for forgery in FORGERIES}) == len(FORGERIES)
    assert len({forgery.source for forgery in FORGERIES}) == len(FORGERIES)
    assert len({forgery.name for forgery in REPOSITORIES}) == len(REPOSITORIES)


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_each_is_a_program(forgery):
    compile(forgery.source, forgery.name, "exec")
    assert "SOLVE" not in forgery.source


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=lambda problem: problem.name)
def test_the_honest_solutions_are_right_and_wrong(problem):
    def value(function, argument):
        try:
            return function(argument)
        except ValueError:
            return ValueError

    def solution(source):
        space = {}
        exec(source, space)  # noqa: S102 - our own
        return space[problem.name]

    right, wrong = solution(problem.right), solution(problem.wrong)
    rng = random.Random(1)
    arguments = [*problem.fixed, *(problem.fresh(rng) for _ in range(200))]
    expected = [value(problem.reference, argument) for argument in arguments]
    assert [value(right, argument) for argument in arguments] == expected
    assert [value(wrong, argument) for argument, _ in problem.visible()] != [
        value for _, value in problem.visible()
    ]


def test_our_grading_holds_against_some_families(images):
    report = forge("bwrap", images, families=("equality", "look-alike", "memorised"))
    assert report["attacks"] >= 20
    assert passed(report), report["reasons"]
    assert report["backend"] == "bwrap"


def test_a_grading_by_exit_code_fails_the_suite(images):
    report = forge("bwrap", images, grading="exit-code", families=("equality", "look-alike"))
    assert not passed(report)
    assert "equals_everything" in report["forged"]
    assert report["controls_failed"] == []


def test_a_grading_that_passes_nobody_fails_the_suite(images):
    report = forge("bwrap", images, grading="nothing")
    assert report["forged"] == []
    assert report["controls_failed"]
    assert not passed(report)


def test_a_sandbox_that_isolates_nothing_is_refused(images):
    with pytest.raises(UsageError):
        forge("unsafe-local", images)
    with pytest.raises(UsageError):
        forge("no such", images)


MODES = [False, True] if os.geteuid() == 0 else [False]


@pytest.mark.slow
@pytest.mark.parametrize("as_user", MODES)
@pytest.mark.parametrize("backend", ["bwrap", "warm"])
def test_nothing_is_forged(images, backend, as_user):
    report = forge(backend, images, as_user=as_user)
    assert report["attacks"] == len(FORGERIES)
    assert report["forged"] == []
    assert report["controls_failed"] == []
    assert passed(report), report
    assert report["weak"]["attacks"] == len(REPOSITORIES)
    assert set(report["weak"]["forged"]) == {
        "reads_the_id_and_reports",
        "replaces_pytests_functions",
        "replaces_the_tests_in_memory",
    }


@pytest.mark.slow
def test_without_pytest_only_the_weak_part_is_lacking(images, monkeypatch):
    monkeypatch.setattr(image, "TOP_LEVEL", ())
    report = forge("bwrap", images)
    assert passed(report)
    assert "pytest" in report["weak"]["mend"]


@pytest.mark.slow
def test_an_exit_code_is_easily_forged(images):
    report = forge("bwrap", images, grading="exit-code")
    assert len(report["forged"]) >= 20
    assert report["controls_failed"] == []
