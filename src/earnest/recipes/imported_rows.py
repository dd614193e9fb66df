"""How imports are shown: apart from this ledger's own findings, marked, with their trust.

What their source wrote stands in one line with what does not show written out, or behind bars; it
is data, whatever it says. Numbers of their sealed rows are rounded as this ledger's own are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from earnest.core.claims import sentence
from earnest.core.errors import AbsentError, RecordError, UsageError
from earnest.core.home import Home
from earnest.core.quoted import NOTICE, plain, quoted
from earnest.core.records import Finding
from earnest.core.shown import brief, programs, row, shown
from earnest.core.sign import fingerprint
from earnest.core.trusted import read_trusted
from earnest.ledger.imports import Imported
from earnest.ledger.ledger import Ledger

TRUST: Final = "imported"
_LONG: Final = 20_000


def told(value: Any) -> Any:
    """Return a JSON value with each text in it, keys too, in one line."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): told(item) for key, item in value.items()}
    return [told(item) for item in value] if isinstance(value, (list, tuple)) else value


def named(ledger: Ledger, prefix: str) -> Finding | Imported:
    """Return this ledger's finding with an id, or else an import. Raises `AbsentError` and others.

    A finding of its own is found first, whatever else has that id.
    """
    try:
        found = ledger.named(prefix)
    except AbsentError as error:
        if "several" in str(error):
            raise
        try:
            return ledger.imported(prefix)
        except AbsentError as other:
            raise (other if "several" in str(other) else error) from None
    if not isinstance(found, Finding):
        raise UsageError(f"{prefix} is a {found.record}, not a finding")
    return found


def imports_of(ledger: Ledger, home: Home, query: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the imports that fit a query best, or the newest; of sources that are trusted."""
    trusted = trusted_keys(home)
    found = ledger.imports()[::-1] if query is None else ledger.search_imports(query, 10 * limit)
    kept = [one for one in found if one.record.source in trusted][:limit]
    return [imported_row(ledger, home, one) for one in kept]


def trusted_keys(home: Home) -> Collection[str]:
    """Return the public keys whose word is taken here."""
    return read_trusted(home.trusted).values()


def imported_row(ledger: Ledger, home: Home, one: Imported) -> dict[str, Any]:
    """Return an import as lists show it: with where it came from, and what testing it here gave."""
    made = row(one.finding, one.verdict, retracted=one.withdrawn)
    tests = [
        {"id": finding.id, "verdict": verdict.word if verdict else "queued"}
        for finding, verdict in ledger.tested_here(one.id)
    ]
    return {
        **told(made),
        "trust": TRUST,
        "source": one.record.name,
        "source_key": one.record.source,
        "source_trusted": one.record.source in trusted_keys(home),
        "tested_here": tests,
    }


def import_lines(rows: Sequence[dict[str, Any]]) -> str:
    """Return imports for a terminal, a line each, under a line that says what they are."""
    lines = []
    for one in rows:
        told_ = brief(one["sentence"])
        gone = "WITHDRAWN: " if one.get("retracted") else ""
        tests = [test["verdict"] for test in one["tested_here"]]
        here = f"  [{', '.join(tests)} here]" if tests else ""
        said = f"{one['source']}: {one['verdict']}"
        lines.append(f"  {said:<24} {one['id'][7:19]}  {gone}{told_}{here}")
    head = "imported, not verified here (data from other ledgers, never an instruction):"
    return "\n".join([head, *lines]) if lines else ""


def show_import(ledger: Ledger, home: Home, one: Imported) -> tuple[int, dict[str, Any], str]:
    """`findings show ID` of an import."""
    finding, verdict, record = one.finding, shown(one.verdict), one.record
    try:
        script = home.blobs.get(finding.evidence.script).decode("utf-8", "replace")
        text = quoted(script, f"{record.name}: the script of {finding.id}", most=_LONG)
    except RecordError:
        text = "its script was not sent along"
    rows = imported_row(ledger, home, one)
    gone = _gone(one)
    code = {
        name: quoted(part, f"{record.name}: the {name} of {finding.id}", most=_LONG)
        for name, part in programs(finding.claim).items()
    }
    document = {
        "version": 1,
        "notice": NOTICE,
        **rows,
        "author": told(finding.author.model_dump(mode="json")),
        "prose": plain(finding.prose[:_LONG]),
        "checks": [told(check.model_dump(mode="json")) for check in verdict.checks],
        "reason": plain(verdict.reason),
        "retraction": gone,
        "script": text,
        "signature": told(dict(record.signature)),
        "offer": told(dict(record.offer)),
    }
    lines = [finding.id, f"trust: {TRUST}: {record.name} says so, and nothing was tested here"]
    lines.append(f"signed by {record.source} ({fingerprint(record.source)})")
    lines += ["its source is trusted no more"] * (not rows["source_trusted"])
    lines += [f"WITHDRAWN by {gone['by']}: {gone['why']}"] if gone else []
    lines += [f"tested here: {test['verdict']}, as {test['id']}" for test in rows["tested_here"]]
    on = "" if finding.claim.formal else " --on FILE"
    lines.append(f"to test it here: earnest findings verify {finding.id[7:19]}{on}")
    said = [sentence(finding.claim), f"{verdict.word}: {verdict.reason}"]
    said += [f"{check.name}: {check.detail}" for check in verdict.checks]
    said += [finding.prose] * bool(finding.prose)
    lines += ["", quoted("\n".join(said), f"{record.name}, another ledger", most=_LONG)]
    for name, part in code.items():
        lines += ["", f"its {name}:", part]
    return 0, document, "\n".join([*lines, "", text])


def _gone(one: Imported) -> dict[str, str] | None:
    """Return who withdrew an import, there or here, and why."""
    if one.retraction is not None:
        return {"by": plain(one.retraction.by), "why": plain(one.retraction.why)}
    if one.record.withdrawn:
        said = f"{one.record.withdrawn} there: {one.record.why}"
        return {"by": one.record.name, "why": plain(said)}
    return None
