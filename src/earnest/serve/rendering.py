"""A finding as JSON for others: what its author wrote marked, and its trust beside its verdict."""

from __future__ import annotations

from typing import Any, Final, Literal

from earnest.core.errors import RecordError
from earnest.core.protocols import Blobs
from earnest.core.quoted import plain, quoted
from earnest.core.records import Finding, Verdict
from earnest.core.shown import brief, how_new, programs, row, shown
from earnest.ledger.ledger import Ledger

Trust = Literal["verified", "imported", "unverified"]

LONGEST: Final = 600
LONG: Final = 20_000
PROSE: Final = 4000
_PROGRAMS: Final = ("program", "reference")


def trust(verdict: Verdict | None) -> Trust:
    """Return what a finding's word rests on: this ledger's verifier, or nothing yet.

    A ledger that takes findings from other ledgers says `imported` of them until its own verifier
    has spoken.
    """
    return "verified" if verdict else "unverified"


def cut(text: str, most: int = LONGEST) -> str:
    """Return text in one line of at most so many characters, what does not show written out."""
    line = plain(text[:most])
    return line if len(text) <= most and len(line) <= most else f"{line[:most]} …"


def told(value: Any) -> Any:
    """Return a JSON value with each text in it, keys too, in one line; lists stay lists."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): told(item) for key, item in value.items()}
    return [told(item) for item in value] if isinstance(value, (list, tuple)) else value


def row_of(ledger: Ledger, finding: Finding, verdict: Verdict | None) -> dict[str, Any]:
    """Return a finding as pages show it."""
    one = row(finding, verdict, retracted=ledger.retraction(finding.id) is not None)
    del one["claim"]
    table = {} if finding.claim.formal else {"name": finding.table.name, "id": finding.table.table}
    return {
        **one,
        "sentence": cut(brief(one["sentence"])),
        "trust": trust(verdict),
        "exposure": finding.exposure,
        "table": told(table) or None,
    }


def claim_of(finding: Finding) -> dict[str, Any]:
    """Return a claim's fields that say something; the code that it is about, quoted."""
    body = finding.claim.model_dump(mode="json", exclude_defaults=True, exclude={*_PROGRAMS})
    source = f"the claim of {finding.id}"
    code = {name: quoted(text, source) for name, text in programs(finding.claim).items()}
    design = {} if finding.claim.formal else {"design": plain(finding.table.design)}
    return {"claim": told(body), "programs": code, **design}


def verdict_of(verdict: Verdict | None) -> dict[str, Any]:
    """Return a verdict as far as it may be shown; None: it waits."""
    if verdict is None:
        return {"reason": "it waits for the verifier", "checks": []}
    may = shown(verdict)
    return {
        "reason": cut(may.reason, LONG),
        "checks": [told(check.model_dump(mode="json")) for check in may.checks],
        "novelty": cut(how_new(may)),
        "estimator": plain(may.estimator),
        "not_covered": told(may.not_covered),
    }


def rerun_of(finding: Finding) -> dict[str, Any]:
    """Return how anyone gets the evidence and runs it again."""
    contract = "python evidence.py --data DIR --out results.json --seed 1"
    return {
        "export": f"earnest findings export {finding.id[7:19]} --out DIR",
        "again": f"earnest findings verify {finding.id[7:19]}"
        + ("" if finding.claim.formal else " --on FILE"),
        "contract": f"{contract}: DIR holds the visible rows as TABLE.csv; results.json is one "
        "object of 1 to 16 named finite numbers, of which `supports` must hold",
    }


def _why(verdict: Verdict, kind: str, why: str) -> str:
    """Return why a verdict took another's place. What new rows said is shown as a verdict's is."""
    return cut(why if kind == "reopened" else shown(verdict).reason, LONG)


def history_of(ledger: Ledger, finding: str) -> list[dict[str, Any]]:
    """Return a finding's verdicts, oldest first."""
    return [
        {
            "word": verdict.word,
            "kind": revision.kind if revision else "first",
            "why": _why(verdict, revision.kind, revision.why) if revision else "",
        }
        for verdict, revision in ledger.history(finding)
    ]


def retraction_of(ledger: Ledger, finding: str) -> dict[str, Any] | None:
    """Return who withdrew a finding, and why; None: nobody did."""
    gone = ledger.retraction(finding)
    return {"by": cut(gone.by), "why": cut(gone.why, LONG)} if gone else None


def evidence_of(finding: Finding, blobs: Blobs) -> dict[str, Any]:
    """Return a finding's evidence, its script quoted."""
    evidence = finding.evidence
    try:
        script = blobs.get(evidence.script).decode("utf-8", "replace")
        text = quoted(script, f"the script of {finding.id}", most=LONG)
    except RecordError as error:
        text = f"not here: {error}"
    return {
        "script": text,
        "script_hash": evidence.script,
        "results": told(dict(evidence.results)),
        "supports": plain(evidence.supports),
        "tolerance": evidence.tolerance,
        "inputs": told(dict(evidence.inputs)),
    }


def whole_of(
    ledger: Ledger, blobs: Blobs, finding: Finding, verdict: Verdict | None
) -> dict[str, Any]:
    """Return all that may be shown of a finding."""
    return {
        **row_of(ledger, finding, verdict),
        **claim_of(finding),
        **verdict_of(verdict),
        "author": told(finding.author.model_dump(mode="json")),
        "prose": cut(finding.prose, PROSE),
        "evidence": evidence_of(finding, blobs),
        "rerun": rerun_of(finding),
        "history": history_of(ledger, finding.id),
        "retraction": retraction_of(ledger, finding.id),
    }
