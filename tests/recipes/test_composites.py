"""An author who may try 100 composite claims gains by exact effects at once, and not without."""

import numpy as np
import pytest

from earnest.recipes.composites import (
    AT_ONCE,
    CLAIMS,
    CONFIRMED_ONLY,
    NOTHING,
    SHOWINGS,
    Author,
    Showing,
    _claim,
    _refuted,
    fooled,
    fooled_all,
    noise_table,
    padded,
    rich_stream,
)
from earnest.recipes.discoveries_judge import Court
from earnest.recipes.discoveries_tables import seen
from earnest.tasks.truth import Oracle


def best(showing, seed):
    """Return the largest z on the sealed rows that an author's 100 claims reach."""
    laid = noise_table(seed)
    author, found = Author(laid), []
    while len(found) < CLAIMS:
        claims = author.propose(min(showing.batch, CLAIMS - len(found)))
        measured = [seen(laid.sealed, claim) for claim in claims]
        author.learn([showing.shown(effect, False, z < -1.96) for effect, z in measured])
        found += [z for _, z in measured]
    return max(found)


def test_exact_effects_at_once_climb_and_no_feedback_does_not():
    without, exact = (np.mean([best(how, seed) for seed in range(6)]) for how in (NOTHING, AT_ONCE))
    assert exact > without + 0.5


def test_an_author_makes_a_hundred_different_claims_that_are_all_null():
    laid = noise_table(1)
    author, claims = Author(laid), []
    for _ in range(5):
        claims += author.propose(20)
        author.learn([0.1, -0.1] * 10)
    assert len({claim.subset for claim in claims}) == CLAIMS
    oracle = Oracle(laid.world, population=1000)
    assert {oracle.truth(claim).word for claim in claims} == {"null"}


def test_what_is_shown():
    assert AT_ONCE.shown(0.1234, False, False) == 0.1234
    assert Showing("", 1, "effect", 1).shown(0.1234, False, False) == 0.1
    words = Showing("", 1, "word")
    told = ((False, True), (False, False), (True, False))
    shown = [words.shown(0.1234, *each) for each in told]
    assert shown == sorted(shown)
    assert len(set(shown)) == 3
    assert [CONFIRMED_ONLY.shown(0.1234, *each) for each in told] == [None, None, 0.3]


def test_thresholds_make_the_word_tell_the_sign():
    laid = noise_table(3)
    author = Author(laid, 0.23)
    effects = [seen(laid.sealed, claim) for claim in author.propose(24)]
    claims = [_claim(left_out, only, 0.23) for left_out, only in author.asked]
    told = [
        _refuted(effect, z, claim) == (effect < 0)
        for (effect, z), claim in zip(effects, claims, strict=True)
    ]
    assert np.mean(told) > 0.8


def test_a_rich_budget_pays_for_tests_on_a_new_table():
    numbers, shares = rich_stream().freeze("noise", CLAIMS)
    assert numbers[0] == 501
    assert 0.0005 < shares[-1] <= shares[0] < 0.02


def test_a_verifier_that_confirms_everything_is_fooled_whatever_is_shown():
    from tests.recipes.test_discoveries import says

    assert all(fooled(showing, 0, Court(says(0.0))) for showing in SHOWINGS[:2])


def test_padding_with_trivial_claims_pays_where_these_are_paid_for():
    assert padded(0, paid=True, tables=60) >= 3
    assert padded(0, paid=False, tables=60) == 0


@pytest.mark.slow
def test_confirmed_or_not_gains_nothing_and_exact_effects_at_once_do():
    told = np.array([fooled_all(seed) for seed in range(60)])
    rate = dict(zip([showing.name for showing in SHOWINGS], told.mean(axis=0), strict=True))
    assert rate[AT_ONCE.name] > 2 * rate[NOTHING.name] + 0.05
    assert rate[CONFIRMED_ONLY.name] <= rate[NOTHING.name] + 0.07
