"""What a rule is worth, against scipy and against what the rows plainly say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from tests.verify.nulls import NULLS, RULE, claim
from tests.verify.nulls import text as as_text

from earnest.core.kinds import Claim
from earnest.verify.estimate import Ask, answer, estimate, point
from earnest.verify.rules import LEVEL, NUMBER
from earnest.verify.skill import constant_share
from earnest.verify.trivial import definitional
from earnest.verify.units import NotTestableError, untestable


def text(frame):
    """Return text cells, with the column that the rule was given."""
    return as_text(frame if "x" in frame else frame.assign(x=1))


PREDICTS = claim("rule", "predicts", **RULE)


def holds(threshold, **more):
    return claim("rule", "holds", threshold=threshold, **RULE, **more)


def test_levels_are_judged_by_mcnemars_exact_test():
    y = ["a"] * 60 + ["b"] * 40
    said = ["a"] * 50 + ["b"] * 10 + ["b"] * 30 + ["a"] * 10
    found = estimate(text(pd.DataFrame({"y": y, LEVEL: said})), PREDICTS, "iid", alpha=0.01, seed=1)
    assert found.effect == pytest.approx(1 - 20 / 40)
    assert found.p.p == binomtest(30, 40, alternative="greater").pvalue
    assert (found.rows, found.p.draws) == (100, 40)
    assert found.interval[0] < 0.5 < found.interval[1]


def test_numbers_are_judged_by_their_absolute_errors():
    rng = np.random.default_rng(1)
    x = rng.normal(size=101)
    y = x + 0.5 * rng.normal(size=101)
    found = estimate(text(pd.DataFrame({"y": y, NUMBER: x})), PREDICTS, "iid", alpha=0.01, seed=1)
    constant = np.abs(y - np.median(y)).mean()
    assert found.effect == pytest.approx(1 - np.abs(y - x).mean() / constant)
    assert found.p.p < 0.01
    assert "rows' gains" in found.p.method


def test_the_units_of_an_outcome_change_nothing():
    rng = np.random.default_rng(2)
    x = rng.normal(size=60)
    frame = pd.DataFrame({"y": x + rng.normal(size=60), NUMBER: x})
    one, other = (
        estimate(text(each), PREDICTS, "iid", alpha=0.01, seed=1) for each in (frame, frame * 1024)
    )
    assert one == other


def test_whole_groups_are_units_and_count_alike():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), np.arange(1, 13))
    y, said = rng.normal(size=78), rng.normal(size=78)
    frame = pd.DataFrame({"y": y, NUMBER: said, "g": g})
    weights = 1 / np.bincount(g)[g]
    losses = [float((weights * np.abs(y - c)).sum()) for c in y]
    found = answer(text(frame), PREDICTS, "grouped:g", Ask(0.05, 1))
    assert found.effect == pytest.approx(
        max(-1, 1 - float((weights * np.abs(y - said)).sum()) / min(losses))
    )
    assert (found.rows, found.p.method) == (12, "sign flips of groups' gains, all of them")


@pytest.mark.parametrize("number", [True, False])
@given(seed=st.integers(0, 10**6), rows=st.integers(8, 60), off=st.integers(-3, 3))
def test_no_constant_passes_for_a_rule(number, seed, rows, off):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 5, rows)
    said = np.full(rows, max(0, int(np.median(y)) + off))
    if number:
        frame = pd.DataFrame({"y": y, NUMBER: said})
    else:
        levels = np.array(list("abcdefgh"))
        frame = pd.DataFrame({"y": levels[y], LEVEL: levels[said]})
    try:
        found = answer(text(frame), PREDICTS, "iid", Ask(0.05, seed, resamples=0))
    except NotTestableError:
        assert len(set(y)) == 1
        return
    assert found.effect <= 1e-12
    assert found.p.p >= 0.5


@given(seed=st.integers(0, 10**6), level=st.booleans(), grouped=st.booleans())
def test_the_order_of_the_rows_changes_no_effect_and_a_better_rule_has_a_larger_one(
    seed, level, grouped
):
    rng = np.random.default_rng(seed)
    y, said = rng.integers(0, 4, 48), rng.integers(0, 4, 48)
    better = np.where(rng.random(48) < 0.5, y, said)
    frame = pd.DataFrame({"y": y, "g": np.arange(48) % 12})
    design, column = ("grouped:g" if grouped else "iid"), (LEVEL if level else NUMBER)
    if level:
        frame["y"], said, better = (np.array(list("abcd"))[one] for one in (y, said, better))
    first, again, more = (
        point(text(each), PREDICTS, design)
        for each in (
            frame.assign(**{column: said}),
            frame.assign(**{column: said}).sample(frac=1, random_state=seed),
            frame.assign(**{column: better}),
        )
    )
    assert first == pytest.approx(again)
    assert more >= first - 1e-12


def test_a_rule_that_says_nothing_is_wrong_of_a_level_and_no_nearer_to_a_number():
    y = list("ab" * 20)
    said = [*y[:30], *[None] * 10]
    assert point(text(pd.DataFrame({"y": y, LEVEL: said})), PREDICTS, "iid") == pytest.approx(0.5)
    numbers = np.arange(40.0)
    some = numbers.copy()
    some[:4] = np.nan
    frame = text(pd.DataFrame({"y": numbers, NUMBER: some}))
    found = answer(frame, PREDICTS, "iid", Ask(None, 1))
    assert found.effect == pytest.approx(1 - np.abs(numbers - 19.5)[:4].sum() / 400)
    some[:5] = np.nan
    with pytest.raises(NotTestableError, match="no number in more than 1 in 10"):
        point(text(pd.DataFrame({"y": numbers, NUMBER: some})), PREDICTS, "iid")


def test_a_rule_that_holds_has_clopper_and_pearsons_interval():
    y = np.arange(100)
    said = np.where(y < 90, y, y + 1)
    frame = text(pd.DataFrame({"y": y, NUMBER: said}))
    found = estimate(frame, holds(0.8), "iid", alpha=0.01, seed=1)
    exact = binomtest(90, 100).proportion_ci(0.95, method="exact")
    assert (found.effect, found.interval) == (0.9, (exact.low, exact.high))
    assert found.p.p == binomtest(90, 100, 0.8, alternative="greater").pvalue
    assert estimate(frame, holds(0.8, tolerance=1.0), "iid", alpha=0.01, seed=1).effect == 1
    frame.loc[:9, NUMBER] = np.nan
    assert point(frame, holds(0.7), "iid") == 0.8


def test_a_tolerance_is_meant_in_decimals():
    y = np.round(np.arange(0, 6, 0.1), 1)
    frame = text(pd.DataFrame({"y": y, NUMBER: np.round(y + 0.1, 1)}))
    assert point(frame, holds(0.8, tolerance=0.1), "iid") == 1
    assert point(frame, holds(0.8, tolerance=0.0999), "iid") == 0


def test_of_groups_one_row_each_is_counted():
    g = np.repeat(np.arange(20), 9)
    y = np.arange(180)
    frame = text(pd.DataFrame({"y": y, NUMBER: np.where(y % 3 > 0, y, -1), "g": g}))
    found = estimate(frame, holds(0.3), "grouped:g", alpha=0.01, seed=1)
    assert (found.rows, found.p.draws) == (20, 20)
    assert found.effect == pytest.approx(2 / 3)
    assert found.interval[0] <= found.effect <= found.interval[1]


def test_what_a_constant_does_is_no_rule():
    y = ["a"] * 85 + ["b"] * 15
    x = np.random.default_rng(1).permutation(100)
    frame = text(pd.DataFrame({"y": y, LEVEL: y, "x": x}))
    for threshold, p in ((0.85, 1.0), (0.86, 0.86**100)):
        found = estimate(frame, holds(threshold), "iid", alpha=0.01, seed=1)
        assert (found.effect, found.p.p) == (1, pytest.approx(p))
    assert estimate(frame, holds(0.0), "iid", alpha=0.01, seed=1).p.p == 1
    assert "a constant gives `y` in 0.85" in definitional(frame, holds(0.85), "iid")
    assert definitional(frame, holds(0.86), "iid") == ""


@given(
    st.lists(st.integers(-20, 20).map(lambda n: n / 4), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.25, 1.0]),
)
def test_the_best_constant_within_a_tolerance(values, tolerance):
    frame = text(pd.DataFrame({"y": values, "x": values}))
    found = constant_share(frame, holds(0.5, tolerance=tolerance))
    grid = np.arange(-24, 25) / 4
    shares = [np.mean(np.abs(np.array(values) - c) <= tolerance + 1e-12) for c in grid]
    middles = [np.mean(np.abs(np.array(values) - c) <= tolerance + 1e-12) for c in grid + 0.125]
    assert found == pytest.approx(max(shares + middles))


def test_a_rule_that_reads_a_copy_is_true_by_construction():
    rng = np.random.default_rng(5)
    y = rng.normal(size=60).round(3)
    frame = text(pd.DataFrame({"y": y, "x": 2.54 * y, "z": rng.normal(size=60)}))
    both = Claim.model_validate({**PREDICTS.model_dump(), "given": ("z", "x")})
    assert "`y` and `x` are computed" in definitional(frame, both, "iid")
    assert definitional(frame.assign(x=frame.z), PREDICTS, "iid") == ""


def test_what_can_not_be_tested_says_so():
    frame = text(pd.DataFrame({"y": range(20), NUMBER: range(20), "g": [1, 2] * 10}))
    with pytest.raises(NotTestableError, match="units"):
        point(frame, PREDICTS, "grouped:g")
    with pytest.raises(NotTestableError, match="not applied"):
        point(frame.drop(columns=NUMBER), PREDICTS, "iid")
    with pytest.raises(NotTestableError, match="does not vary"):
        point(frame.assign(y="3"), PREDICTS, "iid")
    assert "time series" in untestable(PREDICTS, "time:t")
    found = estimate(frame, holds(1.0), "iid", alpha=0.01, seed=1)
    assert (found.p.p, found.p.reached) == (1.0, 1.0)


def test_rows_of_a_group_taken_for_units_would_pass():
    """What the grouped design is there for: the same tables, taken as independent rows."""
    case = next(case for case in NULLS if case.name == "rule, numbers in groups")
    passed = 0
    for number in range(60):
        frame = text(case.make(np.random.default_rng([1, number])))
        passed += answer(frame, case.claim, "iid", Ask(0.05, number, resamples=0)).p.p <= 0.05
    assert passed > binom.ppf(0.9999, 60, 0.05)
