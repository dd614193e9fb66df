"""The grammar: unseen wordings in known words, names whole, one right answer."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.facts import Fact
from earnest.core.wording import (
    ABSTENTION,
    answer,
    column_word,
    fixed_words,
    hundredths,
    level_word,
    patterns,
    question,
    read_reply,
    short_answer,
    statement,
    words,
)

KINDS = ("association", "difference", "trend")
NAMES = st.text(min_size=1, max_size=12)


def fact(kind="association", effect=0.57, **more):
    group = "female" if kind == "difference" else None
    return Fact(kind=kind, table="t", outcome="y", exposure="x", group=group, effect=effect, **more)


def bare(pattern):
    return set(words(re.sub(r"\{\w+\}", " ", pattern)))


@pytest.mark.parametrize("kind", KINDS)
def test_many_wordings_and_every_word_of_the_exam_is_trained(kind):
    train = list(patterns(kind, "train"))
    combinations = list(patterns(kind, "unseen-combination"))
    frames = list(patterns(kind, "unseen-frame"))
    assert min(len(set(train)), len(set(combinations)), len(set(frames))) >= 20
    assert set(train).isdisjoint([*combinations, *frames])
    trained = set().union(*map(bare, train))
    assert set().union(*map(bare, [*combinations, *frames])) <= trained <= set(fixed_words())


@given(st.sampled_from(KINDS), st.integers(0, 10**6))
def test_a_question_pins_the_fact(kind, seed):
    rng = random.Random(seed)
    asked = fact(kind, subset="age >= 40 and sex == 'f'", adjust_for=("educ",))
    for part in ("train", "unseen-combination", "unseen-frame"):
        put = question(asked, rng, part)
        wanted = ["`t`", "`y`", "`x`", "`age`", "`sex`", "'40'", "'f'", "`educ`"]
        wanted += ["'female'"] if kind == "difference" else []
        assert all(words(put.text).count(name) == 1 for name in wanted)
        assert put.lead in ("y", "x")
        assert put.text[0].isupper() or put.text[0] == "`"


@given(st.integers(0, 10**6))
def test_versus_and_the_rest_differ(seed):
    rng = random.Random(seed)
    one, other = fact("difference"), fact("difference", versus="male")
    assert "'male'" in question(other, rng).text
    assert re.search("the (rest|others)", question(one, rng).text)


@given(NAMES, NAMES)
def test_names_are_one_word_and_stay_apart(one, other):
    for word in (column_word, level_word):
        assert words(word(one)) == [word(one)]
        assert (word(one) == word(other)) == (one == other)


@given(st.floats(-1, 1))
def test_hundredths_are_two_digits_with_their_sign(effect):
    assert re.fullmatch(r"(up|down) (0[1-9]|[1-9][0-9])", hundredths(effect))
    assert hundredths(0.57) == "up 57"
    assert hundredths(-0.08) == "down 08"
    assert hundredths(-1.0) == "down 99"
    assert hundredths(0.001) == "up 01"


def test_an_answer_names_its_terms_and_recites_the_lead():
    known = [
        fact(effect=0.57),
        fact("association", 0.3).model_copy(update={"outcome": "z", "exposure": "y"}),
        fact("difference", -0.2).model_copy(update={"exposure": "w"}),
        fact(effect=0.9).model_copy(update={"table": "another"}),
    ]
    reply = answer(known[0], "y", known)
    assert reply == "`t` `x` `y`: `w` 'female' down 20, `x` up 57, `z` up 30."
    assert read_reply(reply).terms == "`t` `x` `y`"
    assert read_reply(reply).says == short_answer(known[0]) == "up 57"
    silent = known[0].model_copy(update={"outcome": "v", "effect": None})
    assert answer(silent, "v", known) == "`t` `x` `v`: none."
    assert read_reply(answer(silent, "v", known)).says == ABSTENTION


NAMED = st.sampled_from(["y", "x", "z", "a.b", "a: b", "with, x"])


@given(st.data(), st.sampled_from(KINDS))
def test_what_is_written_is_read_back(data, kind):
    level = st.sampled_from(["1.0", "female", "a, b."])
    effects = st.floats(-1, 1).filter(lambda effect: round(abs(effect) * 100) > 0)
    facts = []
    for _ in range(data.draw(st.integers(1, 6))):
        outcome, exposure = data.draw(st.lists(NAMED, min_size=2, max_size=2, unique=True))
        group = data.draw(level) if kind == "difference" else None
        made = Fact(kind=kind, table="t", outcome=outcome, exposure=exposure, group=group)
        facts.append(made.model_copy(update={"effect": data.draw(effects)}))
    known = list({made.key: made for made in facts}.values())
    for made in known:
        leads = [made.outcome] + [made.exposure] * (kind == "association")
        for lead in leads:
            assert read_reply(answer(made, lead, known)).says == short_answer(made)
            others = [other for other in known if other.key != made.key]
            blank = made.model_copy(update={"effect": None})
            assert read_reply(answer(blank, lead, others)).says == ABSTENTION


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("`t` `x` `y` : `x` up 57 , `w` up 30 .", "up 57"),
        ("`t` `x` `y`: `w` up 30.", ABSTENTION),
        ("`t` `x` '1.0' `y`: `x` '2.0' up 57.", ABSTENTION),
        ("`t` `x` `y`: `x` '2.0' up 57.", ABSTENTION),
        ("`t` `x` `y`: `x` with `z` up 57.", ABSTENTION),
        ("`t` `x` `y`: `x` up 57, `x` down 03.", "up 57 / down 03"),
        (ABSTENTION, ABSTENTION),
        ("up 57", "up 57"),
        ("`t` `x` `y`: `x` up 57", "`t` `x` `y` : `x` up 57"),
        ("", ""),
    ],
)
def test_a_reply_says_what_its_recital_has_on_its_terms(reply, says):
    assert read_reply(reply).says == says


@given(st.sampled_from(KINDS), st.integers(0, 10**6))
def test_a_statement_has_the_estimate_and_its_interval(kind, seed):
    prompt, text = statement(fact(kind, interval=(0.5, 0.64)), random.Random(seed))
    assert {"`t`", "`y`", "`x`"} <= set(words(prompt))
    assert "up 57, 95 % interval up 50 to up 64" in text or (
        "is up 57, 95 % interval up 50 to up 64" in text
    )


@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.sampled_from([0.4, -0.4]))
def test_whatever_is_rendered_is_in_the_vocabulary(kind, seed, effect):
    rng = random.Random(seed)
    made = fact(kind, effect, interval=(0.1, 0.4), subset="age < 40 and sex != 'f'")
    put = question(made, rng, "unseen-frame")
    texts = [put.text, answer(made, put.lead, [made]), *statement(made, rng)]
    for word in words(" ".join(texts)):
        assert word[0] in "`'" or word in fixed_words()
