"""What each verb of the command line does. Each returns (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from earnest.core.claims import sentence
from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.novelty import read_novelty
from earnest.core.protocols import Progress
from earnest.core.records import WORDS, Finding
from earnest.core.shown import brief, how_new, programs, row, shown
from earnest.recipes.answer import Answer
from earnest.recipes.bench_verbs import bench as bench
from earnest.recipes.capture_verbs import capture as capture
from earnest.recipes.connect_verbs import connect as connect
from earnest.recipes.eval_verbs import eval as eval  # noqa: A004 (the verb's name)
from earnest.recipes.imported_rows import import_lines, imports_of, named, show_import
from earnest.recipes.ledger_verbs import ledger as ledger
from earnest.recipes.ledger_verbs import retract
from earnest.recipes.ledger_verbs import verifier as verifier
from earnest.recipes.listed import assumed, lines, sealed
from earnest.recipes.mcp_verbs import mcp as mcp
from earnest.recipes.run_verbs import resume as resume
from earnest.recipes.run_verbs import run as run
from earnest.recipes.run_verbs import runs as runs
from earnest.recipes.sandbox_verbs import sandbox as sandbox
from earnest.recipes.serve_verbs import serve as serve
from earnest.recipes.serve_verbs import token as token
from earnest.recipes.testbed_verbs import testbed as testbed

_LISTED = 100
_FOUND = 20
_MOST_FOUND = 500
_ALL = 10_000


def seal(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`seal FILE`."""
    from earnest.tasks.registry import Registry

    (ref,) = sealed(options, home, [options.file], say)
    folder = Registry(home).visible(ref.table)
    document = {
        "version": 1,
        **ref.model_dump(mode="json"),
        "folder": str(folder),
        "assumed": assumed(home, [ref])[ref.name],
    }
    return 0, document, f"sealed: {ref.table}\nwhat an agent may see: {folder}"


def findings(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`findings list|search WORDS`, or of one finding `show|verify|export|retract`."""
    from earnest.ledger.ledger import Ledger

    if options.what == "retract":
        return retract(options, home)
    if options.word and options.word not in WORDS:
        raise UsageError(f"no verdict {options.word!r}", mend=f"choose from {', '.join(WORDS)}")
    with Ledger(home.ledger) as ledger:
        if options.what == "export":
            return _exported(ledger, home, options)
        if options.what in ("show", "verify"):
            return _one(ledger, home, options, say)
        if options.what == "list" and options.imported:
            most = _LISTED if options.limit is None else options.limit or _ALL
            others = imports_of(ledger, home, None, most)
            words = import_lines(others) or "  nothing was imported"
            return 0, {"version": 1, "findings": [], "total": 0, "imports": others}, words
        return _listed(ledger, home, options)


def _one(ledger: Any, home: Home, options: argparse.Namespace, say: Progress) -> Answer:
    """Show or verify this ledger's finding, or what another one offered."""
    one = named(ledger, options.query)
    if options.what == "show":
        if isinstance(one, Finding):
            return _shown(ledger, home, one)
        return show_import(ledger, home, one)
    if isinstance(one, Finding):
        from earnest.recipes.again import verify_again

        return verify_again(ledger, home, one, options, say)
    from earnest.recipes.imported import verify_imported

    return verify_imported(ledger, home, one, options, say)


def _listed(ledger: Any, home: Home, options: argparse.Namespace) -> Answer:
    """List or search this ledger's findings; a search tells what others offered, after them."""
    asked, most, others = {"word": options.word, "run": options.run}, options.limit, []
    if options.what == "search":
        most = _FOUND if most is None else most or _MOST_FOUND
        found = ledger.search(options.query, most)
        total, others = len(found), imports_of(ledger, home, options.query, most)
    else:
        found = ledger.findings(**asked, newest=(_LISTED if most is None else most) or None)
        total = ledger.count(**asked)
    gone = ledger.retracted()
    document = {"findings": [row(f, v, retracted=f.id in gone) for f, v in found], "total": total}
    document |= {"imports": others} if options.what == "search" else {}
    more = f"  {total - len(found):,} older ones are not shown: --limit 0 shows all\n"
    words = more * (total > len(found)) + lines(found, gone)
    return 0, document, words + f"\n{import_lines(others)}" * bool(others)


def _finding(ledger: Any, name: str) -> Finding:
    finding = ledger.named(name)
    if not isinstance(finding, Finding):
        raise UsageError(f"{name} is a {finding.record}, not a finding")
    return finding


def _exported(ledger: Any, home: Home, options: argparse.Namespace) -> Answer:
    from earnest.recipes.export import export
    from earnest.sandbox.choose import open_sandbox

    if options.out is None:
        raise UsageError("an export needs a new folder", mend="name it: --out DIR")
    finding = _finding(ledger, options.query)
    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        done = export(
            home,
            finding,
            ledger.verdict(finding.id),
            sandbox,
            options.out,
            most_mib=options.most_mib,
        )
    document = {
        "version": 1,
        "id": finding.id,
        "folder": str(done.folder),
        "metadata": done.metadata,
        "files": dict(done.hashes),
        "left_out": list(done.left_out),
        "differs": done.differs,
    }
    lines = [f"{done.folder}: {len(done.hashes)} files, metadata {done.metadata}"]
    lines += [f"  left out, too large: {name}" for name in done.left_out]
    lines += [f"  the script does not give the declared numbers here: {done.differs}"] * bool(
        done.differs
    )
    return int(bool(done.differs)), document, "\n".join(lines)


def _shown(ledger: Any, home: Home, finding: Finding) -> Answer:
    verdict = ledger.verdict(finding.id)
    told = shown(verdict) if verdict else None
    gone, asked, signature = ledger.retraction(finding.id), ledger.closed_book(finding.id), None
    if verdict:
        signature = ledger.signature(verdict.id)
    script = home.blobs.get(finding.evidence.script).decode("utf-8", "replace")
    document = {
        "version": 1,
        **row(finding, verdict, retracted=gone is not None),
        "finding": finding.model_dump(mode="json"),
        "checks": [check.model_dump(mode="json") for check in told.checks] if told else [],
        "reason": told.reason if told else "",
        "novelty": read_novelty(told),
        "closed_book": asked.model_dump(mode="json") if asked else None,
        "script": script,
        "history": _history(ledger, finding.id),
        "retraction": {"by": gone.by, "why": gone.why} if gone else None,
        "signature": signature.model_dump(mode="json")["envelope"] if signature else None,
    }
    checks = [f"  {c.name}: {c.detail}" for c in told.checks] if told else []
    reason = f"{told.word}: {told.reason}" if told else "queued"
    if gone:
        reason = f"RETRACTED by {gone.by}: {gone.why}\n{reason}"
    before = [f"  before: {one['word']}, then {one['because']}" for one in document["history"][:-1]]
    new = [f"how new: {line}"] if (line := how_new(told)) else []
    lines = [finding.id, brief(sentence(finding.claim)), reason, *new, *before, *checks]
    for name, code in programs(finding.claim).items():
        lines += ["", f"its {name}:", code]
    lines += ["", script.rstrip()]
    return 0, document, "\n".join(lines)


def _history(ledger: Any, finding: str) -> list[dict[str, Any]]:
    """Return a finding's verdicts, oldest first, each with what took its place and why."""
    told = ledger.history(finding)
    later = [revision for _, revision in told[1:]]
    rows = []
    for (verdict, revision), following in zip(told, [*later, None], strict=True):
        rows.append(
            {
                "verdict": verdict.id,
                "word": verdict.word,
                "kind": revision.kind if revision else "first",
                "why": revision.why if revision else "",
                "because": following.why if following else "",
            }
        )
    return rows


def catalogue(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: ARG001
    """`catalogue add FILE|list|remove NAME`."""
    from earnest.recipes.catalogue import catalogue as act

    return act(options, home)


def doctor(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: ARG001
    """`doctor`."""
    from earnest.recipes.doctor import examine_machine

    return examine_machine(home, say)


def demo(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`demo`."""
    from earnest.recipes.demo import run_demo

    return run_demo(home, options.seed, say)
