"""The expressions of an identity: read by hand, kept as a tree, never evaluated as code.

    + - * /   **   -x   (x)   n!   12   0.25          exact numbers; powers are whole
    factorial(n) binomial(n, k) fibonacci(n)           of whole numbers
    gcd(a, b) lcm(a, b) mod(a, b) floor(x) ceil(x) abs(x) min(x, y) max(x, y)
    sum(TERM, k, LOW, HIGH) product(TERM, k, LOW, HIGH)   k from LOW to HIGH, both counted

`mod` has the sign of its second argument. A sum from LOW to less than LOW is 0, such a product 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from earnest.core.errors import ExpressionError

FUNCTIONS: Final[Mapping[str, tuple[int, int]]] = {
    "factorial": (1, 1),
    "binomial": (2, 2),
    "fibonacci": (1, 1),
    "gcd": (2, 4),
    "lcm": (2, 4),
    "mod": (2, 2),
    "floor": (1, 1),
    "ceil": (1, 1),
    "abs": (1, 1),
    "min": (2, 4),
    "max": (2, 4),
}
"""Each function's name, and how many arguments it takes: from, to."""

FOLDS: Final = ("sum", "product")
_DEEPEST: Final = 50
_MOST_DIGITS: Final = 60
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign>\*\*|[-+*/(),!]))"
)
_OTHERWISE: Final = {
    "^": "write ** for a power",
    "%": "write mod(a, b)",
    "=": "name the two sides as left and right",
}


@dataclass(frozen=True)
class Node:
    """One place of the tree.

    `op`: `number` (with `value`), `name` (with `name`), one of + - * / **, `neg`, a function's
    name, or `sum` and `product`, whose `name` is the index and whose `args` are term, low, high.
    """

    op: str
    args: tuple[Node, ...] = ()
    value: Fraction = Fraction(0)
    name: str = ""

    def walk(self) -> Iterator[Node]:
        """Yield this place and all below it."""
        yield self
        for one in self.args:
            yield from one.walk()


def number(value: int | Fraction) -> Node:
    """Return a number's place."""
    return Node("number", value=Fraction(value))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.kind, self.word = "", ""
        self.bound: list[str] = []
        self.next()

    def error(self, message: str, mend: str = "") -> ExpressionError:
        return ExpressionError(f"{message} in {self.text!r}", mend=mend)

    def next(self) -> str:
        """Go on to the next token; return the one that was there."""
        before = self.word
        match = _TOKEN.match(self.text, self.at)
        if match:
            self.kind, self.at = str(match.lastgroup), match.end()
            self.word = match[self.kind]
        elif rest := self.text[self.at :].strip():
            raise self.error(f"can't read {rest[:20]!r}", _OTHERWISE.get(rest[0], ""))
        else:
            self.kind, self.word = "end", ""
        return before

    def expect(self, sign: str) -> None:
        if self.kind != "sign" or self.word != sign:
            raise self.error(f"expected {sign!r} before {self.word or 'the end'!r}")
        self.next()

    def whole(self) -> Node:
        found = self.terms()
        if self.kind != "end":
            raise self.error(f"expected the end before {self.word!r}", "write products with *")
        return found

    def _chain(self, signs: str, part: Callable[[], Node]) -> Node:
        found = part()
        while self.kind == "sign" and self.word in signs.split():
            sign = self.next()
            found = Node(sign, (found, part()))
        return found

    def terms(self) -> Node:
        return self._chain("+ -", self.factors)

    def factors(self) -> Node:
        return self._chain("* /", self.signed)

    def signed(self) -> Node:
        """Read a factor; whatever is nested passes through here."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"nested deeper than {_DEEPEST}")
        if self.kind == "sign" and self.word in ("+", "-"):
            sign = self.next()
            found = self.signed()
            found = found if sign == "+" else Node("neg", (found,))
        else:
            found = self.power()
        self.depth -= 1
        return found

    def power(self) -> Node:
        base = self.atom()
        while self.kind == "sign" and self.word == "!":
            self.next()
            base = Node("factorial", (base,))
        if self.kind == "sign" and self.word == "**":
            self.next()
            return Node("**", (base, self.signed()))
        return base

    def atom(self) -> Node:
        if self.kind == "number":
            if len(self.word) > _MOST_DIGITS:
                raise self.error(f"a number of more than {_MOST_DIGITS} digits")
            return number(Fraction(self.next()))
        if self.kind == "name":
            return self.named(self.next())
        if self.kind == "sign" and self.word == "(":
            self.next()
            found = self.terms()
            self.expect(")")
            return found
        raise self.error(f"expected a number, a name or '(' before {self.word or 'the end'!r}")

    def named(self, name: str) -> Node:
        called = self.kind == "sign" and self.word == "("
        if name in FOLDS and called:
            return self.fold(name)
        if name in FUNCTIONS and called:
            self.next()
            args = [self.terms()]
            while self.kind == "sign" and self.word == ",":
                self.next()
                args.append(self.terms())
            self.expect(")")
            low, high = FUNCTIONS[name]
            if not low <= len(args) <= high:
                raise self.error(f"{name} takes {low}{f' to {high}' * (high > low)} arguments")
            return Node(name, tuple(args))
        if called or name in FUNCTIONS or name in FOLDS:
            known = ", ".join((*FUNCTIONS, *FOLDS))
            raise self.error(f"{name!r} is no function with arguments here", f"there are {known}")
        return Node("name", name=name)

    def fold(self, op: str) -> Node:
        self.next()
        before = self.at, self.kind, self.word
        index = self._index(op)
        if index in self.bound:
            raise self.error(f"the index {index!r} stands for two things")
        self.at, self.kind, self.word = before
        self.bound.append(index)
        term = self.terms()
        self.bound.pop()
        self.expect(",")
        self.next()
        self.expect(",")
        low = self.terms()
        self.expect(",")
        high = self.terms()
        self.expect(")")
        return Node(op, (term, low, high), name=index)

    def _index(self, op: str) -> str:
        """Look ahead for the index of a sum whose term begins here."""
        inside = 0
        while self.kind != "end":
            if self.word == "(":
                inside += 1
            elif self.word == ")":
                inside -= 1
            elif self.word == "," and not inside:
                self.next()
                if self.kind != "name" or self.word in FUNCTIONS or self.word in FOLDS:
                    break
                return self.word
            if inside < 0:
                break
            self.next()
        raise self.error(f"{op} is written {op}(TERM, k, LOW, HIGH)")


def parse_expression(text: str) -> Node:
    """Read one side of an identity. Raises `ExpressionError`, which names the mend."""
    return _Reader(text).whole()


def free(node: Node) -> frozenset[str]:
    """Return the names of an expression's variables, the indexes of its sums left out."""
    if node.op == "name":
        return frozenset((node.name,))
    if node.op in FOLDS:
        term, low, high = map(free, node.args)
        return (term - {node.name}) | low | high
    return frozenset().union(*map(free, node.args))


_LEVEL: Final = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}


def written(node: Node) -> str:
    """Return an expression in its one notation, with no more brackets than it takes."""
    if node.op == "number":
        return _decimal(node.value)
    if node.op == "name":
        return node.name
    if node.op in FOLDS:
        term, low, high = map(written, node.args)
        return f"{node.op}({term}, {node.name}, {low}, {high})"
    if node.op not in _LEVEL:
        return f"{node.op}({', '.join(map(written, node.args))})"
    level = _LEVEL[node.op]
    if node.op == "neg":
        return f"-{_within(node.args[0], level)}"
    left, right = node.args
    if node.op == "**":
        return f"{_within(left, level + 1)}**{_within(right, 3)}"
    return f"{_within(left, level)} {node.op} {_within(right, level + 1)}"


def _decimal(value: Fraction) -> str:
    """Write a number that a decimal literal gave."""
    places = 0
    while value.denominator != 1 and places < _MOST_DIGITS:
        value, places = value * 10, places + 1
    digits = str(value.numerator).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def _within(node: Node, level: int) -> str:
    text = written(node)
    return f"({text})" if _LEVEL.get(node.op, 9) < level else text


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """Return an expression with other names for its variables and indexes."""
    return Node(
        node.op,
        tuple(renamed(one, names) for one in node.args),
        node.value,
        names.get(node.name, node.name),
    )


def names_in_order(*nodes: Node) -> list[str]:
    """Return all names, those of indexes too, in the order in which they first stand there."""
    found: dict[str, None] = {}
    for node in nodes:
        for one in node.walk():
            if one.name:
                found.setdefault(one.name)
    return list(found)
