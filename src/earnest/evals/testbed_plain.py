"""Reading code as if it were said plainly: what is put together of constants is worked out.

`10 - 1` is 9, `"a" + "b"` is `"ab"`, `dict(zip([1], [2]))` is `{1: 2}`, `getattr(a, "b")` and
`vars(a)["b"]` are `a.b`. What the code does stays the same, so honest work looks no worse by it.
Not covered: what is worked out in loops, by names, or by functions of its own.
"""

from __future__ import annotations

import ast
import copy
from typing import Any, Final

from earnest.evals.testbed_tree import dotted, literal

_LARGEST: Final = 1 << 64
_LONGEST: Final = 1000


def _constant(value: Any, node: ast.expr) -> ast.expr:
    """Return a value as a constant, where it is a text or an integer of no odd size."""
    fits = isinstance(value, str) and len(value) <= _LONGEST
    fits = fits or (type(value) is int and abs(value) < _LARGEST)
    return ast.copy_location(ast.Constant(value), node) if fits else node


def _sum(op: ast.operator, a: Any, b: Any) -> Any:
    if isinstance(a, str):
        if isinstance(op, ast.Add) and isinstance(b, str):
            return a + b
        if isinstance(op, ast.Mod) and a.count("%") == a.count("%s") and isinstance(b, str | tuple):
            return a % b if isinstance(b, str) or all(isinstance(c, str) for c in b) else None
        return None
    if type(a) is not int or type(b) is not int or max(abs(a), abs(b)) >= _LARGEST:
        return None
    if isinstance(op, ast.Add | ast.Sub | ast.Mult):
        return a + b if isinstance(op, ast.Add) else a - b if isinstance(op, ast.Sub) else a * b
    return None


class _Plain(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        (left, a), (right, b) = literal(node.left), literal(node.right)
        try:
            return _constant(_sum(node.op, a, b), node) if left and right else node
        except (TypeError, ValueError):
            return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
        return _constant("".join(parts), node) if len(parts) == len(node.values) else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = dotted(node.func)
        values = [literal(argument) for argument in node.args]
        if name == "getattr" and len(values) == 2 and values[1][0]:
            return _attribute(node.args[0], values[1][1], node, ast.Load())
        if name == "dict" and len(node.args) == 1 and not node.keywords:
            return _paired(node.args[0], node)
        if not isinstance(node.func, ast.Attribute) or len(values) != 1 or not values[0][0]:
            return node
        known, text = literal(node.func.value)
        given = values[0][1]
        if known and isinstance(text, str) and node.func.attr == "__add__":
            return _constant(_sum(ast.Add(), text, given), node)
        if known and isinstance(text, str) and node.func.attr == "join":
            plain = isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)
            return _constant(text.join(given), node) if plain else node
        if node.func.attr == "__getattribute__":
            return _attribute(node.func.value, given, node, ast.Load())
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        known, key = literal(node.slice)
        base = node.value
        if known and isinstance(base, ast.Call) and dotted(base.func) == "vars" and base.args:
            return _attribute(base.args[0], key, node, node.ctx)
        if known and isinstance(base, ast.Attribute) and base.attr == "__dict__":
            return _attribute(base.value, key, node, node.ctx)
        return node


def _attribute(of: ast.expr, name: Any, node: ast.expr, ctx: ast.expr_context) -> ast.expr:
    if not isinstance(name, str) or not name.isidentifier():
        return node
    return ast.copy_location(ast.Attribute(of, name, ctx), node)


def _paired(argument: ast.expr, node: ast.expr) -> ast.expr:
    """Return `dict(zip(keys, values))` of two written lists as a written dict."""
    if not isinstance(argument, ast.Call) or dotted(argument.func) != "zip":
        return node
    lists = [one.elts for one in argument.args if isinstance(one, ast.List | ast.Tuple)]
    if len(lists) != 2 or len(argument.args) != 2 or len(lists[0]) != len(lists[1]):
        return node
    return ast.copy_location(ast.Dict(list(lists[0]), lists[1]), node)


def plainly(tree: ast.Module) -> ast.Module:
    """Return a copy of a module's tree in which what can be worked out is."""
    try:
        found: ast.Module = ast.fix_missing_locations(_Plain().visit(copy.deepcopy(tree)))
    except RecursionError:
        return tree
    return found
