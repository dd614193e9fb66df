from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import ToolError
from earnest.tools.arguments import Arguments, legible


class Example(Arguments):
    name: str
    count: int = 1
    parts: tuple[str, ...] = ()
    value: float = 0.0


def test_good_arguments_are_read() -> None:
    found = Example.read({"name": "x", "count": 2, "parts": ["a", "b"]})
    assert (found.name, found.count, found.parts) == ("x", 2, ("a", "b"))


@given(st.integers(-(10**308), 10**308))
def test_an_integer_of_any_size_is_a_number(value: int) -> None:
    assert Example.read({"name": "x", "value": value}).value == float(value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "name: Field required"),
        ({"name": 1}, "name: .*string"),
        ({"name": "x", "count": "2"}, "count: .*integer"),
        ({"name": "x", "count": True}, "count: .*integer"),
        ({"name": "x", "count": 2**60}, "count: .*integer"),
        ({"name": "x", "value": 10**400}, "value: .*number"),
        ({"name": "x", "other": 1}, "other: Extra"),
        ({"name": "x", "count": float("nan")}, "can't be read"),
        ({"name": "\ud800"}, "can't be read"),
    ],
)
def test_nothing_is_coerced(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        Example.read(arguments)


def test_the_schema_is_what_is_checked() -> None:
    schema = Example.spec("example", "An example.").parameters
    assert schema["type"] == "object"
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"name", "count", "parts", "value"}


@given(st.text(st.characters()))
def test_legible_text_can_be_written(text: str) -> None:
    assert legible(text).encode("utf-8").decode("utf-8") == legible(text)
    assert legible("a\ud800b") == "a?b"
