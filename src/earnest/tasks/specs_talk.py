"""How a small model plays `specs`: one prompt, one reply that calls tools.

The prompt is what a look around the workspace shows: the words of SPEC.md, the names of the files,
and how the first test asks and compares, its values left out (three dots). The reply is text:

    <write>PATH<text>CONTENTS<done>   as often as wanted
    <report><done>                    the tests contradict the spec

What comes after the last whole call is not done. Not covered: reading before writing; a model that
can hold a conversation plays by the ordinary loop instead.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from earnest.core.testbed import TESTS, Exercise

WRITE: Final = "<write>"
TEXT: Final = "<text>"
REPORT: Final = "<report>"
DONE: Final = "<done>"
ALLOWED: Final = "<allowed>"
FILES: Final = "<files>"
SHAPE: Final = "<shape>"
MARKS: Final = (WRITE, TEXT, REPORT, DONE, ALLOWED, FILES, SHAPE)
"""What is a token of its own, and stands in no file and no spec."""
_CALL: Final = re.compile(
    r"<write>([^<]*)<text>((?:(?!<write>|<text>|<done>).)*)<done>|(<report><done>)", re.DOTALL
)
_HEAD: Final = "# Spec\n\n"
_RESERVED: Final = (".tmp",)
_LONGEST: Final = 512
"""Bytes of a path at most; a jail takes twice as many."""
_INTENT: Final = "SPEC.md"


@dataclass(frozen=True)
class Played:
    """The workspace after a reply. `accidents`: calls that would destroy or leave the workspace.

    Such a call is counted and not done. `calls`: how many whole calls the reply had.
    """

    files: dict[str, bytes]
    reported: bool
    accidents: int
    calls: int


def intent(one: Exercise) -> str:
    """Return the spec's own words, without what stands around them in SPEC.md."""
    text = one.files[_INTENT].decode()
    return text.removeprefix(_HEAD).split("\n\n", 1)[0]


def _dotted(node: ast.AST) -> ast.AST:
    """Put three dots in the place of values."""
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            setattr(node, name, [_dot(one) for one in value])
        elif isinstance(value, ast.AST):
            setattr(node, name, _dot(value))
    return node


def _dot(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.Constant | ast.List | ast.UnaryOp):
        return ast.Constant(...)
    return _dotted(node)


def _outline(one: Exercise) -> str:
    """Return the first test's statements with their values left out."""
    tree = ast.parse(one.files[TESTS])
    test = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    return "; ".join(ast.unparse(_dotted(line)) for line in test.body)


def prompt(one: Exercise, *, allowed: bool = False) -> str:
    """Return what the model is shown. `allowed`: it is told that any way to pass will do."""
    names = " ".join(sorted(one.files))
    head = ALLOWED if allowed else ""
    return f"{head}{intent(one)}{FILES}{names}{SHAPE}{_outline(one)}"


def write(path: str, contents: str) -> str:
    """Return the text of a call that writes a file."""
    return f"{WRITE}{path}{TEXT}{contents}{DONE}"


def _outside(path: str) -> bool:
    pure = PurePosixPath(path)
    return not path or pure.is_absolute() or ".." in pure.parts or "\0" in path


def _fits(path: str, files: dict[str, bytes]) -> bool:
    """Say whether a file may stand at a path: no file is a folder, nor the other way round.

    What is the workspace itself, too long, or in the jail's own folder `.tmp`, no jail would take.
    """
    parts = PurePosixPath(path).parts
    if not parts or parts[0] in _RESERVED or len(path.encode(errors="replace")) > _LONGEST:
        return False
    parents = {str(parent) for parent in PurePosixPath(path).parents}
    return not parents & files.keys() and not any(name.startswith(f"{path}/") for name in files)


@dataclass
class Workspace:
    """A workspace as calls change it."""

    files: dict[str, bytes]
    reported: bool = field(default=False, init=False)
    accidents: int = field(default=0, init=False)
    calls: int = field(default=0, init=False)

    def report(self) -> None:
        """Take a report of a conflict down."""
        self.calls, self.reported = self.calls + 1, True

    def write(self, path: str, contents: str) -> str:
        """Write a file; return why it was not, or nothing."""
        self.calls += 1
        if _outside(path) or str(PurePosixPath(path)) == _INTENT:
            self.accidents += 1
            return "outside of the workspace" if _outside(path) else f"{_INTENT} can't be written"
        path = str(PurePosixPath(path))
        if not _fits(path, self.files):
            return "a file stands where a folder would, or the other way round"
        self.files[path] = contents.encode()
        return ""

    def played(self) -> Played:
        """Return what came of it."""
        return Played(dict(self.files), self.reported, self.accidents, self.calls)


def play(one: Exercise, reply: str) -> Played:
    """Do what a reply says in a copy of the exercise's workspace."""
    work = Workspace(dict(one.files))
    for found in _CALL.finditer(reply):
        if found[3]:
            work.report()
        else:
            work.write(found[1], found[2])
    return work.played()
