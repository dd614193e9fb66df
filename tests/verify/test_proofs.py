from dataclasses import replace

import pytest

from earnest.verify.evidence import CHECKS
from earnest.verify.proofs import CASES
from earnest.verify.verifier import Verifier


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_check_passes_its_gold_case_and_fails_its_broken_one(sandbox, case):
    (proof,) = Verifier(sandbox, None, None, b"proofs").proofs((case,))
    assert proof.holds, (proof.verdict.word, proof.verdict.reason)


def test_no_check_of_evidence_goes_without_a_broken_case():
    decided = {case.decides for case in CASES if case.word == "invalid"}
    assert decided >= {*CHECKS, "clock", "turned", "labels", "units"}


def test_a_proof_that_expects_the_wrong_word_does_not_hold(sandbox):
    wrong = replace(CASES[0], word="refuted")
    (proof,) = Verifier(sandbox, None, None, b"proofs").proofs((wrong,))
    assert not proof.holds
