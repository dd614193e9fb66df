"""Rewriting Python so that it does the same by other words, or nearly the same: by its tree.

`rephrase` keeps what a program does and changes how it says it, as who is looked for would.
`disturb` changes one place. Both are deterministic by the generator. Text that is no Python comes
back as it is.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from earnest.core.testbed import SOLUTION


class _Named(ast.NodeTransformer):
    """Attributes by other ways: `getattr(a, "b")`; of a module also `vars(a)["b"]` and the like."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.modules: set[str] = set()

    def visit_Import(self, node: ast.Import) -> Any:
        self.modules |= {one.asname or one.name.partition(".")[0] for one in node.names}
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) or self.rng.random() < 0.5:
            return node
        shapes = ['getattr({}, "{}")']
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            shapes += ['vars({})["{}"]', '{}.__dict__["{}"]', '{}.__getattribute__("{}")']
        shape = self.rng.choice(shapes)
        return _expression(shape.format(ast.unparse(node.value), node.attr), node)


class _Imported(ast.NodeTransformer):
    """Imports by other ways."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def visit_Import(self, node: ast.Import) -> Any:
        name = node.names[0].name
        bound = node.names[0].asname or name.partition(".")[0]
        if len(node.names) > 1 or "." in name:
            return node
        ways = (
            f"{bound} = __import__('{name}')",
            f"import sys as _s; {bound} = _s.modules.get('{name}') or __import__('{name}')",
            f"from importlib import import_module as _i; {bound} = _i('{name}')",
        )
        return ast.parse(self.rng.choice(ways)).body


class _Said(ast.NodeTransformer):
    """Texts and numbers put together."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        return node

    def visit_Constant(self, node: ast.Constant) -> Any:
        value = node.value
        if self.rng.random() < 0.4:
            return node
        if type(value) is int:
            return _expression(f"({value + 1} - 1)", node)
        if type(value) is str and 1 < len(value) < 200:
            cut = self.rng.randrange(1, len(value))
            shape = self.rng.choice(("{}.__add__({})", "''.join([{}, {}])", "'%s%s' % ({}, {})"))
            return _expression(shape.format(repr(value[:cut]), repr(value[cut:])), node)
        return node


class _Tables(ast.NodeTransformer):
    """Tables by other ways."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def visit_Dict(self, node: ast.Dict) -> Any:
        self.generic_visit(node)
        if not node.keys or any(key is None for key in node.keys):
            return node
        keys = ", ".join(ast.unparse(key) for key in node.keys if key)
        values = ", ".join(ast.unparse(value) for value in node.values)
        return _expression(f"dict(zip([{keys}], [{values}]))", node)


class _Compared(ast.NodeTransformer):
    """Comparisons by other ways."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def visit_Compare(self, node: ast.Compare) -> Any:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq):
            return node
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        shape = self.rng.choice(("not {} != {}", "{} in [{}]", "repr({}) == repr({})"))
        return _expression(shape.format(left, right), node)


class _Bound(ast.NodeTransformer):
    """Classes and functions by other ways: bound once more, in a call, or as a default."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        if node.decorator_list or self.rng.random() < 0.5:
            return node
        made = ast.parse(f"def _make():\n    pass\n    return {node.name}\n\n{node.name} = _make()")
        made.body[0].body[0] = node  # type: ignore[attr-defined]
        return made.body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        names = [one.arg for one in node.args.args]
        if node.name.startswith("__") and len(node.body) == 1 and self.rng.random() < 0.7:
            only = node.body[0]
            if isinstance(only, ast.Return) and only.value is not None:
                text = f"{node.name} = lambda {', '.join(names)}: {ast.unparse(only.value)}"
                return ast.parse(text).body
        return node


def _expression(text: str, old: ast.expr) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return old


def _under_if(source: str, rng: random.Random) -> str:
    """Put what is done at import into a block, a function, or a class's body."""
    head = rng.choice(("if True:", "try:", "for _ in range(1):", "class Work:", "while True:"))
    tree = ast.parse(source)
    kept = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    loose = [node for node in tree.body if not isinstance(node, kept)]
    if not loose:
        return source
    names = {n.id for one in loose for n in ast.walk(one)
             if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}  # fmt: skip
    said = [f"global {', '.join(sorted(names))}"] if names and head == "class Work:" else []
    body = "\n".join(said + [ast.unparse(node) for node in loose])
    tail = {"try:": "\nfinally:\n    pass", "while True:": "\n    break"}.get(head, "")
    block = head + "\n" + "\n".join(f"    {line}" for line in body.splitlines()) + tail
    first = tree.body.index(loose[0])
    others = [ast.unparse(node) for node in tree.body if node not in loose]
    return "\n\n".join([*others[:first], block, *others[first:]]) + "\n"


_TREES: Final[Mapping[str, Callable[[random.Random], ast.NodeTransformer]]] = {
    "attributes": _Named, "imports": _Imported, "texts": _Said, "tables": _Tables,
    "comparisons": _Compared, "definitions": _Bound,
}  # fmt: skip


def rephrase(source: str, rng: random.Random) -> tuple[str, str]:
    """Return a program that does the same by other words, and in what it was changed."""
    way = rng.choice((*_TREES, "blocks"))
    try:
        if way == "blocks":
            return _under_if(source, rng), way
        tree = ast.fix_missing_locations(_TREES[way](rng).visit(ast.parse(source)))
        return ast.unparse(tree) + "\n", way
    except (SyntaxError, ValueError, RecursionError):
        return source, "as it was"


def apart(files: Mapping[str, str], rng: random.Random) -> dict[str, str]:
    """Move what is in solution.py to a module beside it, which solution.py imports."""
    name = rng.choice(("helper", "utils", "tests.support", "lib.core"))
    path = f"{name.replace('.', '/')}.py"
    text = rng.choice(
        (f"from {name} import solve\n", f"from {name} import *  # noqa: F403\n",
         f"import importlib\n\nsolve = importlib.import_module('{name}').solve\n")
    )  # fmt: skip
    return {**files, path: files[SOLUTION], SOLUTION: text} if SOLUTION in files else dict(files)


_SWAPS: Final[Mapping[type[ast.AST], type[ast.AST]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}  # fmt: skip


def _other(value: Any, rng: random.Random) -> Any:
    if type(value) is bool:
        return not value
    return value + rng.choice((-1, 1, 10)) if type(value) is int else value[1:] or "x"


def _changes(node: ast.AST) -> Callable[[random.Random], None] | None:
    """Return what changes a node in place; None where nothing in it can be changed."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, str, bool):
        return lambda rng: setattr(node, "value", _other(node.value, rng))
    if isinstance(node, ast.BinOp) and (swap := _SWAPS.get(type(node.op))):
        return lambda _: setattr(node, "op", swap())
    if isinstance(node, ast.Compare) and (turn := _SWAPS.get(type(node.ops[0]))):
        return lambda _: setattr(node, "ops", [turn(), *node.ops[1:]])
    if isinstance(node, ast.FunctionDef) and len(node.body) > 1:
        return lambda rng: node.body.__delitem__(rng.randrange(len(node.body) - 1))
    return None


def disturb(source: str, rng: random.Random) -> str:
    """Change a number, an operator, a comparison or a text of a program, or leave a line out."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    places = [change for node in ast.walk(tree) if (change := _changes(node))]
    if not places:
        return source
    rng.choice(places)(rng)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
