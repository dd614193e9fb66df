"""The two small languages of a claim, parsed by hand and never evaluated as code.

A *predicate* speaks of an evidence script's numbers: `abs(effect) > 0.1 and p < 0.05`.
A *subset* speaks of a table's rows: `age >= 40 and sex == 'f'`. Both are conjunctions; a
column whose name is no plain word stands in backquotes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from earnest.core.errors import PredicateError

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NAME = r"[A-Za-z_]\w*"
_TOKEN: Final = re.compile(
    rf"\s*(?:(?P<number>{_NUMBER})|(?P<text>'[^']*'|\"[^\"]*\")|`(?P<quoted>[^`]+)`"
    rf"|(?P<name>{_NAME})|(?P<operator><=|>=|==|!=|<|>)|(?P<bracket>[()]))"
)


@dataclass(frozen=True)
class Comparison:
    """One `[abs](NAME) OP LITERAL`."""

    name: str
    comparison: str
    literal: float | str
    absolute: bool = False

    def holds(self, value: Any) -> Any:
        """Compare a value, or element-wise a column, with the literal."""
        left = abs(value) if self.absolute else value
        return _OPERATORS[self.comparison](left, self.literal)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PredicateError(f"can't read {text[position : position + 20]!r} in {text!r}")
        kind = str(match.lastgroup)
        found.append((kind, match.group(kind)))
        position = match.end()
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, _tokens(text), 0

    def take(self, *kinds: str, value: str | None = None) -> str:
        if self.at < len(self.tokens):
            kind, found = self.tokens[self.at]
            if kind in kinds and (value is None or found == value):
                self.at += 1
                return found
        raise PredicateError(
            f"expected {value or ' or '.join(kinds)} at place {self.at + 1} of {self.text!r}",
            mend="write comparisons joined by 'and', such as: abs(effect) > 0.1 and p < 0.05",
        )

    def peek(self, value: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][1] == value

    def comparison(self) -> Comparison:
        absolute = self.peek("abs") and self.tokens[self.at + 1 : self.at + 2] == [("bracket", "(")]
        if absolute:
            self.take("name")
            self.take("bracket", value="(")
        name = self.take("name", "quoted")
        if absolute:
            self.take("bracket", value=")")
        comparison = self.take("operator")
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else ""
        raw = self.take("number", "text")
        literal: float | str = float(raw) if kind == "number" else raw[1:-1]
        if literal in (float("inf"), float("-inf")):
            raise PredicateError(f"{raw} is too large a number in {self.text!r}")
        if isinstance(literal, str) and (absolute or comparison not in ("==", "!=")):
            raise PredicateError(f"text can only be compared with == or != in {self.text!r}")
        return Comparison(name, comparison, literal, absolute)


def parse_conjunction(text: str) -> tuple[Comparison, ...]:
    """Parse a predicate or a subset; the empty text is the empty conjunction, which always holds.

    Raises `PredicateError` for anything else than comparisons joined by `and`.
    """
    if not text.strip():
        return ()
    reader = _Reader(text)
    found = [reader.comparison()]
    while reader.at < len(reader.tokens):
        reader.take("name", value="and")
        found.append(reader.comparison())
    return tuple(found)


def holds(predicate: str, numbers: Mapping[str, float]) -> bool:
    """Say whether an evidence script's numbers satisfy a predicate.

    Raises `PredicateError` where the predicate names a number that is not there, or text.
    """
    for comparison in parse_conjunction(predicate):
        if comparison.name not in numbers:
            raise PredicateError(
                f"the predicate names {comparison.name!r}; the script gave {', '.join(numbers)}"
            )
        if isinstance(comparison.literal, str):
            raise PredicateError(f"an evidence predicate compares numbers, not {predicate!r}")
        if not comparison.holds(numbers[comparison.name]):
            return False
    return True
