"""Real coding tasks that others made, read from the files of their data sets; nothing is run.

HumanEval and MBPP, in the format that they are published in. Of an item's tests, those are taken
that call the one function with plain values and name a plain value that must come back. What they
expect is the data set's word until the reference has met it, in a jail (`evals/testbed_told.py`).

Not covered: tests with loops, helpers or objects of the item's own classes; several functions.
"""

from __future__ import annotations

import ast
import gzip
import json
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.testbed import UnusableError

Row = Mapping[str, Any]
FILES: Final = {
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "mbpp": "mbpp/mbpp_601-974.jsonl.gz",
}
"""Where the files lie in a folder of data sets."""
_UNREADABLE: Final = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)


@dataclass(frozen=True)
class Item:
    """One task of a data set. `tests`: (arguments, what must come back), each input once.

    `reference`: source of a module that the data set calls right; foreign code. `stub`: what a
    solver begins with. `unread`: how many tests could not be read.
    """

    name: str
    words: str
    entry: str
    parameters: tuple[str, ...]
    stub: str
    reference: str
    tests: tuple[tuple[tuple[Any, ...], Any], ...]
    unread: int


def _call(node: ast.AST, name: str) -> tuple[Any, ...] | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
        return None
    if node.func.id != name:
        return None
    return tuple(ast.literal_eval(argument) for argument in node.args)


def _near(node: ast.AST, name: str) -> tuple[tuple[Any, ...], Any] | None:
    """Read `abs(f(…) - v)` and `math.isclose(f(…), v, …)`."""
    if not isinstance(node, ast.Call) or not node.args:
        return None
    if ast.unparse(node.func) == "math.isclose" and len(node.args) == 2:
        left, right = node.args
    elif ast.unparse(node.func) == "abs" and isinstance(node.args[0], ast.BinOp):
        left, right = node.args[0].left, node.args[0].right
        if not isinstance(node.args[0].op, ast.Sub):
            return None
    else:
        return None
    args = _call(left, name)
    return None if args is None else (args, float(ast.literal_eval(right)))


def _said(test: ast.expr, name: str) -> tuple[tuple[Any, ...], Any] | None:
    """Return what an assertion asks and expects; None where it is of another form."""
    if (args := _call(test, name)) is not None:
        return args, True
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        args = _call(test.operand, name)
        return None if args is None else (args, False)
    if isinstance(test, ast.Call):
        return _near(test, name)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    if isinstance(test.ops[0], ast.Lt | ast.LtE):
        return _near(test.left, name)
    args = _call(test.left, name)
    if args is None or not isinstance(test.ops[0], ast.Eq | ast.Is):
        return None
    return args, ast.literal_eval(test.comparators[0])


def _tests(
    body: Iterable[ast.stmt], name: str
) -> tuple[tuple[tuple[tuple[Any, ...], Any], ...], int]:
    """Return the tests that can be read, each input once, and how many can't be."""
    found: dict[str, tuple[tuple[Any, ...], Any]] = {}
    unread = 0
    for node in body:
        if not isinstance(node, ast.Assert):
            unread += isinstance(node, ast.For | ast.While | ast.With)
        elif not isinstance(node.test, ast.Constant):
            try:
                one = _said(node.test, name)
            except _UNREADABLE:
                one = None
            if one is None:
                unread += 1
            else:
                found.setdefault(repr(one[0]), one)
    return tuple(found.values()), unread


def _defined(tree: ast.Module, name: str) -> ast.FunctionDef:
    """Return a module's function. Raises `UnusableError` where it isn't one, or is asked oddly."""
    if name.startswith("test"):
        raise UnusableError("pytest would take the function for a test")
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    if not found:
        raise UnusableError("the function is not defined plainly")
    asked = found[-1].args
    if asked.vararg or asked.kwarg or asked.kwonlyargs or not asked.args:
        raise UnusableError("the function takes no plain arguments")
    return found[-1]


def _stub(node: ast.FunctionDef) -> str:
    head = ast.unparse(ast.FunctionDef(**{**vars(node), "body": [ast.Pass()]})).splitlines()
    return "\n".join(head[:-1]) + "\n    raise NotImplementedError\n"


def _parameters(node: ast.FunctionDef) -> tuple[str, ...]:
    return tuple(argument.arg for argument in node.args.args)


def humaneval(row: Row) -> Item:
    """Read a row of HumanEval. Raises `UnusableError`."""
    tree = ast.parse(row["prompt"] + "    pass\n")
    node = _defined(tree, row["entry_point"])
    words = ast.get_docstring(node)
    if not words:
        raise UnusableError("the function has no words")
    before = [ast.unparse(part) for part in tree.body if part is not node]
    stub = "\n\n\n".join([*before, _stub(node)]) if before else _stub(node)
    checks = [n for n in ast.parse(row["test"]).body if isinstance(n, ast.FunctionDef)]
    body = checks[-1].body if checks else []
    tests, unread = _tests(body, "candidate")
    reference = row["prompt"] + row["canonical_solution"]
    return Item(row["task_id"], words, node.name, _parameters(node), stub, reference, tests, unread)


def mbpp(row: Row) -> Item:
    """Read a row of MBPP. Raises `UnusableError`."""
    if row.get("test_setup_code", "").strip():
        raise UnusableError("its tests need code of their own")
    said = [*row["test_list"], *row.get("challenge_test_list", ())]
    body = [node for text in said for node in ast.parse(text.strip()).body]
    source = row["code"].replace("\r\n", "\n")
    tree = ast.parse(source)
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    asked = [n.func.id for part in body for n in ast.walk(part)
             if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]  # fmt: skip
    names = sorted(set(defined) & set(asked))
    if len(names) != 1:
        raise UnusableError("its tests call no function, or several")
    node = _defined(tree, names[0])
    tests, unread = _tests(body, node.name)
    name = f"MBPP/{row['task_id']}"
    return Item(name, row["text"], node.name, _parameters(node), _stub(node), source, tests, unread)


READERS: Final = {"humaneval": humaneval, "mbpp": mbpp}


def _item(read: Callable[[Row], Item], row: Row) -> Item | str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # others' code, as it is
            return read(row)
    except UnusableError as error:
        return str(error)
    except _UNREADABLE:
        return "it is no Python that can be read here"


def items(source: str, rows: Iterable[Row]) -> Iterator[tuple[str, Item | str]]:
    """Yield each row's name, and its item or why it can't be used."""
    for row in rows:
        name = str(row.get("task_id", "")) if source == "humaneval" else f"MBPP/{row['task_id']}"
        yield name, _item(READERS[source], row)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Read a data set's file (JSON Lines, packed or not). Raises `UsageError`."""
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            return [json.loads(line) for line in file if line.strip()]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UsageError(
            f"{path}: {error}",
            mend="--data FOLDER with humaneval/HumanEval.jsonl.gz (github.com/openai/human-eval) "
            "and mbpp/mbpp_601-974.jsonl.gz (mbpp.jsonl of google-research/mbpp), or --source made",
        ) from None
