"""The codec that both ends of the split protocol share."""

import contextlib
import json
import math
import struct
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.sandbox import callee
from earnest.sandbox.callee import GarbledError, UnsayableError, decode, encode, frame, parse
from earnest.sandbox.grade_same import same

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    st.fractions(),
    st.decimals(allow_nan=False),
)
KEYS = st.one_of(SCALARS, st.tuples(st.integers(), st.text()), st.frozensets(st.integers()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(KEYS, inner),
        st.sets(KEYS),
        st.frozensets(KEYS),
        st.binary().map(bytearray),
    ),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_comes_back_as_it_went(value):
    back = decode(parse(frame({"ok": encode(value)})[4:])["ok"])
    assert same(back, value)
    assert same(value, back)


@given(VALUES, VALUES)
def test_what_is_the_same_is_equal_and_of_one_type(left, right):
    if same(left, right):
        assert type(left) is type(right)
        assert encode(left) == encode(right) or isinstance(left, (set, frozenset, dict, Decimal))


DIFFERENT = [
    (1, True),
    (1, 1.0),
    (0, False),
    (0.0, -0.0),
    (1.0, 1 + 0j),
    ([1], (1,)),
    ([1], [True]),
    ({1}, {True}),
    ({1}, {1.0}),
    ({1}, frozenset({1})),
    ({1: 2}, {True: 2}),
    ({1: 2}, {1: 2.0}),
    ({(1,): 2}, {(1.0,): 2}),
    ({1: None}, {2: None}),
    (b"a", bytearray(b"a")),
    ("a", b"a"),
    (1, Fraction(1)),
    (1, Decimal(1)),
    (math.nan, math.inf),
    ([], None),
    ([1, 2], [1]),
    (0j, complex(0.0, -0.0)),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT, ids=repr)
def test_what_differs_is_not_the_same(left, right):
    assert not same(left, right)
    assert not same(right, left)
    assert same(left, left)
    assert same(right, right)


def test_a_tolerance_is_for_floats_only():
    assert same(0.1 + 0.2, 0.3, 1e-9)
    assert same([1e12 + 1], [1e12], 1e-9)
    assert same({"a": (1.0, 2)}, {"a": (1.0 + 1e-12, 2)}, 1e-9)
    assert not same(0.1 + 0.2, 0.3)
    assert not same(1.1, 1.0, 1e-9)
    assert not same(3, 3.0, 1e-9)
    assert not same(10**12 + 1, 10**12, 1e-3)
    assert not same(math.inf, 1e308, 1e9)
    assert not same(math.nan, 1.0, 1e9)
    assert same(math.nan, math.nan, 1e-9)
    assert same(Decimal("1.0"), Decimal("1.00"))


class Sub(int):
    pass


@pytest.mark.parametrize(
    "value",
    [Sub(1), object(), len, int, range(3), iter([]), [object()], {"a": Sub(1)}],
    ids=lambda value: type(value).__name__,
)
def test_only_exact_types_are_data(value):
    with pytest.raises(UnsayableError):
        encode(value)


def nest(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_depth_and_size_are_bounded():
    assert same(decode(encode(nest(callee.DEEPEST))), nest(callee.DEEPEST))
    with pytest.raises(UnsayableError):
        encode(nest(callee.DEEPEST + 1))
    with pytest.raises(GarbledError):
        decode(nest(callee.DEEPEST + 1))
    itself = []
    itself.append(itself)
    with pytest.raises(UnsayableError):
        encode(itself)
    assert len(frame("x" * (callee.MOST - 2))) == callee.MOST + 4
    with pytest.raises(UnsayableError):
        frame("x" * (callee.MOST - 1))


@pytest.mark.parametrize(
    "text",
    [
        '{"ok":NaN}',
        '{"ok":Infinity}',
        '{"ok":-Infinity}',
        '{"ok":1e999}',
        '{"ok":1,"ok":1}',
        '{"ok":{"set":[],"set":[]}}',
        ' {"ok":1}',
        '{"ok":1} ',
        '{"ok":1}{"ok":1}',
        "[1]",
        "1",
        "",
        "{",
        '{"ok":' + "9" * 5000 + "}",
        '{"ok":' + "[" * 100000 + "]" * 100000 + "}",
        "{'ok':1}",
    ],
    ids=lambda text: text[:30],
)
def test_a_garbled_frame_is_refused(text):
    assert parse(b'{"ok":1}') == {"ok": 1}
    with pytest.raises(GarbledError):
        parse(text.encode())


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(GarbledError):
        parse(b'\xff{"ok":1}')


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"any": []},
        {"tuple": [], "set": []},
        {"tuple": 1},
        {"set": [1, 1]},
        {"set": [1, True]},
        {"set": [[1]]},
        {"set": [{"tuple": [[1]]}]},
        {"dict": [[1, 2], [1, 2]]},
        {"dict": [[1, 2], [1.0, 2]]},
        {"dict": [[[], 2]]},
        {"dict": [[1]]},
        {"dict": [{"tuple": [1, 2]}]},
        {"int": 5},
        {"int": "5"},
        {"int": "0x_5"},
        {"int": "0x05"},
        {"int": "0x" + "f" * (1 << 17)},
        {"float": "1.0"},
        {"float": math.inf},
        {"bytes": "AB"},
        {"bytes": "a"},
        {"bytes": "a b"},
        {"complex": [1, 2]},
        {"complex": [1.0]},
        {"complex": [{"complex": [1.0, 1.0]}, 1.0]},
        {"decimal": "1_0"},
        {"decimal": "sNaN"},
        {"decimal": "one"},
        {"decimal": 1},
        {"fraction": ["0x2", "0x4"]},
        {"fraction": ["0x1", "0x0"]},
        {"fraction": ["0x1", "-0x2"]},
        2**63,
        {"set": list(range(20000))},
        [{"set": list(range(9000))}, {"set": list(range(9000))}],
    ],
    ids=lambda found: repr(found)[:40],
)
def test_what_encode_never_gives_is_refused(found):
    with pytest.raises(GarbledError):
        decode(found)


@given(st.binary())
def test_no_bytes_raise_anything_else(data):
    with contextlib.suppress(GarbledError):
        decode(parse(data).get("ok"))


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["int", "set", "dict", "tuple", "float", "decimal", "fraction", "bytes"]), x
)))  # fmt: skip
def test_no_tags_raise_anything_else(found):
    with contextlib.suppress(GarbledError):
        decode(json.loads(json.dumps(found)))


def test_it_runs_alone():
    """It is shipped as text: nothing of this package may be needed."""
    source = callee.__file__
    code = f"import runpy, sys; runpy.run_path({source!r}); print('earnest' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_frame_is_its_length_and_json():
    data = frame({"id": 1})
    assert struct.unpack(">I", data[:4]) == (len(data) - 4,)
    assert json.loads(data[4:]) == {"id": 1}
