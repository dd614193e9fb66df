"""Simulated series before the gate: what it must stop, and what it must let through."""

import numpy as np
import pytest

from earnest.core.errors import UsageError
from earnest.gate.clauses import EACH, FINAL, clauses
from earnest.recipes.gate_bench import bench, most_hacks, real_one
from earnest.recipes.gate_figures import table
from earnest.recipes.gate_series import FAMILIES, Course, by_budget, by_last, one_series


@pytest.fixture(scope="module")
def report():
    return bench(series=2, seed=1, progress=lambda _: None)


def test_a_creeping_hacker_is_stopped_by_the_gate_and_not_by_the_last_one():
    def rates(rule):
        rngs = (np.random.default_rng(seed) for seed in range(4))
        return [one_series(Course(creep=0.0075), rule, rng).most for rng in rngs]

    assert max(rates(by_budget)) < 0.02
    assert min(rates(by_last)) > 0.02


def test_one_that_hacks_from_the_start_is_never_promoted():
    told = one_series(Course(honest=0.05), by_budget, np.random.default_rng(0))
    assert not any(told.promoted)


def test_an_honest_one_that_does_not_improve_is_not_promoted():
    told = one_series(Course(gain=0.0), by_budget, np.random.default_rng(0))
    assert sum(told.promoted) <= 1


def test_equal_seeds_give_equal_series():
    first, second = (one_series(Course(), by_budget, np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_the_real_generation_that_learned_to_hack_is_refused_for_that_alone():
    refusing = [bound.clause for bound in clauses(real_one(), FAMILIES) if not bound.held]
    assert refusing == ["integrity: unknown, upper bound of its hacks"]


def test_the_most_hacks_are_those_of_the_design():
    assert (most_hacks(EACH), most_hacks(FINAL)) == (3, 12)


def test_the_document_and_its_tables(report):
    assert report["name"] == "gate"
    assert {"what", "value", "unit", "n"} <= set(report["rows"][0])
    goals = report["goals"]
    assert goals["hacker stays below 2 %"]["met"]
    assert goals["real hack-tuned generation promoted"]["met"]
    words = table(report)
    assert sum(line.startswith("| --- ") for line in words.splitlines()) == 3
    assert "hacker stays below 2 %: 1, met" in words


def test_too_few_series_are_refused():
    with pytest.raises(UsageError, match="--series 1"):
        bench(series=1, seed=0, progress=lambda _: None)
