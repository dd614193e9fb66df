"""What is asked closed-book: fair, leaning both ways, and graded without good will."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_likeness import claims

from earnest.core.canon import digest
from earnest.core.closed_book import MOST, grade, graded, heard, questions, settled, unfit
from earnest.core.history import Asked, ClosedBook
from earnest.core.kinds import FORMS, Claim
from earnest.core.likeness import OPPOSITE
from earnest.core.wording import hundredths, words

NAME = digest(b"finding")
BASE = {"table": "cars", "outcome": "mpg", "exposure": "weight"}
FALLS = Claim(kind="association", direction="negative", **BASE)
OLDER = Claim(
    kind="difference",
    direction="higher",
    group="usa",
    subset="age > 3",
    adjust_for=("year",),
    **{**BASE, "exposure": "origin"},
)


def means(put, says, otherwise="unknown"):
    return next((word for word, meant in put.means.items() if meant == says), otherwise)


def told(claim, reply, style="plain", most=MOST):
    asked = []
    for put in questions(claim, style)[:most]:
        if settled([one.says for one in asked]):
            break
        said = reply(put)
        asked.append(Asked(question=put.text, answer=said, says=graded(put, said)))
    return ClosedBook(finding=NAME, model="m", style=style, asked=tuple(asked))


@given(claims())
def test_a_fair_claim_is_asked_in_four_wordings_half_of_which_lean_the_other_way(claim):
    if unfit(claim, "plain"):
        assert claim.descriptive or claim.direction not in OPPOSITE
        return
    puts = questions(claim, "plain")
    assert questions(claim, "plain") == puts
    assert len({put.text for put in puts}) == len(puts) == MOST
    for put in puts[:-1]:
        assert sorted(put.means.values()) == ["agrees", "opposite"]
        assert f"`{claim.outcome}`" in put.text
    # What the first of the two words, or yes, would mean.
    leans = [next(iter(put.means.values())) for put in puts[:-1]]
    assert leans == ["opposite", "agrees", "agrees", "opposite"]
    assert set(puts[-1].means.values()) == {"invents"}
    for name in (claim.table, claim.outcome, claim.exposure, claim.modifier, claim.group):
        assert not name or f"`{name}`" not in puts[-1].text


@given(claims())
def test_the_opposite_claim_is_graded_the_other_way(claim):
    if unfit(claim, "plain"):
        return
    claim = claim.model_copy(update={"threshold": None})
    other = claim.model_copy(update={"direction": OPPOSITE[claim.direction]})
    for says, word in (("agrees", "known"), ("opposite", "contradicts")):
        assert grade(claim, told(claim, lambda put, says=says: means(put, says)))[0] == word
    assert grade(other, told(other, lambda put: means(put, "opposite")))[0] == "contradicts"


@pytest.mark.parametrize(
    ("claim", "parts"),
    [
        (FALLS, ["In cars, as `weight` rises, does `mpg` tend to rise or to fall?", "rise, fall"]),
        (
            OLDER,
            [
                "In cars, among rows with age > 3, `year` held fixed, does `mpg` tend to be lower "
                "or higher where `origin` is 'usa' than elsewhere?",
            ],
        ),
        (
            FALLS.model_copy(update={"order": ("light", "heavy")}),
            ["Which of these holds? A: ", "in the order 'light', 'heavy'"],
        ),
        (
            FALLS.model_copy(update={"outcome": "{x} {one}", "table": "{0}"}),
            ["In {0}, as `weight` rises, does `{x} {one}` tend to rise or to fall?"],
        ),
    ],
)
def test_the_first_question_names_all_that_is_claimed_and_offers_both(claim, parts):
    for part in parts:
        assert part in questions(claim, "plain")[0].text


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("fall", "agrees"),
        ("**Fall.**\n", "agrees"),
        ("RISE", "opposite"),
        ("unknown", "nothing"),
        ("", "nothing"),
        ("It falls", "nothing"),
        ("fall, since heavy cars need more", "nothing"),
        ("rise or fall", "nothing"),
        ("I can't know whether it would fall", "nothing"),
        ("fall fall", "nothing"),
        ("fall 57", "nothing"),
        ("pré fall", "nothing"),
        ("_fall_", "agrees"),
        ("<think>It could rise.</think>\n\nfall", "agrees"),
    ],
)
def test_a_reply_counts_only_where_it_is_one_of_the_words(reply, says):
    assert graded(questions(FALLS, "plain")[0], heard(reply)) == says


def test_a_long_reply_is_cut_and_counts_for_nothing():
    assert len(heard("rise " * 9999)) <= 2000
    assert graded(questions(FALLS, "plain")[0], heard("so " * 9999 + "fall")) == "nothing"


def yes(put):
    return next((word for word in ("yes", "true") if word in put.means), next(iter(put.means)))


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (yes, 2),
        (lambda put: next(iter(put.means)), 2),
        (lambda put: list(put.means)[-1], 2),
        (lambda put: "unknown", 1),
        (lambda put: "", 1),
        (lambda put: means(put, "agrees", next(iter(put.means))), MOST),
        (lambda put: means(put, "opposite", next(iter(put.means))), MOST),
    ],
)
def test_who_knows_nothing_makes_nothing_known(model, asked):
    record = told(FALLS, model)
    assert len(record.asked) == asked
    assert grade(FALLS, record)[0] == "novel"


def test_a_sized_claim_goes_beyond_what_the_model_says():
    sized = FALLS.model_copy(update={"threshold": 0.3})
    assert grade(sized, told(sized, lambda put: means(put, "agrees")))[0] == "extends"
    assert [put.text for put in questions(sized, "plain")] == [
        put.text for put in questions(FALLS, "plain")
    ]


def test_what_was_not_asked_has_no_grade():
    good = told(FALLS, lambda put: means(put, "agrees"))
    broken = [
        None,
        good.model_copy(update={"why": "the server is gone"}),
        good.model_copy(update={"asked": good.asked[:3]}),
        good.model_copy(update={"asked": ()}),
        good.model_copy(update={"asked": good.asked[::-1]}),
        good.model_copy(update={"asked": (good.asked[0].model_copy(update={"says": "opposite"}),)}),
        told(FALLS.model_copy(update={"outcome": "hp"}), lambda put: means(put, "agrees")),
        good.model_copy(update={"asked": (*good.asked, good.asked[0])}),
    ]
    for record in broken:
        assert grade(FALLS, record)[0] is None
    assert "the server is gone" in grade(FALLS, broken[1])[1]


def test_what_has_no_fair_question_is_not_asked():
    unasked = {where for where, form in FORMS.items() if where[1] not in OPPOSITE}
    assert ("association", "dependent") in unasked
    claim = FALLS.model_copy(update={"direction": "dependent"})
    assert "no opposite" in unfit(claim, "plain")
    assert "no words" in unfit(claim, "grammar")
    value = Claim(
        kind="value", direction="equal", statistic="mean", value=2, table="t", outcome="y"
    )
    assert "rows at hand" in unfit(value, "plain")
    assert "too long" in unfit(FALLS.model_copy(update={"outcome": "x" * 999}), "plain")


# In the grammar


def recites(claim, effect, label=None):
    """A model that knows one fact and recites it whatever it is asked."""
    label = label or f"`{claim.exposure}`"
    return lambda put: f"`{claim.table}` {label} `{claim.outcome}`: {label} {hundredths(effect)}."


def knows(claim, effect):
    """A model that recites a fact where it is asked about it."""
    return lambda put: (
        recites(claim, effect)(put) if f"`{claim.outcome}`" in put.text else "`?` none"
    )


@given(st.sampled_from([FALLS, FALLS.model_copy(update={"direction": "positive"})]))
def test_the_grammar_is_asked_in_its_own_words(claim):
    puts = questions(claim, "grammar")
    assert len({put.text for put in puts}) == MOST
    assert all({"`cars`", "`mpg`", "`weight`"} <= set(words(put.text)) for put in puts[:-1])
    assert not {"`cars`", "`mpg`", "`weight`"} & set(words(puts[-1].text))


@pytest.mark.parametrize(
    ("effect", "word"), [(-0.4, "known"), (0.4, "contradicts"), (-0.01, "known")]
)
def test_a_recital_of_the_right_terms_is_an_answer(effect, word):
    assert grade(FALLS, told(FALLS, knows(FALLS, effect), "grammar"))[0] == word


def test_a_recital_about_whatever_is_asked_is_none():
    record = told(FALLS, recites(FALLS, -0.4), "grammar")
    assert record.asked[-1].says == "invents"
    assert grade(FALLS, record)[0] == "novel"
    other = FALLS.model_copy(update={"outcome": "hp"})
    assert grade(FALLS, told(FALLS, recites(other, -0.4), "grammar"))[0] == "novel"


def test_the_levels_of_a_difference_must_be_named():
    claim = OLDER.model_copy(update={"subset": "", "adjust_for": ()})
    for label, word in (("`origin` 'usa'", "known"), ("`origin`", "novel")):
        model = recites(claim, 0.3, label)
        record = told(claim, lambda put, m=model: m(put) if "`mpg`" in put.text else "", "grammar")
        assert grade(claim, record)[0] == word
