import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.canon import digest
from earnest.core.errors import RecordError
from earnest.core.likeness import rough
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef
from earnest.models.analyst_scripts import evidence_script
from earnest.verify.evidence_batch import near_copies, near_copy, sketch

NAME = digest(b"t")


def finding(script, **claim):
    base = {"kind": "association", "table": "t", "outcome": "y", "exposure": "x"}
    base["direction"] = "positive"
    return Finding(
        claim=Claim(**{**base, **claim}),
        evidence=Evidence(
            script=digest(script), inputs={}, results={"effect": 1}, supports="effect > 0"
        ),
        exposure="sealed",
        author=Author(principal="me", model="m"),
        run="r",
        task=NAME,
        table=TableRef(
            name="t", table=NAME, visible=NAME, design="iid", rows=9, columns=("x", "y")
        ),
    )


def copies(*pairs):
    findings = [finding(script, **claim) for script, claim in pairs]
    scripts = {digest(script): script for script, _ in pairs}
    found = near_copies(findings, scripts.__getitem__)
    names = [one.id for one in findings]
    return {names.index(late): names.index(early) for late, early in found.items()}


SCRIPT = b"table = read()\nold = table[table.age > 40]\nprint(old.y.mean())  # the mean\n"


def test_one_question_with_the_numbers_moved_is_found():
    pairs = [
        (SCRIPT, {"subset": "age > 40", "threshold": 0.1}),
        (SCRIPT.replace(b"40", b"41"), {"subset": "age >= 41", "threshold": 0.2}),
        (b"# new!\n" + SCRIPT.replace(b"old", b"elder"), {"subset": "age > 42.5"}),
        (SCRIPT, {"subset": "age > 40", "outcome": "x", "exposure": "y"}),
    ]
    assert copies(*pairs) == {1: 0, 2: 0, 3: 0}


@pytest.mark.parametrize(
    ("script", "claim"),
    [
        (SCRIPT.replace(b"mean()", b"mean() - table.y.mean()"), {"subset": "age > 40"}),
        (SCRIPT, {"subset": "age < 40"}),
        (SCRIPT, {"subset": "age > 40 and sex == 'f'"}),
        (SCRIPT, {"subset": "age > 40", "direction": "negative"}),
        (SCRIPT, {"subset": "age > 40", "outcome": "z"}),
    ],
)
def test_another_question_is_none(script, claim):
    assert copies((SCRIPT, {"subset": "age > 40"}), (script, claim)) == {}


def test_levels_are_not_numbers():
    first = {"subset": "site == 'a'"}
    assert copies((SCRIPT, first), (SCRIPT, {"subset": "site == 'b'"})) == {}


def test_a_difference_told_the_other_way_round_is_the_same():
    one = {"kind": "difference", "table": "t", "outcome": "y", "exposure": "arm"}
    high = Claim(**one, direction="higher", group="a", versus="b")
    low = Claim(**one, direction="lower", group="b", versus="a")
    assert rough(high) == rough(low)
    assert rough(high) != rough(high.model_copy(update={"direction": "lower"}))


def test_an_analysts_findings_are_no_copies_of_each_other():
    how = {"table": "t", "design": "iid", "kind": "association", "level": None, "subset": None}
    pairs = [
        (
            evidence_script("?", outcome=outcome, exposure="x", **how).encode(),
            {"outcome": outcome, "exposure": "x"},
        )
        for outcome in "abcdef"
    ]
    assert copies(*pairs) == {}


@given(st.binary(max_size=80))
def test_any_bytes_have_a_sketch(script):
    assert sketch(script) == sketch(script)


def test_a_finding_by_itself_is_told_what_the_batch_as_a_whole_is():
    pairs = [
        (SCRIPT, {"subset": "age > 40"}),
        (SCRIPT, {"subset": "age > 40", "outcome": "z"}),
        (SCRIPT.replace(b"40", b"44"), {"subset": "age > 44"}),
        (SCRIPT.replace(b"40", b"47"), {"subset": "age > 47"}),
    ]
    batch = [finding(script, **claim) for script, claim in pairs]
    read = {digest(script): script for script, _ in pairs}.__getitem__
    whole = near_copies(batch, read)
    for place, one in enumerate(batch):
        check = near_copy(one, batch[:place], read)
        assert (check is not None) == (one.id in whole)
        if check:
            assert check.passed is None
            assert batch[0].id in check.detail
    assert set(whole) == {batch[2].id, batch[3].id}


def test_what_is_not_tested_anyway_repeats_nothing():
    seen = [finding(SCRIPT, subset=f"age > {age}") for age in (40, 41)]
    seen = [one.model_copy(update={"exposure": "author-saw-all"}) for one in seen]
    assert near_copies(seen, {digest(SCRIPT): SCRIPT}.__getitem__) == {}
    assert near_copy(seen[1], seen[:1], {digest(SCRIPT): SCRIPT}.__getitem__) is None


def test_a_script_that_is_gone_is_like_no_other():
    def read(name):
        raise RecordError(f"no bytes {name}")

    batch = [finding(SCRIPT, subset=f"age > {age}") for age in (40, 41)]
    assert near_copies(batch, read) == {}
    assert near_copy(batch[1], batch[:1], read) is None
