"""The catalogue: what is read, what it makes known, and what it doesn't."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_likeness import claims

from earnest.core.catalogue import MOST, Catalogue, Entry, folded, read_entries
from earnest.core.errors import UsageError
from earnest.core.kinds import Claim
from earnest.core.likeness import OPPOSITE, claim_key

CLAIM = Claim(
    kind="difference",
    table="wages 2020",
    outcome="hourly_wage",
    exposure="Sex",
    direction="lower",
    group="F",
    versus="M",
)
ROW = {
    "outcome": "Hourly Wage",
    "exposure": "sex",
    "direction": "lower",
    "group": "f",
    "versus": "m",
    "source": "Doe 1999",
}


def one(**more):
    row = {name: value for name, value in {**ROW, **more}.items() if value is not None}
    return read_entries(json.dumps(row).encode(), "known.jsonl")[0]


def grade(claim, *entries, by_text=lambda _: ()):
    listed = {f"known, entry {number}": entry for number, entry in enumerate(entries, start=1)}
    return Catalogue(listed, by_text).grade(claim)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({}, "known"),
        ({"group": "M", "versus": "F", "direction": "higher"}, "known"),
        ({"table": "Wages-2020"}, "known"),
        ({"direction": "higher"}, "contradicts"),
        ({"group": "M", "versus": "F"}, "contradicts"),
        ({"subset": "age > 40"}, "extends"),
        ({"table": "wages 2021"}, "novel"),
        ({"versus": None}, "novel"),
        ({"group": "girls"}, "novel"),
        ({"kind": "distribution", "direction": "narrower"}, "novel"),
        ({"exposure": "gender"}, "novel"),
    ],
)
def test_names_are_compared_without_case_and_punctuation_and_otherwise_exactly(more, word):
    found, says, count = grade(CLAIM, one(**more))
    assert found == word
    assert count == int("exposure" not in more)
    assert ("Doe 1999 (known, entry 1)" in says) == bool(count)


def test_where_sources_disagree_both_are_named():
    entries = [one(direction="higher", source="Roe 2001"), one()]
    found, says, count = grade(CLAIM, *entries)
    assert (found, count) == ("known", 2)
    assert "Doe 1999" in says
    assert "but not as Roe 2001" in says


def test_numbers_are_levels_and_keep_their_points():
    claim = CLAIM.model_copy(update={"group": "1.0", "versus": "1.5"})
    assert grade(claim, one(group=1, versus=1.5))[0] == "known"
    assert grade(claim, one(group="10", versus="1.5"))[0] == "novel"
    assert grade(claim, one(group=1, versus=15))[0] == "novel"


def test_what_is_not_about_columns_is_compared_to_the_letter():
    claim = CLAIM.model_copy(update={"kind": "formula", "outcome": "a + b"})
    assert folded(claim) == claim


def test_two_columns_that_fold_into_one_are_left_as_they_are():
    claim = Claim(kind="association", table="t", outcome="a_b", exposure="ab", direction="positive")
    assert folded(claim) == claim
    assert grade(claim, one(outcome="A B", exposure="x", group=None, versus=None,
                            direction="positive"))[0] == "novel"  # fmt: skip


def test_text_is_near_and_never_known():
    text = Entry(text="Women's hourly wage is lower, by sex.", source="https://example.org/wages")
    asked = []

    def by_text(words):
        asked.append(list(words))
        return ["known, entry 1"]

    found, says, count = grade(CLAIM, text, by_text=by_text)
    assert (found, count) == ("novel", 1)
    assert "the nearest is https://example.org/wages" in says
    assert asked == [["hourly_wage", "Sex"]]


@given(claims(), st.booleans())
def test_every_claim_is_known_to_a_catalogue_that_has_it(claim, louder):
    other = claim
    if louder and not (claim.program or claim.formal):
        names = {"table": "", "outcome": claim.outcome.upper(), "exposure": claim.exposure.upper()}
        other = claim.model_copy(update=names)
    entry = Entry(claim=other, source="s")
    assert grade(claim, entry)[0] == "known"
    assert claim_key(folded(folded(claim))) == claim_key(folded(claim))
    if claim.direction in OPPOSITE and claim.kind != "value":
        turned = claim.model_copy(update={"direction": OPPOSITE[claim.direction]})
        assert grade(turned, entry)[0] == "contradicts"


@given(claims(), st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_no_name_stops_a_comparison(claim, level, name):
    update = {"outcome": name, "group": claim.group and (level or "b")}
    if "'" not in level:
        update["subset"] = f"age > 3 and kind != '{level}'"
    odd = claim.model_copy(update=update)
    entry = Entry.model_construct(claim=odd, text="", source="s")
    assert grade(odd, entry)[0] == "known"


def test_a_table_is_read_as_well_as_lines():
    table = (
        "\ufeffOutcome,exposure,direction,source\r\n"
        'mpg,weight,negative,"Smith, 2020"\r\n\r\nmpg,year,rising,Doe\r\n'
    )
    found = read_entries(table.encode(), "known.csv")
    assert [(entry.claim.kind, entry.source) for entry in found] == [
        ("association", "Smith, 2020"),
        ("trend", "Doe"),
    ]
    assert found[0].claim.table == ""
    lines = '{"text": " Heavy\\n cars ", "source": "s"}\n\n{"text": "b", "source": "t"}'
    assert [entry.text for entry in read_entries(lines.encode(), "k")] == ["Heavy cars", "b"]


@pytest.mark.parametrize(
    ("row", "says", "mend"),
    [
        ({"source": None}, "no source", "citation"),
        ({"direction": "sideways"}, "no direction 'sideways'", "positive"),
        ({"direction": None}, "no direction", "positive"),
        ({"outcome": None}, "no outcome", "column"),
        ({"group": None}, "a difference names a group", "such as"),
        ({"kind": "guess"}, "kind: ", "such as"),
        ({"colour": "red"}, "there is no 'colour'", "choose from kind, table"),
        ({"text": "so"}, "one of the two", "name outcome"),
        ({"group": ["f"]}, "group is not text", "double quotes"),
        ({"subset": "age over 40"}, "expected operator", "joined by 'and'"),
        ({"source": "x" * 301}, "source: ", "such as"),
    ],
)
def test_a_malformed_line_is_named_with_its_mend(row, says, mend):
    body = {name: value for name, value in {**ROW, **row}.items() if value is not None}
    data = "\n".join([json.dumps(ROW), "", json.dumps(body)])
    with pytest.raises(UsageError) as caught:
        read_entries(data.encode(), "known.jsonl")
    assert str(caught.value).startswith("known.jsonl, line 3: ")
    assert says in str(caught.value)
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "has no entries"),
        (b"outcome,exposure,direction,source\n", "has no entries"),
        (b"outcome,outcome\n", "line 1: a column stands twice"),
        (b"outcome,source\na,b\na,b,c\n", "line 2: no direction"),
        (b"text,source\na,b\na,b,c\n", "line 3: 3 cells, the header has 2"),
        (b'text,source\n"a,b\n', "line 2: "),
        (b'{"text": "a", "source": "b"}\n{"text": \n', "line 2: "),
        (b'{"text": "a", "source": "b"}\n[1]\n', "line 2: not an object"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(data, says):
    with pytest.raises(UsageError, match=says) as caught:
        read_entries(data, "known")
    assert caught.value.mend


def test_the_size_of_a_file_is_bounded():
    with pytest.raises(UsageError, match=f"more than {MOST}"):
        read_entries(b"text,source\n" + b"a,b\n" * (MOST + 1), "known")
