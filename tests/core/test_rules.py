import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.kinds import Claim
from earnest.core.rules import RuleColumns

TABLE = pd.DataFrame(
    {
        "whole": ["3", "-4", None, "7"],
        "size": ["3.5", "4", "1e3", None],
        "mostly": ["1", "2", "inf", "x"],
        "date": ["2024-01-02", "2024-02-03", None, "2024-05-06"],
        "flag": ["True", "False", "True", None],
        "kind": ["oak", "fir", None, "oak"],
        "empty": [None, None, None, None],
    },
    dtype=object,
)


def columns(outcome="kind", *names):
    one = Claim(
        kind="rule",
        table="t",
        outcome=outcome,
        direction="predicts",
        given=names or ("whole",),
        program="def f(row): return 1",
    )
    return RuleColumns.of(TABLE, one)


def test_a_row_is_given_in_numbers_texts_and_none():
    found = columns("kind", "whole", "size", "mostly", "date", "flag", "empty").rows(TABLE)
    assert found[0] == {
        "whole": 3,
        "size": 3.5,
        "mostly": "1",
        "date": "2024-01-02",
        "flag": "True",
        "empty": None,
    }
    assert (type(found[0]["whole"]), type(found[2]["size"])) == (int, float)
    assert (found[1]["size"], found[2]["size"], found[2]["whole"], found[3]["flag"]) == (
        4,
        1000.0,
        None,
        None,
    )


def test_a_cell_that_is_no_number_stays_text_in_a_column_of_numbers():
    frame = pd.DataFrame({"n": [*map(str, range(99)), "many"], "y": ["a"] * 100})
    one = Claim(
        kind="rule",
        table="t",
        outcome="y",
        direction="predicts",
        given=("n",),
        program="def f(row): return 'a'",
    )
    found = RuleColumns.of(frame, one).rows(frame)
    assert (found[98]["n"], found[99]["n"]) == (98, "many")


def test_how_columns_are_read_is_settled_on_the_rows_it_was_made_from():
    one = columns("kind", "whole")
    other = pd.DataFrame({"whole": ["many", "12"]})
    assert [row["whole"] for row in one.rows(other)] == ["many", 12]


@pytest.mark.parametrize(
    ("value", "number", "level"),
    [
        (3, 3.0, None),
        (2.5, 2.5, None),
        (True, 1.0, "True"),
        (False, 0.0, "False"),
        ("oak", None, "oak"),
        ("3", None, "3"),
        (None, None, None),
        (math.nan, None, None),
        (math.inf, None, None),
        (10**400, None, None),
        ([1], None, None),
        (1j, None, None),
    ],
)
def test_an_answer_is_a_number_or_a_level(value, number, level):
    assert columns("size").answer(value) == number
    assert columns("flag").answer(value) == level


def test_a_bool_is_no_level_of_other_words():
    assert columns("kind").answer(True) is None


@given(st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none()))
def test_whatever_is_answered_is_a_finite_number_or_a_text(value):
    found = columns("size").answer(value)
    assert found is None or (type(found) is float and math.isfinite(found))
    found = columns("kind").answer(value)
    assert found is None or type(found) is str
