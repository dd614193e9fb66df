"""Claims that speak of no table: whether they can be read, and one form of those that say alike.

The names of a program's arguments don't count, nor do those of an identity's variables, its layout
and the order of its sides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from earnest.core.domains import Integer, Rational
from earnest.core.errors import ExpressionError
from earnest.core.exact import Evaluator, Exact
from earnest.core.expressions import Node, free, names_in_order, parse_expression, renamed, written
from earnest.core.inputs import parse_inputs

if TYPE_CHECKING:
    from earnest.core.kinds import Claim


_WRITTEN: Final = 160  # bits of a number that is still written out


def check_formal(claim: Claim) -> None:
    """Raise `ExpressionError` where a claim's inputs or sides can't be read, or don't fit."""
    inputs = parse_inputs(claim.inputs)
    if claim.kind != "identity":
        return
    for one in inputs:
        if not isinstance(one.domain, Integer | Rational):
            raise ExpressionError(
                f"an identity's variable is integer or rational, not {one.domain}",
                mend=f"write {one.name}: integer -99..99 or {one.name}: rational",
            )
    used = free(parse_expression(claim.left)) | free(parse_expression(claim.right))
    named = {one.name for one in inputs}
    if missing := sorted(used - named):
        raise ExpressionError(
            f"no input says what {', '.join(missing)} is drawn from",
            mend=f"add such as {missing[0]}: integer 1..40",
        )
    if idle := sorted(named - used):
        raise ExpressionError(f"no side of the identity names {', '.join(idle)}")


def sides(claim: Claim) -> tuple[Node, Node]:
    """Return an identity's two sides."""
    return parse_expression(claim.left), parse_expression(claim.right)


@dataclass
class Sides:
    """An identity's two sides, its variables in their order, and what computes them."""

    left: Node
    right: Node
    names: tuple[str, ...]
    evaluator: Evaluator

    @classmethod
    def of(cls, claim: Claim) -> Self:
        """Return a claim's sides."""
        names = tuple(one.name for one in parse_inputs(claim.inputs))
        return cls(*sides(claim), names, Evaluator())

    def values(self, values: Sequence[Exact]) -> tuple[Exact, Exact]:
        """Return both sides' values. Raises `UndefinedError`, `TooMuchError`."""
        named = dict(zip(self.names, values, strict=True))
        return self.evaluator.value(self.left, named), self.evaluator.value(self.right, named)

    def told(self, values: Sequence[Exact]) -> str:
        """Return an input in words."""
        return ", ".join(f"{n} = {number(v)}" for n, v in zip(self.names, values, strict=True))

    def differing(self, values: Sequence[Exact]) -> str:
        """Return in words an input and what both sides are there. Raises as `values` does."""
        left, right = self.values(values)
        return f"at {self.told(values)} the left side is {number(left)}, the right {number(right)}"


def number(value: Exact) -> str:
    """Return a number in words, a long one by its size."""
    above, below = value.numerator.bit_length(), value.denominator.bit_length()
    if above + below > _WRITTEN:
        return f"about {'-' if value < 0 else ''}10^{math.log10(2) * (above - below):.0f}"
    return str(value)


def alone(side: Node) -> str:
    """Return a side's one notation, whatever its variables are called and the other side is."""
    names = {name: f"x{place}" for place, name in enumerate(names_in_order(side), start=1)}
    return written(renamed(side, names))


def normal_formal(claim: Claim) -> Mapping[str, Any]:
    """Return the fields of a claim in which others say the same in other words, in one form."""
    inputs = parse_inputs(claim.inputs)
    if claim.kind != "identity":
        told = tuple(f"x{place}: {one.domain}" for place, one in enumerate(inputs, start=1))
        return {"inputs": told}
    left, right = sides(claim)
    forms = []
    for one, other in ((left, right), (right, left)):
        names = {
            name: f"x{place}" for place, name in enumerate(names_in_order(one, other), start=1)
        }
        told = tuple(sorted(f"{names[item.name]}: {item.domain}" for item in inputs))
        forms.append((written(renamed(one, names)), written(renamed(other, names)), told))
    found = min(forms)
    return {"left": found[0], "right": found[1], "inputs": found[2]}
