import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import PredicateError
from earnest.core.predicates import holds, parse_conjunction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("effect > 0.1", True),
        ("effect > 0 and p < 0.05", True),
        ("abs(other) >= 2e0 and p <= 1e-2", True),
        ("other < -2.5", False),
        ("", True),
        ("p == 0.01", True),
        ("p != 0.01", False),
    ],
)
def test_a_predicate_compares_numbers(text, expected):
    assert holds(text, {"effect": 0.2, "p": 0.01, "other": -2.0}) is expected


@pytest.mark.parametrize(
    "text",
    [
        "effect",
        "effect > ",
        "> 1",
        "effect > 1 or p < 2",
        "effect > x",
        "__import__('os')",
        "effect > 1 and",
        "abs(effect",
        "effect = 1",
        "effect < 1e999",
        "p < 'a'",
        "effect > 1; p < 2",
        "missing > 0",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(PredicateError):
        holds(text, {"effect": 1.0, "p": 0.5})


def test_a_subset_may_name_any_column_and_text():
    first, second = parse_conjunction("`body mass (g)` >= 4e3 and sex == 'f'")
    assert (first.name, first.comparison, first.literal) == ("body mass (g)", ">=", 4000.0)
    assert (second.name, second.literal) == ("sex", "f")


@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    with contextlib.suppress(PredicateError):
        parse_conjunction(text)
