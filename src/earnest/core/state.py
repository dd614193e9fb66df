"""Whether a program keeps state between calls in one of the plain ways, as far as its text tells.

Named are: `global`; a list, dict or set as an argument's default; a module's list, dict, set or
object that a function changes by item, by a method that changes, or by `next`; an attribute of a
module, function or class that a function sets. A cache is had by `functools.cache`.

Not covered: every other way (a class's list that a method changes, a closure that the module made,
a cached list): what a program gives when it is asked again finds some of these.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

_MADE: Final = (
    ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp,
    ast.Call,
)  # fmt: skip
_CHANGES: Final = frozenset(
    ("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
     "popleft", "remove", "reverse", "rotate", "send", "setdefault", "sort", "subtract", "update")
)  # fmt: skip
_Function = ast.FunctionDef | ast.Lambda


def keeps_state(tree: ast.Module) -> str:
    """Say how a program keeps state; empty: in none of the ways that are known here."""
    held, named = _held(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            return f"line {node.lineno}: it can't keep state: global"
        if isinstance(node, _Function):
            if any(isinstance(one, _MADE) for one in (*node.args.defaults, *_given(node))):
                return f"line {node.lineno}: it can't keep state: a default that can be changed"
            own = _own(node)
            for line, name in _changed(node, held - own, (held | named) - own):
                return f"line {line}: it can't keep state: {name} outlives the call"
    return ""


def _given(node: _Function) -> Iterator[ast.expr]:
    return (one for one in node.args.kw_defaults if one is not None)


def _held(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the module's names for what can be changed, and for modules, functions, classes."""
    held: set[str] = set()
    named: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            named.add(node.name)
        elif isinstance(node, ast.Import):
            named.update(one.asname or one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, _MADE):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            held.update(one.id for one in targets if isinstance(one, ast.Name))
    return held, named


def _own(node: _Function) -> set[str]:
    """Return the names that a function gives to things of its own."""
    found = {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            found.add(one.id)
    return found


def _changed(node: _Function, held: set[str], named: set[str]) -> Iterator[tuple[int, str]]:
    """Yield what a function changes of the module's, with its line."""
    changed: ast.expr | None
    for one in ast.walk(node):
        if isinstance(one, ast.Subscript | ast.Attribute) and not isinstance(one.ctx, ast.Load):
            changed, of = one.value, held if isinstance(one, ast.Subscript) else named
        elif isinstance(one, ast.Call):
            changed, of = _by_call(one), held
        else:
            continue
        if isinstance(changed, ast.Name) and changed.id in of:
            yield one.lineno, changed.id


def _by_call(node: ast.Call) -> ast.expr | None:
    """Return what a call changes, as far as its name tells."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
        return node.func.value
    if isinstance(node.func, ast.Name) and node.func.id == "next" and node.args:
        return node.args[0]
    return None
