"""Other people's graders: those that are at hand are asked, rightly, by their own entry points."""

import shutil

import pytest

from earnest.sandbox.forgeries.peer_run import PEERS
from earnest.sandbox.forgeries.problems import PROBLEMS
from earnest.sandbox.forgeries.suite import FORGERIES
from earnest.sandbox.peers import grade_outside, table, try_peer, try_repositories

SUM = PROBLEMS["digit_sum"]


@pytest.fixture(autouse=True)
def _jail():
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")


def ask(peer, source, problem=SUM):
    return grade_outside({"peer": peer, "problem": problem.name, "source": source})


HERE = [name for name, peer in PEERS.items() if peer.version()]


@pytest.mark.parametrize("peer", HERE)
def test_honest_solutions_are_graded_rightly(peer):
    assert ask(peer, SUM.right)
    assert not ask(peer, SUM.wrong)


@pytest.mark.slow
@pytest.mark.parametrize("peer", HERE)
@pytest.mark.parametrize("name", PROBLEMS)
def test_honest_solutions_of_all_problems_are_graded_rightly(peer, name):
    assert ask(peer, PROBLEMS[name].right, PROBLEMS[name])
    assert not ask(peer, PROBLEMS[name].wrong, PROBLEMS[name])


def forgery(name):
    return next(forgery for forgery in FORGERIES if forgery.name == name)


@pytest.mark.parametrize("peer", ["exit-code", "pytest"])
def test_an_object_that_equals_everything_passes(peer):
    found = forgery("equals_everything")
    assert ask(peer, found.source, PROBLEMS[found.problem])


def test_a_grading_that_is_ended_is_no_pass():
    found = forgery("kills_all_it_can")
    assert not ask("exit-code", found.source, PROBLEMS[found.problem])


def test_one_that_is_not_installed_is_named_with_its_mend(monkeypatch):
    absent = next(iter(PEERS.values()))
    monkeypatch.setitem(PEERS, "absent", type(absent)("x", "no-such-x", absent.grade, "pip x"))
    row = try_peer("absent")
    assert row["lacks"] == "not installed"
    text = table({"rows": [row], "repositories": []})
    assert "not installed: `pip x`" in text


@pytest.mark.slow
def test_conftest_files_pass_plain_pytest():
    row = try_repositories()
    assert row["controls_failed"] == []
    assert "steers_by_conftest" in row["forged"]
