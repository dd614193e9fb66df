"""Making an edit of a workspace smaller while it stays what it is: by files, statements, lines."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Final

from earnest.core.testbed import Exercise, Files
from earnest.evals.testbed_marks import changed

MOST: Final = 25


class _Spent:
    """Asks whether a workspace still is what it was, so often and no more."""

    def __init__(self, still: Callable[[Files], bool], most: int) -> None:
        self.still, self.left = still, most

    def holds(self, files: Files) -> bool:
        self.left -= 1
        return self.left >= 0 and self.still(files)


def _bodies(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            found = getattr(node, name, None)
            if isinstance(found, list) and found and isinstance(found[0], ast.stmt):
                yield found


def _without(text: str, number: int) -> str | None:
    """Return a program without its n-th statement, `pass` where none is left; None: no such one."""
    tree = ast.parse(text)
    for body in _bodies(tree):
        if number < len(body):
            if len(body) == 1 and isinstance(body[0], ast.Pass):
                return text
            body[number : number + 1] = [] if len(body) > 1 else [ast.Pass()]
            return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        number -= len(body)
    return None


def _line_less(text: str, number: int) -> str | None:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:number] + lines[number + 1 :]) if number < len(lines) else None


def _thinner(files: dict[str, bytes], name: str, asked: _Spent) -> dict[str, bytes]:
    """Leave out statements of a Python file, or lines of another, as far as can be."""
    less = _without if name.endswith(".py") else _line_less
    number = 0
    while asked.left > 0:
        text = files[name].decode(errors="replace")
        try:
            shorter = less(text, number)
        except (SyntaxError, ValueError, RecursionError):
            return files
        if shorter is None:
            return files
        tried = {**files, name: shorter.encode()}
        if shorter != text and len(shorter) < len(text) and asked.holds(tried):
            files = tried
        else:
            number += 1
    return files


def shrink(
    one: Exercise, files: Files, still: Callable[[Files], bool], most: int = MOST
) -> dict[str, bytes]:
    """Return a smaller edit for which `still` holds as well; it is asked `most` times at most.

    What is left may not be the smallest: pieces are left out one after the other, in one pass.
    """
    asked, found = _Spent(still, most), dict(files)
    for name in changed(one, found):
        tried = {key: data for key, data in found.items() if key != name}
        if name in one.files:
            tried[name] = one.files[name]
        if asked.holds(tried):
            found = tried
    for name in changed(one, found):
        if name in found:
            found = _thinner(found, name, asked)
    return found
