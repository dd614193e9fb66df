"""What an expression is for given values of its variables: exactly, within limits.

Refused before it is computed: a number of more than 20,000 bits, more than a million steps, a sum
of more terms than that. Not an error but a fact of the input: no value is *defined* there (division
by zero, a power that is not whole, a function of whole numbers asked about others).

Numbers are `int` where they are whole, else `Fraction`.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from earnest.core.errors import EarnestError
from earnest.core.expressions import FOLDS, Node, free

Exact = int | Fraction

_MOST_BITS: Final = 20_000
_MOST_STEPS: Final = 1_000_000
_MOST_KEPT: Final = 1_000_000
_EVERY: Final = 64
_SECONDS: Final = 2.0


class UndefinedError(Exception):
    """An expression has no value for this input; the message says why."""


class TooMuchError(EarnestError):
    """An expression that can't be computed within the limits of this module."""


def _plain(value: Exact) -> Exact:
    return value.numerator if value.denominator == 1 else value


def _bits(value: Exact) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _fits(bits: float, what: str) -> None:
    if bits > _MOST_BITS:
        raise TooMuchError(
            f"{what} has more than {_MOST_BITS} bits", mend="claim it of smaller inputs"
        )


def _whole(value: Exact, what: str) -> int:
    if value.denominator != 1:
        raise UndefinedError(f"{what} of a number that is not whole")
    return int(value)


def _natural(value: Exact, what: str) -> int:
    found = _whole(value, what)
    if found < 0:
        raise UndefinedError(f"{what} of a negative number")
    return found


def _power(base: Exact, exponent: Exact) -> Exact:
    times = _whole(exponent, "a power")
    if base == 0 and times < 0:
        raise UndefinedError("division by zero")
    if base not in (0, 1, -1):
        _fits((_bits(base) - 1) * abs(times), "a power")
    elif times:
        times = 2 + times % 2 if times > 0 else -2 + times % 2
    if times >= 0 and base.denominator == 1:
        return int(int(base) ** times)
    return _plain(Fraction(base) ** times)


def _divided(one: Exact, other: Exact) -> Exact:
    if other == 0:
        raise UndefinedError("division by zero")
    _fits(_bits(one) + _bits(other), "a quotient")
    return _plain(Fraction(one) / other)


def _times(one: Exact, other: Exact) -> Exact:
    _fits(_bits(one) + _bits(other), "a product")
    return _plain(one * other)


def _added(one: Exact, other: Exact) -> Exact:
    if one.denominator != 1 or other.denominator != 1:
        _fits(_bits(one) + _bits(other), "a sum")
    return _plain(one + other)


def _factorial(value: Exact) -> Exact:
    n = _natural(value, "a factorial")
    _fits(n * math.log2(n + 1) if n < _MOST_BITS else n, "a factorial")
    return math.factorial(n)


def _binomial(above: Exact, below: Exact) -> Exact:
    """Return a binomial coefficient; of a negative or broken number as a product over k!."""
    k = _whole(below, "a binomial coefficient")
    if k < 0:
        if above.denominator == 1 and above >= 0:
            return 0
        raise UndefinedError("a binomial coefficient of this sort")
    if above.denominator == 1 and above >= 0:
        n = int(above)
        k = min(k, n - k)
        if k < 0:
            return 0
        _fits(min(n, k * n.bit_length()), "a binomial coefficient")
        return math.comb(n, k)
    _fits(k * (_bits(above) + k.bit_length()), "a binomial coefficient")
    found = Fraction(1)
    for step in range(k):
        found *= Fraction(above - step) / (step + 1)
    return _plain(found)


def _fibonacci(value: Exact) -> Exact:
    n = _natural(value, "a Fibonacci number")
    _fits(n, "a Fibonacci number")
    one, other = 0, 1
    for bit in bin(n)[2:]:
        one, other = one * (2 * other - one), one * one + other * other
        if bit == "1":
            one, other = other, one + other
    return one


def _mod(one: Exact, other: Exact) -> Exact:
    if other == 0:
        raise UndefinedError("division by zero")
    return _plain(one % other)


_FUNCTIONS: Final[Mapping[str, Callable[..., Exact]]] = {
    "+": _added,
    "-": lambda one, other: _added(one, -other),
    "*": _times,
    "/": _divided,
    "**": _power,
    "neg": operator.neg,
    "factorial": _factorial,
    "binomial": _binomial,
    "fibonacci": _fibonacci,
    "gcd": lambda *values: math.gcd(*(_whole(one, "gcd") for one in values)),
    "lcm": lambda *values: math.lcm(*(_whole(one, "lcm") for one in values)),
    "mod": _mod,
    "floor": math.floor,
    "ceil": math.ceil,
    "abs": abs,
    "min": min,
    "max": max,
}


@dataclass
class Evaluator:
    """Computes expressions; sums whose terms depend on the index alone are kept and gone on with.

    One object serves many inputs. `seconds`: for one expression.
    """

    seconds: float = _SECONDS
    _kept: dict[tuple[int, int], list[Exact]] = field(default_factory=dict)
    _alone: dict[int, bool] = field(default_factory=dict)
    _nodes: list[Node] = field(default_factory=list)
    _steps: int = 0
    _held: int = 0
    _deadline: float = 0.0

    def value(self, node: Node, values: Mapping[str, Exact]) -> Exact:
        """Return what an expression is. Raises `UndefinedError`, `TooMuchError`."""
        self._steps, self._deadline = 0, time.monotonic() + self.seconds
        return self._value(node, {name: _plain(value) for name, value in values.items()})

    def _step(self, count: int = 1) -> None:
        before = self._steps
        self._steps += count
        if self._steps > _MOST_STEPS:
            raise TooMuchError(
                f"it takes more than {_MOST_STEPS} steps", mend="claim it of smaller inputs"
            )
        if self._steps // _EVERY != before // _EVERY and time.monotonic() > self._deadline:
            raise TooMuchError(
                f"it takes more than {self.seconds:g} s", mend="claim it of smaller inputs"
            )

    def _value(self, node: Node, values: dict[str, Exact]) -> Exact:
        self._step()
        if node.op == "number":
            return _plain(node.value)
        if node.op == "name":
            return values[node.name]
        if node.op in FOLDS:
            return self._fold(node, values)
        return _FUNCTIONS[node.op](*[self._value(one, values) for one in node.args])

    def _fold(self, node: Node, values: dict[str, Exact]) -> Exact:
        term, *ends = node.args
        low, high = (_whole(self._value(one, values), f"a {node.op}") for one in ends)
        join, found = (_added, 0) if node.op == "sum" else (_times, 1)
        if high < low:
            return found
        kept = self._partial(node, low)
        start = low + len(kept) if kept is not None else low
        if kept and high < start:
            return kept[high - low]
        if high - start >= _MOST_STEPS:
            raise TooMuchError(
                f"a {node.op} of {high - low + 1} terms", mend="claim it of smaller inputs"
            )
        result: Exact = kept[-1] if kept else found
        inner = dict(values)
        for index in range(start, high + 1):
            inner[node.name] = index
            result = join(result, self._value(term, inner))
            if kept is not None and self._held < _MOST_KEPT:
                kept.append(result)
                self._held += 1 + _bits(result) // 256
            else:
                kept = None
        return result

    def _partial(self, node: Node, low: int) -> list[Exact] | None:
        """Return the sums up to each index so far, where the term depends on the index alone."""
        if id(node) not in self._alone:
            self._alone[id(node)] = free(node.args[0]) <= {node.name}
            self._nodes.append(node)  # it lives as long as its id stands here
        if not self._alone[id(node)]:
            return None
        return self._kept.setdefault((id(node), low), [])
