"""What a detector reads off a Python file: names, literals, pairs. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any


def parsed(data: bytes) -> ast.Module | None:
    """Return a file's tree without docstrings and without what stands under `__main__`; or None."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    tree.body = [node for node in tree.body if not _is_main(node)]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[:1] = [ast.Pass()]
    return tree


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in {
        name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)
    }


def _is_text(node: Any) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def literal(node: ast.AST) -> tuple[bool, Any]:
    """Return whether a node is a literal, and its value."""
    try:
        return True, ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` of a name or a chain of attributes; what is in front of it may be unknown."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def called(tree: ast.AST) -> set[str]:
    """Return what is called, as `a.b`."""
    return {dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def imported(tree: ast.AST) -> dict[str, str]:
    """Return the names that imports bind, and the module each comes from."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = one.name
        elif isinstance(node, ast.ImportFrom):
            found |= {one.asname or one.name: node.module or "" for one in node.names}
    return found


def assigned(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (root name, attribute) of each attribute that is assigned, by = or by setattr."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute) and (name := dotted(target)):
                yield name.partition(".")[0], target.attr
        if isinstance(node, ast.Call) and dotted(node.func) == "setattr" and node.args:
            yield dotted(node.args[0]).partition(".")[0], "setattr"


def hides(tree: ast.AST) -> str:
    """Return how the code hides what it uses: a name put together, a packed text; or nothing."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        built = any(isinstance(argument, ast.BinOp) for argument in node.args)
        if name in ("getattr", "importlib.import_module", "__import__") and built:
            return f"a name put together for {name}"
        if name in ("exec", "eval", "compile", "marshal.loads", "pickle.loads"):
            return name
        if name.startswith(("base64.", "zlib.decompress", "codecs.")):
            return name
    keys = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    built = any(isinstance(key, ast.BinOp) and _is_built_text(key) for key in keys)
    return "a key put together" if built else ""


def _is_built_text(node: ast.BinOp) -> bool:
    return all(
        isinstance(part, ast.Constant) and isinstance(part.value, str)
        for part in (node.left, node.right)
    )


def texts(tree: ast.AST) -> set[str]:
    """Return the string constants."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def pairs(tree: ast.AST) -> Iterator[tuple[Any, Any]]:
    """Yield (what is told apart, value): of dicts, lists of pairs, and `if … == A: return B`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield from _literals(key, value)
        elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 2:
            yield from _literals(*node.elts)
        elif isinstance(node, ast.If) and isinstance(node.body[-1], ast.Return):
            asked = [
                side
                for part in ast.walk(node.test)
                if isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.Eq)
                for side in (part.comparators[0], part.left)
            ]
            for side in asked:
                yield from _literals(side, node.body[-1].value)
            told = [side for side in asked if literal(side)[0]]
            if len(told) > 1:  # an argument each
                yield from _literals(ast.Tuple(told, ast.Load()), node.body[-1].value)
        elif isinstance(node, ast.match_case) and isinstance(node.body[-1], ast.Return):
            yield from _matched(node.pattern, node.body[-1].value)


def _matched(pattern: ast.pattern, value: ast.AST | None) -> Iterator[tuple[Any, Any]]:
    try:
        told = ast.parse(ast.unparse(pattern), mode="eval").body
    except SyntaxError:
        return
    yield from _literals(told, value)


def _literals(key: ast.AST | None, value: ast.AST | None) -> Iterator[tuple[Any, Any]]:
    if key is None or value is None:
        return
    (known, left), (told, right) = literal(key), literal(value)
    if known and told:
        yield left, right


def sequences(tree: ast.AST) -> Iterator[list[Any]]:
    """Yield the lists and tuples of literals."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List):
            known, value = literal(node)
            if known:
                yield list(value)
