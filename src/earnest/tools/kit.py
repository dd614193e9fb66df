"""The tools of a research run, on one workspace."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from earnest.core.messages import Observation, ToolCall
from earnest.core.protocols import Blobs, Findings, Sandbox, Tool
from earnest.core.records import Finding
from earnest.tools.files import FilesTool
from earnest.tools.findings import SubmitFinding, Submitter
from earnest.tools.ledger import GetFinding, SearchFindings
from earnest.tools.notes import NotesTool
from earnest.tools.python import Network, PythonTool
from earnest.tools.workspace import Workspace


def research_tools(
    submitter: Submitter,
    sandbox: Sandbox,
    blobs: Blobs,
    *,
    data: Path,
    workspace: Path,
    earlier: Iterable[Finding] = (),
    cells: Iterable[tuple[ToolCall, Observation]] = (),
    net: Network | None = None,
    findings: Findings | None = None,
) -> list[Tool]:
    """Return `python`, `files`, `notes` and `submit_finding`; `close_tools` ends what they hold.

    With `findings` (what the run may know of the ledger) also `search_findings`, `get_finding`.

    `data`: the folder that holds `<table>.csv`, the visible rows, for each table of the task.
    `workspace`: the run's own folder, made if need be. `earlier`: the findings that the run's log
    holds (`agent.replay.logged_findings`), where it is resumed; `cells`: its calls of `python`
    (`agent.replay.logged_calls`). `net`: where `python` may reach; evidence never may.
    """
    files = Workspace(workspace)
    found: list[Tool] = [SearchFindings(findings), GetFinding(findings)] if findings else []
    return [
        PythonTool(sandbox, files, data, blobs, cells, net=net),
        FilesTool(files),
        NotesTool(files),
        SubmitFinding(submitter, sandbox, blobs, data, earlier),
        *found,
    ]


def close_tools(tools: Iterable[Tool]) -> None:
    """End what the tools of a run hold: the session of `python`."""
    for tool in tools:
        if isinstance(tool, PythonTool):
            tool.close()
