import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.verify import permute
from earnest.verify.draws import Arrangements, multiset
from earnest.verify.permute import (
    centred,
    draws_for,
    flipped,
    shuffled,
    sign_flip,
    stratified,
    unreachable,
)


def welch(a, b, strata):
    """The statistic of `stratified`, the long way: a slope over its robust error."""
    a, b = centred(a, strata), centred(b, strata)
    slope = (a @ b) / (b @ b)
    return slope * (b @ b) / np.sqrt(((a - slope * b) ** 2 * b**2).sum())


def exact(a, b, strata):
    parts = [np.flatnonzero(strata == code) for code in np.unique(strata)]
    observed, hits, total = welch(a, b, strata), 0, 0
    for orders in itertools.product(*(itertools.permutations(part) for part in parts)):
        shuffled_b = b.copy()
        for part, order in zip(parts, orders, strict=True):
            shuffled_b[part] = b[list(order)]
        hits += welch(a, shuffled_b, strata) >= observed - 1e-9
        total += 1
    return hits / total


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(5,), (3, 3), (2, 4)]), st.booleans())
def test_few_arrangements_are_all_listed(seed, sizes, ties):
    rng = np.random.default_rng(seed)
    strata = np.repeat(np.arange(len(sizes)), sizes)
    a = rng.normal(size=len(strata))
    b = np.arange(len(strata)) % 2.0 if ties else rng.normal(size=len(strata))
    found = stratified(a, b, strata, alpha=0.001, seed=seed)
    assert "all of them" in found.method
    assert found.p == pytest.approx(exact(a, b, strata))


def test_drawn_and_listed_agree(monkeypatch):
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], [6, 5])
    a, b = rng.normal(size=11), np.array([1, 0] * 5 + [1.0])
    a += 0.5 * b
    listed = stratified(a, b, strata, 0.01, 1)
    monkeypatch.setattr(permute, "_MOST_LISTED", 1)
    monkeypatch.setattr(permute, "_ENOUGH", 1000)
    drawn = stratified(a, b, strata, 0.001, 1)
    assert "all" in listed.method
    assert "all" not in drawn.method
    assert drawn.p == pytest.approx(listed.p, rel=0.15)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_arrangements_are_counted_right(values):
    b = np.array(values, dtype=float)
    found = Arrangements(b, np.zeros(len(b), dtype=np.intp))
    every = found.every()
    assert len(every) == round(math.exp(found.log_count))
    assert {tuple(row) for row in every} == set(itertools.permutations(b))
    assert len(list(multiset(values))) == len(every)


@pytest.mark.parametrize("sizes", [(7, 5), (40, 3, 300), (3000, 20)])
def test_a_draw_only_moves_values_within_strata(sizes):
    strata = np.repeat(np.arange(len(sizes)), sizes)
    mixed = np.random.default_rng(1).permutation(strata)
    b = np.arange(len(mixed)) + 0.5
    found = Arrangements(b, mixed)
    drawn = found.drawer(4, np.random.Generator(np.random.SFC64(2)))(4).copy()
    for start, end in found.segments:
        assert (np.sort(drawn[:, start:end], axis=1) == np.sort(b[found.order][start:end])).all()
    assert len({tuple(row) for row in drawn}) == 4


def test_each_value_comes_to_each_place_equally_often():
    found = Arrangements(np.arange(6.0), np.zeros(6, dtype=np.intp))
    draw = found.drawer(5000, np.random.Generator(np.random.SFC64(3)))
    drawn = draw(5000).copy()
    counts = np.array(
        [[(drawn[:, place] == value).sum() for value in range(6)] for place in range(6)]
    )
    chi = float(((counts - 5000 / 6) ** 2 / (5000 / 6)).sum())
    assert chi < 60  # 25 degrees of freedom: 1 in 10,000


def test_p_is_uniform_under_the_null():
    rng = np.random.default_rng(1)
    strata = np.zeros(40, dtype=int)
    ps = []
    for seed in range(400):
        a = rng.normal(size=40)
        ps.append(stratified(a, rng.normal(size=40), strata, 0.01, seed).p)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(ps) <= level) < level + 4 * np.sqrt(level * (1 - level) / 400)


def test_a_shared_shift_between_strata_is_no_effect():
    rng = np.random.default_rng(2)
    strata = np.repeat([0, 1], 100)
    x = rng.normal(size=200) + 5 * strata
    y = rng.normal(size=200) + 5 * strata
    assert stratified(y, x, strata, 0.01, 3).p > 0.01
    assert stratified(y, x, np.zeros(200, dtype=int), 0.01, 3).p < 0.001


def test_the_normal_tail_is_named_and_near():
    rng = np.random.default_rng(3)
    x = rng.normal(size=20_000)
    y = 0.03 * x + rng.normal(size=20_000)
    found = stratified(y, x, np.zeros(20_000, dtype=int), alpha=5e-5, seed=1)
    assert "normal tail" in found.method
    assert 1e-6 <= found.p < 1e-3


def test_the_exponential_tail_overstates_what_it_estimates(monkeypatch):
    """A normal statistic whose true tail is known; few draws stand for the million."""
    monkeypatch.setattr(permute, "_MOST_DRAWS", 20_000)
    rng = np.random.default_rng(4)
    values = rng.normal(size=(400, 1))
    values *= 5.5 / abs(values.sum()) * np.sqrt((values**2).sum()) * np.sign(values.sum())
    scale = np.sqrt((values**2).sum())
    shift = values + (5.5 * scale - values.sum()) / 400
    found = flipped(shift, lambda sums: sums[:, 0], 1e-9, 1)
    z = float(shift.sum() / np.sqrt((shift**2).sum()))
    truth = 0.5 * math.erfc(z / math.sqrt(2))
    assert "exponential tail" in found.method
    assert truth < found.p < 1e4 * truth
    assert found.p < 1 / 20_000


def test_a_statistic_that_names_no_tail_gets_none():
    found = shuffled(
        Arrangements(np.arange(30.0), np.zeros(30, dtype=np.intp)),
        lambda drawn: drawn @ np.arange(30.0),
        1e-9,
        1,
        method="m",
    )
    assert (found.method, found.p) == ("m", 1 / (found.draws + 1))


def test_a_draw_without_a_value_counts_against_the_claim():
    found = shuffled(
        Arrangements(np.arange(30.0), np.zeros(30, dtype=np.intp)),
        lambda drawn: np.where(drawn[:, 0] == 0, 1.0, np.nan),
        0.01,
        1,
        method="m",
    )
    assert found.p == 1


def test_sign_flips_count_exactly():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert sign_flip(values, 0.0001, 1).p == 1 / 16
    assert sign_flip(-values, 0.05, 1).p == 1
    assert sign_flip(np.array([2.0, -1.0]), 0.05, 1).p == 0.5


def test_what_a_design_cannot_reach_is_not_drawn():
    assert unreachable(math.log(200), 0.01) is None
    none = unreachable(math.log(20), 0.01)
    assert (none.p, none.draws, none.reached) == (1.0, 0, pytest.approx(0.05))


def test_draws_suffice_for_the_level():
    assert draws_for(1e-5) == 1_000_000
    assert 1 / (draws_for(1e-4) + 1) < 1e-4


def test_a_hundred_thousand_draws_of_400_rows_take_a_cpu_second(monkeypatch):
    monkeypatch.setattr(permute, "_ENOUGH", 10**9)
    rng = np.random.default_rng(5)
    a, b, strata = rng.permutation(400) * 1.0, np.arange(400.0), np.zeros(400, dtype=np.intp)
    took = []
    for seed in range(3):
        began = time.process_time()
        assert stratified(a, b, strata, 20 / 100_000, seed).draws == 100_000
        took.append(time.process_time() - began)
    assert min(took) < 1
