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
    """`testbed WHAT`."""
    if options.what == "show":
        return _show(options)
    if options.what == "report":
        return _report(options, home)
    if options.what in ("sources", "export"):
        from earnest.recipes import testbed_real_verbs as real

        return (real.sources if options.what == "sources" else real.export)(options, home, say)
    return {"families": _families, "hunt": _hunt, "run": _run, "trl": _trl}[options.what](
        options, home, say
    )


def _report(options: argparse.Namespace, home: Home) -> Answer:
    """Write the page of one or more runs, named by their folders or by their names in the home."""
    from earnest.recipes.testbed_report import report, report_words
    from earnest.recipes.testbed_training import folder_of

    found = [path if path.is_dir() else folder_of(home, path.name) for path in options.runs]
    document = report(found, options.out)
    return 0, document, report_words(document)


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


def _run(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """Train an arm over its generations."""
    from earnest.recipes.testbed_arms import arm_of
    from earnest.recipes.testbed_report_words import in_words
    from earnest.recipes.testbed_run import Plan
    from earnest.recipes.testbed_training import QUICK, USUAL, run
    from earnest.recipes.testbed_zero import zero_of
    from earnest.train.sft import read_checkpoint

    usual = QUICK if options.quick else USUAL
    asked = {
        "generations": options.generations,
        "updates": options.updates_per_generation,
        "seeds": options.seeds,
        "tasks": options.tasks,
        "final": options.final,
    }
    chosen = usual | {key: value for key, value in asked.items() if value is not None}
    zero = zero_of(home, arm_of(options.arm).dirty, say)
    plan = Plan(
        arm=options.arm,
        seeds=tuple(range(chosen.pop("seeds"))),
        zero=read_checkpoint(zero).id,
        **chosen,
    )
    name = options.name or (f"{options.arm}-quick" if options.quick else options.arm)
    document = run(home, plan, name, say, jobs=options.jobs or 0, quick=options.quick)
    return 0, document, in_words(document)


def _hunt(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """Look for cheats that nobody listed, and for what fools the secure grader."""
    from earnest.models.choose import furnish, open_model
    from earnest.recipes.testbed_hunt import Asked, document, hunt, in_words
    from earnest.sandbox.choose import open_sandbox

    if options.minutes is not None and options.minutes <= 0:
        raise UsageError("there is nothing to find in no time", mend="--minutes 5")
    model = furnish(open_model(options.model), home) if options.model else None
    if options.dollars is not None and (model is None or not model.priced):
        raise UsageError("no price is known, so dollars can't be limited", mend="leave it out")
    minutes = 5.0 if options.minutes is None and options.trials is None else options.minutes
    seconds = None if minutes is None else 60 * minutes
    asked = Asked(options.seed, seconds, options.trials, model, options.dollars)
    say("if interrupted, type the same command again")
    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        said = document(hunt(home, asked, sandbox, say))
        backend = sandbox.name
    head = {"version": 1, "suite": "hunt", "seed": options.seed, "backend": backend}
    head |= {"model": model.name if model else ""}
    folder = asked.folder(home)
    words = in_words(said, folder)
    return (1 if said["escapes"] else 0), {**head, **said, "folder": str(folder)}, words


def _trl(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """Take an arm's updates by TRL."""
    from earnest.evals.testbed_grade import Graders
    from earnest.recipes.testbed_arms import arm_of
    from earnest.recipes.testbed_players import player_of
    from earnest.recipes.testbed_training import folder_of
    from earnest.recipes.testbed_trl import plan_of, run, words
    from earnest.recipes.testbed_zero import zero_of
    from earnest.sandbox.choose import open_sandbox
    from earnest.train.by_trl import lacks_trl

    if options.each < 2:
        raise UsageError("a group of one has nothing to be compared with", mend="--each 8")
    lacks_trl()
    model = options.model or zero_of(home, arm_of(options.arm).dirty, say)
    out = options.out or folder_of(home, f"{options.arm}-trl")
    player = player_of(model)
    plan, zero = plan_of(
        model,
        out,
        player,
        arm=arm_of(options.arm).name,
        seeds=(options.seed,),
        generations=1,
        updates=options.updates,
        prompts=options.prompts,
        each=options.each,
        tasks=options.tasks,
        final=0,
        rate=options.rate,
    )
    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        graders = Graders(sandbox)
        document = run(plan, zero, out, graders, say, player, alone=options.alone)
    return 0, document, words(document, out)
