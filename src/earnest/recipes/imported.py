"""Testing an import here: `findings verify ID --on FILE`, where ID came from another ledger.

What the file is to the author decides how it is split. A *copy* of the table (it has a tenth or
more of the rows that the author saw) is split by the manifest: those rows are visible, all others
sealed, whatever this ledger's own split of that file is. *New rows* are split as any table here.
Then the author's script is run on the visible rows by the tool that takes an agent's findings, and
what it supports is a finding of this ledger's own, paid from its own error budget. So what it says
was tested on rows that its author never saw. The import stays what it is.

Not covered: on a copy, sealed rows that are visible by this ledger's own split may be known to its
own agents. That helps no author elsewhere; and no claim of theirs is tested on this split, which is
kept for imports (`Registry.kept_for`). A source that told its author more than it says.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earnest.core.claims import sentence
from earnest.core.errors import RecordError, ToolError, UnsupportedError, UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.quoted import plain
from earnest.core.records import Exposure, Finding, TableRef, Task, Verdict
from earnest.core.shown import row, shown
from earnest.ledger.imports import Imported, run_of
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart, later, research
from earnest.recipes.again import BORNE_OUT, resubmit
from earnest.recipes.answer import Answer
from earnest.recipes.imported_rows import imported_row


@dataclass(frozen=True)
class Split:
    """How a file was split to test an import on it.

    `copy`: by what the author saw. `seen`, `left_out`: how many of its rows the author saw, and
    how many belong to neither side (their group or time was seen). `proved`: the visible rows are,
    byte for byte, those that the evidence was computed on.
    """

    ref: TableRef
    copy: bool
    seen: int
    left_out: int
    proved: bool

    def told(self) -> str:
        """Return it in a line."""
        if not self.copy:
            return f"new rows: {self.seen} that its author saw were left out"
        how = "proved by the evidence's own hash" if self.proved else "as its source says"
        left = f", {self.left_out} left out" if self.left_out else ""
        return f"a copy: {self.seen} rows that its author saw are visible ({how}){left}"


def _split(root: Path, finding: Finding, rows: str, path: Path) -> Split:
    """Split a file as an import asks for; apart, since it reads all of it."""
    from earnest.tasks.manifest import compare, require_enough
    from earnest.tasks.registry import Registry, table_name

    home, ref, name = Home(root), finding.table, table_name(path)
    registry = Registry(home)
    cells = registry.read(path, design=ref.design)
    copy = compare(cells, ref.columns, ref.table, ref.design, home.blobs.get(rows))
    require_enough(copy, name)
    seen, unseen = int(copy.seen.sum()), copy.unseen
    if not copy.same:
        fresh = cells[unseen].reset_index(drop=True)
        made = registry.seal_frame(fresh, ref.name, design=ref.design, series=name)
        return Split(made, False, seen, len(cells) - len(fresh), False)
    # An index without a name may have come, or gone, since.
    there = [column for column in ref.columns if column in cells.columns]
    sides = [cells.loc[mask, there] for mask in (copy.seen, unseen)]
    made = registry.keep(ref.name, ref.design, *sides, use=f"imports of {ref.table}")
    left_out = len(cells) - seen - int(unseen.sum())
    return Split(made, True, seen, left_out, made.visible == ref.visible)


def verify_imported(
    ledger: Ledger, home: Home, one: Imported, options: argparse.Namespace, say: Progress
) -> Answer:
    """`findings verify ID [--on FILE]` of an import. Raises `UsageError`, `TableError`."""
    later.may_sign(home)
    if one.withdrawn:
        raise UsageError(f"{one.id} was withdrawn", mend=f"earnest findings show {one.id[7:19]}")
    finding = one.finding
    if finding.claim.formal and options.on is not None:
        raise UsageError("it speaks of no table", mend="leave --on away: inputs are drawn anew")
    if not finding.claim.formal and options.on is None:
        raise UsageError(
            "an import is tested on rows of your own",
            mend="name a table: your copy of its table, or new rows: --on FILE",
        )
    split = _split_of(home, one, options.on, say) if options.on else None
    task = _task(one, split)
    run = run_of(one.id) + (split.ref.table[7:19] if split else "fresh")
    before = ledger.findings(run=run)
    try:
        # Its prose stays on the import: text from elsewhere becomes none of this ledger's own.
        made = (
            before[0][0]
            if before
            else resubmit(home, finding, task, run, saw=_exposure(finding, split), prose="")
        )
    except UnsupportedError as error:
        return _told(home, ledger, one, split, None, None, str(error))
    except ToolError as error:
        if finding.claim.formal:  # an input was found at once for which it is not true
            return _told(home, ledger, one, split, None, None, str(error))
        raise UsageError(f"it can't be tested there: {error}", mend=error.mend) from error
    ((_, verdict),) = research.conclude(home, task, [made], say)
    return _told(home, ledger, one, split, made, verdict, "")


def _split_of(home: Home, one: Imported, path: Path, say: Progress) -> Split:
    if one.record.manifest is None:
        raise RecordError(f"{one.id} came without its manifest")
    with apart.standing_pool() as pool:
        made = pool.submit(_split, home.root, one.finding, one.record.manifest, path).result()
    say(f"{path.name}: {made.told()}")
    return made


def _task(one: Imported, split: Split | None) -> Task:
    """Return the task of testing an import; its metadata is the way back to it."""
    where = split.ref.name if split else "inputs drawn anew"
    prompt = f"Is it so on {where}? {plain(sentence(one.finding.claim))}"
    named = {
        "import": one.id,
        "import_record": one.record.id,
        "source": one.record.source,
        "rows": ("copy" if split.copy else "new") if split else "none",
        "manifest": "proved" if split and split.proved else "told",
    }
    task = research.make_task(prompt, [split.ref] if split else [])
    return task.model_copy(update={"metadata": named})


def _exposure(finding: Finding, split: Split | None) -> Exposure:
    """Return what the author can have seen of the rows it is tested on: of new ones, none."""
    return finding.exposure if split and split.copy else "sealed"


def _told(
    home: Home,
    ledger: Ledger,
    one: Imported,
    split: Split | None,
    made: Finding | None,
    verdict: Verdict | None,
    why: str,
) -> Answer:
    may = shown(verdict) if verdict else None
    document: dict[str, Any] = {
        "version": 1,
        **imported_row(ledger, home, one),
        "on": split.ref.table if split else "",
        "split": {
            "copy": split.copy,
            "seen": split.seen,
            "tested_rows": verdict.rows if verdict else 0,
            "left_out": split.left_out,
            "proved": split.proved,
        }
        if split
        else None,
        "tested_as": row(made, verdict) if made else None,
        "reason": may.reason if may else plain(why),
    }
    lines = [plain(sentence(one.finding.claim))]
    lines += [split.told()] if split else []
    if made and may:
        lines.append(f"{may.word} here, as {made.id}: {may.reason}")
    else:
        lines.append(f"not borne out here: {plain(why)}")
    return int(may is None or may.word not in BORNE_OUT), document, "\n".join(lines)
