"""What a run's agent works with: its tools, its sub-agents, MCP servers, its snapshots."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from earnest.agent.replay import logged_calls, logged_findings
from earnest.core.budget import Purse
from earnest.core.errors import UsageError
from earnest.core.events import Event, EventLog
from earnest.core.home import Home
from earnest.core.protocols import Embedder, Model, Progress, Tool
from earnest.core.records import Finding, Task
from earnest.recipes.delegates import Delegates, closed, open_findings
from earnest.recipes.delegates import Terms as Terms
from earnest.recipes.work import snapshots
from earnest.tools.delegate import DelegateTool
from earnest.tools.kit import close_tools
from earnest.tools.mcp_servers import Server, read_servers
from earnest.tools.snapshots import Snapped
from earnest.tools.web_providers import Provider, read_provider

MCP: Final = "mcp.json"
PROVIDERS: Final = "search.json"
_SHARED: Final = "submit_finding"
_NOT_HANDED_ON: Final = ("notes",)
"""Tools that a sub-agent has not: the run's notes are its agent's own."""


def earlier(home: Home, run: str, events: Sequence[Event]) -> list[Finding]:
    """Return what a run has queued, by sub-agents too that a kill cut off."""
    return [*logged_findings(events), *open_findings(home, run, closed(events))]


def configured(home: Home, file: str) -> list[Server]:
    """Return the MCP servers of a home, and of a file; of two with one name, the file's.

    Raises `UsageError`.
    """
    if file and not Path(file).exists():
        raise UsageError(f"there is no file {file}", mend="name one: --mcp FILE")
    found = {one.name: one for one in read_servers(home.root / MCP)}
    found |= {one.name: one for one in read_servers(Path(file))} if file else {}
    return list(found.values())


def finders(home: Home, web: str, embeddings: str) -> tuple[Provider | None, Embedder | None]:
    """Return the search provider and the embedding model that a run was begun with, if any.

    Raises `UsageError` where one is not there, `LackError` where its key or package is missing, so
    that no run begins without.
    """
    provider = read_provider(home.root / PROVIDERS, web) if web else None
    if provider is not None:
        provider.keys()
    embedder = None
    if embeddings:
        from earnest.models.embed import open_embedder

        embedder = open_embedder(embeddings)
        embedder.ready()
    return provider, embedder


@contextlib.contextmanager
def equipped(
    home: Home,
    run: str,
    task: Task,
    model: Model,
    log: EventLog,
    make: Callable[..., list[Tool]],
    terms: Terms,
    progress: Progress,
    known: str = "",
) -> Iterator[list[Tool]]:
    """Yield the tools of a run's agent; what they hold ends with the block.

    `make`: makes a run's own tools, given the earlier calls of `python` as `cells`.
    """
    with contextlib.ExitStack() as held:

        def made(log: EventLog, purse: Purse) -> list[Tool]:
            cells = logged_calls(log.events, "python")
            return make(cells=cells, purse=purse, past=log.events)

        own = made(log, terms.purse)
        held.callback(close_tools, own)
        others: list[Tool] = []
        if terms.servers:
            from earnest.tools.mcp import McpClient

            client = McpClient(terms.servers, home.blobs, home.runs / run, terms.purse)
            held.callback(client.close)
            others = list(client.tools)
            for line in client.said():
                progress(line)
        shared = {tool.spec.name: tool for tool in own if tool.spec.name == _SHARED}
        taken = snapshots(home, run, log.events)

        def handed_on(log: EventLog, purse: Purse) -> list[Tool]:
            new = [shared.get(tool.spec.name, tool) for tool in made(log, purse)]
            return [*(tool for tool in new if tool.spec.name not in _NOT_HANDED_ON), *others]

        def close(tools: Sequence[Tool]) -> None:
            close_tools(tool for tool in tools if tool not in (*others, *shared.values()))

        done = closed(log.events)
        send = Delegates(
            home, run, task, model, terms, handed_on, close, taken, progress, known, done
        )
        yield [Snapped(tool, taken) for tool in (*own, *others, DelegateTool(send))]
