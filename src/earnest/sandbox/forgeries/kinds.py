"""What a forgery is, and what it is a forgery of."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A function to write. `name` is the function's; it takes one argument.

    `reference` is the trusted answer; `fixed` are arguments that a candidate may have seen;
    `fresh` makes another. `right` and `wrong` are honest sources, the second with an honest slip.
    """

    name: str
    reference: Callable[[Any], Any]
    fixed: tuple[Any, ...]
    fresh: Callable[[random.Random], Any]
    right: str
    wrong: str

    def visible(self) -> list[tuple[Any, Any]]:
        """Return the fixed arguments that have a value, and it."""
        found = []
        for argument in self.fixed:
            try:
                found.append((argument, self.reference(argument)))
            except ValueError:
                continue
        return found


@dataclass(frozen=True)
class Forgery:
    """A wrong solution. In `source` and `files`, `SOLVE` stands for the function's name.

    `files` lie beside it where a grader has a workspace.
    """

    name: str
    family: str
    source: str
    problem: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def family(name: str, **sources: str) -> tuple[Forgery, ...]:
    """Return the forgeries of one family, a keyword each."""
    return tuple(Forgery(key, name, text.strip() + "\n") for key, text in sources.items())
