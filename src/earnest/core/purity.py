"""Whether a program can depend on anything but its arguments, as far as its text tells.

A claim that two programs give the same is tested in a jail. A program that could tell the jail
from elsewhere, by a file, a clock, a frame of the interpreter, could give there what it gives
nowhere else. So it may use pure modules of the standard library only, and nothing by which a
program looks at its surroundings. This reads text and runs nothing; it keeps nobody in: the jail
does.

Not covered: how much memory or how deep a stack there is, how long something takes, the order of a
set of texts, the module's name in what `repr` gives of its classes; a program that keeps state
between calls in another way than those that `earnest.core.state` names.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import Final

from earnest.core.state import keeps_state

MODULES: Final = (
    "__future__", "abc", "array", "bisect", "cmath", "collections", "copy", "dataclasses",
    "decimal", "enum", "fractions", "functools", "heapq", "itertools", "math", "numbers",
    "operator", "random", "re", "statistics", "string", "textwrap", "typing", "unicodedata",
)  # fmt: skip
_NAMES: Final = frozenset(
    (
        "__import__", "breakpoint", "compile", "delattr", "dir", "eval", "exec", "exit",
        "getattr", "globals", "help", "id", "input", "locals", "open", "quit", "setattr", "vars",
        # by these, a text becomes code or an attribute
        "ForwardRef", "Formatter", "SystemRandom", "attrgetter", "evaluate_forward_ref",
        "format_map", "get_type_hints", "methodcaller", "mro", "singledispatch",
        "singledispatchmethod",
        # and by these one gets at frames
        "ag_frame", "cr_frame", "gi_frame", "tb_frame", "tb_next", "f_back", "f_builtins",
        "f_code", "f_globals", "f_locals", "ag_code", "cr_code", "gi_code",
    )
)  # fmt: skip
_METHODS: Final = frozenset(
    ("__init__", "__new__", "__post_init__", "__eq__", "__lt__", "__len__", "__slots__")
)
_REACHES: Final = re.compile(r"\{[^{}:!]*[.\[]|\{[^{}]*\{[^{}]*[.\[]")
_FOREIGN: Final = frozenset(sys.stdlib_module_names) - frozenset(MODULES)


def impure(source: str) -> str:
    """Say by what a program could depend on more than its arguments; empty: by nothing known here.

    Its `f` must be there, as a function of its module.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"it is no Python: {error}"
    if not any(isinstance(node, ast.FunctionDef) and node.name == "f" for node in tree.body):
        return "it defines no function f"
    reader = _Reader()
    try:
        reader.visit(tree)
        return reader.found or keeps_state(tree)
    except RecursionError:
        return "it is nested too deeply"


def _plain(node: ast.expr) -> bool:
    """Say whether a format is a literal that gets at no attribute and no element."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return _REACHES.search(node.value) is None


class _Reader(ast.NodeVisitor):
    """Finds the first thing that a program may not use."""

    def __init__(self) -> None:
        self.found = ""
        self.modules: set[str] = set()
        self.bases: set[int] = set()

    def _say(self, node: ast.AST, what: str) -> None:
        self.found = self.found or f"line {getattr(node, 'lineno', 0)}: {what}"

    def _module(self, node: ast.AST, name: str) -> None:
        if name.partition(".")[0] not in MODULES:
            self._say(node, f"it can't import {name}, only {', '.join(MODULES[1:])}")

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._module(node, alias.name)
            self.modules.add(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._module(node, "." * node.level + (node.module or ""))
        for alias in node.names:
            name = alias.name
            if name in _FOREIGN or name in MODULES or name in _NAMES or name[0] in "_*":
                self._say(node, f"it can't import {name} from {node.module}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if isinstance(node.value, ast.Name):
            self.bases.add(id(node.value))
            if node.value.id in self.modules and (
                name in _FOREIGN or name in MODULES or name[0] == "_"
            ):
                self._say(node, f"it can't use {node.value.id}.{name}")
        if name in _NAMES or self._hidden(name):
            self._say(node, f"it can't use .{name}")
        if name == "format" and not _plain(node.value):
            self._say(node, "it can use .format of a literal without attributes only")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _NAMES or self._hidden(node.id):
            self._say(node, f"it can't use {node.id}")
        if node.id in self.modules and id(node) not in self.bases:
            self._say(node, f"it can't hand the module {node.id} on")

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        if any(name in _NAMES or self._hidden(name) for name in node.kwd_attrs):
            self._say(node, "it can't look at hidden attributes")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and "__" in node.value:
            self._say(node, "it can't hold a text with __")

    @staticmethod
    def _hidden(name: str) -> bool:
        return name.startswith("__") and name not in _METHODS
