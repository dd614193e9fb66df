"""Paired arms: the exact test against scipy's, the interval's level by enumeration."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from earnest.evals.paired import Pairs, count_pairs, interval, mcnemar

COUNTS = st.integers(0, 40)
PAIRS = st.builds(Pairs, COUNTS, COUNTS, COUNTS, COUNTS)


def test_outcomes_are_counted():
    outcomes = [(True, False)] * 3 + [(True, True)] * 2 + [(False, True)] + [(False, False)] * 4
    pairs = count_pairs(outcomes)
    assert pairs == Pairs(both=2, first=3, second=1, neither=4)
    assert (pairs.n, pairs.difference) == (10, 0.2)


@given(PAIRS)
def test_the_test_is_the_exact_binomial_one(pairs):
    differ = pairs.first + pairs.second
    expected = binomtest(pairs.first, differ).pvalue if differ else 1.0
    assert math.isclose(mcnemar(pairs), expected, rel_tol=1e-9)


@given(PAIRS)
def test_the_interval_holds_the_difference_and_turns_with_the_arms(pairs):
    low, high = interval(pairs)
    assert -1 <= low <= pairs.difference + 1e-9
    assert pairs.difference - 1e-9 <= high <= 1
    turned = interval(Pairs(pairs.both, pairs.second, pairs.first, pairs.neither))
    assert turned == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("first", [0, 20])
def test_it_is_no_point_where_no_item_differs_or_all_do(first):
    low, high = interval(Pairs(10, first, 0, 10) if not first else Pairs(0, first, 0, 0))
    assert high - low > 0.1


def covers(n, rates):
    """How often the interval holds the true difference, over all outcomes of n items."""
    both, first, second, neither = rates
    share = 0.0
    for f, s in itertools.product(range(n + 1), repeat=2):
        if f + s > n:
            continue
        rest = n - f - s
        ways = math.comb(n, f) * math.comb(n - f, s)
        chance = ways * first**f * second**s * (both + neither) ** rest
        low, high = interval(Pairs(rest, f, s, 0))
        share += chance * (low <= first - second <= high)
    return share


@pytest.mark.parametrize(
    "rates",
    [(0.2, 0.3, 0.1, 0.4), (0.0, 0.9, 0.0, 0.1), (0.5, 0.02, 0.02, 0.46), (0.1, 0.5, 0.2, 0.2)],
)
def test_the_interval_keeps_its_level(rates):
    assert covers(24, rates) >= 0.93


def test_a_plain_normal_interval_would_not():
    """The broken case: with nine in ten of one arm only, Wald's interval is too short."""
    n, first = 24, 0.9
    share = 0.0
    for f in range(n + 1):
        rate = f / n
        half = 1.96 * math.sqrt(rate * (1 - rate) / n)
        chance = math.comb(n, f) * first**f * (1 - first) ** (n - f)
        share += chance * (rate - half <= first <= rate + half)
    assert share < 0.93
