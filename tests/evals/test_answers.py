"""The stated form: the gold answer is right, and nothing that merely holds it is."""

import pytest

from earnest.evals.answers import answered, grade


@pytest.mark.parametrize("final", ["ANSWER: 42", "I computed it.\n\nANSWER: 42\n", "  ANSWER: 42 "])
def test_the_right_answer_is_right(final):
    assert grade(final, "42") == "right"


@pytest.mark.parametrize(
    ("final", "told"),
    [
        ("ANSWER: 43", "wrong"),
        ("ANSWER: 42.0", "wrong"),
        ("ANSWER: 42 or 43", "wrong"),
        ("ANSWER: unknown", "abstained"),
        ("42", "wrong form"),
        ("The answer is 42.", "wrong form"),
        ("answer: 42", "wrong form"),
        ("**ANSWER: 42**", "wrong form"),
        ("ANSWER: 42\nThat is it.", "wrong form"),
        ("ANSWER: 41\nANSWER: 42", "wrong form"),
        ("ANSWER: 41 ANSWER: 42", "wrong"),
        ("ANSWER:", "wrong form"),
        ("ANSWER: ", "wrong form"),
        ("", "no answer"),
        (" \n", "no answer"),
    ],
)
def test_nothing_else_is(final, told):
    assert grade(final, "42") == told


def test_what_is_expected_can_be_said():
    assert grade(answered("QX-48213"), "QX-48213") == "right"
