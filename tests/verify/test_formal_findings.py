"""Findings that speak of no table, through the verifier: which checks are asked, what caps them."""

from dataclasses import replace

import pytest

from earnest.core.canon import digest
from earnest.core.home import BlobStore
from earnest.core.kinds import Claim
from earnest.core.records import FRESH, Author, Evidence, Finding, Verdict
from earnest.verify.proofs import Workbench
from earnest.verify.proofs_formal import FORMAL, TRIED
from earnest.verify.replicate import redrawn
from earnest.verify.units import NotTestableError
from earnest.verify.units import testable as is_testable
from earnest.verify.verifier import Verifier

GCD = Claim(
    kind="identity",
    direction="equal",
    table="",
    left="gcd(a, b) * lcm(a, b)",
    right="abs(a * b)",
    inputs=("a: integer -1e6..1e6", "b: integer -1e6..1e6"),
)


def finding(claim=GCD, exposure="sealed", inputs=None, script=TRIED):
    return Finding(
        claim=claim,
        evidence=Evidence(
            script=digest(script.encode()),
            inputs=inputs or {},
            results={"tried": 99, "failed": 0},
            supports="failed == 0",
        ),
        exposure=exposure,
        author=Author(principal="me", model="m"),
        run="r",
        task=digest(b"t"),
        table=FRESH,
    )


@pytest.fixture
def check(sandbox, tmp_path):
    blobs = BlobStore(tmp_path / "blobs")
    blobs.put(TRIED.encode())

    def checked(one, **view):
        bench = replace(Workbench(tmp_path), **view)
        return Verifier(sandbox, blobs, None, b"key").check(one, bench)

    return checked


def test_it_takes_the_path_of_the_others_without_a_table(check):
    verdict = check(finding())
    assert (verdict.word, verdict.effect, verdict.alpha) == ("confirmed", 1.0, 0.01)
    names = [one.name for one in verdict.checks]
    assert names == ["novelty", "inputs", "reproduces", "repeats", "clock", "proof", "fresh"]
    assert verdict.p <= 0.01
    assert any("fewer than 0.001" in one for one in verdict.not_covered)
    assert "causes" not in " ".join(verdict.not_covered)


@pytest.mark.parametrize("exposure", ["public", "author-saw-all"])
def test_what_its_author_saw_caps_nothing(check, exposure):
    assert is_testable(finding(exposure=exposure))
    assert check(finding(exposure=exposure)).word == "confirmed"


def test_without_a_share_of_the_budget_nothing_is_tried(check):
    verdict = check(finding(), share=None)
    assert (verdict.word, verdict.p, verdict.effect) == ("inconclusive", None, None)
    assert "error budget" in verdict.reason


def test_a_share_below_the_floor_cannot_be_met(check):
    assert check(finding(FORMAL[0].claim), share=1e-13).word == "inconclusive"


def test_evidence_that_names_a_table_is_invalid(check):
    verdict = check(finding(inputs={"t.csv": digest(b"t")}))
    assert (verdict.word, verdict.checks[-1].name) == ("invalid", "inputs")


def test_the_draws_follow_from_the_key_and_the_finding(check, sandbox, tmp_path):
    one, other = check(finding()), check(finding().model_copy(update={"prose": "again"}))
    assert one.seed != other.seed
    assert check(finding()) == one
    again = Verifier(sandbox, BlobStore(tmp_path / "blobs"), None, b"another key")
    assert again.check(finding(), Workbench(tmp_path)).seed != one.seed


def current(one):
    return Verdict(
        finding=one.id, word="confirmed", reason="true", checks=(), seed=1, verifier="v", p=1e-3
    )


def test_a_confirmed_claim_is_tried_on_inputs_drawn_anew(sandbox):
    later = redrawn(finding(), current(finding()), sandbox, seed=7)
    assert (later.word, later.alpha, later.rows) == ("replicated", 0.05, 2995)
    assert later.checks[-1].name == "replication"


def test_a_counterexample_found_later_refutes(sandbox):
    wrong = finding(GCD.model_copy(update={"right": "abs(a * b) + 0 ** (mod(a, 50))"}))
    later = redrawn(wrong, current(wrong), sandbox, seed=7)
    assert later.word == "refuted"
    assert "contradicted" in later.reason


def test_what_was_tried_on_all_inputs_has_none_that_is_new(sandbox):
    cubes = finding(FORMAL[0].claim)
    with pytest.raises(NotTestableError, match="all 200 inputs"):
        redrawn(cubes, current(cubes), sandbox, seed=7)


def test_what_cannot_be_tried_stays_as_it_is(sandbox):
    bomb = next(case.claim for case in FORMAL if case.name == "a sum of 10^12 terms")
    later = redrawn(finding(bomb), current(finding(bomb)), sandbox, seed=7)
    assert later.word == "confirmed"
    assert "not replicated" in later.reason
