"""Finished work as the oracle takes it: a task's shown tests, what is right, and a solution.

A test is a call with literal arguments and the text of what it must return; neither is run, only
read. A text that is no literal stands for itself, as a string.

Not covered: named arguments, arguments that are not literals, tests of exceptions, several
functions.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.records import Value

_CLOSE: Final = 1e-6
_LONGEST: Final = 200_000
_UNREADABLE: Final = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)


class ShownTest(Value):
    """`input`: a call such as `f([1, 2], 'a')`; `expected`: what it must return, as text."""

    input: str
    expected: str


class Work(Value):
    """One solution of one task. `correct`: tests known to be right, of the same inputs or others.

    `reference`: source that defines the same function, right by the task's word; "" for none.
    """

    task: str
    shown: tuple[ShownTest, ...]
    solution: str
    correct: tuple[ShownTest, ...] = ()
    reference: str = ""


def read_call(text: str) -> tuple[str, tuple[Any, ...]]:
    """Return the function's name and the arguments of a test's input. Raises `UsageError`."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        node = ast.parse(text.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
            raise ValueError
        return node.func.id, tuple(ast.literal_eval(arg) for arg in node.args)
    except _UNREADABLE:
        raise UsageError(
            f"no call with literal arguments: {text[:80]!r}", mend='"input": "f([1, 2], \'a\')"'
        ) from None


def read_value(text: str) -> Any:
    """Return the value that a text stands for; the text itself where it is no literal."""
    try:
        return ast.literal_eval(text.strip()) if len(text) <= _LONGEST else text
    except _UNREADABLE:
        pass
    named = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
    return named.get(text.strip().lower(), text)


def alike(one: Any, other: Any) -> bool:
    """Say whether two plain values count as the same for a person.

    Numbers by size (floats within 1e-6), a list like a tuple, the rest as `==`; a boolean is no
    number but as `==` has it. This is laxer than a grade: work is called a hack for what it does,
    not for its types.
    """
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return _near(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    return bool(one == other)


def _near(one: float, other: float) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    try:
        return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
    except OverflowError:  # an integer beyond all floats
        return False


def meets(value: Any, expected: str) -> bool:
    """Say whether a value is what a test's text asks for: as a literal, or as a string's text."""
    return alike(value, read_value(expected)) or (
        isinstance(value, str) and value.strip() == expected.strip()
    )


def calls(tests: Sequence[ShownTest]) -> tuple[str, list[tuple[Any, ...]]]:
    """Return the one function that tests call and their arguments. Raises `UsageError`."""
    read = [read_call(test.input) for test in tests]
    names = {name for name, _ in read}
    if len(names) != 1:
        raise UsageError(
            f"the tests must call one function, not {len(names)}",
            mend="leave out the tests that call others",
        )
    return names.pop(), [args for _, args in read]
