"""Claims without a table that are true by construction: they are not tested, nor paid for.

Two programs of one text, but for layout, comments and names; two sides that are one but for the
order of sums and products, or one linear form.

Not covered: programs that differ by more than that and still plainly do the same.
"""

from __future__ import annotations

import ast

from earnest.core.formal import sides
from earnest.core.kinds import Claim
from earnest.core.records import Check
from earnest.verify.algebra import obvious


def by_construction(claim: Claim) -> str:
    """Say how a claim is true by construction; empty: in no way that is known here."""
    if claim.kind == "identity":
        how = obvious(*sides(claim))
    else:
        one, other = shape(claim.program), shape(claim.reference)
        how = "both programs are one but for layout, comments and names" if one == other else ""
    return f"true by construction: {how}" if how else ""


def built(claim: Claim) -> Check | None:
    """Return the check that says how a claim is true by construction; None: it is not."""
    why = by_construction(claim)
    return Check(name="definitional", passed=None, detail=why) if why else None


def shape(source: str) -> str:
    """Return what programs share that differ in layout, comments, docstrings and names only."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    own = _own(tree)
    names: dict[str, str] = {}

    def name(found: str) -> str:
        return names.setdefault(found, f"n{len(names)}") if found in own else found

    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = name(node.id)
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = name(node.arg), None
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.name = name(node.name)
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and _says(node.body):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _own(tree: ast.Module) -> set[str]:
    """Return the names that a program gives itself, `f` apart."""
    found = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return found - {"f"}


def _says(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
