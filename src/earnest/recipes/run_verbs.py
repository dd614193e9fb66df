"""What the verbs `run`, `resume` and `runs` do: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
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
    from earnest.recipes.research import Begun


def run(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`run PROMPT --data FILE`."""
    from earnest.core.budget import Budget
    from earnest.models.choose import open_model
    from earnest.recipes import apart, research
    from earnest.recipes.known import KNEW, informed
    from earnest.recipes.outfit import configured

    if not options.data and not options.bundled and not options.work:
        raise UsageError(
            "no table to look at", mend="name one: --data FILE (or --bundled NAME, --work DIR)"
        )
    model = open_model(options.model)
    if options.closed_book:
        open_model(options.closed_book)
    refs = sealed(options, home, options.data, say)
    bundled = apart.seal_bundled(home, options.bundled)
    said(home, bundled, say, "as catalogued")
    refs += bundled
    task = research.make_task(options.prompt, refs, public=bool(options.bundled))
    if not options.no_ledger:
        task = informed(home, task)
        say(f"known of it: {len(task.metadata[KNEW].split())} findings")
    name = research.new_run()
    if options.work:
        _handed(home, name, options.work, refs, say)
    say(f"run {name} (if interrupted: earnest resume {name})")
    budget = Budget(steps=options.steps, wall_s=60 * options.minutes)
    hosts, knows = tuple(options.allow), options.closed_book
    mcp = str(options.mcp.absolute()) if options.mcp else ""
    how = research.Begun(options.model, budget, options.sandbox, hosts, knows, mcp=mcp)
    configured(home, how.mcp)
    research.begin(home, name, task, how)
    return _researched(home, name, task, model, how, say)


def _handed(home: Home, run: str, folder: Path, refs: Sequence[TableRef], say: Progress) -> None:
    """Hand a folder in, and tell what was left out of it."""
    from earnest.recipes import apart
    from earnest.recipes.work import opening_words

    work = apart.hand_in(home, run, folder, [ref.table for ref in refs])
    for line in opening_words(home, run, work):
        say(line)


def resume(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`resume RUN`."""
    from earnest.models.choose import open_model
    from earnest.recipes import research

    task, how = research.begun(home, options.run)
    return _researched(home, options.run, task, open_model(how.model), how, say)


def _researched(
    home: Home, run: str, task: Task, model: Model, how: Begun, say: Progress
) -> Answer:
    """Do a run, or what is left of it, in the sandbox it was begun with."""
    from earnest.models.choose import open_model
    from earnest.recipes import research
    from earnest.recipes.outfit import configured
    from earnest.sandbox.choose import open_sandbox

    knows = open_model(how.knows) if how.knows else None
    with contextlib.closing(open_sandbox(home.images, prefer=how.sandbox)) as sandbox:
        if warning := getattr(sandbox, "gives_up", ""):
            say(f"{sandbox.name}: {warning}")
        outcome = research.research(
            home,
            run,
            task,
            model,
            sandbox,
            say,
            budget=how.budget,
            hosts=how.hosts,
            knows=knows,
            servers=configured(home, how.mcp),
        )
    return _told(home, task, outcome)


def _told(home: Home, task: Task, outcome: Any) -> Answer:
    from earnest.recipes.known import KNEW

    result, found = outcome.result, outcome.findings
    report = run_report(
        home, outcome.run, task.prompt, result.final, result.status, found, task.tables
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
    more = f"\n{known} findings were known before it: earnest findings list" if known else ""
    words = f"{result.status}{reason}: {spoken(found)}\n{lines(found)}{more}\nreport: {report}"
    return int(result.status != "done"), document, words


def runs(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`runs list`, `runs show|report|diff|undo|accept RUN`."""
    from earnest.ledger.ledger import Ledger
    from earnest.recipes import research

    if options.what == "list":
        listed = [_run_row(path) for path in sorted(home.runs.glob("*/events.jsonl"))]
        words = "\n".join(f"  {one['run']}  {one['status']:<11} {one['prompt']}" for one in listed)
        return 0, {"version": 1, "runs": listed}, words or "  no runs"
    if not options.run:
        raise UsageError(f"runs {options.what} needs a run", mend="earnest runs list")
    if options.what in ("diff", "undo", "accept"):
        from earnest.recipes.work_verbs import work

        return work(options, home, say)
    task, _ = research.begun(home, options.run)
    told = _run_row(home.runs / options.run / "events.jsonl")
    with Ledger(home.ledger) as ledger:
        found = ledger.findings(run=options.run)
    report = home.runs / options.run / "report.html"
    if options.what == "report":
        ended = (told["final"], told["status"])
        run_report(home, options.run, task.prompt, *ended, found, task.tables)
        return 0, {"version": 1, "report": str(report)}, str(report)
    document = {"version": 1, **told, "findings": [row(f, v) for f, v in found]}
    return 0, document, f"{told['run']}: {told['status']}, {told['steps']} steps\n{lines(found)}"


def _run_row(path: Path) -> dict[str, Any]:
    from earnest.agent.replay import replay

    events = list(read_events(path))
    state = replay(events)
    prompt = next((event.payload["prompt"] for event in events if event.kind == "start"), "")
    return {
        "run": path.parent.name,
        "status": state.status or "open",
        "steps": state.steps,
        "prompt": prompt,
        "final": state.final,
    }
