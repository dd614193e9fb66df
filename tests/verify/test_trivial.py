"""Which claims are true by construction on the visible rows, and which only look so."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.records import Claim
from earnest.verify.trivial import definitional

RNG = np.random.default_rng(7)
N = 120
X = RNG.gamma(3, 10, N).round(2)
SITE = RNG.choice(["n", "s", "e"], N)


def claim(kind="association", **more):
    direction = {"association": "positive", "difference": "higher", "trend": "rising"}[kind]
    body = {"kind": kind, "table": "t", "outcome": "y", "exposure": "x", "direction": direction}
    return Claim(**{**body, **more})


def why(y, x, design="iid", kind="association", columns=None, **more):
    frame = pd.DataFrame({"y": y, "x": x, **(columns or {})})
    return definitional(frame.astype(str), claim(kind, **more), design)


@pytest.mark.parametrize(
    "made",
    [
        X,
        X * 2.54 + 3,
        (X * 2.54).round(1),
        (-X).round(1),
        np.log(X),
        np.log(X).round(4),
        (100 / X).round(4),
        X**2,
        np.sqrt(X).round(3),
        np.log1p(X),
        X**3 + X,
        np.floor(X / 10).clip(max=3),
    ],
    ids=range(12),
)
def test_a_column_made_of_the_other_is_found_from_either_side(made):
    assert "true by construction" in why(made, X)
    assert "true by construction" in why(X, made)


@pytest.mark.parametrize("noise", [0.02, 0.1, 1.0])
def test_what_is_all_but_a_line_is_none(noise):
    assert why(X + noise * X.std() * RNG.normal(size=N), X) == ""


def test_whole_numbers_of_few_values_are_no_line_by_their_rounding():
    y = RNG.integers(1, 6, N)
    assert why(y, (y + RNG.integers(-1, 2, N)).clip(1, 5)) == ""
    assert why(RNG.integers(0, 2, N), RNG.integers(0, 2, N)) == ""


def test_a_renaming_and_a_lookup_of_levels_are_found():
    code = {"n": 1, "s": 2, "e": 2}
    y = [code[one] for one in SITE]
    assert "level for each level" in why(y, SITE, kind="difference", group="n")
    assert "level for each level" in why(SITE, y, direction="dependent")
    y[0] = 3 - y[0]
    assert why(y, SITE, kind="difference", group="n") == ""


def test_a_binned_outcome_is_found_and_two_groups_far_apart_are_not():
    size = np.where(X > 35, "large", np.where(X > 20, "middle", "small"))
    for group in ("large", "middle", "small"):
        assert "interval" in why(X, size, kind="difference", group=group)
    y = RNG.normal(np.where(SITE == "n", 12.0, 0.0))
    assert why(y, SITE, kind="difference", group="n") == ""


def test_the_group_alone_may_be_made_of_the_outcome():
    label = np.where(X > 25, "large", SITE)
    assert "interval" in why(X, label, kind="difference", group="large")
    assert why(X, label, kind="difference", group="n", versus="s") == ""


def test_a_series_that_rises_without_exception_is_a_finding():
    year = np.arange(N)
    grown = np.cumsum(RNG.gamma(1, 1, N))
    assert why(grown, year, "time:x", kind="trend") == ""
    assert why(year * 365.25 + 4, year, "time:x", kind="trend") != ""


def test_groups_count_once_where_the_design_is_grouped():
    town = np.repeat([f"town{k}" for k in range(12)], 10)
    tax, rain = np.repeat(RNG.normal(size=12), 10), np.repeat(RNG.normal(size=12), 10)
    assert why(tax, rain, "grouped:g", columns={"g": town}) == ""
    assert why(tax, 2 * rain, "grouped:g", columns={"g": town}) == ""


def test_few_rows_a_subset_and_claims_that_relate_nothing():
    assert why(2 * X[:39], X[:39]) == ""
    other = np.where(SITE == "n", X, RNG.normal(size=N))
    assert why(other, X, columns={"site": SITE}) == ""
    many = np.tile(SITE, 3), np.concatenate([X, X + 1, X + 2])
    other = np.where(many[0] == "n", many[1] * 3, RNG.normal(size=3 * N))
    assert "construction" in why(other, many[1], columns={"site": many[0]}, subset="site == 'n'")
    skew = Claim(kind="distribution", table="t", outcome="y", direction="right-skewed")
    assert definitional(pd.DataFrame({"y": X.astype(str)}), skew, "iid") == ""


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1e4), st.floats(-1e3, 1e3))
def test_units_do_not_matter_and_noise_does(seed, scale, shift):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=60)
    assert why(scale * x + shift, x) != ""
    noisy = x + rng.normal(size=60)
    assert why(scale * noisy + shift, x) == ""


@pytest.mark.slow
@pytest.mark.parametrize("rows", [60, 300])
def test_how_often_two_groups_far_apart_are_taken_for_a_binning(rows):
    """Prints the shares of 200 tables; two groups that are 2 sd apart never are."""
    told = {}
    for apart in (2, 3, 4, 5, 6, "binned"):
        hits = 0
        for seed in range(200):
            rng = np.random.default_rng(seed)
            x, y = rng.choice(["a", "b"], rows), rng.normal(size=rows)
            if apart == "binned":
                x = np.where(y > np.quantile(y, 0.2), "a", "b")
            else:
                y += apart * (x == "a")
            hits += bool(why(y, x, kind="difference", group="a"))
        told[apart] = hits / 200
    print(rows, told)  # noqa: T201
    assert told[2] == 0
    assert told["binned"] >= 0.9
