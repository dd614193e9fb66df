"""All forgeries of a function, each of a problem of its own, or spread over the problems."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from earnest.sandbox.forgeries import ends, line, reach, values
from earnest.sandbox.forgeries.kinds import Forgery
from earnest.sandbox.forgeries.problems import PROBLEMS


def _spread() -> tuple[Forgery, ...]:
    names = list(PROBLEMS)
    found = []
    for number, forgery in enumerate(
        (*ends.FORGERIES, *values.FORGERIES, *reach.FORGERIES, *line.FORGERIES)
    ):
        problem = forgery.problem or names[number % len(names)]
        source = forgery.source.replace("SOLVE", problem)
        files = {name: text.replace("SOLVE", problem) for name, text in forgery.files.items()}
        found.append(replace(forgery, source=source, problem=problem, files=files))
    return tuple(found)


FORGERIES: Final = _spread()
