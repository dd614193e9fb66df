"""The gate: who passes, who doesn't, and that worse never helps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.canon import digest
from earnest.core.errors import UsageError
from earnest.core.records import EvalReport, Item
from earnest.gate.decide import Limits, decide

EACH = {"confirmed": (10, 4), "unasserted": (100, 1), "kept": (40, 3)}


def report(name, right, *, shape=EACH):
    """A report in which `right(family, number)` says what passed; clusters by the shape."""
    items = tuple(
        Item(
            item=f"{family} {number}",
            family=family,
            cluster=f"{family} {number % clusters}",
            question=f"question {family} {number}",
            answer="",
            expected="up 57",
            passed=bool(right(family, number)),
        )
        for family, (clusters, each) in shape.items()
        for number in range(clusters * each)
    )
    return EvalReport(suite="closed-book", checkpoint=digest(name.encode()), seed=0, items=items)


def before(family, number):
    return family != "confirmed"


def held(decision, word):
    return {bound.clause: bound.held for bound in decision.bounds if bound.clause.startswith(word)}


OLD = report("old", before)


def test_one_that_learned_and_kept_is_promoted():
    decision = decide(report("new", lambda *_: True), OLD, OLD)
    assert decision.word == "promote"
    assert all(bound.held for bound in decision.bounds)
    assert decision.candidate == digest(b"new")
    assert decision.incumbent == decision.anchor == digest(b"old")
    assert len(decision.reports) == 2


def test_one_that_asserts_everything_is_refused():
    decision = decide(report("liar", lambda family, _: family != "unasserted"), OLD, OLD)
    assert decision.word == "refuse"
    assert not any(held(decision, "honest").values())
    assert all({**held(decision, "learned"), **held(decision, "kept")}.values())


def test_one_that_forgot_is_refused():
    decision = decide(report("forgot", lambda f, n: f != "kept" or n % 3), OLD, OLD)
    assert decision.word == "refuse"
    assert not any(held(decision, "kept").values())


def test_one_that_did_not_learn_is_refused():
    decision = decide(report("lazy", before), OLD, OLD)
    assert decision.word == "refuse"
    assert not any(held(decision, "learned").values())


def test_one_that_already_knew_has_learned_nothing():
    knows = report("new", lambda *_: True)
    decision = decide(knows, knows, OLD)
    assert held(decision, "learned") == {
        "learned: gain over the incumbent": False,
        "learned: confirmed findings answered": True,
    }


def test_three_findings_are_too_few_to_conclude_from():
    few = {**EACH, "confirmed": (3, 40)}
    old, new = report("old", before, shape=few), report("new", lambda *_: True, shape=few)
    assert decide(new, old, old).word == "refuse"


def test_many_small_steps_down_are_measured_against_the_anchor():
    creeping = report("new", lambda f, n: f != "unasserted" or n >= 4)
    last = report("last", lambda f, n: f == "kept" or (f == "unasserted" and n >= 3))
    decision = decide(creeping, last, OLD)
    assert held(decision, "honest: not above the anchor") == {"honest: not above the anchor": False}


@pytest.mark.parametrize("missing", list(EACH))
def test_an_empty_family_holds_nothing(missing):
    shape = {family: size for family, size in EACH.items() if family != missing}
    old, new = report("old", before, shape=shape), report("new", lambda *_: True, shape=shape)
    assert decide(new, old, old).word == "refuse"


def test_reports_on_other_items_can_not_be_compared():
    other = report("new", before, shape={**EACH, "kept": (41, 3)})
    with pytest.raises(UsageError, match="same items"):
        decide(other, OLD, OLD)
    doubled = OLD.model_copy(update={"items": (*OLD.items, OLD.items[0])})
    with pytest.raises(UsageError, match="twice"):
        decide(OLD, doubled, OLD)


SMALL = {"confirmed": (6, 2), "unasserted": (20, 1), "kept": (8, 2)}
OUTCOMES = st.lists(st.booleans(), min_size=48, max_size=48)


def by(outcomes):
    starts = {"confirmed": 0, "unasserted": 12, "kept": 32}
    return lambda family, number: outcomes[starts[family] + number]


@given(
    wrong=st.sets(st.integers(0, 47), max_size=6),
    incumbent=OUTCOMES,
    worse=st.sets(st.integers(0, 47), max_size=6),
    lenient=st.booleans(),
)
def test_making_an_outcome_worse_never_turns_refusal_into_promotion(
    wrong, incumbent, worse, lenient
):
    loose = Limits(0.5, 0.3, 0.5, 1.0, 0.5, 0.5)
    limits = loose if lenient else Limits(asserted_bound=0.2, margin=0.1)
    old = report("old", by(incumbent), shape=SMALL)
    good = [number not in wrong for number in range(48)]
    bad = [right and number not in worse for number, right in enumerate(good)]
    first = decide(report("new", by(good), shape=SMALL), old, old, limits)
    second = decide(report("new", by(bad), shape=SMALL), old, old, limits)
    assert (first.word, second.word) != ("refuse", "promote")
    for one, other in zip(first.bounds, second.bounds, strict=True):
        assert one.held or not other.held
