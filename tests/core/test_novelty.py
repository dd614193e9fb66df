"""One word from three parts, in a check and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_records import VERDICT

from earnest.core.novelty import GRADES, PARTS, Part, novelty_check, overall, read_novelty
from earnest.core.records import Check

ONE = st.sampled_from([None, *GRADES])


@given(st.tuples(ONE, ONE, ONE))
def test_novel_is_what_no_part_says_otherwise_of(grades):
    assert (overall(grades) == "novel") == (set(grades) <= {None, "novel"})
    assert (overall(grades) == "known") == ("known" in grades)
    assert overall(grades) == overall(grades[::-1])


@given(st.tuples(st.sampled_from(GRADES), ONE, ONE))
def test_a_check_says_in_figures_what_it_says_in_words(grades):
    parts = {name: Part(one, f"because of {name}") for name, one in zip(PARTS, grades, strict=True)}
    check = novelty_check(parts, {"asked": 5.0})
    assert check.passed is None
    told = read_novelty(VERDICT.model_copy(update={"checks": (check,)}))
    assert told["grade"] == overall(grades) == check.detail.partition(":")[0]
    assert tuple(told[name] for name in PARTS) == grades
    assert all(f"{name}: because of {name}" in told["why"] for name in PARTS)
    assert check.observed["asked"] == 5


@pytest.mark.parametrize("word", GRADES)
def test_a_verdict_of_an_earlier_version_had_the_ledger_only(word):
    check = Check(name="novelty", passed=None, detail=f"{word}: says the same as something")
    told = read_novelty(VERDICT.model_copy(update={"checks": (check,)}))
    assert (told["grade"], told["ledger"], told["closed-book"]) == (word, word, None)


def test_a_verdict_that_does_not_speak_of_it_has_none():
    assert read_novelty(VERDICT) is None
    assert read_novelty(None) is None
