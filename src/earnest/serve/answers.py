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
from typing import Any, Final, Literal

from earnest.core.errors import RecordError, UsageError
from earnest.core.protocols import Blobs
from earnest.core.quoted import NOTICE, plain, quoted
from earnest.core.records import WORDS, Finding, Verdict
from earnest.core.shown import brief, how_new, programs, row, shown
from earnest.ledger.ledger import Ledger

Trust = Literal["verified", "imported", "unverified"]

MOST: Final = 50
MOST_QUERY: Final = 1000
DEEPEST: Final = 500
_LONGEST: Final = 600
_LONG: Final = 20_000
_PROGRAMS: Final = ("program", "reference")
_CLOSED: Final = ("definitional", "near-copy", "known")


def trust(verdict: Verdict | None) -> Trust:
    """Return what a finding's word rests on: this ledger's verifier, or nothing yet.

    A ledger that takes findings from other ledgers says `imported` of them until its own verifier
    has spoken.
    """
    return "verified" if verdict else "unverified"


def cut(text: str, most: int = _LONGEST) -> str:
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

    def __init__(self, ledger: Path, blobs: Blobs) -> None:
        self.ledger, self.blobs = ledger, blobs

    def search(
        self, query: str, *, word: str = "", limit: int = 10, offset: int = 0
    ) -> dict[str, Any]:
        """Return a page of the findings that fit a query, best first; of no words, the newest.

        `word`: only with this verdict (among the best 500). Raises `UsageError`, `LedgerError`.
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
            rows = [_row(ledger, *pair) for pair in found[:limit]]
        page = _page(found, limit, offset)
        return _document(query=plain(query), findings=rows, **page)

    def get(self, name: str) -> dict[str, Any]:
        """Return all that may be shown of a finding: claim, verdict, evidence, how to re-run it.

        `name`: its id, or at least 8 of its first hex digits. Raises `UsageError`, `LedgerError`.
        """
        with Ledger(self.ledger) as ledger:
            finding = _finding(ledger, name)
            verdict = ledger.verdict(finding.id)
            return _document(
                **_row(ledger, finding, verdict),
                **_claim(finding),
                **_verdict(verdict),
                author=told(finding.author.model_dump(mode="json")),
                prose=cut(finding.prose, _LONG),
                evidence=self._evidence(finding),
                rerun=_rerun(finding),
                history=_history(ledger, finding.id),
                retraction=_retraction(ledger, finding.id),
            )

    def status(self, name: str) -> dict[str, Any]:
        """Return where a finding stands: `queued`, or its verdict. Raises as `get` does."""
        with Ledger(self.ledger) as ledger:
            finding = _finding(ledger, name)
            verdict = ledger.verdict(finding.id)
            may = shown(verdict) if verdict else None
            state = "verified" if may else "queued"
            reason = cut(may.reason, _LONG) if may else "it waits for the verifier"
            return _document(**_row(ledger, finding, verdict), state=state, reason=reason)

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
        return _document(table=plain(table[:_LONGEST]), questions=rows, **page)

    def related(self, name: str) -> dict[str, Any]:
        """Return the earlier findings of others that a finding is like, the closest first; few.

        `how`: `known`, `contradicts`, `extends` or `near`. Raises as `get` does.
        """
        with Ledger(self.ledger) as ledger:
            finding = _finding(ledger, name)
            kin = ledger.related(finding)
            pairs = ledger.findings(names=[one.finding for one in kin])
            rows = [
                {"how": one.how, **_row(ledger, *pair)}
                for one, pair in zip(kin, pairs, strict=True)
            ]
        return _document(id=finding.id, related=rows)

    def _evidence(self, finding: Finding) -> dict[str, Any]:
        evidence = finding.evidence
        try:
            script = self.blobs.get(evidence.script).decode("utf-8", "replace")
            text = quoted(script, f"the script of {finding.id}", most=_LONG)
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


def _finding(ledger: Ledger, name: str) -> Finding:
    """Return the finding of an id or a prefix. Raises `UsageError`, `LedgerError`."""
    if len(name) > len("sha256:") + 64:
        raise UsageError(f"{cut(name, 80)!r} is no id", mend="search_findings gives ids")
    record = ledger.named(name)
    if not isinstance(record, Finding):
        raise UsageError(f"{name} is a {record.record}, not a finding", mend="search for its id")
    return record


def _row(ledger: Ledger, finding: Finding, verdict: Verdict | None) -> dict[str, Any]:
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


def _claim(finding: Finding) -> dict[str, Any]:
    """Return a claim's fields that say something; the code that it is about, quoted."""
    body = finding.claim.model_dump(mode="json", exclude_defaults=True, exclude={*_PROGRAMS})
    source = f"the claim of {finding.id}"
    code = {name: quoted(text, source) for name, text in programs(finding.claim).items()}
    design = {} if finding.claim.formal else {"design": plain(finding.table.design)}
    return {"claim": told(body), "programs": code, **design}


def _verdict(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {"reason": "it waits for the verifier", "checks": []}
    may = shown(verdict)
    return {
        "reason": cut(may.reason, _LONG),
        "checks": [told(check.model_dump(mode="json")) for check in may.checks],
        "novelty": cut(how_new(may)),
        "estimator": may.estimator,
        "not_covered": list(may.not_covered),
    }


def _rerun(finding: Finding) -> dict[str, Any]:
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
    return cut(why if kind == "reopened" else shown(verdict).reason, _LONG)


def _history(ledger: Ledger, finding: str) -> list[dict[str, Any]]:
    """Return a finding's verdicts, oldest first."""
    return [
        {
            "word": verdict.word,
            "kind": revision.kind if revision else "first",
            "why": _why(verdict, revision.kind, revision.why) if revision else "",
        }
        for verdict, revision in ledger.history(finding)
    ]


def _retraction(ledger: Ledger, finding: str) -> dict[str, Any] | None:
    gone = ledger.retraction(finding)
    return {"by": cut(gone.by), "why": cut(gone.why, _LONG)} if gone else None


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
    last = _history(ledger, finding.id)[-1]
    reopened = last["kind"] == "reopened"
    return {
        **_row(ledger, finding, verdict),
        "kind": "reopened" if reopened else "inconclusive",
        "reason": last["why"] if reopened else cut(shown(verdict).reason, _LONG),
        "settle": _settle(finding),
    }


def _settle(finding: Finding) -> dict[str, Any]:
    """Return what would settle a question, and the commands that bring it about."""
    again = _rerun(finding)["again"]
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
