"""What several verbs say alike: lists of findings, and how tables were read."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.quoted import plain
from earnest.core.records import Finding, TableRef, Verdict
from earnest.core.shown import brief, row


def lines(found: Sequence[tuple[Finding, Verdict | None]], retracted: Collection[str] = ()) -> str:
    """Return findings for a terminal, a line each."""
    lines = []
    for finding, verdict in found:
        told = row(finding, verdict)
        told["sentence"] = plain(brief(told["sentence"]))
        if finding.id in retracted:
            told["sentence"] = f"RETRACTED: {told['sentence']}"
        effect = "" if told["effect"] is None else f"  (effect {told['effect']:+g})"
        lines.append(f"  {told['verdict']:<12} {finding.id[7:19]}  {told['sentence']}{effect}")
    return "\n".join(lines) or "  no findings"


def said(home: Home, refs: Sequence[TableRef], say: Progress, how: str) -> None:
    """Tell how tables were read: their size, their design, and what was assumed."""
    from earnest.tasks.registry import Registry

    for ref in refs:
        say(
            f"{ref.name}: {ref.rows} visible rows, {len(ref.columns)} columns, "
            f"design {ref.design} ({how})"
        )
        for one in Registry(home).assumed(ref.table):
            say(f"  {ref.name}: assumed: {one.line()}{f' ({one.count:,})' if one.count else ''}")


def assumed(home: Home, refs: Sequence[TableRef]) -> dict[str, list[dict[str, Any]]]:
    """Return what was assumed of each table, by its name."""
    from earnest.tasks.registry import Registry

    return {
        ref.name: [one.model_dump(mode="json") for one in Registry(home).assumed(ref.table)]
        for ref in refs
    }


def sealed(options: argparse.Namespace, home: Home, files: list[Path], say: Progress) -> Any:
    """Split files as the options say, and tell how they were read; return their references."""
    from earnest.recipes import apart
    from earnest.tasks.assume import Reading

    refs = apart.seal(
        home,
        files,
        design=options.design,
        fraction=options.seal,
        key=options.key,
        reading=Reading.parse(options.read),
        progress=say,
    )
    said(home, refs, say, "as given" if options.design else "guessed; set it with --design")
    return refs
