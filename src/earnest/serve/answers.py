"""What others may ask the ledger, as JSON: small pages, each with its trust, marked as data.

What a finding's author wrote (names of columns, prose, a script) stands in one line, with what
does not show written out, or is quoted line by line: it can't pass for what we say. Of sealed rows
an answer tells what `earnest.core.shown` lets through. Not covered: a model that obeys what it was
told is data; of a ledger that grows meanwhile, a later page may show a finding again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import AbsentError, UsageError
from earnest.core.protocols import Blobs
from earnest.core.quoted import NOTICE, plain
from earnest.core.records import WORDS, Finding, Verdict
from earnest.core.shown import shown
from earnest.ledger.imports import Imported
from earnest.ledger.ledger import Ledger
from earnest.serve import imported
from earnest.serve.rendering import (
    LONG,
    LONGEST,
    Trust,
    cut,
    history_of,
    rerun_of,
    row_of,
    told,
    trust,
    whole_of,
)

__all__ = ["DEEPEST", "MOST", "MOST_QUERY", "Answers", "Trust", "cut", "told", "trust"]

MOST: Final = 50
MOST_QUERY: Final = 1000
DEEPEST: Final = 500
_CLOSED: Final = ("definitional", "near-copy", "known")


def _document(**more: Any) -> dict[str, Any]:
    return {"version": 1, "notice": NOTICE, **more}


def _paged(limit: int, offset: int) -> None:
    if not 1 <= limit <= MOST:
        raise UsageError(f"limit is {limit}", mend=f"ask for 1 to {MOST} at a time")
    if not 0 <= offset <= DEEPEST:
        raise UsageError(
            f"offset is {offset}", mend=f"ask for 0 to {DEEPEST}, or in words that fit fewer"
        )


def _page(found: Sequence[Any], limit: int, offset: int) -> dict[str, Any]:
    """Return the keys that say whether there is more: `found` has one more than `limit`, if so."""
    more = len(found) > limit and offset + limit <= DEEPEST
    return {"more": more, "next": offset + limit if more else None}


class Answers:
    """Answers about one ledger. Safe for several threads: each answer opens it anew."""

    def __init__(self, ledger: Path, blobs: Blobs, trusted: Path | None = None) -> None:
        """`trusted`: the file of the ledgers whose word is taken; None: imports are not shown."""
        self.ledger, self.blobs, self.trusted = ledger, blobs, trusted

    def search(
        self, query: str, *, word: str = "", limit: int = 10, offset: int = 0
    ) -> dict[str, Any]:
        """Return a page of the findings that fit a query, best first; of no words, the newest.

        `word`: only with this verdict (among the best 500). `imported`, on the first page: the
        best of what trusted ledgers say, apart. Raises `UsageError`, `LedgerError`, `RecordError`.
        """
        _paged(limit, offset)
        if len(query) > MOST_QUERY:
            raise UsageError(
                f"the query has {len(query)} characters", mend=f"give {MOST_QUERY} or fewer"
            )
        if word and word not in WORDS:
            raise UsageError(
                f"no verdict {plain(word[:40])!r}", mend=f"choose from {', '.join(WORDS)}"
            )
        last = offset + limit + 1
        with Ledger(self.ledger) as ledger:
            if not query.strip():
                found = ledger.findings(word=word, newest=last)[::-1]
            elif word:
                hits = ledger.search(query, DEEPEST)
                found = [pair for pair in hits if pair[1] and pair[1].word == word][:last]
            else:
                found = ledger.search(query, last)
            found = found[offset:]
            rows = [row_of(ledger, *pair) for pair in found[:limit]]
            others = [] if offset else imported.rows(ledger, self.trusted, query, word, limit)
        page = _page(found, limit, offset)
        return _document(query=plain(query), findings=rows, imported=others, **page)

    def get(self, name: str) -> dict[str, Any]:
        """Return all that may be shown of a finding: claim, verdict, evidence, how to re-run it.

        `name`: its id, or at least 8 of its first hex digits. Raises `UsageError`, `LedgerError`.
        """
        with Ledger(self.ledger) as ledger:
            other = self._imported(ledger, name)
            if other is not None:
                return _document(**imported.whole(ledger, self.blobs, other))
            finding = _finding(ledger, name)
            verdict = ledger.verdict(finding.id)
            return _document(**whole_of(ledger, self.blobs, finding, verdict))

    def status(self, name: str) -> dict[str, Any]:
        """Return where a finding stands: `queued`, or its verdict. Raises as `get` does."""
        with Ledger(self.ledger) as ledger:
            other = self._imported(ledger, name)
            if other is not None:
                return _document(**imported.standing(ledger, other))
            finding = _finding(ledger, name)
            verdict = ledger.verdict(finding.id)
            may = shown(verdict) if verdict else None
            state = "verified" if may else "queued"
            reason = cut(may.reason, LONG) if may else "it waits for the verifier"
            return _document(**row_of(ledger, finding, verdict), state=state, reason=reason)

    def open_questions(
        self, *, table: str = "", limit: int = 10, offset: int = 0
    ) -> dict[str, Any]:
        """Return a page of what is inconclusive, or was re-opened, the newest first.

        Each with the reason, as far as it may be shown, and what would settle it. `table`: only of
        this one, by name or by (the beginning of) its id. Of the newest 500 that are inconclusive.
        """
        _paged(limit, offset)
        with Ledger(self.ledger) as ledger:
            found = list(islice(_open(ledger, table), offset, offset + limit + 1))
            rows = [_question(ledger, *pair) for pair in found[:limit]]
        page = _page(found, limit, offset)
        return _document(table=plain(table[:LONGEST]), questions=rows, **page)

    def related(self, name: str) -> dict[str, Any]:
        """Return the earlier findings of others that a finding is like, the closest first; few.

        `how`: `known`, `contradicts`, `extends` or `near`. Raises as `get` does.
        """
        with Ledger(self.ledger) as ledger:
            other = self._imported(ledger, name)
            finding = other.finding if other else _finding(ledger, name)
            kin = ledger.related(finding)
            pairs = ledger.findings(names=[one.finding for one in kin])
            rows = [
                {"how": one.how, **row_of(ledger, *pair)}
                for one, pair in zip(kin, pairs, strict=True)
            ]
        return _document(id=finding.id, related=rows)

    def _imported(self, ledger: Ledger, name: str) -> Imported | None:
        """Return the import with this id; None where a finding of this ledger has it, or none."""
        try:
            _finding(ledger, name)
        except AbsentError:
            return imported.named(ledger, self.trusted, name)
        return None


def _finding(ledger: Ledger, name: str) -> Finding:
    """Return the finding of an id or a prefix. Raises `UsageError`, `LedgerError`."""
    if len(name) > len("sha256:") + 64:
        raise UsageError(f"{cut(name, 80)!r} is no id", mend="search_findings gives ids")
    record = ledger.named(name)
    if not isinstance(record, Finding):
        raise UsageError(f"{name} is a {record.record}, not a finding", mend="search for its id")
    return record


def _of_table(finding: Finding, table: str) -> bool:
    bare = table.removeprefix("sha256:")
    named = len(bare) >= 8 and finding.table.table.removeprefix("sha256:").startswith(bare)
    return not table or finding.table.name == table or named


def _open(ledger: Ledger, table: str) -> Iterator[tuple[Finding, Verdict]]:
    """Yield what is inconclusive and was neither withdrawn nor known not to be a question."""
    for finding, verdict in reversed(ledger.findings(word="inconclusive", newest=DEEPEST)):
        if verdict is None or not _of_table(finding, table):
            continue
        closed = any(check.name in _CLOSED for check in verdict.checks)
        if not closed and ledger.retraction(finding.id) is None:
            yield finding, verdict


def _question(ledger: Ledger, finding: Finding, verdict: Verdict) -> dict[str, Any]:
    last = history_of(ledger, finding.id)[-1]
    reopened = last["kind"] == "reopened"
    return {
        **row_of(ledger, finding, verdict),
        "kind": "reopened" if reopened else "inconclusive",
        "reason": last["why"] if reopened else cut(shown(verdict).reason, LONG),
        "settle": _settle(finding),
    }


def _settle(finding: Finding) -> dict[str, Any]:
    """Return what would settle a question, and the commands that bring it about."""
    again = rerun_of(finding)["again"]
    if finding.claim.formal:
        return {
            "needs": "a claim that a test decides: inputs drawn from elsewhere, or a form in which "
            "it can be proved",
            "how": ["submit_finding with other inputs"],
        }
    ref = finding.table
    columns = ", ".join(f"`{plain(name)}`" for name in ref.columns[:12])
    return {
        "needs": "rows that neither its author nor a test has seen, with the same columns "
        f"({columns}{', …' * (len(ref.columns) > 12)}), and more of them where the {ref.rows} "
        "visible ones here, with the sealed ones beside them, were too few",
        "how": [
            f"{again} seals the new file, tries the script on its visible rows and tests the claim",
            "or seal the new file before anyone looks (earnest seal FILE), and submit_finding on "
            "the table's id that this prints",
        ],
    }
