"""Of sealed rows no more is shown than may be, however a verdict came about."""

import pytest

from earnest.core.records import Check, Verdict
from earnest.core.shown import shown

NAME = "sha256:" + "a" * 64
SEEN = {"effect": 0.123456, "low": 0.111111, "high": 0.222222, "p": 0.034567}


def verdict(word, *checks, reason="p = 0.034567"):
    return Verdict(
        finding=NAME,
        word=word,
        reason=reason,
        checks=checks,
        effect=0.123456,
        interval=(0.111111, 0.222222),
        p=0.034567,
        seed=1,
        verifier="v",
    )


def sealed(passed):
    return Check(name="sealed", passed=passed, detail="p = 0.034567", observed=SEEN)


@pytest.mark.parametrize("word", ["inconclusive", "refuted"])
def test_what_was_not_confirmed_tells_no_number_of_sealed_rows(word):
    told = shown(verdict(word, sealed(False)))
    assert (told.effect, told.interval, told.p) == (None, None, None)
    assert "0.0345" not in told.model_dump_json()


@pytest.mark.parametrize("word", ["inconclusive", "refuted"])
def test_nor_does_the_same_claim_again(word):
    """Else who submits a claim once more would be told what was withheld the first time."""
    known = Check(name="known", passed=None, detail=f"the same claim as {NAME}, not tested again")
    told = shown(verdict(word, known, reason=known.detail))
    assert (told.effect, told.interval, told.p) == (None, None, None)
    assert told.reason == known.detail


def test_what_was_confirmed_is_rounded():
    told = shown(verdict("confirmed", sealed(True), reason="fine"))
    assert told.effect == 0.123456  # rounded where it is printed: `row`
    assert told.checks[0].observed["effect"] == 0.12


def test_what_is_open_again_says_why_and_no_number():
    why = f"re-opened: {NAME} was confirmed as well and contradicts it"
    told = shown(verdict("inconclusive", sealed(True), reason=why))
    assert told.reason == why
    assert (told.effect, told.interval, told.p) == (None, None, None)
    assert told.checks[0].observed["effect"] == 0.12


def test_what_was_never_tested_keeps_its_reason():
    told = shown(verdict("inconclusive", sealed(None), reason="too few rows"))
    assert told.reason == "too few rows"
