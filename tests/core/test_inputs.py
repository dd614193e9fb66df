from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.domains import CHARACTERS, Boolean, Integer, Many
from earnest.core.errors import ExpressionError
from earnest.core.inputs import count, drawn, evenly, every, parse_input, parse_inputs, simplest

ENTRIES = (
    "n: integer 1..40",
    "n: integer -1e9..1e9",
    "x: rational",
    "x: rational -1..1",
    "x: number -1e3..1e3",
    "x: number 0.5..0.75",
    "b: boolean",
    "s: text 0..20",
    "s: text 1..3 of '()'",
    's: text 0..9 of "\'ab"',
    "v: list of integer -9..9",
    "v: list 2..5 of text 0..2",
    "m: list 0..3 of list 2..2 of boolean",
)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_has_one_notation(entry):
    found = parse_input(entry)
    assert parse_input(str(found)) == found
    assert str(parse_input("  ".join(str(found).split(" ")))) == str(found)


@pytest.mark.parametrize("entry", ENTRIES)
@given(st.integers(0, 2**32))
def test_what_is_drawn_and_what_is_simpler_lies_in_the_domain(entry, seed):
    domain, rng = parse_input(entry).domain, Random(seed)
    for _ in range(20):
        for value in (domain.evenly(rng), domain.oddly(rng), *drawn([domain], rng)):
            assert value in domain
            assert all(one in domain and one != value for one in domain.simpler(value))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("n integer 1..9", "NAME: DOMAIN"),
        ("2n: integer 1..9", "NAME: DOMAIN"),
        ("n: whole 1..9", "expected integer"),
        ("n: integer", "range LOW..HIGH"),
        ("n: integer 9..1", "lower end"),
        ("n: integer 0.5..3", "whole ends"),
        ("n: integer 1..1e99e9", "range LOW..HIGH"),
        ("x: rational 1..1", "two ends"),
        ("s: text 0..99999", "0 to 2000"),
        ("s: text -1..4", "0 to 2000"),
        ("s: text 0..4 of ''", "quotes"),
        ("v: list 0..3", "of what it is"),
        ("v: list 0..100 of list 0..100 of boolean", "more than 2000"),
        ("v: " + "list of " * 6 + "boolean", "deeper"),
        ("n: integer 1..9 or so", "can't read"),
        ("s: text 0..9 of 'a\nb'", "printable"),
        ("s: text 0..9 of '" + "a" * 200 + "'", "at most 200"),
        ("n: __import__('os')", "expected integer"),
    ],
)
def test_what_is_no_domain_is_refused_with_the_mend(entry, why):
    with pytest.raises(ExpressionError, match=why) as caught:
        parse_input(entry)
    assert "integer 1..40" in caught.value.mend


def test_inputs_have_a_name_each():
    with pytest.raises(ExpressionError, match="one name"):
        parse_inputs(["n: boolean", "n: boolean"])
    for entries in ([], [f"x{number}: boolean" for number in range(9)]):
        with pytest.raises(ExpressionError, match="1 to 8"):
            parse_inputs(entries)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["n: integer 1..40"], 40),
        (["b: boolean", "s: text 0..2 of 'ab'"], 14),
        (["m: list 0..2 of list 1..1 of boolean"], 7),
        (["x: rational"], None),
        (["x: number 0..1"], None),
        (["n: integer 1..1e12"], None),
        (["s: text 0..9"], None),
        (["v: list 0..0 of rational"], 1),
    ],
)
def test_the_inputs_of_a_small_domain_are_listed(entries, expected):
    domains = [one.domain for one in parse_inputs(entries)]
    assert count(domains) == expected
    if expected:
        found = [repr(values) for values in every(domains)]
        assert len(found) == len(set(found)) == expected


def test_even_draws_are_even_and_others_reach_the_ends():
    domain = Integer(1, 1000)
    rng = Random(1)
    assert 460 < sum(domain.evenly(rng) for _ in range(4000)) / 4000 < 540
    seen = {domain.oddly(rng) for _ in range(300)}
    assert {1, 2, 999, 1000} <= seen


def test_half_of_what_is_drawn_is_even():
    rng, domain = Random(2), Integer(0, 10**12)
    large = sum(drawn([domain], rng)[0] > 10**11 for _ in range(2000)) / 2000
    assert 0.45 < large < 0.9


def test_lists_repeat_and_are_sorted_more_often_than_by_chance():
    rng, domain = Random(3), parse_input("v: list 6..6 of integer 0..1000000").domain
    found = [drawn([domain], rng)[0] for _ in range(1000)]
    assert sum(len(set(values)) < 6 for values in found) > 200
    assert sum(values == sorted(values) and len(set(values)) == 6 for values in found) > 20


def test_text_is_of_all_characters():
    domain, rng = parse_input("s: text 40..40").domain, Random(4)
    seen = set("".join(domain.evenly(rng) for _ in range(200)))
    assert seen == set(CHARACTERS)


def test_the_simplest_failure_is_found():
    domains = [Integer(0, 10**6), parse_input("v: list of integer -9..9").domain]
    found = simplest(domains, (777_777, [4, -9, 8, 8, 1]), lambda one: one[0] > 1000 < 10**9)
    assert found == (1001, [])
    found = simplest(domains, (5, [4, -9, 8, 8, 1]), lambda one: len(set(one[1])) < len(one[1]))
    assert len(set(found[1])) == 1
    assert len(found[1]) == 2


def test_what_the_last_digits_decide_is_made_short():
    assert simplest([Integer(0, 10**9)], (132_770_305,), lambda one: one[0] % 200 == 105) == (305,)


def test_the_simplest_of_all_is_found():
    domains = [
        one.domain for one in parse_inputs(["n: integer 0..99", "x: rational", "s: text 0..9"])
    ]
    assert simplest(domains, (77, Fraction(7, 3), "abc"), lambda _: True) == (0, 0, "")


def test_the_search_for_the_simplest_ends():
    asked = []
    simplest([Integer(0, 10**9)], (10**9,), lambda one: asked.append(one) or one[0] % 7 == 6)
    assert len(asked) <= 200


def test_a_value_of_another_type_is_in_no_domain():
    assert True not in Integer(0, 1)
    assert 1 not in Boolean()
    assert Fraction(1) not in Integer(0, 1)
    assert (1,) not in Many(0, 2, Integer(0, 1))
    assert evenly([Boolean()], Random(0))[0] in Boolean()


@pytest.mark.parametrize("entry", ["x: rational", "x: number -1..1"])
def test_what_has_no_end_is_not_listed(entry):
    domain = parse_input(entry).domain
    assert count([domain]) is None
    with pytest.raises(ValueError, match="can't be listed"):
        next(iter(every([domain])))
