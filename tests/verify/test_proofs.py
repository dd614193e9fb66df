from dataclasses import replace

import pytest

from earnest.verify.evidence import CHECKS
from earnest.verify.proofs import CASES
from earnest.verify.proofs_novelty import NOVELTY
from earnest.verify.verifier import Verifier


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_check_passes_its_gold_case_and_fails_its_broken_one(sandbox, case):
    (proof,) = Verifier(sandbox, None, None, b"proofs").proofs((case,))
    assert proof.holds, (proof.verdict.word, proof.verdict.reason)


def test_no_check_of_evidence_goes_without_a_broken_case():
    decided = {case.decides for case in CASES if case.word == "invalid"}
    assert decided >= {*CHECKS, "clock", "turned", "labels", "units"}
    assert any(case.decides == "near-copy" for case in CASES)


def test_a_proof_that_expects_the_wrong_word_does_not_hold(sandbox):
    wrong = replace(CASES[0], word="refuted")
    (proof,) = Verifier(sandbox, None, None, b"proofs").proofs((wrong,))
    assert not proof.holds


@pytest.mark.parametrize("wrong", [{"grade": "novel"}, {"names": "Jones 2021"}])
def test_a_proof_that_expects_another_grade_or_source_does_not_hold(sandbox, wrong):
    known = next(case for case in NOVELTY if case.grade == "known")
    for case, holds in ((known, True), (replace(known, **wrong), False)):
        (proof,) = Verifier(sandbox, None, None, b"proofs").proofs((case,))
        assert proof.holds is holds


def test_every_grade_and_every_part_of_novelty_has_a_case():
    assert {case.grade for case in NOVELTY} >= {"novel", "known", "contradicts"}
    assert any(case.told for case in NOVELTY if case.grade == "known")
    assert any(case.listed for case in NOVELTY if case.grade == "known")
