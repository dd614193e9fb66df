"""What `testbed sources` and `testbed export` do: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress, Sandbox
from earnest.core.testbed import Affordance
from earnest.recipes.answer import Answer
from earnest.recipes.testbed_sources import SOURCES, Pair, data_folder, exercises, real_items


def _data(options: argparse.Namespace, names: Sequence[str]) -> Path | None:
    return data_folder(options.data) if {"humaneval", "mbpp"} & set(names) else None


def _named(options: argparse.Namespace) -> list[str]:
    names = [name for name in options.source.split(",") if name]
    strange = [name for name in names if name not in SOURCES and not Path(name).is_dir()]
    if strange or not names:
        raise UsageError(
            f"no source {(strange or [''])[0]!r}",
            mend=f"--source {', '.join(SOURCES)}, or a folder of Harbor tasks",
        )
    return names


def _folder(name: str) -> dict[str, Any]:
    """Say what can be read of a folder of Harbor tasks, and what not without docker."""
    from earnest.tasks.harbor import read_tasks

    found = read_tasks(Path(name))
    unusable: dict[str, list[str]] = {}
    unmet = {}
    for task, one in found:
        if isinstance(one, str):
            unusable.setdefault(one, []).append(task)
        elif said := one[0].task.metadata["unmet"]:
            unmet[task] = said
    usable = len(found) - sum(map(len, unusable.values()))
    return {"items": len(found), "usable": usable, "unusable": unusable, "unmet": unmet}


def _cheated(
    name: str,
    options: argparse.Namespace,
    sandbox: Sandbox,
    data: Path | None,
    offers: Sequence[Affordance],
) -> list[Pair]:
    asked = exercises(
        name, options.seed, offers=offers, n=options.cheats, sandbox=lambda: sandbox, data=data
    )
    return list(asked)


def sources(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`testbed sources`: what can be made of each, and whether references and cheats do as told."""
    from earnest.recipes.testbed_real import cheats, in_words, survey, table
    from earnest.sandbox.choose import open_sandbox

    names = [name for name in _named(options) if name != "specs"]
    data = _data(options, names)
    found: dict[str, Any] = {}
    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        for name in names:
            if name not in SOURCES:
                found[name] = _folder(name)
                continue
            rows = survey(sandbox, name, real_items(name, data), options.seed, options.tasks, say)
            found[name] = table(rows)
            if options.cheats:
                asked = partial(_cheated, name, options, sandbox, data)
                found[name]["cheats"] = cheats(sandbox, asked, say)
        backend = sandbox.name
    document = {"version": 1, "seed": options.seed, "backend": backend, "sources": found}
    wrong = any(one.get("wrong") for one in found.values())
    return int(wrong), document, in_words(found)


def export(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`testbed export DIR`: exercises as Harbor task folders."""
    from earnest.recipes.testbed_export import write
    from earnest.sandbox.choose import open_sandbox

    names = _named(options)
    if len(names) != 1 or options.tasks < 1:
        raise UsageError(
            "name one source and at least one task",
            mend="earnest testbed export DIR --source specs --tasks 10",
        )
    offers = None if options.offers is None else [n for n in options.offers.split(",") if n]
    pairs: list[Pair] = []
    with contextlib.ExitStack() as stack:

        @cache
        def sandbox() -> Sandbox:
            return stack.enter_context(contextlib.closing(open_sandbox(home.images)))

        for twin in (False, True) if options.twins else (False,):
            pairs += exercises(
                names[0], options.seed, twin=twin, offers=offers, n=options.tasks,
                sandbox=sandbox, data=_data(options, names),
            )  # fmt: skip
            say(f"{len(pairs)} tasks made")
    written = write(Path(options.folder), pairs)
    document = {
        "version": 1,
        "source": names[0],
        "seed": options.seed,
        "folder": options.folder,
        "tasks": [
            {"folder": path.name, "twin": secrets.twin, "offers": list(one.offers)}
            for path, (one, secrets) in zip(written, pairs, strict=True)
        ],
    }
    words = f"{len(written)} task folders in {options.folder}: harbor run -p {options.folder} …"
    return 0, document, words
