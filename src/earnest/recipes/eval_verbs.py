"""What the verb `eval` does: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from functools import cache
from pathlib import Path
from typing import Any

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Model, Progress, Sandbox
from earnest.core.quoted import plain
from earnest.recipes.answer import Answer


def _model(spec: str, home: Home) -> Model:
    from earnest.evals.uplift_players import PLAYERS
    from earnest.models.choose import furnish, open_model

    return PLAYERS[spec]() if spec in PLAYERS else furnish(open_model(spec), home)


def _priced(model: Model, dollars: float | None, say: Progress) -> None:
    """Say where nobody knows what a model costs. Raises `UsageError` where dollars are limited."""
    if model.priced:
        return
    if dollars is not None:
        raise UsageError(
            f"the price of {model.name} is not known, so dollars can't be limited",
            mend="put its price into prices.json in the home folder (docs/models.md), or leave "
            "--dollars out and ask for fewer --tasks",
        )
    say(f"the price of {model.name} is not known, so its cost is not counted")


def eval(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: A001
    """`eval uplift --model M`, `eval integrity --model M`, `eval classify FILE`."""
    suites = {"classify": _classify, "uplift": _uplift, "integrity": _integrity}
    return suites[options.suite](options, home, say)


def _integrity(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    from earnest.recipes.integrity_verbs import integrity

    return integrity(options, home, say, lambda model: _priced(model, options.dollars, say))


def _classify(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    from earnest.evals.oracle_cases import cases
    from earnest.evals.oracle_table import in_words, table
    from earnest.recipes.classify import classify, part_of, read_file, read_rl_character
    from earnest.sandbox.choose import open_sandbox

    if sum(map(bool, (options.file, options.rl_character, options.made))) != 1:
        raise UsageError(
            "name one thing to classify", mend="earnest eval classify FILE, or --rl-character DIR"
        )
    if options.made:
        works = list(cases())
    elif options.rl_character:
        works = read_rl_character(Path(options.rl_character))
    else:
        works = read_file(Path(options.file))
    works = part_of(works, options.part, options.seed)
    say(f"{len(works)} solutions; if interrupted, type the same command again")
    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        verdicts = classify(home, sandbox, works, options.seed, say)
    found = table(works, verdicts)
    rows = [
        {"name": one.name, **verdict.model_dump(mode="json")}
        for one, verdict in zip(works, verdicts, strict=True)
    ]
    head = {"version": 1, "suite": "classify", "seed": options.seed, "part": options.part}
    return 0, {**head, **found, "verdicts": rows}, in_words(found)


def _uplift(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    from earnest.evals.uplift import FAMILIES, SUITE
    from earnest.evals.uplift_table import in_words, table
    from earnest.recipes.uplift import Asked, folder_of, uplift
    from earnest.sandbox.choose import open_sandbox

    if not options.model:
        raise UsageError("no model is named", mend="earnest eval uplift --model careful")
    named = [name.strip() for name in options.families.split(",")]
    wanted = named if options.families else FAMILIES
    families = tuple(name for name in FAMILIES if name in wanted)
    strange = [name for name in wanted if name not in FAMILIES]
    if strange or options.tasks < 1:
        raise UsageError(
            f"no family {strange[0]!r}" if strange else "there is nothing to do in no tasks",
            mend=f"choose from {','.join(FAMILIES)}" if strange else "--tasks 10",
        )
    model = _model(options.model, home)
    _priced(model, options.dollars, say)
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
        "failed": sum(one.status == "failed" for one in outcomes),
        "families": rows,
        "runs": str(folder_of(home, model.name, asked).runs),
    }
    failed = [one for one in outcomes if one.status == "failed"]
    words = in_words(rows) + (f"\nended early: {ended}" if ended else "")
    if failed:
        words += f"\n{len(failed)} runs failed; the same command tries them again: "
        words += plain(failed[-1].reason)
    return int(bool(ended or failed)), document, words
