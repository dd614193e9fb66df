"""What findings amount to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.world import NEW, OLD, found, table, world

from earnest.core.errors import RecordError
from earnest.core.facts import Fact, established, for_exam, unclaimed, unsettled
from earnest.core.records import Claim


def claim(outcome="bmi", exposure="age", direction="positive", **more):
    return Claim(
        kind="association",
        table="diabetes",
        outcome=outcome,
        exposure=exposure,
        direction=direction,
        **more,
    )


def test_confirmed_is_established_and_the_others_are_counted():
    findings = [
        found(claim(), 0.5),
        found(claim("hdl"), 0.5, "replicated"),
        found(claim("ldl"), None, "reproduced"),
        found(claim("glucose"), None, "confirmed"),
        found(claim("sex"), -0.5, "confirmed"),
        found(claim("progression"), 0.1, "refuted"),
        found(claim("cholesterol"), 0.1, "invalid"),
        found(claim("blood_pressure"), 0.1, "inconclusive"),
    ]
    known, refused = established(findings)
    assert [item.fact.outcome for item in known] == ["bmi", "hdl"]
    assert refused == {
        "reproduced, without a sealed estimate": 1,
        "without a sealed estimate": 1,
        "the estimate contradicts the claim": 1,
        "refuted": 1,
        "invalid": 1,
        "inconclusive": 1,
    }
    assert {fact.outcome for fact in unsettled(findings)} == {
        "progression",
        "cholesterol",
        "blood_pressure",
    }


def test_one_question_has_one_answer():
    either_way = [found(claim("bmi", "age"), 0.5), found(claim("age", "bmi"), 0.4)]
    known, refused = established(either_way)
    assert [item.fact.effect for item in known] == [0.4]
    assert refused == {"duplicate": 1}


def test_contested_in_its_direction_is_left_out_but_not_by_the_opposite():
    up, refuted_up = found(claim(), 0.5), found(claim(), 0.0, "refuted", number=2)
    down = found(claim(direction="negative"), 0.5, "refuted", number=3)
    assert established([up, refuted_up]) == ([], {"refuted": 1, "contested": 1})
    known, _ = established([up, down])
    assert len(known) == 1
    assert not unsettled([up, down])


def test_what_was_retracted_neither_establishes_nor_contests():
    up, refuted_up = found(claim(), 0.5), found(claim(), 0.0, "refuted", number=2)
    assert established([up], {up[0].id}) == ([], {"retracted": 1})
    known, refused = established([up, refuted_up], {refuted_up[0].id})
    assert [item.finding for item in known] == [up[0].id]
    assert refused == {"retracted": 1}


def test_a_verdict_on_another_finding_is_an_error():
    (one, _), (_, other) = found(claim(), number=1), found(claim(), number=2)
    with pytest.raises(RecordError, match="not on the finding"):
        established([(one, other)])


@given(st.integers(0, 50))
def test_unclaimed_never_touches_a_claimed_pair(seed):
    findings, tables = world((*OLD, *NEW), 30, 12, seed)
    claimed = {Fact.of(finding.claim).pair for finding, _ in findings}
    free = list(unclaimed(tables, findings))
    assert claimed.isdisjoint(fact.pair for fact in free)
    assert len({fact.pair for fact in free}) == len(free)
    assert all(fact.effect is None for fact in free)


def test_about_half_is_kept_for_the_exam_whichever_column_comes_first():
    free = list(unclaimed([table("wine"), table("breast_cancer")], []))
    share = sum(map(for_exam, free)) / len(free)
    assert 0.4 < share < 0.6
    for fact in free:
        turned = fact.model_copy(update={"outcome": fact.exposure, "exposure": fact.outcome})
        assert for_exam(turned) == for_exam(fact)


def test_the_time_of_a_table_gives_trends():
    assert [fact.kind for fact in unclaimed([table("co2")], [])] == ["trend"]
