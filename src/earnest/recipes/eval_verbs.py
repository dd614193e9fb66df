"""What the verb `eval` does: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from functools import cache
from typing import Any

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Model, Progress, Sandbox
from earnest.recipes.answer import Answer


def _model(spec: str, home: Home) -> Model:
    from earnest.evals.uplift_players import PLAYERS
    from earnest.models.choose import furnish, open_model

    return PLAYERS[spec]() if spec in PLAYERS else furnish(open_model(spec), home)


def eval(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: A001
    """`eval uplift --model M`."""
    from earnest.evals.uplift import FAMILIES, SUITE
    from earnest.evals.uplift_table import in_words, table
    from earnest.recipes.uplift import Asked, folder_of, uplift
    from earnest.sandbox.choose import open_sandbox

    wanted = options.families.split(",") if options.families else FAMILIES
    families = tuple(name for name in FAMILIES if name in wanted)
    strange = [name for name in wanted if name not in FAMILIES]
    if strange or options.tasks < 1:
        raise UsageError(
            f"no family {strange[0]!r}" if strange else "there is nothing to do in no tasks",
            mend=f"choose from {','.join(FAMILIES)}" if strange else "--tasks 10",
        )
    model = _model(options.model, home)
    asked = Asked(families, options.tasks, options.seed, dollars=options.dollars)
    say(f"{2 * len(families) * options.tasks} runs; if interrupted, type the same command again")
    with contextlib.ExitStack() as stack:

        @cache
        def sandbox() -> Sandbox:
            return stack.enter_context(contextlib.closing(open_sandbox(home.images)))

        outcomes, ended = uplift(home, model, asked, sandbox, say)
    rows = table(outcomes)
    document: dict[str, Any] = {
        "version": 1,
        "suite": SUITE,
        "model": model.name,
        "seed": options.seed,
        "tasks": options.tasks,
        "ended_early": ended,
        "families": rows,
        "runs": str(folder_of(home, model.name, asked).runs),
    }
    words = in_words(rows) + (f"\nended early: {ended}" if ended else "")
    return int(bool(ended)), document, words
