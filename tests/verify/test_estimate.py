import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata, spearmanr

from earnest.core.records import Claim
from earnest.verify.estimate import estimate
from earnest.verify.monotone import ranked
from earnest.verify.units import NotTestableError


def text(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype=str)


def claim(kind="association", **more):
    direction = {"association": "positive", "difference": "higher", "trend": "rising"}[kind]
    base = {"kind": kind, "table": "t", "outcome": "y", "exposure": "x", "direction": direction}
    return Claim(**{**base, **more})


def noisy(n, slope, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame({"x": x, "y": slope * x + rng.normal(size=n)})


def test_association_is_spearmans_rho():
    frame = noisy(200, 0.5)
    found = estimate(text(frame), claim(), "iid", alpha=0.001, seed=1)
    assert found.effect == pytest.approx(spearmanr(frame.x, frame.y).statistic)
    assert found.interval[0] < found.effect < found.interval[1]
    assert found.p.p < 0.001


def test_difference_is_the_rank_biserial_correlation():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": ["a"] * 60 + ["b"] * 80, "y": rng.integers(0, 9, 140)})
    a, b = frame.y[frame.x == "a"], frame.y[frame.x == "b"]
    expected = 2 * mannwhitneyu(a, b).statistic / (len(a) * len(b)) - 1
    found = estimate(text(frame), claim("difference", group="a"), "iid", alpha=0.01, seed=1)
    assert found.effect == pytest.approx(expected)


def test_what_is_held_fixed_takes_a_confounder_away():
    rng = np.random.default_rng(2)
    site = rng.integers(0, 2, 400)
    frame = pd.DataFrame(
        {"x": rng.normal(size=400) + 3 * site, "y": rng.normal(size=400) + 3 * site, "site": site}
    )
    assert estimate(text(frame), claim(), "iid", alpha=0.01, seed=1).p.p < 0.01
    assert estimate(text(frame), claim(adjust_for=("site",)), "iid", alpha=0.01, seed=1).p.p > 0.01


def test_rows_of_one_group_are_not_independent():
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(10), 50)
    arm = np.array([0, 1] * 5)
    level = rng.normal(size=10) + 1.0 * arm
    frame = pd.DataFrame(
        {"g": group, "x": arm[group], "y": level[group] + 0.05 * rng.normal(size=500)}
    )
    as_rows = estimate(text(frame.drop(columns="g")), claim(), "iid", alpha=0.01, seed=1)
    as_groups = estimate(text(frame), claim(), "grouped:g", alpha=0.01, seed=1)
    assert as_groups.rows == 10
    assert as_rows.p.p < 1e-3 < as_groups.p.p


def test_an_exposure_within_groups_gives_one_statistic_a_group():
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(20), 8)
    x = rng.normal(size=160)
    frame = pd.DataFrame({"g": group, "x": x, "y": x + 9 * rng.normal(size=20)[group]})
    found = estimate(text(frame), claim(), "grouped:g", alpha=1e-4, seed=1)
    assert found.rows == 20
    assert found.p.p < 1e-4
    assert found.effect > 0.9


def test_a_trend_is_tested_on_blocks():
    rng = np.random.default_rng(5)
    season = np.sin(np.arange(600) * 2 * np.pi / 12)
    rising = pd.DataFrame({"x": range(600), "y": 0.01 * np.arange(600) + season})
    found = estimate(text(rising), claim("trend"), "time:x", alpha=1e-4, seed=1)
    assert found.p.p < 1e-4
    assert found.rows <= 24
    walks = [np.cumsum(rng.normal(size=600)) for _ in range(30)]
    confirmed = 0
    for walk in walks:
        frame = pd.DataFrame({"x": range(600), "y": walk})
        try:
            confirmed += (
                estimate(text(frame), claim("trend"), "time:x", alpha=1e-3, seed=1).p.p < 1e-3
            )
        except NotTestableError as error:
            assert "remembers" in str(error)  # noqa: PT017
    assert confirmed == 0


def test_missing_cells_and_subsets_are_left_out():
    frame = noisy(300, 1.0)
    frame["site"] = ["a", "b", "c"] * 100
    frame.loc[::7, "y"] = np.nan
    whole = estimate(text(frame), claim(), "iid", alpha=None, seed=1)
    part = estimate(text(frame), claim(subset="site == 'a'"), "iid", alpha=None, seed=1)
    assert whole.rows == frame.y.notna().sum()
    assert part.rows == (frame.y.notna() & (frame.site == "a")).sum()
    assert part.p is None


@pytest.mark.parametrize(
    ("frame", "design", "says"),
    [
        (noisy(5, 1), "iid", "independent units"),
        (pd.DataFrame({"x": range(50), "y": ["red", "blue"] * 25}), "iid", "holds no numbers"),
        (pd.DataFrame({"x": range(50), "y": [1] * 50}), "iid", "does not vary"),
        (noisy(50, 1).drop(columns="y").assign(z=1), "iid", "no column 'y'"),
        (noisy(50, 1).assign(t=range(50)), "time:t", "no valid null in a time series"),
    ],
)
def test_what_cannot_be_tested_says_why(frame, design, says):
    with pytest.raises(NotTestableError, match=says):
        estimate(text(frame), claim(), design, alpha=0.01, seed=1)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3)), min_size=1, max_size=60),
)
def test_ranks_within_strata_are_those_of_scipy(pairs):
    strata, values = (np.array(column) for column in zip(*pairs, strict=True))
    expected = np.empty(len(values))
    for code in np.unique(strata):
        inside = strata == code
        expected[inside] = rankdata(values[inside]) - (inside.sum() + 1) / 2
    found = ranked(values.astype(float), strata.astype(np.intp))
    assert found == pytest.approx(expected)


def confounded(weight, seed, rows=400):
    """Two columns that have nothing to do with each other but for a third."""
    rng = np.random.Generator(np.random.PCG64(seed))
    c = rng.normal(size=rows)
    noise = rng.normal(size=(2, rows))
    frame = pd.DataFrame({"c": c, "x": weight * c + noise[0], "y": weight * c + noise[1]})
    return frame.round(6).astype(str)


@pytest.mark.parametrize("weight", [0.5, 1.2])
def test_a_numeric_column_that_is_held_fixed_takes_a_strong_confounder_away(weight):
    """In fifths, 30 and 70 of 100 such tables passed at 5 %."""
    fixed = claim(adjust_for=("c",))
    passed = sum(
        estimate(confounded(weight, seed), fixed, "iid", alpha=0.05, seed=seed).p.p <= 0.05
        for seed in range(100)
    )
    assert passed <= 13  # 5 expected; more than 13 in 1 of 2,000
    assert estimate(confounded(weight, 1), claim(), "iid", alpha=0.05, seed=1).p.p < 0.01
