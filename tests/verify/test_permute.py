import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.verify.permute import draws_for, sign_flip, stratified


def exact(a, b, strata):
    parts = [np.flatnonzero(strata == code) for code in np.unique(strata)]
    observed, hits, total = a @ b, 0, 0
    for orders in itertools.product(*(itertools.permutations(part) for part in parts)):
        shuffled = b.copy()
        for part, order in zip(parts, orders, strict=True):
            shuffled[part] = b[list(order)]
        hits += a @ shuffled >= observed - 1e-9
        total += 1
    return hits / total


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(5,), (3, 3), (2, 4)]))
def test_p_agrees_with_full_enumeration(seed, sizes):
    rng = np.random.default_rng(seed)
    strata = np.repeat(np.arange(len(sizes)), sizes)
    a, b = rng.normal(size=len(strata)), rng.normal(size=len(strata))
    for code in np.unique(strata):
        a[strata == code] -= a[strata == code].mean()
    found = stratified(a, b, strata, alpha=0.001, seed=seed)
    truth = exact(a, b, strata)
    # Stopping after 30 hits leaves a relative error of about 1 / sqrt(30).
    assert abs(found.p - truth) < 5 * truth / np.sqrt(30) + 5 / found.draws


def test_p_is_uniform_under_the_null():
    rng = np.random.default_rng(1)
    strata = np.zeros(40, dtype=int)
    ps = []
    for seed in range(400):
        a = rng.normal(size=40)
        ps.append(stratified(a - a.mean(), rng.normal(size=40), strata, 0.01, seed).p)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(ps) <= level) < level + 4 * np.sqrt(level * (1 - level) / 400)


def test_a_shared_shift_between_strata_is_no_effect():
    rng = np.random.default_rng(2)
    strata = np.repeat([0, 1], 100)
    x = rng.normal(size=200) + 5 * strata
    y = rng.normal(size=200) + 5 * strata
    centred = y - np.where(strata == 1, y[strata == 1].mean(), y[strata == 0].mean())
    assert stratified(centred, x, strata, 0.01, 3).p > 0.01
    assert stratified(y - y.mean(), x, np.zeros(200, dtype=int), 0.01, 3).p < 0.001


def test_the_tail_approximation_is_named_and_near():
    rng = np.random.default_rng(3)
    x = rng.normal(size=20_000)
    y = 0.03 * x + rng.normal(size=20_000)
    strata = np.zeros(20_000, dtype=int)
    found = stratified(y - y.mean(), x, strata, alpha=5e-5, seed=1)
    assert "normal tail" in found.method
    assert 1e-6 <= found.p < 1e-3


def test_sign_flips_count_exactly():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    found = sign_flip(values, 0.0001, 1)
    assert abs(found.p - 1 / 16) < 0.03
    assert sign_flip(-values, 0.05, 1).p > 0.9


def test_draws_suffice_for_the_level():
    assert draws_for(1e-5) == 1_000_000
    assert 1 / (draws_for(1e-4) + 1) < 1e-4
