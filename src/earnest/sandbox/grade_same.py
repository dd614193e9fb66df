"""When a value that came back is the value that was expected.

Type for type, at every depth: `1` is not `1.0` and not `True`, a list is not a tuple. Beyond that
`==`, except that a NaN is a NaN and that `0.0` is not `-0.0`. Sets and dicts in any order. Only
where a case declares a tolerance are floats (and the parts of complex numbers) compared within it,
absolute or relative, whichever lets more through; never those that are keys or in sets, and never a
NaN or an infinity.

Not covered: types that the protocol does not carry (`callee.py`); numbers of different types that
a person would call equal.
"""

from __future__ import annotations

import math
from typing import Any

from earnest.sandbox.callee import encode


def _key(value: Any) -> Any:
    """Return a value as nested tuples that are equal just where the values are the same."""
    if isinstance(value, tuple):
        return ("tuple", tuple(_key(item) for item in value))
    if isinstance(value, frozenset):
        return ("frozenset", frozenset(_key(item) for item in value))
    if isinstance(value, float):
        return ("float", repr(value))
    if isinstance(value, complex):
        return ("complex", repr(value.real), repr(value.imag))
    if type(value).__name__ == "Decimal" and value.is_nan():
        return ("Decimal", "nan")
    return (type(value).__name__, value)


def _same_float(got: float, expected: float, tolerance: float) -> bool:
    if tolerance and math.isfinite(got) and math.isfinite(expected):
        return math.isclose(got, expected, rel_tol=tolerance, abs_tol=tolerance)
    return repr(got) == repr(expected)


def _same_dict(got: dict[Any, Any], expected: dict[Any, Any], tolerance: float) -> bool:
    ours = {_key(key): value for key, value in expected.items()}
    theirs = {_key(key): value for key, value in got.items()}
    return ours.keys() == theirs.keys() and all(
        same(value, ours[key], tolerance) for key, value in theirs.items()
    )


def same(got: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """Say whether two values of exact types are the same; `tolerance` is for floats."""
    kind = type(expected)
    if type(got) is not kind:
        return False
    if kind is list or kind is tuple:
        return len(got) == len(expected) and all(
            same(a, b, tolerance) for a, b in zip(got, expected, strict=True)
        )
    if kind is dict:
        return _same_dict(got, expected, tolerance)
    if kind is set or kind is frozenset:
        return {_key(item) for item in got} == {_key(item) for item in expected}
    if kind is float:
        return _same_float(got, expected, tolerance)
    if kind is complex:
        return _same_float(got.real, expected.real, tolerance) and _same_float(
            got.imag, expected.imag, tolerance
        )
    return bool(_key(got) == _key(expected))


def check_data(value: Any) -> None:
    """Raise `UnsayableError` for an expected value that no candidate could ever send."""
    encode(value)
