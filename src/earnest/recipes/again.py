"""Verifying a finding again: `findings verify ID`, on new rows or on inputs drawn anew.

What is confirmed is tested on all of the new rows, at 5 %: it has paid for its first test. Anything
else has not, or its evidence did not stand up. There its script is run on the visible part of the
new rows, by the tool that takes an agent's findings, and what it supports is a finding of its own:
evidence checked, tested on the sealed part, paid for. The first finding keeps its word, with what
came of it in its history; one that was refuted and is confirmed now is `inconclusive`, and so is
the other: two tests contradict.

The same file again after a crash goes on where that was: the run is named by finding and table.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import Final

from earnest.core.claims import sentence
from earnest.core.errors import ToolError, UnsupportedError, UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.records import STANDING, Check, Exposure, Finding, TableRef, Task, Verdict
from earnest.core.shown import row, shown
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart, later, research
from earnest.recipes.answer import Answer

BORNE_OUT: Final = (*STANDING, "reproduced")
"""The words with which a claim that is tried again is borne out."""


def verify_again(
    ledger: Ledger, home: Home, finding: Finding, options: argparse.Namespace, say: Progress
) -> Answer:
    """`findings verify ID [--on FILE]`. Raises `UsageError`, `TableError`, `SandboxError`."""
    later.may_sign(home)
    current = ledger.verdict(finding.id)
    if current is None:
        own = (home.runs / finding.run / "run.json").exists()
        mend = f"earnest resume {finding.run}" if own else "earnest verifier run --once"
        raise UsageError(f"{finding.id} has no verdict yet", mend=f"{mend} verifies it")
    if finding.claim.formal:
        if options.on is not None:
            raise UsageError("it speaks of no table", mend="leave --on away: inputs are drawn anew")
        told = later.redraw(home, finding.id)
        return _answer(ledger, finding, told, "", told.word == "replicated")
    if options.on is None:
        raise UsageError("verifying again needs new rows", mend="name a table: --on FILE")
    (new,) = apart.seal(home, [options.on], design=finding.table.design, progress=say)
    if current.word in STANDING:
        told = later.replicate(home, finding.id, new)
        return _answer(ledger, finding, told, new.table, told.word == "replicated")
    return _tested_anew(ledger, home, finding, new, say)


def _tested_anew(
    ledger: Ledger, home: Home, finding: Finding, new: TableRef, say: Progress
) -> Answer:
    """Make what a finding claims, and its script supports on new rows, a finding of its own."""
    ref = later.seal_new(home, finding.id, new)
    run = f"again-{finding.id[7:19]}-{ref.table[7:19]}"
    task = research.make_task(f"Is it so on {new.name}? {sentence(finding.claim)}", [ref])
    say(f"its script, on {ref.rows} rows of {new.name}")
    try:
        made = resubmit(home, finding, task, run)
    except UnsupportedError as error:
        detail = f"on {ref.rows} visible rows of {new.name}: {error}"
        check = Check(name="again", passed=False, detail=detail)
        told = later.note(home, finding.id, check)
        return _answer(ledger, finding, told, ref.table, borne_out=False)
    except ToolError as error:
        raise UsageError(f"{new.name} can't test it: {error}", mend=error.mend) from error
    ((_, verdict),) = research.conclude(home, task, [made], say)
    held = verdict.word in BORNE_OUT
    detail = f"on {new.name}, as {made.id}: {verdict.word}"
    check = Check(
        name="again", passed=None if verdict.word == "inconclusive" else held, detail=detail
    )
    looked = ref.table if verdict.alpha is not None else ""
    told = later.note(home, finding.id, check, table=looked, other=made.id)
    return _answer(ledger, finding, told, ref.table, held, made)


def resubmit(
    home: Home,
    finding: Finding,
    task: Task,
    run: str,
    *,
    saw: Exposure = "sealed",
    **changed: str,
) -> Finding:
    """Submit a finding's claim and evidence on a task's table, or on none, as one of this ledger's.

    `saw`: what its author can have seen of that table's rows, if a jail holds our own agents;
    `changed`: what of its arguments is to be another. Raises `ToolError`.
    """
    from earnest.sandbox.choose import open_sandbox
    from earnest.tasks.registry import Registry
    from earnest.tools.answers import of_finding
    from earnest.tools.findings import SubmitFinding, Submitter, arguments_of

    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(contextlib.closing(open_sandbox(home.images)))
        author = finding.author.model_copy(update={"principal": research.PRINCIPAL})
        exposure = research.exposure(task, author.model, sandbox)
        if task.tables:
            (ref,) = task.tables
            data = Registry(home).visible(ref.table)
        else:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="earnest-again-")))
        submitter = Submitter(task, run, author, saw if exposure == "sealed" else exposure)
        answers = of_finding(finding, home.blobs)
        tool = SubmitFinding(submitter, sandbox, home.blobs, data, answers=answers)
        script = home.blobs.get(finding.evidence.script)
        made = tool.call({**arguments_of(finding, script), **changed})
    return Finding.from_body(made.data["finding"])


def _answer(
    ledger: Ledger,
    finding: Finding,
    told: Verdict,
    on: str,
    borne_out: bool,
    made: Finding | None = None,
) -> Answer:
    as_ = made and row(made, ledger.verdict(made.id))
    may = shown(told)
    latest = may.checks[-1].detail
    document = {
        "version": 1,
        **row(finding, told),
        "on": on,
        "reason": may.reason,
        "latest": latest,
        "tested_as": as_,
        "history": [verdict.word for verdict, _ in ledger.history(finding.id)],
    }
    words = [sentence(finding.claim), f"{may.word}: {may.reason}"]
    return int(not borne_out), document, "\n".join(words + [latest] * (latest not in may.reason))
