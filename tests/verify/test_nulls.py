"""Each test keeps its level where its claim is false, and finds what is planted."""

import numpy as np
import pytest
from scipy.stats import binom
from tests.verify.nulls import NULLS, PLANTED, Case, text

from earnest.verify.estimate import Ask, answer
from earnest.verify.units import NotTestableError

LEVELS = (0.05, 0.01)


def passed(case: Case, tables: int, level: float, seed: int) -> dict[float, int]:
    """Return how many of so many tables pass at each level; one that can't be tested doesn't."""
    found = dict.fromkeys(LEVELS, 0)
    for number in range(tables):
        frame = text(case.make(np.random.default_rng([seed, number])))
        try:
            p = answer(frame, case.claim, case.design, Ask(level, number, resamples=0)).p
        except NotTestableError:
            continue
        for at in LEVELS:
            found[at] += p.p <= at
    return found


@pytest.mark.parametrize("case", NULLS, ids=lambda case: case.name)
def test_a_false_claim_passes_no_more_often_than_the_level_says(case):
    tables = 100
    assert passed(case, tables, 0.05, 1)[0.05] <= binom.ppf(0.9999, tables, 0.05)


def test_the_bound_itself_can_be_missed():
    """Rows of one group taken as independent: what the grouped design is there for."""
    case = next(case for case in NULLS if case.name == "higher, groups")
    wrong = Case(case.name, case.claim, case.make, "iid")
    assert passed(wrong, 60, 0.05, 1)[0.05] > binom.ppf(0.9999, 60, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("case", NULLS, ids=lambda case: case.name)
def test_a_false_claim_keeps_the_level_over_many_tables(case):
    """Tests that are right only asymptotically may pass 1.3 times as often as they say."""
    tables = 2000
    found = passed(case, tables, 0.01, 2)
    for level in LEVELS:
        assert found[level] <= binom.ppf(0.999, tables, 1.3 * level), found


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.name)
def test_what_is_planted_is_found(case):
    found = 0
    for number in range(6):
        frame = text(case.make(np.random.default_rng([3, number])))
        one = answer(frame, case.claim, case.design, Ask(1e-3, number, resamples=99))
        found += one.p.p <= 1e-3
        assert one.effect * case.claim.sign > 0
        assert one.interval[0] <= one.effect <= one.interval[1]
    assert found >= 4


@pytest.mark.parametrize("case", [*NULLS, *PLANTED], ids=lambda case: case.name)
def test_the_same_rows_and_seed_give_the_same_estimate(case):
    frame = text(case.make(np.random.default_rng([4, 0])))
    asked = Ask(0.05, 5, resamples=29)
    first, again = (answer(frame, case.claim, case.design, asked) for _ in range(2))
    assert first == again
    assert -1 <= first.interval[0] <= first.interval[1] <= 1
