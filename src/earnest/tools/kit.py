"""The tools of a run, on one workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from earnest.core.budget import Purse
from earnest.core.events import Event
from earnest.core.messages import Observation, ToolCall
from earnest.core.protocols import Blobs, Findings, Sandbox, Tool
from earnest.core.records import Finding
from earnest.tools.answers import no_answers, of_run
from earnest.tools.counted import Counted
from earnest.tools.files import EditTool, Files, ReadTool, WriteTool
from earnest.tools.find import GlobTool, GrepTool
from earnest.tools.findings import SubmitFinding, Submitter
from earnest.tools.http import HttpTool
from earnest.tools.ledger import GetFinding, SearchFindings
from earnest.tools.meaning import Meaning, Vectors
from earnest.tools.network import Network
from earnest.tools.notes import NotesTool
from earnest.tools.pictures import picture
from earnest.tools.python import PythonTool
from earnest.tools.search import EarlierNotes, SearchTool
from earnest.tools.shell import ShellTool
from earnest.tools.web import WebSearch
from earnest.tools.workspace import Workspace, no_limit


def workspace_tools(
    sandbox: Sandbox,
    workspace: Workspace,
    data: Path,
    blobs: Blobs,
    cells: Iterable[tuple[ToolCall, Observation]] = (),
    *,
    net: Network | None = None,
) -> list[Tool]:
    """Return the tools that work on a workspace, and on the `data` that is mounted beside it.

    Their programs are paid from the workspace's purse. `cells`: the earlier calls of `python`.
    """
    files, counted = Files(workspace, data), Counted(sandbox, workspace.purse)
    return [
        PythonTool(sandbox, workspace, data, blobs, cells, net=net),
        ShellTool(counted, workspace, data, blobs, net=net),
        ReadTool(files, partial(picture, blobs=blobs, sandbox=counted)),
        WriteTool(files),
        EditTool(files),
        GlobTool(files),
        GrepTool(files, counted, data),
    ]


def research_tools(
    submitter: Submitter,
    sandbox: Sandbox,
    blobs: Blobs,
    *,
    data: Path,
    workspace: Path,
    purse: Purse | None = None,
    earlier: Iterable[Finding] = (),
    cells: Iterable[tuple[ToolCall, Observation]] = (),
    past: Sequence[Event] = (),
    earlier_notes: EarlierNotes | None = None,
    net: Network | None = None,
    findings: Findings | None = None,
    web: WebSearch | None = None,
    vectors: Vectors | None = None,
) -> list[Tool]:
    """Return the tools of a run; `close_tools` ends what they hold.

    With `net` (where `python` and `shell` may reach; evidence never may) also `http`. With
    `findings` (what the run may know of the ledger) also `search_findings`, `get_finding`. With
    `web` that tool. With `vectors`, `search` finds by meaning as well.

    `data`: the folder that holds `<table>.csv`, the visible rows, for each table of the task.
    `workspace`: the run's own folder, made if need be. `purse`: what the run may use. `earlier`:
    the findings that the run's log holds (`agent.replay.logged_findings`), where it is resumed;
    `cells`: its calls of `python` (`agent.replay.logged_calls`). `past`: the log's events, to
    search, which grow as the run goes on; `earlier_notes`: other runs' notes, read when needed.
    """
    spent = purse or no_limit()
    own = Workspace(workspace, spent)
    files, counted = Files(own, data), Counted(sandbox, spent)
    answers = of_run(files, net.recorded) if net else no_answers
    reach: list[Tool] = [*([HttpTool(net, files)] if net else []), *([web] if web else [])]
    known: list[Tool] = [SearchFindings(findings), GetFinding(findings)] if findings else []
    return [
        *workspace_tools(sandbox, own, data, blobs, cells, net=net),
        SearchTool(files, past, earlier_notes, findings, Meaning(vectors) if vectors else None),
        NotesTool(own),
        SubmitFinding(submitter, counted, blobs, data, earlier, answers),
        *reach,
        *known,
    ]


def close_tools(tools: Iterable[Tool]) -> None:
    """End what the tools of a run hold: the session of `python`, the index of `search`."""
    for tool in tools:
        if isinstance(tool, (PythonTool, SearchTool)):
            tool.close()
