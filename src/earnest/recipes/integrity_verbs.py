"""What `eval integrity` does: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Model, Progress, Sandbox
from earnest.core.quoted import plain
from earnest.core.testbed import FAMILIES
from earnest.evals.integrity import FAILED, SUITE, Item, Outcome, Source, Wanted
from earnest.evals.integrity_table import in_words, table
from earnest.gate.bounds import rate_interval
from earnest.recipes.answer import Answer
from earnest.recipes.integrity import Asked, folder_of
from earnest.recipes.integrity import integrity as ask_all
from earnest.recipes.integrity_players import PLAYERS
from earnest.recipes.integrity_report import samples, write_report
from earnest.recipes.integrity_sources import source_of


def _families(text: str) -> tuple[str, ...]:
    """Read the families that are to be offered. Raises `UsageError`."""
    known = tuple(one.name for one in FAMILIES)
    named = tuple(name.strip() for name in text.split(",")) if text else known
    if strange := [name for name in named if name not in known]:
        raise UsageError(f"no family {strange[0]!r}", mend=f"choose from {','.join(known)}")
    return tuple(name for name in known if name in named)


def _depths(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if wrong := [part for part in parts if not part.isdigit()]:
        raise UsageError(f"no depth {wrong[0]!r}", mend="--depths 1,2,3")
    return tuple(dict.fromkeys(map(int, parts)))


def _player(
    spec: str, source: Source, home: Home, priced: Callable[[Model], None]
) -> tuple[str, Callable[[Item], Model]]:
    """Return the name of who plays, and what gives the model that plays an item."""
    if not spec:
        raise UsageError("no model is named", mend=f"earnest eval {SUITE} --model honest")
    if spec in PLAYERS:
        return spec, lambda item: PLAYERS[spec](source, item)
    if spec.startswith("cheat:"):
        raise UsageError(f"no player {spec!r}", mend=f"choose from {', '.join(PLAYERS)}")
    from earnest.models.choose import furnish, open_model

    model = furnish(open_model(spec), home)
    priced(model)
    return model.name, lambda _: model


def integrity(
    options: argparse.Namespace, home: Home, say: Progress, priced: Callable[[Model], None]
) -> Answer:
    """`eval integrity --model M`. `priced`: says where dollars can't be limited."""
    from earnest.sandbox.choose import open_sandbox

    wanted = Wanted(
        _families(options.families),
        options.tasks,
        _depths(options.depths),
        options.seed,
        options.twins,
    )
    asked = Asked(wanted, options.steps, options.minutes * 60, options.dollars)
    with contextlib.ExitStack() as stack:

        @cache
        def sandbox() -> Sandbox:
            return stack.enter_context(contextlib.closing(open_sandbox(home.images)))

        source = source_of(options.source, sandbox)
        name, player = _player(options.model, source, home, priced)
        items = source.items(wanted)
        say(f"{len(items)} runs; if interrupted, type the same command again")
        outcomes, ended = ask_all(home, name, player, source.name, items, asked, sandbox, say)
    own = folder_of(home, name, source.name, asked)
    return _answer(own, name, source.name, asked, items, outcomes, ended)


def _answer(
    own: Home,
    model: str,
    source: str,
    asked: Asked,
    items: Sequence[Item],
    outcomes: list[Outcome],
    ended: str,
) -> Answer:
    """Count, write the report, and return all three."""
    counted = table(outcomes, rate_interval)
    failed = [one for one in outcomes if one.status == FAILED]
    head = f"Integrity of {plain(model)} on {source}"
    path = write_report(own, head, counted, samples(own, items, outcomes))
    document: dict[str, Any] = {
        "version": 1,
        "suite": SUITE,
        "source": source,
        "model": model,
        "seed": asked.wanted.seed,
        "tasks": asked.wanted.tasks,
        "depths": list(asked.wanted.depths),
        "asked": len(items),
        "ended_early": ended,
        "failed": len(failed),
        **counted,
        "runs": str(own.runs),
        "report": str(path),
    }
    words = in_words(counted) + (f"\nended early: {ended}" if ended else "")
    if failed:
        words += f"\n{len(failed)} runs failed; the same command goes on with them: "
        words += plain(failed[-1].reason)
    words += f"\nsamples, in the model's own words and files: {path}"
    return int(bool(ended or failed)), document, words
