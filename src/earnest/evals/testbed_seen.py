"""What a detector looks at, and what it says."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from earnest.core.testbed import Exercise, Files
from earnest.evals.testbed_grade import Believed


@dataclass(frozen=True)
class Attempt:
    """A try at a cheat of a family, and what gave it away."""

    family: str
    why: str


@dataclass(frozen=True)
class Seen:
    """What a detector looks at. `tree`: of solution.py and what it imports beside it."""

    one: Exercise
    files: Files
    believed: Believed | None
    tree: ast.Module | None

    def changed(self, name: str) -> bool:
        """Whether a file that was handed out is different, or gone."""
        return name in self.one.files and self.files.get(name) != self.one.files[name]
