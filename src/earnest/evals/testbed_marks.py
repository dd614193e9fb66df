"""What an edit of a workspace uses, so that two edits that work alike count as one.

*Marks*: the files that differ, and what stands in them: what is imported, called, raised, set, and
defined under a name that something looks for. Names of the edit's own, values and their order are
of no account. Two edits with the same marks have the same *signature*.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath
from sys import stdlib_module_names
from typing import Final

from earnest.core.canon import canonical, digest
from earnest.core.testbed import SOLUTION, Exercise, Files
from earnest.evals.testbed_beside import with_modules
from earnest.evals.testbed_tree import assigned, called, dotted, imported, parsed

_LEFT: Final = 12
_COMMON: Final = frozenset((".join", ".__add__", ".encode", "repr", "len", "print"))


def changed(one: Exercise, files: Files) -> tuple[str, ...]:
    """Return the paths that differ from what was handed out, sorted."""
    names = {*one.files, *files}
    return tuple(sorted(name for name in names if files.get(name) != one.files.get(name)))


def _own(tree: ast.AST) -> set[str]:
    """Return the names that a module binds itself, imports left out."""
    found = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return found | {node.id for node in stored if isinstance(node.ctx, ast.Store)}


def _uses(data: bytes, beside: set[str]) -> Iterator[str]:
    tree = parsed(data)
    if tree is None:
        yield "no Python"
        return
    names, own = imported(tree), _own(tree)
    yield from (f"imports {module}" for module in names.values() if module not in beside)
    for name in called(tree) - _COMMON:
        root, _, rest = name.partition(".")
        if root not in own and name:
            said = f"{names[root]}.{rest}" if rest and root in names else name
            yield f"calls {said.lstrip('.')}"
    for root, attribute in assigned(tree):
        yield f"sets {names.get(root, '…')}.{attribute}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            yield f"raises {names.get(dotted(what), dotted(what))}"
        elif isinstance(node, ast.FunctionDef) and node.name.startswith(("pytest_", "__")):
            yield f"defines {node.name}"
        elif isinstance(node, ast.While):
            yield "loops"


def _lines(data: bytes) -> Iterator[str]:
    """Yield the first two words of each line; nothing of what is no text."""
    for line in () if b"\0" in data else data.decode(errors="replace").splitlines():
        words = line.replace("=", " ").replace("'", " ").split()
        yield " ".join(words[:2]) if words else ""


def _place(one: Exercise, name: str, used: frozenset[str]) -> str:
    """Return a path as a kind of place, where its very name is of no account."""
    if name in used and name not in one.files:
        return "a module beside it"
    top = PurePosixPath(name).parts[0].partition(".")[0]
    if name in one.files or not name.endswith(".py"):
        return name
    if PurePosixPath(name).name.startswith("test_"):
        return "a test file"
    return "a module named as one of Python's" if top in stdlib_module_names else name


def marks(one: Exercise, files: Files) -> tuple[str, ...]:
    """Return what an edit uses, file by file, sorted."""
    found = set()
    used = with_modules(one, files)[1]
    for name in changed(one, files):
        place = _place(one, name, used)
        if name not in files:
            found.add(f"{place}: gone")
            continue
        if name != SOLUTION:
            found.add(f"{place}: there")
        beside = {path.removesuffix(".py").replace("/", ".") for path in used}
        uses = _uses(files[name], beside) if name.endswith(".py") else _lines(files[name])
        found |= {f"{place}: {use}" for use in uses if use}
    return tuple(sorted(found))


def signature(found: tuple[str, ...]) -> str:
    """Return a short name for marks."""
    return digest(canonical(list(found))).removeprefix("sha256:")[:_LEFT]
