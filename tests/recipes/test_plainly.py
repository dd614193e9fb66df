import pytest
from tests.recipes.test_report import pair

from earnest.core.records import Check, Claim
from earnest.recipes.plainly import answer, effect_words, strength


def told(home, word="confirmed", effect=0.123456, **claim):
    finding, verdict = pair(home, word)
    asked = {"kind": "difference", "table": "t", "outcome": "y", "exposure": "x",
             "direction": "higher", "group": "a"} | claim  # fmt: skip
    finding = finding.model_copy(update={"claim": Claim(**asked)})
    passed = word == "confirmed"
    checks = (Check(name="sealed", passed=passed, detail="p = 0.0123456"),)
    return finding, verdict.model_copy(update={"effect": effect, "checks": checks})


def test_what_was_confirmed_is_said_first_and_how_strong(home):
    found = [told(home, "inconclusive"), told(home, effect=0.6), told(home, "invalid")]
    said = answer(found)
    assert said.lead.startswith("1 of 3 claims were confirmed")
    assert said.parts[0].lines == (
        "In t, `y` tends to be higher where `x` is 'a' than elsewhere (strong).",
    )
    assert "not confirmed" in said.parts[1].head
    assert "says nothing about whether it is so" in said.parts[2].head


def test_nothing_confirmed_is_said_so(home):
    assert answer([]).lead.startswith("No claim was made")
    assert answer([told(home, "refuted")]).lead.startswith("Nothing was confirmed: one claim was")
    assert "verified yet" in answer([(told(home)[0], None)]).parts[0].head


def test_the_agents_words_have_no_part_in_it(home):
    finding, verdict = told(home, "refuted")
    boast = finding.model_copy(update={"prose": "This was confirmed beyond doubt."})
    said = answer([(boast, verdict)])
    assert "beyond doubt" not in str(said)


def test_many_are_counted(home):
    said = answer([told(home)] * 9)
    assert len(said.parts[0].lines) == 6
    assert said.parts[0].more == 3


@pytest.mark.parametrize(
    ("claim", "effect", "says"),
    [
        ({}, 0.4, "about 70% of draws"),
        ({"direction": "lower"}, -0.4, "about 70% of draws"),
        ({"kind": "association", "direction": "positive", "group": None}, 0.2, "weak association"),
        ({"kind": "trend", "direction": "falling", "group": None}, -0.9, "strong tendency over"),
    ],
)
def test_an_effect_is_put_into_words(home, claim, effect, says):
    words = effect_words(*told(home, effect=effect, **claim))
    assert says in words
    assert "95 % interval runs from" in words


@pytest.mark.parametrize("word", ["inconclusive", "refuted"])
def test_numbers_of_what_was_not_confirmed_are_not_told(home, word):
    found = told(home, word)
    assert effect_words(*found) == ""
    assert strength(*found) == ""
    assert "0.12" not in str(answer([found]))
