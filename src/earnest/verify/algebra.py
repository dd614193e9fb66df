"""What an identity's text says by itself: by how much it is a polynomial, and whether it says much.

`chance` is the lemma of Schwartz (1980) and Zippel (1979), for variables that are drawn
independently: a polynomial of degree d that is not zero is zero at a drawn point with a probability
of at most d times the greatest probability of any one value of any one variable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from earnest.core.domains import DENOMINATOR, Domain, Input, Integer, Rational
from earnest.core.exact import Evaluator, TooMuchError, UndefinedError
from earnest.core.expressions import Node, free, renamed

_MOST_POWER: Final = 1000


@dataclass(frozen=True)
class Degree:
    """Bounds on a quotient of polynomials: degrees above and below, and of all divided by."""

    above: int = 0
    below: int = 0
    divided: int = 0


def _constant(node: Node) -> Fraction | None:
    """Return the value of an expression without variables; None: it has some, or no value."""
    if free(node):
        return None
    try:
        return Fraction(Evaluator().value(node, {}))
    except (UndefinedError, TooMuchError):
        return None


def degree(node: Node) -> Degree | None:
    """Return what an expression is as a quotient of polynomials; None: it is none."""
    if not free(node):
        return Degree() if _constant(node) is not None else None
    if node.op == "name":
        return Degree(above=1)
    if node.op not in ("+", "-", "*", "/", "neg", "**"):
        return None
    parts = [degree(one) for one in node.args]
    one = parts[0]
    if one is None or node.op == "neg":
        return one
    if node.op == "**":
        return _raised(one, _constant(node.args[1]))
    other = parts[1]
    if other is None:
        return None
    divided = one.divided + other.divided
    if node.op == "*":
        return Degree(one.above + other.above, one.below + other.below, divided)
    if node.op == "/":
        return Degree(one.above + other.below, one.below + other.above, divided + other.above)
    above = max(one.above + other.below, other.above + one.below)
    return Degree(above, one.below + other.below, divided)


def _raised(base: Degree, power: Fraction | None) -> Degree | None:
    if power is None or power.denominator != 1 or abs(power) > _MOST_POWER:
        return None
    times = abs(int(power))
    if power >= 0:
        return Degree(base.above * times, base.below * times, base.divided)
    return Degree(base.below * times, base.above * times, base.divided + base.above)


def likeliest(domain: Domain) -> float:
    """Return the probability, at most, of any one value that is drawn evenly."""
    if isinstance(domain, Integer):
        return 1 / (domain.high - domain.low + 1)
    if isinstance(domain, Rational):
        # with the denominator d, of 1 to D, a value has 1 of more than d * width numerators
        harmonic = math.log(DENOMINATOR) + 1
        return harmonic / (DENOMINATOR * (domain.high - domain.low))
    return 1.0


def chance(left: Node, right: Node, inputs: Sequence[Input]) -> float | None:
    """Return with what probability, at most, two unlike sides agree at an evenly drawn input.

    An input at which a side is not defined counts as agreeing. None: no bound is known.
    """
    found = degree(Node("-", (left, right)))
    if found is None:
        return None
    bound = (found.above + found.divided) * max(likeliest(one.domain) for one in inputs)
    return bound if bound < 1 else None


Linear = dict[str, Fraction]
"""A linear form: a coefficient by variable; the empty name is the constant."""


def linear(node: Node) -> Linear | None:
    """Return an expression as a linear form, where it is one by plain rules; else None."""
    value = _constant(node)
    if value is not None:
        return {"": value}
    if node.op == "name":
        return {node.name: Fraction(1)}
    parts = [linear(one) for one in node.args] if node.op in ("+", "-", "neg", "*", "/") else []
    if not parts or any(part is None for part in parts):
        return None
    one, other = parts[0] or {}, parts[-1] or {}
    if node.op == "neg":
        return _scaled(one, Fraction(-1))
    if node.op in ("+", "-"):
        other = other if node.op == "+" else _scaled(other, Fraction(-1))
        return _scaled(
            {n: one.get(n, Fraction(0)) + other.get(n, Fraction(0)) for n in {*one, *other}}
        )
    if node.op == "*" and set(one) <= {""}:
        one, other = other, one
    if set(other) <= {""} and (factor := other.get("", Fraction(0))):
        return _scaled(one, factor if node.op == "*" else 1 / factor)
    return None


def _scaled(form: Mapping[str, Fraction], factor: Fraction = Fraction(1)) -> Linear:
    return {name: value * factor for name, value in form.items() if value * factor}


def canonical(node: Node) -> str:
    """Return a text that two expressions share which differ by the order of sums and products."""
    if node.op == "number":
        return str(node.value)
    if node.op == "name":
        return node.name
    if node.op in ("+", "-", "neg"):
        return f"({' + '.join(sorted(_terms(node, '')))})"
    if node.op in ("*", "/"):
        return f"({' * '.join(sorted(_factors(node, '')))})"
    if node.op in ("sum", "product"):
        term, low, high = node.args
        # an index may have any name; '#' stands in none
        inner = renamed(term, {node.name: f"#{_depth(term)}"})
        return f"{node.op}({', '.join(map(canonical, (inner, low, high)))})"
    parts = [canonical(one) for one in node.args]
    if node.op in ("gcd", "lcm", "min", "max"):
        parts.sort()
    return f"{node.op}({', '.join(parts)})"


def _depth(node: Node) -> int:
    inner = max(map(_depth, node.args), default=0)
    return inner + (node.op in ("sum", "product"))


def _terms(node: Node, sign: str) -> list[str]:
    turned = "" if sign else "-"
    if node.op == "neg":
        return _terms(node.args[0], turned)
    if node.op in ("+", "-"):
        one, other = node.args
        return _terms(one, sign) + _terms(other, sign if node.op == "+" else turned)
    return [sign + canonical(node)]


def _factors(node: Node, sign: str) -> list[str]:
    turned = "" if sign else "1/"
    if node.op in ("*", "/"):
        one, other = node.args
        return _factors(one, sign) + _factors(other, sign if node.op == "*" else turned)
    return [sign + canonical(node)]


def obvious(left: Node, right: Node) -> str:
    """Say how two sides are the same by construction; empty: not in a way that is known here."""
    if canonical(left) == canonical(right):
        return "both sides are the same up to the order of sums and products"
    one, other = linear(left), linear(right)
    if one is not None and _scaled(one) == _scaled(other or {}) and other is not None:
        return "both sides are the same linear form"
    return ""
