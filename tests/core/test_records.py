import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from earnest.core.canon import canonical, digest
from earnest.core.claims import sentence
from earnest.core.errors import RecordError
from earnest.core.records import RECORDS, Allocation, Claim, EvalReport, Evidence, Item, Verdict

NAME = digest(b"x")
VERDICT = Verdict(
    finding=NAME,
    word="confirmed",
    reason="r",
    checks=(),
    effect=0.5,
    interval=(0.25, 0.75),
    p=0.001,
    alpha=0.01,
    rows=10,
    seed=1,
    verifier="v",
)


def test_the_id_is_the_hash_of_the_stored_bytes():
    assert VERDICT.id == digest(VERDICT.data)
    assert Verdict.from_bytes(VERDICT.data, expect=VERDICT.id) == VERDICT
    assert b'"record":"verdict"' in VERDICT.data


def test_a_changed_copy_has_an_id_of_its_own():
    assert VERDICT.id == VERDICT.model_copy().id
    changed = VERDICT.model_copy(update={"word": "refuted"})
    assert changed.id == digest(changed.data) != VERDICT.id


def test_changed_bytes_are_refused_on_reading():
    with pytest.raises(RecordError, match="have changed"):
        Verdict.from_bytes(VERDICT.data.replace(b"0.001", b"0.002"), expect=VERDICT.id)


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"record": "finding"}, {"extra": 1}, {"word": "true"}, {"finding": "abc"}],
)
def test_other_records_versions_and_fields_are_refused(change):
    body = {**VERDICT.model_dump(mode="json"), "record": "verdict", "version": 1, **change}
    with pytest.raises(RecordError):
        Verdict.from_bytes(canonical(body))


def test_numbers_must_be_finite():
    for value in (math.nan, math.inf):
        with pytest.raises(ValidationError):
            Evidence(script=NAME, inputs={}, results={"x": value}, supports="x > 0")


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 10**6))
def test_any_record_survives_a_round_trip(alpha, number):
    record = Allocation(finding=NAME, principal="me", number=number, alpha=alpha)
    assert Allocation.from_bytes(record.data).id == record.id


def test_every_record_is_registered_under_its_name():
    assert all(RECORDS[name].record == name for name in RECORDS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"direction": "rising"},
        {"group": None},
        {"versus": "a"},
        {"adjust_for": ("y",)},
        {"exposure": "y"},
        {"threshold": 2.0},
        {"subset": "import os"},
        {"kind": "cause"},
    ],
)
def test_an_inconsistent_claim_is_refused(wrong):
    right = {
        "kind": "difference",
        "table": "t",
        "outcome": "y",
        "exposure": "x",
        "direction": "higher",
        "group": "a",
    }
    assert Claim(**right).sign == 1
    with pytest.raises(ValidationError):
        Claim(**{**right, **wrong})


def test_the_sentence_says_association_and_names_everything():
    claim = Claim(
        kind="difference",
        table="cars",
        outcome="mpg",
        exposure="origin",
        direction="lower",
        group="usa",
        versus="japan",
        subset="year >= 75",
        adjust_for=("weight",),
        threshold=0.2,
    )
    text = sentence(claim)
    for part in ("cars", "`mpg`", "lower", "'usa'", "'japan'", "year >= 75", "`weight`", "0.2"):
        assert part in text
    assert "cause" not in text
    assert "because" not in text


def test_a_rate_of_an_absent_family_is_an_error():
    item = Item(
        item="1", family="kept", cluster="a", question="q", answer="a", expected="a", passed=True
    )
    report = EvalReport(suite="s", checkpoint=NAME, seed=0, items=(item,))
    assert report.rate("kept") == 1
    with pytest.raises(KeyError):
        report.rate("confirmed")
