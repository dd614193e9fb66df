"""What other ledgers say, as JSON for others: apart from this ledger's own, with trust `imported`.

Shown is the word of ledgers that this user trusts now; nothing here tested it. A finding of this
ledger is never hidden by an import, whatever that says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earnest.core.errors import AbsentError
from earnest.core.protocols import Blobs
from earnest.core.quoted import plain
from earnest.core.shown import shown
from earnest.core.trusted import read_trusted
from earnest.ledger.imports import Imported
from earnest.ledger.ledger import Ledger
from earnest.serve.rendering import LONG, cut, row_of, whole_of

_MORE = 10  # imports that are looked at for each that is shown: some sources are trusted no more


def _keys(trusted: Path | None) -> frozenset[str]:
    return frozenset(read_trusted(trusted).values()) if trusted else frozenset()


def rows(
    ledger: Ledger, trusted: Path | None, query: str, word: str, limit: int
) -> list[dict[str, Any]]:
    """Return the imports that fit a query best, or the newest. Raises `RecordError`."""
    keys, most = _keys(trusted), _MORE * limit
    if not keys:
        return []
    if query.strip():
        found = ledger.search_imports(query, most)
    else:
        found = ledger.imports(newest=most)[::-1]
    kept = [one for one in found if one.record.source in keys and word in ("", one.verdict.word)]
    return [row_of_import(ledger, one) for one in kept[:limit]]


def named(ledger: Ledger, trusted: Path | None, name: str) -> Imported | None:
    """Return the import with this id; None: there is none of a trusted ledger."""
    try:
        found = ledger.imported(name)
    except AbsentError:
        return None
    return found if found.record.source in _keys(trusted) else None


def row_of_import(ledger: Ledger, one: Imported) -> dict[str, Any]:
    """Return an import as pages show it: with its source, and what testing it here gave."""
    tests = [
        {"id": finding.id, "verdict": verdict.word if verdict else "queued"}
        for finding, verdict in ledger.tested_here(one.id)
    ]
    gone = {"retracted": True} if one.withdrawn else {}
    return {
        **row_of(ledger, one.finding, one.verdict),
        **gone,
        "trust": "imported",
        "source": plain(one.record.name),
        "tested_here": tests,
    }


def standing(ledger: Ledger, one: Imported) -> dict[str, Any]:
    """Return where an import stands: nothing was tested here, unless `tested_here` says so."""
    reason = f"{plain(one.record.name)} says: {cut(shown(one.verdict).reason, LONG)}"
    return {**row_of_import(ledger, one), "state": "imported", "reason": reason}


def whole(ledger: Ledger, blobs: Blobs, one: Imported) -> dict[str, Any]:
    """Return all that may be shown of an import."""
    told = whole_of(ledger, blobs, one.finding, one.verdict)
    why = f"{plain(one.record.name)} says so; not verified here"
    told["history"] = [{"word": one.verdict.word, "kind": "imported", "why": why}]
    if told["retraction"] is None and one.record.withdrawn:
        said = f"{one.record.withdrawn} there: {one.record.why}"
        told["retraction"] = {"by": plain(one.record.name), "why": cut(said, LONG)}
    del told["rerun"]["export"]
    return {**told, **row_of_import(ledger, one)}
