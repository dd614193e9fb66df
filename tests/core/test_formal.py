import pytest
from pydantic import ValidationError

from earnest.core.claims import sentence
from earnest.core.formal import Sides, normal_formal
from earnest.core.kinds import Claim
from earnest.core.likeness import claim_key, like, question, topic


def identity(left, right, *inputs):
    return Claim(
        kind="identity", direction="equal", table="", left=left, right=right, inputs=inputs
    )


def program(program, reference, *inputs, threshold=None):
    return Claim(
        kind="program",
        direction="equivalent",
        table="",
        program=program,
        reference=reference,
        inputs=inputs,
        threshold=threshold,
    )


CUBES = identity("sum(k**3, k, 1, n)", "(n*(n+1)/2)**2", "n: integer 1..99")
ONE, OTHER = "def f(a, b):\n    return a + b\n", "def f(a, b):\n    return b + a\n"


@pytest.mark.parametrize(
    "same",
    [
        identity("(n * (n + 1) / 2) ** 2", "sum(k ** 3, k, 1, n)", "n: integer 1..99"),
        identity("sum(i**3, i, 1, m)", "(m*(m+1)/2)**2", "m:  integer  1 .. 99"),
        identity("sum((n)**3, n, 1, k)", "((k*(k+1)/2))**2", "k: integer 1..99"),
    ],
)
def test_an_identity_in_other_words_has_one_key(same):
    assert claim_key(same) == claim_key(CUBES)
    assert like(same, CUBES) == "known"


@pytest.mark.parametrize(
    "other",
    [
        identity("sum(k**2, k, 1, n)", "(n*(n+1)/2)**2", "n: integer 1..99"),
        identity("sum(k**3, k, 0, n)", "(n*(n+1)/2)**2", "n: integer 1..99"),
        identity("sum(k**3, k, 1, n)", "(n*(n+1)/2)**2", "n: integer 1..98"),
        identity("x - y", "2*x - y - x", "x: rational", "y: rational"),
    ],
)
def test_another_identity_has_another_key(other):
    assert claim_key(other) != claim_key(CUBES)


def test_which_variable_is_which_counts():
    one = identity("x - 2*y", "-(2*y - x)", "x: rational", "y: integer 1..9")
    other = identity("y - 2*x", "-(2*x - y)", "x: rational", "y: integer 1..9")
    assert claim_key(one) != claim_key(other)
    assert claim_key(one) == claim_key(
        identity("y - 2*x", "-(2*x - y)", "x: integer 1..9", "y: rational")
    )


def test_the_same_of_other_inputs_extends_it():
    wider = identity("sum(k**3, k, 1, n)", "(n*(n+1)/2)**2", "n: integer 1..999")
    assert (topic(wider), question(wider)) == (topic(CUBES), question(CUBES))
    assert like(wider, CUBES) == "extends"


def test_programs_in_other_words_have_one_key():
    first = program(ONE, OTHER, "a: integer 0..9", "b: integer 1..9")
    again = program(OTHER, f"{ONE}\n\n", "x: integer 0..9", "y:integer 1..9")
    assert claim_key(first) == claim_key(again)
    turned = program(ONE, OTHER, "b: integer 1..9", "a: integer 0..9")
    assert claim_key(first) != claim_key(turned)
    assert like(program(ONE, OTHER, *first.inputs, threshold=0.9), first) == "extends"


def test_a_normal_form_is_its_own():
    for one in (CUBES, program(ONE, OTHER, "a: boolean", "b: boolean")):
        normal = one.model_copy(update=dict(normal_formal(one)))
        assert normal_formal(normal) == normal_formal(one)


@pytest.mark.parametrize(
    ("left", "right", "inputs", "why"),
    [
        ("n", "m", ["n: integer 1..9"], "what m is drawn from"),
        ("n", "n*1", ["n: integer 1..9", "m: integer 1..9"], "names m"),
        ("n", "n*1", ["n: text 0..9"], "integer or rational"),
        ("n", "n +", ["n: integer 1..9"], "expected a number"),
        ("n", "n*1", ["n: integers"], "expected integer"),
        ("k", "sum(k, k, 1, 2)", ["n: rational"], "what k is drawn from"),
    ],
)
def test_what_cannot_be_read_is_no_claim(left, right, inputs, why):
    with pytest.raises(ValidationError, match=why):
        identity(left, right, *inputs)


def test_an_input_and_both_sides_are_told():
    sides = Sides.of(CUBES)
    assert sides.differing((3,)) == "at n = 3 the left side is 36, the right 36"
    big = Sides.of(identity("10**n", "n", "n: integer 1..999"))
    assert big.differing((300,)) == "at n = 300 the left side is about 10^300, the right 300"
    assert "for all n: integer 1..99" in sentence(CUBES)
