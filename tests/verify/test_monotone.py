"""The bootstrap counts ranks for many resamples at once: the same as ranking each anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.verify import monotone
from earnest.verify.monotone import pooled, resampled
from earnest.verify.results import Ask
from earnest.verify.units import Units


def one_by_one(found, strata, ask):
    """Resample and rank anew, with the same draws."""
    rng = np.random.Generator(np.random.PCG64(ask.seed + 1))
    order = np.argsort(strata, kind="stable")
    y, x, strata = found.y[order], found.x[order], strata[order]
    sizes = np.bincount(strata)
    first, size = np.repeat(np.cumsum(sizes) - sizes, sizes), np.repeat(sizes, sizes)
    drawn = []
    for _ in range(ask.resamples):
        pick = first + (rng.random(len(y)) * size).astype(np.intp)
        drawn.append(pooled(y[pick], x[pick], strata, found.indicator))
    return np.array(drawn)


@st.composite
def laid_out(draw):
    rows = draw(st.integers(2, 40))
    values = st.lists(st.integers(-4, 4).map(float), min_size=rows, max_size=rows)
    indicator = draw(st.booleans())
    x = st.lists(st.sampled_from([0.0, 1.0]), min_size=rows, max_size=rows) if indicator else values
    codes = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    strata = np.unique(codes, return_inverse=True)[1].astype(np.intp)
    found = Units(np.array(draw(values)), np.array(draw(x)), strata, "shuffle", indicator, "")
    return found, strata


@given(laid_out(), st.integers(0, 2**40), st.sampled_from([1, 7, 1000]))
def test_resamples_at_once_are_resamples_one_by_one(made, seed, cells):
    found, strata = made
    ask = Ask(None, seed, resamples=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monotone, "_CELLS", cells)
        together = resampled(found, strata, ask)
    assert together == pytest.approx(one_by_one(found, strata, ask), abs=1e-12)


def test_other_draws_are_other_resamples():
    rng = np.random.default_rng(0)
    found = Units(
        rng.normal(size=50), rng.normal(size=50), np.zeros(50, np.intp), "shuffle", False, ""
    )
    one, other = (resampled(found, found.strata, Ask(None, seed)) for seed in (1, 2))
    assert not np.allclose(one, other)
    assert not np.allclose(one, one_by_one(found, found.strata, Ask(None, 2)))
