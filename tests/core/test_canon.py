import math

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from earnest.core.canon import canonical, chained, digest, parse
from earnest.core.errors import RecordError

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | text
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_reading_back_gives_the_same_bytes(value):
    data = canonical(value)
    assert canonical(parse(data)) == data


floats = st.floats(allow_nan=False, allow_infinity=False)


@given(json_values)
@example({"\ue000": 1, "\U00010000": 2, "\x7f": "\x7f\x1f\u2028"})
def test_the_bytes_are_those_of_another_implementation(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(floats | floats.map(lambda value: round(value, 6)) | st.integers().map(lambda n: n / 1e9))
@example(1e-6)
@example(9.999999999999999e-7)
@example(1e21)
@example(999999999999999900000.0)
@example(-0.0)
@example(5e-324)
@example(2.0**53)
def test_numbers_are_written_as_another_implementation_writes_them(value):
    assert canonical(value) == rfc8785.dumps(value)


def test_a_lone_surrogate_has_no_form():
    with pytest.raises(RecordError):
        canonical(["\ud800"])


def test_the_order_of_keys_makes_no_difference():
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1}) == b'{"a":2,"b":1}'


def test_large_integers_become_strings():
    assert canonical([2**53 - 1, 2**53, -(2**70)]) == (
        b'[9007199254740991,"9007199254740992","-1180591620717411303424"]'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object(), {1, 2}])
def test_what_json_lacks_has_no_form(value):
    with pytest.raises(RecordError):
        canonical({"x": value})


@pytest.mark.parametrize("text", ["NaN", '{"a":1,"a":2}', "[1,]", "[" * 100_000, b"\xff"])
def test_loose_json_is_refused(text):
    with pytest.raises(RecordError):
        parse(text)


def test_a_chain_depends_on_what_came_before():
    assert chained(digest(b"a"), b"c") != chained(digest(b"b"), b"c")
