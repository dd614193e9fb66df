"""One agent run: tables and a vague prompt in, verified findings and a report out."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial, reduce
from pathlib import Path

from earnest.agent.guard import Ask
from earnest.agent.loop import RunResult, run_agent
from earnest.agent.replay import logged_used
from earnest.core.acts import Policy
from earnest.core.budget import Budget, Purse
from earnest.core.canon import canonical, parse
from earnest.core.columns import read_cells
from earnest.core.errors import UsageError
from earnest.core.events import EventLog
from earnest.core.home import Home, write_whole
from earnest.core.messages import Usage
from earnest.core.protocols import Embedder, Model, Progress, Sandbox
from earnest.core.records import Author, Exposure, Finding, TableRef, Task, Verdict
from earnest.core.running import RUN_FILE, at_work
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart
from earnest.recipes.closed_book import added, ask
from earnest.recipes.earlier_notes import SAW_ALL, earlier_notes
from earnest.recipes.known import knowledge, told
from earnest.recipes.network import network
from earnest.recipes.outfit import Terms, earlier, equipped
from earnest.recipes.work import words_of, work_of
from earnest.tasks.registry import Registry
from earnest.tools.findings import Submitter
from earnest.tools.kit import research_tools
from earnest.tools.mcp_servers import Server
from earnest.tools.meaning import kept_vectors
from earnest.tools.notes import pinned
from earnest.tools.web_providers import Provider
from earnest.tools.workspace import Workspace
from earnest.verify.evidence_batch import near_copies
from earnest.verify.sameness import by_construction
from earnest.verify.trivial import definitional
from earnest.verify.units import testable

# These have read no published table: the bundled ones are new to them (DESIGN.md, section 5).
_READ_NOTHING = ("analyst", "scripted", "nano")

PRINCIPAL = "local"
"""Whose error budget pays for what is found on this machine."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run: how it ended, and its findings with their verdicts.

    `asked`: what the closed-book questions about them cost.
    """

    run: str
    result: RunResult
    findings: list[tuple[Finding, Verdict]]
    asked: Usage


def new_run(label: str = "") -> str:
    """Return a name for a new run, sortable by time."""
    return time.strftime("%Y%m%d-%H%M%S-") + (label or secrets.token_hex(3))


def working(home: Home, run: str) -> contextlib.AbstractContextManager[None]:
    """Hold a run, so that no other process works on it and `stop` finds who does.

    Raises `EarnestError` where another process holds it.
    """
    return at_work(home.runs / run / RUN_FILE, "run", run=run)


def make_task(prompt: str, tables: Sequence[TableRef], *, public: bool = False) -> Task:
    """Return the task of finding out what goes on in some tables."""
    names = [ref.name for ref in tables]
    if len(set(names)) != len(names):
        raise UsageError("two tables have the same name", mend="rename one of the files")
    return Task(kind="research", prompt=prompt, tables=tuple(tables), public=public)


def _hand_out(home: Home, task: Task, folder: Path) -> None:
    """Copy the visible rows of a task's tables to where its run's jails see them."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for ref in task.tables:
        name = f"{ref.name}.csv"
        write_whole(folder / name, (Registry(home).visible(ref.table) / name).read_bytes(), 0o644)


def exposure(task: Task, model: str, sandbox: Sandbox, servers: Sequence[Server] = ()) -> Exposure:
    """Return what the author can have seen: all of it, where its code is kept from nothing.

    `model`: the author's name. `servers`: the MCP servers that it may call.
    """
    if not sandbox.isolates or any(one.may_see for one in servers):
        return "author-saw-all"
    return "public" if task.public and model not in _READ_NOTHING else "sealed"


def explore(
    home: Home,
    run: str,
    task: Task,
    model: Model,
    sandbox: Sandbox,
    progress: Progress,
    *,
    budget: Budget | None = None,
    hosts: Sequence[str] = (),
    policy: Policy = "auto",
    ask: Ask = lambda _: False,
    stop: Callable[[], bool] = lambda: False,
    servers: Sequence[Server] = (),
    web: Provider | None = None,
    embedder: Embedder | None = None,
) -> RunResult:
    """Let an agent work on a task, or go on where a killed run was. Nothing is verified yet.

    `hosts`: what its code may reach. It is told what the ledger knows where the task was
    `informed` (`recipes/known.py`). `policy`: what it may do; `ask` asks a person. `servers`: the
    MCP servers that it may use. `web`: the search service that it may ask; `embedder`: what
    `search` finds by meaning with.
    """
    folder = home.runs / run
    _hand_out(home, task, folder / "data")
    author = Author(principal=PRINCIPAL, model=model.name)
    saw = exposure(task, model.name, sandbox, servers)
    if saw == "author-saw-all":
        write_whole(folder / SAW_ALL, b"")  # later runs are told none of its notes
    for one in servers:
        if one.may_see and task.tables:
            progress(
                f"MCP server {one.name} runs here in no jail, so it may read sealed rows: findings "
                'are reproduced at most ("blind": true in its entry is your word that it can\'t)'
            )
    known = (told(home, task), words_of(work_of(home, run)))
    with contextlib.ExitStack() as held:
        log = held.enter_context(EventLog(folder / "events.jsonl"))
        purse = Purse(budget or Budget(), logged_used(log.events))
        net, asks = held.enter_context(network(home, run, hosts, purse, web))
        vectors = held.enter_context(kept_vectors(embedder, folder))
        make = partial(
            research_tools,
            Submitter(task, run, author, saw),
            sandbox,
            home.blobs,
            data=folder / "data",
            workspace=folder / "workspace",
            purse=purse,
            earlier=earlier(home, run, log.events),
            past=log.events,
            earlier_notes=earlier_notes(home, run, task),
            net=net,
            findings=knowledge(home, task),
            web=asks,
            vectors=vectors,
        )
        terms = Terms(purse, policy, ask, stop, servers)
        with equipped(home, run, task, model, log, make, terms, progress, known[0]) as tools:
            return run_agent(
                task,
                model,
                tools,
                log,
                purse=purse,
                run=run,
                known="\n\n".join(filter(None, known)),
                notes=partial(pinned, Workspace(folder / "workspace")),
                progress=progress,
                policy=policy,
                ask=ask,
                stop=stop,
            )


def to_test(home: Home, batch: Sequence[Finding]) -> list[str]:
    """Return the ids of the findings that a test is paid for.

    Not what is true by construction, nor what repeats an earlier finding of the batch.
    """
    visible = lru_cache(maxsize=1)(read_cells)
    copies = near_copies(batch, home.blobs.get)
    new = [one for one in batch if testable(one) and one.id not in copies]
    wanted = []
    for finding in sorted(new, key=lambda one: one.table.table):
        ref = finding.table
        if finding.claim.formal:
            wanted += [] if by_construction(finding.claim) else [finding.id]
            continue
        cells = visible(Registry(home).visible(ref.table) / f"{ref.name}.csv")
        if not definitional(cells, finding.claim, ref.design):
            wanted.append(finding.id)
    return wanted


def conclude(
    home: Home,
    task: Task,
    batch: Sequence[Finding],
    progress: Progress,
    knows: Model | None = None,
) -> list[tuple[Finding, Verdict]]:
    """Freeze a run's findings as one batch, and verify them. A second call changes nothing.

    `knows`: the model that is asked closed-book, before they are verified, what it knows of them.
    """
    with Ledger(home.ledger) as ledger:
        there = {one.id for one, _ in ledger.findings(run=batch[0].run)} if batch else set()
    new = [one for one in batch if one.id not in there]
    answers = ask(knows, new, progress) if knows else []
    with Ledger(home.ledger) as ledger:
        ledger.add(task)
        ledger.submit(batch, testable=to_test(home, batch), answers=answers)
    verdicts = apart.verify(home, [finding.id for finding in batch], progress)
    return list(zip(batch, verdicts, strict=True))


def research(
    home: Home,
    run: str,
    task: Task,
    model: Model,
    sandbox: Sandbox,
    progress: Progress,
    *,
    budget: Budget | None = None,
    hosts: Sequence[str] = (),
    knows: Model | None = None,
    policy: Policy = "auto",
    ask: Ask = lambda _: False,
    servers: Sequence[Server] = (),
    web: Provider | None = None,
    embedder: Embedder | None = None,
) -> Outcome:
    """Explore, then verify. An interrupted run's findings stay open until it is resumed.

    `knows`: the model that is asked closed-book about the findings (default: their author).
    """
    with working(home, run):
        result = explore(
            home,
            run,
            task,
            model,
            sandbox,
            progress,
            budget=budget,
            hosts=hosts,
            policy=policy,
            ask=ask,
            servers=servers,
            web=web,
            embedder=embedder,
        )
        if result.status == "stopped":
            raise KeyboardInterrupt
        found = conclude(home, task, result.findings, progress, knows or model)
    return Outcome(run, result, found, _cost(home, result.findings))


def _cost(home: Home, batch: Sequence[Finding]) -> Usage:
    with Ledger(home.ledger) as ledger:
        told = [ledger.closed_book(finding.id) for finding in batch]
    return reduce(added, (one.usage for one in told if one), Usage())


@dataclass(frozen=True)
class Begun:
    """What it takes to resume a run. `model` and `sandbox`: as written on the command line.

    `knows`: the model that is asked closed-book, where it is not the author. `policy`: what the
    agent may do. `mcp`: a file of MCP servers. `web`: a search provider's name; `embeddings`: an
    embedding model, as on the command line.
    """

    model: str
    budget: Budget
    sandbox: str = "auto"
    hosts: tuple[str, ...] = ()
    knows: str = ""
    policy: Policy = "auto"
    mcp: str = ""
    web: str = ""
    embeddings: str = ""


def begin(home: Home, run: str, task: Task, with_: Begun) -> None:
    """Note on disk what it takes to resume a run."""
    home.blobs.put(task.data)
    note = {"version": 1, "task": task.id, **asdict(with_), "hosts": list(with_.hosts)}
    write_whole(home.runs / run / "run.json", canonical(note))


def begun(home: Home, run: str) -> tuple[Task, Begun]:
    """Return a run's task and what it was begun with. Raises `UsageError`, `RecordError`."""
    path = home.runs / run / "run.json"
    if os.sep in run or not path.exists():
        raise UsageError(f"there is no run {run!r}", mend="earnest runs list")
    note = parse(path.read_bytes())
    task = Task.from_bytes(home.blobs.get(note["task"]), expect=note["task"])
    hosts = tuple(note.get("hosts", ()))
    budget = Budget(**note["budget"])
    knows, policy = note.get("knows", ""), note.get("policy", "auto")
    sandbox, mcp = note.get("sandbox", "auto"), note.get("mcp", "")
    web, embeddings = note.get("web", ""), note.get("embeddings", "")
    return task, Begun(
        note["model"], budget, sandbox, hosts, knows, policy, mcp, web=web, embeddings=embeddings
    )
