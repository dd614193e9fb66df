"""Claims that say the same have one key, and others have not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.kinds import FORMAL, FORMS, Claim
from earnest.core.likeness import (
    OPPOSITE,
    Related,
    claim_key,
    conditions,
    contradict,
    grade,
    like,
    normal,
    question,
    rough,
    topic,
    topic_under,
)

BASE = {
    "exposure": "x",
    "group": "b",
    "versus": "a",
    "modifier": "m",
    "order": ("s", "m", "l"),
    "outcome_order": ("1", "2", "3"),
    "adjust_for": ("v", "u"),
    "threshold": 0.2,
    "statistic": "mean",
    "value": 1.5,
    "tolerance": 0.1,
    "count": 3,
    "given": ("b", "a"),
    "program": "def f(row):\n    return 1\n",
    "reference": "def f(row):\n\n    return 2 - 1",
    "inputs": ("n: integer 1..9",),
    "left": "n + n",
    "right": "2*n",
}


@st.composite
def claims(draw):
    kind, direction = draw(st.sampled_from(sorted(FORMS)))
    form = FORMS[kind, direction]
    body = {name: BASE.get(name, "y > 9") for name in form.needs}
    for name in sorted(form.may & set(BASE) - {"order", "exposure"}):
        if draw(st.booleans()):
            body[name] = BASE[name]
    if "order" in form.may and kind == "association" and draw(st.booleans()):
        body["order"] = BASE["order"]
    if "versus" in body:
        body["group"] = BASE["group"]
    if kind == "value":
        body.pop("exposure", None) if direction == "equal" else None
    if kind in FORMAL:
        return Claim(kind=kind, table="", direction=direction, **body)
    body["subset"] = draw(st.sampled_from(["", "age > 40", "age > 40 and sex == 'f'"]))
    return Claim(kind=kind, table="t", outcome="y", direction=direction, **body)


def turned(claim):
    return OPPOSITE.get(claim.direction, claim.direction)


def rewritten_code(claim):
    more = claim.model_dump()
    if claim.given:
        yield {**more, "given": claim.given[::-1]}
    if claim.program:
        yield {**more, "program": "def f(row):  \n\n    return 1"}
    if claim.reference:
        yield {**more, "program": claim.reference, "reference": claim.program}
    if claim.left:
        yield {**more, "left": claim.right, "right": claim.left}


def rewrites(claim):
    """The same claim in other words, each by one rule."""
    more = claim.model_dump()
    if claim.versus is not None and claim.kind != "value":
        yield {
            **more,
            "group": claim.versus,
            "versus": claim.group,
            "direction": turned(claim),
        }
    if claim.kind == "association":
        yield {
            **more,
            "outcome": claim.exposure,
            "exposure": claim.outcome,
            "order": claim.outcome_order,
            "outcome_order": claim.order,
        }
    if claim.outcome_order:
        keeps = claim.direction in ("stronger", "weaker")
        yield {
            **more,
            "outcome_order": claim.outcome_order[::-1],
            "direction": claim.direction if keeps else turned(claim),
        }
        yield {**more, "outcome_order": tuple(f"{one}.0" for one in claim.outcome_order)}
    if claim.adjust_for:
        yield {**more, "adjust_for": claim.adjust_for[::-1]}
    yield from rewritten_code(claim)
    if claim.threshold is not None:
        yield {**more, "threshold": claim.threshold + 1e-5}
    if "and" in claim.subset:
        yield {**more, "subset": '`sex` == "f" and age>40.0 and age > 39'}


@given(claims())
def test_equivalent_claims_have_one_key(claim):
    for body in rewrites(claim):
        again = Claim(**body)
        assert claim_key(again) == claim_key(claim), body
        assert question(again) == question(claim)
        assert rough(again) == rough(claim)
        assert like(again, claim) == "known"
    assert normal(normal(claim)) == normal(claim)


@given(claims())
def test_claims_that_say_something_else_have_another_key(claim):
    body = claim.model_dump()
    others = [{"outcome": "z"}, {"table": "t2"}, {"subset": "age > 41"}]
    if claim.formal:
        others = [{"inputs": ("n: integer 1..8",)}]
        others += [{"left": "n + 1"}] if claim.left else [{"program": "def f(n): return 2"}]
    if claim.given:
        others += [{"given": ("a",)}, {"program": "def f(row): return 2"}]
    if claim.threshold is not None:
        others.append({"threshold": 0.21})
    if claim.threshold is not None and claim.direction != "holds":
        others.append({"threshold": None})
    if claim.adjust_for:
        others.append({"adjust_for": ("u",)})
    if claim.group is not None:
        others.append({"group": "c"})
    if claim.direction in OPPOSITE:
        others.append({"direction": turned(claim)})
    if claim.outcome_order:
        others.append({"outcome_order": ("2", "1", "3")})
    for other in others:
        assert claim_key(Claim(**{**body, **other})) != claim_key(claim), other


@given(claims())
def test_opposite_answers_to_one_question_contradict(claim):
    opposite = OPPOSITE.get(claim.direction)
    if opposite is None:
        assert not contradict(claim, claim)
        return
    other = claim.model_copy(update={"direction": opposite})
    assert question(other) == question(claim)
    assert contradict(claim, other)
    assert contradict(other, claim)
    assert like(claim, other) == "contradicts"
    elsewhere = other.model_copy(update={"subset": "age < 12"})
    assert not contradict(claim, elsewhere)
    assert topic(elsewhere) == topic(claim)
    assert like(claim, elsewhere) == ""


def difference(**more):
    base = {"kind": "difference", "table": "t", "outcome": "y", "exposure": "x"}
    return Claim(**{**base, "direction": "higher", "group": "a", **more})


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ({"threshold": 0.3}, "extends"),
        ({"adjust_for": ("z",)}, "extends"),
        ({"subset": "age > 40 and sex == 'f'"}, "extends"),
        ({"subset": "age > 30"}, "extends"),
        ({"subset": ""}, "extends"),
        ({"subset": "age < 40"}, ""),
        ({"versus": "b"}, ""),
        ({"group": "b"}, ""),
        ({"table": "renamed"}, "known"),
        ({"direction": "lower", "threshold": 0.3}, "contradicts"),
        ({"direction": "lower", "adjust_for": ("z",)}, ""),
    ],
)
def test_what_one_claim_is_to_an_earlier_one(more, how):
    assert like(difference(**{"subset": "age > 40", **more}), difference(subset="age > 40")) == how


def test_two_levels_cannot_both_be_highest():
    a, b = difference(direction="highest"), difference(direction="highest", group="b")
    assert contradict(a, b)
    assert not contradict(a, difference(direction="lowest", group="b"))
    assert contradict(a, difference(direction="lowest"))
    assert claim_key(a) != claim_key(b)


def test_a_group_against_the_rest_is_not_taken_for_another_against_the_rest():
    assert claim_key(difference()) != claim_key(difference(group="b", direction="lower"))


def test_a_topic_is_found_under_another_name_of_the_table():
    one, other = difference(), difference(table="renamed")
    assert topic(one) != topic(other)
    assert topic_under(one, ("x", "y")) == topic_under(other, ("y", "x"))
    assert topic_under(one, ("x", "y")) != topic_under(other, ("y", "x", "z"))


@pytest.mark.parametrize(
    ("subset", "kept"),
    [
        ("age > 40 and age >= 40", ["age > 40"]),
        ("age == 3 and age < 9 and age != 4", ["age == 3"]),
        ("abs(age) > 3 and age > 2", ["age > 2", "age > 3"]),
        ("sex == 'f' and sex != 'm'", ["sex == f", "sex != m"]),
        ("sex == '1'", ["sex == 1"]),
        ("sex != '1'", ["sex != 1"]),
        ("age > 3 and age < 2", ["age > 3", "age < 2"]),
    ],
)
def test_conditions_that_others_imply_are_left_out(subset, kept):
    found = [
        f"{one.name} {one.comparison} "
        f"{one.literal if isinstance(one.literal, str) else format(one.literal, 'g')}"
        for one in conditions(subset)
    ]
    assert sorted(found) == sorted(kept)


def test_unlike_missing_cells_keep_text_and_numbers_apart():
    assert conditions("sex == '1'") == conditions("sex == 1.0")
    assert conditions("sex != '1'") != conditions("sex != 1")


def test_the_strongest_kin_gives_the_grade():
    kin = [Related(how, how, "confirmed", "t") for how in ("near", "extends", "known")]
    assert grade(kin)[0] == "known"
    assert grade(kin[:2]) == ("extends", kin[1])
    assert grade(kin[:1]) == ("novel", kin[0])
    assert grade([]) == ("novel", None)
