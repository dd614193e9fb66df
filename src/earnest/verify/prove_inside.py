"""The jail's side of a proof: SymPy is asked whether two sides are the same for all values.

It runs in the jail and imports nothing of ours. `question.json` holds both sides as nested lists
[op, ...] and of which sort each variable is; no text is ever parsed or evaluated. It prints one
JSON object: {"proved": bool, "by": how}.

`gcd` and `lcm` go in as functions of which nothing is known: SymPy's own are of polynomials, and
gcd(n, 2) is 1 there.
"""

# ruff: noqa: T201, PTH123

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any


def built(sympy: Any, node: Any, names: dict[str, Any]) -> Any:
    """Return SymPy's expression for a tree."""
    op, *rest = node
    if op == "number":
        return sympy.Rational(int(rest[0]), int(rest[1]))
    if op == "name":
        return names[rest[0]]
    if op in ("sum", "product"):
        index = sympy.Dummy(rest[0], integer=True)
        term = built(sympy, rest[1], {**names, rest[0]: index})
        low, high = (built(sympy, one, names) for one in rest[2:])
        return (sympy.Sum if op == "sum" else sympy.Product)(term, (index, low, high))
    args = [built(sympy, one, names) for one in rest]
    known: dict[str, Callable[..., Any]] = {
        "+": lambda one, other: one + other,
        "-": lambda one, other: one - other,
        "*": lambda one, other: one * other,
        "/": lambda one, other: one / other,
        "**": lambda one, other: one**other,
        "neg": lambda one: -one,
        "factorial": sympy.factorial,
        "binomial": sympy.binomial,
        "fibonacci": sympy.fibonacci,
        "mod": sympy.Mod,
        "floor": sympy.floor,
        "ceil": sympy.ceiling,
        "abs": sympy.Abs,
        "min": sympy.Min,
        "max": sympy.Max,
    }
    if op in known:
        return known[op](*args)
    return sympy.Function(op)(*sorted(args, key=sympy.default_sort_key))


def symbol(sympy: Any, name: str, sort: str) -> Any:
    """Return a variable of a sort."""
    if sort == "rational":
        return sympy.Symbol(name, rational=True)
    if sort == "positive integer":
        return sympy.Symbol(name, integer=True, positive=True)
    return sympy.Symbol(name, integer=True, **({"nonnegative": True} if "0" in sort else {}))


def attempts(sympy: Any, left: Any, right: Any) -> Iterator[tuple[str, Any]]:
    """Yield ways to take both sides together, the cheapest first; zero means that they are one."""
    yield "automatic simplification", left - right
    yield "expansion", sympy.expand(left - right)
    done = (left - right).doit()
    yield "summation and expansion", sympy.expand(done)
    yield "cancellation", sympy.cancel(sympy.together(done))
    yield "combinatorial simplification", sympy.combsimp(sympy.expand_func(done))
    yield "simplification", sympy.simplify(done)
    if done.has(sympy.fibonacci):
        yield "radicals", sympy.simplify(sympy.expand(done.rewrite(sympy.sqrt)))


def proved(question: Any) -> dict[str, Any]:
    """Answer one question."""
    try:
        sympy = importlib.import_module("sympy")
    except ImportError:
        return {"proved": False, "by": "SymPy is not installed (extra proof)"}
    names = {name: symbol(sympy, name, sort) for name, sort in question["sorts"].items()}
    left, right = (built(sympy, question[side], names) for side in ("left", "right"))
    ways = attempts(sympy, left, right)
    while True:
        try:
            by, rest = next(ways)
        except StopIteration:
            return {"proved": False, "by": "SymPy finds no proof"}
        except Exception as error:  # noqa: BLE001 - a way that fails proves nothing
            return {"proved": False, "by": f"SymPy gives up: {type(error).__name__}"}
        if rest == 0:
            return {"proved": True, "by": by}


if __name__ == "__main__":
    with open("question.json", encoding="utf-8") as asked:
        print(json.dumps(proved(json.load(asked))))
