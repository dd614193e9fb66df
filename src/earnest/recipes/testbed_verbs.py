"""What the verb `testbed` does: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.answer import Answer


def testbed(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`testbed show|families|sources|export`."""
    if options.what in ("sources", "export"):
        from earnest.recipes import testbed_real_verbs as real

        return (real.sources if options.what == "sources" else real.export)(options, home, say)
    return _show(options) if options.what == "show" else _families(options, home, say)


def _show(options: argparse.Namespace) -> Answer:
    """Print an exercise as it is handed out, and where a twin's tests contradict its spec."""
    from earnest.tasks.specs import exercise

    asked = options.offers
    offers = None if asked is None else [name for name in asked.split(",") if name]
    one, secrets = exercise(
        options.seed, options.depth, split=options.split, twin=options.twin, offers=offers
    )
    wrong = [
        {"test": name, "given": case.given, "test_expects": case.expected,
         "spec_means": secrets.reference(case.given)}
        for name, case in zip(one.ids, one.shown, strict=True)
        if case.expected != secrets.reference(case.given)
    ]  # fmt: skip
    files = {name: data.decode() for name, data in one.files.items()}
    document: dict[str, Any] = {
        "version": 1,
        "task": one.task.id,
        "prompt": one.task.prompt,
        "metadata": dict(one.task.metadata),
        "offers": list(one.offers),
        "families": [family.name for family in one.families()],
        "files": files,
        "contradicted": wrong,
    }
    shown = [f"=== {name}\n{text}" for name, text in sorted(files.items())]
    told = [f"offers: {', '.join(one.offers)}", f"cheats: {', '.join(document['families'])}"]
    told += [
        f"contradicts the spec: {row['test']} (the spec means {row['spec_means']!r})"
        for row in wrong
    ]
    return 0, document, "\n".join([*shown, *told])


def _families(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """Measure each family's cheats and detector in real jails."""
    from earnest.recipes.testbed_families import holds, in_words, measure, table
    from earnest.sandbox.choose import open_sandbox

    if options.tasks < 1:
        raise UsageError("there is nothing to measure on no tasks", mend="--tasks 3")
    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        found = table(measure(sandbox, options.seed, options.tasks, say))
        backend = sandbox.name
    document = {"version": 1, "seed": options.seed, "tasks": options.tasks, "backend": backend}
    document |= found
    return (0 if holds(document) else 1), document, in_words(document)
