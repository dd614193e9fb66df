import time
from random import Random

import pytest
from scipy.stats import binom

from earnest.core.domains import Integer
from earnest.core.inputs import evenly
from earnest.verify.instances import (
    FLOOR,
    MOST_LISTED,
    RARE,
    Tried,
    estimated,
    interval,
    p_value,
    tried,
    wanted,
)
from earnest.verify.units import NotTestableError

WIDE = [Integer(0, 10**9)]


def asking(bad):
    return lambda values: "differs" if bad(values[0]) else "same"


def test_as_many_inputs_as_the_level_takes_reach_it():
    for alpha in (0.05, 1e-3, 1e-6, FLOOR):
        number = wanted(alpha, None)
        p = p_value(Tried(counted=number, same=number), None).p
        assert p <= alpha
    assert wanted(1e-3, None) == 6905
    assert wanted(0.5, None) == 1000


def test_a_small_domain_is_listed_whole():
    seen = []
    found = tried([Integer(1, 500)], lambda one: seen.append(one) or "same", Random(1), alpha=0.01)
    assert sorted(seen) == [(n,) for n in range(1, 501)]
    assert seen != sorted(seen)
    assert (found.listed, found.counted, p_value(found, None).p) == (True, 500, FLOOR)
    assert estimated(found, p_value(found, None), "share").interval == (1.0, 1.0)


def test_one_failure_of_all_ends_a_claim_of_all():
    found = tried([Integer(1, MOST_LISTED)], asking(lambda n: n == 17_777), Random(1), alpha=1e-6)
    assert found.failure == (17_777,)
    assert p_value(found, None).p == 1.0
    assert found.counted == MOST_LISTED


def test_what_is_too_rare_to_be_seen_is_confirmed_and_the_bound_says_so():
    found = tried(WIDE, asking(lambda n: n == 123_456_789), Random(1), alpha=1e-3)
    assert found.failure is None
    p = p_value(found, None)
    assert p.p <= 1e-3
    assert f"{RARE:g} of the inputs" in p.method


def test_a_share_is_tested_exactly():
    found = Tried(counted=2000, same=1900)
    assert p_value(found, 0.9).p == pytest.approx(binom.sf(1899, 2000, 0.9))
    assert p_value(found, 0.96).p > 0.9
    assert p_value(Tried(counted=1500, same=1500, late=True), 0.9).p == 1.0
    listed = Tried(counted=10, same=9, listed=True)
    assert (p_value(listed, 0.9).p, p_value(listed, 0.95).p) == (FLOOR, 1.0)


def test_the_interval_is_that_of_clopper_and_pearson():
    low, high = interval(10, 10)
    assert (round(low, 4), high) == (0.6915, 1.0)
    low, high = interval(0, 10)
    assert (low, round(high, 4)) == (0.0, 0.3085)
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(5, 10)
    assert (round(low, 4), round(high, 4)) == (0.1871, 0.8129)


def test_undefined_inputs_count_neither_way_and_end_it_where_they_are_too_many():
    def ask(values):
        return "undefined" if values[0] % 3 == 0 else "same"

    found = tried(WIDE, ask, Random(1), alpha=1e-3)
    assert found.counted == 6905
    assert 1500 < found.undefined < 6905
    never = tried(WIDE, lambda _: "undefined", Random(1), alpha=1e-3)
    assert (never.counted, never.undefined) == (0, 1001)


def test_time_ends_it():
    def slow(_):
        time.sleep(0.002)
        return "same"

    found = tried(WIDE, slow, Random(1), alpha=1e-3, seconds=0.05)
    assert found.late
    assert found.counted < 100
    assert p_value(found, None).p == pytest.approx((1 - RARE) ** found.counted)


def test_what_cannot_be_computed_after_a_failure_does_not_undo_it():
    def ask(values):
        if values[0] > 15:
            raise NotTestableError("too much")
        return "differs"

    with pytest.raises(NotTestableError):
        tried([Integer(16, 99)], ask, Random(1), alpha=0.05)
    for seed in range(9):
        try:
            found = tried([Integer(0, 99)], ask, Random(seed), alpha=0.05)
        except NotTestableError:
            continue  # the first one asked about was too much
        assert found.failure is not None


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.05, 0.01, 1e-3])
def test_what_fails_as_often_as_the_null_says_is_confirmed_as_seldom(alpha):
    """A claim that fails on exactly 1 in 1,000 of the inputs as drawn."""
    bad, runs = asking(lambda n: n % 1000 == 7), 2000
    domain = [Integer(0, 10**9 - 1)]
    confirmed = sum(
        p_value(tried(domain, bad, Random(seed), alpha=alpha, draw=evenly), None).p <= alpha
        for seed in range(runs)
    )
    assert confirmed <= binom.ppf(0.9999, runs, alpha)
    assert confirmed > 0


@pytest.mark.slow
def test_a_share_at_its_threshold_is_confirmed_as_seldom_as_the_level_says():
    alpha, runs = 0.05, 1500
    rng = Random(11)

    def ask(_):
        return "same" if rng.random() < 0.9 else "differs"

    confirmed = sum(
        p_value(tried(WIDE, ask, Random(seed), alpha=alpha, threshold=0.9), 0.9).p <= alpha
        for seed in range(runs)
    )
    assert binom.ppf(1e-4, runs, alpha) * 0.7 <= confirmed <= binom.ppf(0.9999, runs, alpha)
