"""What the verbs `run`, `resume` and `runs` do: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earnest.core.errors import UsageError
from earnest.core.events import read_events
from earnest.core.home import Home
from earnest.core.protocols import Model, Progress
from earnest.core.records import TableRef, Task
from earnest.core.shown import row
from earnest.recipes.answer import Answer
from earnest.recipes.closed_book import whole_cost
from earnest.recipes.listed import assumed, lines, said, sealed
from earnest.recipes.report import run_report, spoken

if TYPE_CHECKING:
    from earnest.core.budget import Budget
    from earnest.recipes.live import View
    from earnest.recipes.research import Begun


def run(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`run PROMPT --data FILE`."""
    from earnest.recipes.live import view_of

    with view_of(options, say) as view:
        return _run(options, home, view)


def _run(options: argparse.Namespace, home: Home, view: View) -> Answer:
    from earnest.models.choose import furnish, open_model
    from earnest.recipes import apart, research
    from earnest.recipes.known import KNEW, informed
    from earnest.recipes.model_budget import held
    from earnest.recipes.outfit import configured, finders

    if not options.data and not options.bundled and not options.work:
        raise UsageError(
            "no table to look at", mend="name one: --data FILE (or --bundled NAME, --work DIR)"
        )
    say = view.say
    mcp = str(options.mcp.absolute()) if options.mcp else ""
    configured(home, mcp)
    model = furnish(open_model(options.model), home)
    finders(home, options.web, _absolute(options.embeddings))
    if options.closed_book:
        open_model(options.closed_book)
    budget = held(model, _budget(options), say)
    refs = sealed(options, home, options.data, say)
    bundled = apart.seal_bundled(home, options.bundled)
    said(home, bundled, say, "as catalogued")
    refs += bundled
    task = research.make_task(options.prompt, refs, public=bool(options.bundled))
    if not options.no_ledger:
        task = informed(home, task)
        say(f"findings that it is told of: {len(task.metadata[KNEW].split())}")
    name = research.new_run()
    hosts, knows = tuple(options.allow), options.closed_book
    how = research.Begun(
        options.model,
        budget,
        options.sandbox,
        hosts,
        knows,
        options.policy,
        mcp,
        web=options.web,
        embeddings=_absolute(options.embeddings),
    )
    with _held(home, name):  # `stop` finds it from here on, before its name is told
        if options.work:
            _handed(home, name, options.work, refs, say)
        research.begin(home, name, task, how)
        say(f"run {name} (if interrupted: earnest resume {name})")
        return _researched(home, name, task, model, how, view)


@contextlib.contextmanager
def _held(home: Home, run: str) -> Iterator[None]:
    """Hold a run while it is worked on. An interrupt says how it goes on."""
    from earnest.recipes import research

    with research.working(home, run):
        try:
            yield
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"earnest resume {run}") from None


def _absolute(embeddings: str) -> str:
    """Return what names an embedding model from whatever folder a run is resumed in."""
    kind, colon, folder = embeddings.partition(":")
    return f"hf:{Path(folder).absolute()}" if colon and kind == "hf" else embeddings


def _budget(options: argparse.Namespace) -> Budget:
    from earnest.core.budget import Budget

    return Budget(
        steps=options.steps,
        wall_s=60 * options.minutes,
        tokens=options.tokens,
        cost_usd=options.dollars,
    )


def _handed(home: Home, run: str, folder: Path, refs: Sequence[TableRef], say: Progress) -> None:
    """Hand a folder in, and tell what was left out of it."""
    from earnest.recipes import apart
    from earnest.recipes.work import opening_words

    work = apart.hand_in(home, run, folder, [ref.table for ref in refs])
    for line in opening_words(home, run, work):
        say(line)


def resume(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`resume RUN`."""
    from earnest.models.choose import furnish, open_model
    from earnest.recipes import research
    from earnest.recipes.live import view_of

    task, how = research.begun(home, options.run)
    model = furnish(open_model(how.model), home)
    with _held(home, options.run), view_of(options, say) as view:
        return _researched(home, options.run, task, model, how, view)


def _researched(home: Home, run: str, task: Task, model: Model, how: Begun, view: View) -> Answer:
    """Do a run, or what is left of it, in the sandbox it was begun with."""
    from earnest.models.choose import furnish, open_model
    from earnest.recipes import research
    from earnest.recipes.outfit import configured, finders
    from earnest.sandbox.choose import open_sandbox

    web, embedder = finders(home, how.web, how.embeddings)
    knows = furnish(open_model(how.knows), home) if how.knows else None
    with contextlib.closing(open_sandbox(home.images, prefer=how.sandbox)) as sandbox:
        if warning := getattr(sandbox, "gives_up", ""):
            view.say(f"{sandbox.name}: {warning}")
            if how.policy != "ask":
                view.say("so no code of the agent's is run: --policy ask asks you call by call")
        view.watch(home.runs / run, model)
        outcome = research.research(
            home,
            run,
            task,
            model,
            sandbox,
            view.say,
            budget=how.budget,
            hosts=how.hosts,
            knows=knows,
            policy=how.policy,
            ask=view.ask,
            servers=configured(home, how.mcp),
            web=web,
            embedder=embedder,
        )
    return _told(home, task, outcome)


def _told(home: Home, task: Task, outcome: Any) -> Answer:
    from earnest.recipes.known import KNEW
    from earnest.recipes.look_verbs import pictures

    result, found = outcome.result, outcome.findings
    events = read_events(home.runs / outcome.run / "events.jsonl")
    report = run_report(
        home,
        outcome.run,
        task.prompt,
        result.final,
        result.status,
        found,
        task.tables,
        pictures=pictures(events),
    )
    document = {
        "run": outcome.run,
        "status": result.status,
        "steps": result.steps,
        "cost_usd": whole_cost(result.usage, outcome.asked),
        "findings": [row(finding, verdict) for finding, verdict in found],
        "report": str(report),
        "assumed": assumed(home, task.tables),
    }
    reason = f" ({result.reason})" if result.reason else ""
    known = len(task.metadata.get(KNEW, "").split())
    were = "finding was" if known == 1 else "findings were"
    more = f"\n{known} {were} known before it: earnest findings list" if known else ""
    spent = "" if document["cost_usd"] is not None else "\ncost: not known (the model has no price)"
    said = f"{result.status}{reason}: {spoken(found)}\n{lines(found)}"
    words = f"{said}{more}{spent}\nreport: {report}"
    return int(result.status != "done"), document, words


def runs(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`runs list`, `runs show|report|export|diff|undo|accept RUN`."""
    if options.what != "list" and not options.run:
        raise UsageError(f"runs {options.what} needs a run", mend="earnest runs list")
    if options.what in ("diff", "undo", "accept"):
        from earnest.recipes.work_verbs import work

        return work(options, home, say)
    from earnest.recipes.look_verbs import look

    return look(options, home)
