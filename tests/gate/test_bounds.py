"""Exact bounds, against their definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from earnest.gate.bounds import gain_bound, lower_bound, upper_bound

COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_known_values():
    # The rule of three's exact form: no hit in 59 trials bounds the rate by 5 %.
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound(0, 59) < 0.05 < upper_bound(0, 58)
    assert lower_bound(10, 10) == pytest.approx(0.05**0.1)
    assert (upper_bound(0, 0), lower_bound(0, 0)) == (1.0, 0.0)
    for wrong in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="hits"):
            upper_bound(*wrong)
        with pytest.raises(ValueError, match="hits"):
            lower_bound(*wrong)


@given(COUNTS)
def test_the_bound_is_the_rate_at_which_the_tail_is_five_per_cent(count):
    hits, trials = count
    if hits < trials:
        assert binom.cdf(hits, trials, upper_bound(hits, trials)) == pytest.approx(0.05, abs=1e-6)
    if hits > 0:
        tail = binom.sf(hits - 1, trials, lower_bound(hits, trials))
        assert tail == pytest.approx(0.05, abs=1e-6)
    assert lower_bound(hits, trials) <= hits / trials <= upper_bound(hits, trials)


@given(st.dictionaries(st.text(), st.lists(st.integers(-1, 1), min_size=1), max_size=20))
def test_a_gain_bound_is_below_the_observed_gain(gains):
    sums = [sum(values) for values in gains.values()]
    share = sum((s > 0) - (s < 0) for s in sums) / len(sums) if sums else -1.0
    assert -1 <= gain_bound(gains) <= share


def test_many_items_of_one_finding_count_once():
    assert gain_bound({"one": [1] * 1000}) < 0
    assert gain_bound({str(number): [1] for number in range(6)}) > 0
