import pytest

from earnest.verify.proofs import CASES, prove


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_check_passes_its_gold_case_and_fails_its_broken_one(sandbox, case):
    (proof,) = prove(sandbox, (case,))
    assert proof.holds, (proof.verdict.word, proof.verdict.reason)


def test_a_proof_that_expects_the_wrong_word_does_not_hold(sandbox):
    from dataclasses import replace

    (proof,) = prove(sandbox, (replace(CASES[0], word="refuted"),))
    assert not proof.holds
