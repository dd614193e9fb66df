from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from earnest.core.domains import Integer, Rational
from earnest.core.exact import Evaluator, UndefinedError
from earnest.core.expressions import Node, number, parse_expression
from earnest.core.inputs import parse_inputs
from earnest.verify.algebra import canonical, chance, degree, likeliest, linear, obvious

LEAVES = st.integers(-9, 9).map(number) | st.sampled_from("xyz").map(
    lambda name: Node("name", name=name)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(lambda op, *args: Node(op, args), st.sampled_from("+-*"), inner, inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", (1, 0, 0)),
        ("3 + 4", (0, 0, 0)),
        ("(x + y) ** 3 - x", (3, 0, 0)),
        ("x * y / (x - 1)", (2, 1, 1)),
        ("1 / x + 1 / y", (1, 2, 2)),
        ("x ** -2", (0, 2, 1)),
        ("x ** binomial(4, 2)", (6, 0, 0)),
        ("1 / (1 / x)", (1, 0, 1)),
    ],
)
def test_degrees(text, expected):
    found = degree(parse_expression(text))
    assert found is not None
    assert (found.above, found.below, found.divided) == expected


@pytest.mark.parametrize(
    "text", ["x ** y", "floor(x)", "sum(k, k, 1, x)", "x!", "1 / 0", "x ** (1 / 2)", "x ** 9999"]
)
def test_what_is_no_polynomial_has_no_degree(text):
    assert degree(parse_expression(text)) is None


def test_no_value_is_drawn_oftener_than_it_is_said():
    rng = Random(5)
    for domain in (Integer(0, 9), Rational(0, 1)):
        drawn = [domain.evenly(rng) for _ in range(20_000)]
        most = max(map(drawn.count, set(drawn[:50]) | {Fraction(0), Fraction(1)}))
        assert most / 20_000 <= max(1.2 * likeliest(domain), 3 / 20_000)


def test_unlike_polynomials_agree_no_oftener_than_the_lemma_says():
    # x * (x - 1) * ... is zero at as many integers as its degree.
    left, right = parse_expression("x*(x-1)*(x-2)*(x-3)"), parse_expression("0*x")
    inputs = parse_inputs(["x: integer 0..39"])
    bound = chance(left, right, inputs)
    assert bound == 4 / 40
    zeros = sum(Evaluator().value(left, {"x": x}) == 0 for x in range(40))
    assert zeros / 40 <= bound
    assert chance(left, right, parse_inputs(["x: integer 0..3"])) is None


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("n + 1", "1 + n", True),
        ("a * b * c", "c * (b * a)", True),
        ("a - b + c", "c - b + a", True),
        ("-(a - b)", "b - a", True),
        ("2 * (n + 1)", "n + n + 2", True),
        ("n / 2 + n / 2", "n", True),
        ("gcd(a, b)", "gcd(b, a)", True),
        ("sum(k, k, 1, n)", "sum(j, j, 1, n)", True),
        ("a / b * c", "c * a / b", True),
        ("n", "n + 0", True),
        ("n * n", "n ** 2", False),
        ("(a + b) ** 2", "a ** 2 + 2 * a * b + b ** 2", False),
        ("n + 1", "n + 2", False),
        ("a - b", "b - a", False),
        ("a / b", "b / a", False),
        ("mod(a, b)", "mod(b, a)", False),
        ("sum(k, k, 1, n)", "sum(n, k, 1, n)", False),
        ("sum(sum(j, j, 1, k), k, 1, n)", "sum(sum(k, j, 1, k), k, 1, n)", False),
        ("n", "0 * n", False),
    ],
)
def test_what_is_the_same_by_construction(left, right, same):
    assert bool(obvious(parse_expression(left), parse_expression(right))) is same


def turned(tree, coins):
    """The tree with the arguments of some of its places exchanged, those of a difference too."""
    args = tuple(turned(one, coins) for one in tree.args)
    flip = bool(args) and coins.random() < 0.5
    return replace(tree, args=args[::-1] if flip else args)


@given(TREES, st.randoms(), st.fixed_dictionaries(dict.fromkeys("xyz", st.fractions(-9, 9))))
def test_what_counts_as_the_same_has_the_same_values(one, coins, names):
    other = turned(one, coins)
    same = Evaluator().value(one, names) == Evaluator().value(other, names)
    event(
        f"counts as the same: {(counts := bool(obvious(one, other)))}, has the same value: {same}"
    )
    assert same or not (counts or canonical(one) == canonical(other))


@given(TREES, st.fixed_dictionaries(dict.fromkeys("xyz", st.fractions(-9, 9))))
def test_a_linear_form_has_the_values_of_its_expression(tree, names):
    form = linear(tree)
    assume(form is not None)
    found = sum(value * Fraction(names.get(name, 1)) for name, value in form.items())
    try:
        assert found == Evaluator().value(tree, names)
    except UndefinedError:
        pytest.fail("a linear form of what is not defined")
