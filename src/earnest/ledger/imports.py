"""Imports: what other ledgers say that they verified. They are no findings of this ledger.

An import is never queued, has no share of the error budget, is known to no claim and kin to none,
and never teaches. It has a table and a search index of its own, so that however many there are,
and whatever they say, local findings are found and ranked as if there were none.

`check_import` is what is asked of one as it is taken in, and of each again by an audit: its parts
are the bytes that the source's key signed, word for word, and its verdict's word is one that its
own numbers bear out. What is not covered: whether the source was honest (a finding is verified
here, on rows at hand), whether it offers all that it has, and whether something later was held back
by who carried it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from earnest.core.errors import AbsentError, LedgerError, RecordError
from earnest.core.history import Import, Retraction, Signature, Withdrawn
from earnest.core.records import STANDING, Finding, Verdict
from earnest.core.sign import OFFER, VERDICT, Signer, require_exact, stated, statement

OFFERED: Final = (*STANDING, "reproduced")
"""The words that are offered: of any other, the numbers of sealed rows are withheld."""
_LEVEL: Final = 0.05
_MAY_FAIL: Final = ("again", "replication")
_BEARS_OUT: Final[Mapping[str, tuple[str, ...]]] = {
    "confirmed": ("sealed", "fresh"),
    "replicated": ("replication",),
}


@dataclass(frozen=True)
class Imported:
    """An import as it stands: the latest record of it, read, and who withdrew it here, if any."""

    record: Import
    finding: Finding
    verdict: Verdict
    retraction: Retraction | None = None

    @property
    def id(self) -> str:
        """The finding's id: the same there and here."""
        return self.record.of

    @property
    def withdrawn(self) -> bool:
        """Whether it was withdrawn, there or here."""
        return bool(self.record.withdrawn) or self.retraction is not None


def said_of_verdict(verdict: Verdict) -> bytes:
    """Return the statement that a verdict's signature is of."""
    said = {"finding": verdict.finding, "verifier": verdict.verifier, "word": verdict.word}
    return statement(VERDICT, "verdict", verdict.id, said)


def said_of_offer(
    verdict: Verdict, manifest: str | None, position: int, withdrawn: Withdrawn, why: str
) -> bytes:
    """Return the statement that an offer is: what a ledger says of a verdict to other ledgers."""
    said = {
        "finding": verdict.finding,
        "manifest": manifest,
        "position": position,
        "why": why,
        "withdrawn": withdrawn,
    }
    return statement(OFFER, "verdict", verdict.id, said)


def offer(
    signer: Signer,
    verdict: Verdict,
    *,
    manifest: str | None,
    position: int,
    withdrawn: Withdrawn = "",
    why: str = "",
) -> dict[str, Any]:
    """Return the envelope in which this ledger's key offers a verdict to other ledgers."""
    return signer.sign(said_of_offer(verdict, manifest, position, withdrawn, why))


def check_import(one: Import) -> tuple[Finding, Verdict]:
    """Return what an import holds, once all of it was checked. Raises `RecordError`: the reason."""
    finding = _exact(Finding, one.finding)
    verdict = _exact(Verdict, one.verdict)
    if finding.id != one.of:
        raise RecordError(f"its bytes hash to {finding.id}, not to {one.of}")
    if verdict.finding != one.of:
        raise RecordError(f"the verdict is of another finding, {verdict.finding}")
    told = said_of_verdict(verdict)
    _signed("signature", one.signature, one.source, VERDICT, verdict, told)
    told = said_of_offer(verdict, one.manifest, one.position, one.withdrawn, one.why)
    _signed("offer", one.offer, one.source, OFFER, verdict, told)
    if (one.manifest is None) != finding.claim.formal:
        raise RecordError("a claim of a table comes with the rows its author saw, no other does")
    if wrong := unsupported(finding, verdict):
        raise RecordError(wrong)
    return finding, verdict


def _exact(kind: type[Any], text: str) -> Any:
    """Read a record whose canonical bytes this text is. Raises `RecordError`."""
    try:
        data = text.encode()
    except UnicodeError as error:
        raise RecordError(f"not a {kind.record}: {error}") from error
    found = kind.from_bytes(data)
    if found.data != data:
        raise RecordError(f"the bytes of the {kind.record} are not canonical")
    return found


def _signed(
    what: str, envelope: object, key: str, kind: str, verdict: Verdict, told: bytes
) -> None:
    """Raise `RecordError` unless the key signed just this statement about the verdict."""
    try:
        subject, _ = stated(envelope, key, kind)
        if subject != verdict.id:
            raise RecordError(f"it is about {subject}, not about this verdict, {verdict.id}")
        require_exact(envelope, told)
    except RecordError as error:
        raise RecordError(f"the {what}: {error}") from error


def unsupported(finding: Finding, verdict: Verdict) -> str:
    """Return why a verdict's own numbers do not bear out its word; empty: they do.

    Of the words that are offered. Whoever signs a verdict may still invent the numbers.
    """
    word = verdict.word
    if word not in OFFERED:
        return f"{word}: only what was {', '.join(OFFERED)} is taken"
    for check in verdict.checks:
        if check.passed is False and check.name not in _MAY_FAIL:
            return f"{word}, although its check {check.name!r} failed"
    if word not in STANDING:
        return ""
    return _standing_unsupported(finding, verdict)


def _standing_unsupported(finding: Finding, verdict: Verdict) -> str:
    word = verdict.word
    if finding.exposure != "sealed" or finding.claim.descriptive:
        return f"{word}, although it can't be more than reproduced ({finding.exposure})"
    if not any(one.passed and one.name in _BEARS_OUT[word] for one in verdict.checks):
        return f"{word}, and no check says so"
    if verdict.p is None or verdict.alpha is None:
        return f"{word}, and it was not tested"
    if not 0 <= verdict.p <= verdict.alpha <= _LEVEL:
        return f"{word}, although p = {verdict.p:.2g} and its share was {verdict.alpha:.2g}"
    if verdict.effect is None or verdict.interval is None:
        return f"{word}, and no effect is told"
    if not verdict.interval[0] <= verdict.effect <= verdict.interval[1]:
        return f"{word}, and its effect lies outside its interval"
    return ""


def run_of(imported: str) -> str:
    """Return what the runs are called, up to a table, in which an import is tested here."""
    return f"import-{imported.removeprefix('sha256:')[:12]}-"


def derived(one: Import) -> tuple[Finding, Verdict]:
    """Return the finding and the verdict that an import holds, their signatures unchecked."""
    return _exact(Finding, one.finding), _exact(Verdict, one.verdict)


def standing(db: sqlite3.Connection, one: Import) -> Import | None:
    """Return the latest import of the same finding from the same source."""
    row = db.execute(
        "SELECT r.id, r.data FROM import i JOIN record r ON r.seq = i.latest "
        "WHERE i.finding = ? AND i.source = ?",
        (one.of, one.source),
    ).fetchone()
    return Import.from_bytes(row[1], expect=row[0]) if row else None


def news(db: sqlite3.Connection, one: Import) -> bool:
    """Say whether an import tells something that is not here yet. Raises `LedgerError`: refused."""
    if db.execute(
        "SELECT 1 FROM record r JOIN finding f ON f.seq = r.seq WHERE r.id = ?", (one.of,)
    ).fetchone():
        raise LedgerError("it is a finding of this ledger")
    known = standing(db, one)
    if known is None:
        return True
    if one.position < known.position:
        raise LedgerError(
            f"it is older (its place {one.position}) than what was taken of it (its place "
            f"{known.position}): an earlier verdict, replayed"
        )
    if one.position == known.position:
        same = one.model_copy(update={"name": known.name})
        if same.id == known.id:
            return False
        raise LedgerError(f"its source said something else at its place {one.position}")
    if known.withdrawn == "retracted" != one.withdrawn:
        raise LedgerError("it was retracted there, and no retraction is taken back")
    return True


def of_rows(db: sqlite3.Connection, rows: list[tuple[int, int | None]]) -> list[Imported]:
    """Return the imports that stand at these places, each with its local retraction's place."""
    found = []
    for latest, gone in rows:
        record = _at(db, latest, Import)
        retraction = _at(db, gone, Retraction) if gone else None
        found.append(Imported(record, *derived(record), retraction))
    return found


def _at(db: sqlite3.Connection, seq: int, kind: type[Any]) -> Any:
    name, data = db.execute("SELECT id, data FROM record WHERE seq = ?", (seq,)).fetchone()
    return kind.from_bytes(data, expect=name)


@dataclass(frozen=True)
class Offer:
    """What this ledger has to say of a finding to others, from its own signed records."""

    finding: Finding
    verdict: Verdict
    signature: Signature
    position: int
    withdrawn: Withdrawn = ""
    why: str = ""


_SAID: Final = """
    (SELECT MAX(s.seq) FROM verdict s WHERE s.finding = f.seq AND s.seq <= f.verdict
        AND s.signature NOT NULL AND s.word IN ('confirmed', 'replicated', 'reproduced'))"""
# By primary keys, so that a page costs what it holds, however large the ledger is.
_BY_VERDICT: Final = f"""
    SELECT f.seq, {_SAID} AS said, f.verdict, f.retraction, v.seq
    FROM verdict v JOIN finding f ON f.seq = v.finding AND f.verdict = v.seq
    WHERE v.seq > ? AND COALESCE(f.retraction, 0) < v.seq AND said NOT NULL
    ORDER BY v.seq LIMIT ?"""  # noqa: S608
_BY_RETRACTION: Final = f"""
    SELECT f.seq, {_SAID} AS said, f.verdict, r.seq, r.seq
    FROM record r JOIN record o ON o.id = json_extract(CAST(r.data AS TEXT), '$.finding')
        JOIN finding f ON f.seq = o.seq AND f.retraction = r.seq
    WHERE r.kind = 'retraction' AND r.kind NOT IN
        ('finding', 'allocation', 'verdict', 'signature')
        AND r.seq > ? AND f.verdict < r.seq AND said NOT NULL
    ORDER BY r.seq LIMIT ?"""  # noqa: S608


def offers(db: sqlite3.Connection, after: int, limit: int) -> list[Offer]:
    """Return what this ledger's key has signed and nothing has withheld, by place in the chain.

    Of a finding that was withdrawn, or whose word is another by now, its last word that was
    offered, and that it was withdrawn.
    """
    rows = [
        row for query in (_BY_VERDICT, _BY_RETRACTION) for row in db.execute(query, (after, limit))
    ]
    found = []
    for seq, said, current, gone, position in sorted(rows, key=lambda row: row[-1])[:limit]:
        withdrawn: Withdrawn = "" if said == current else "reopened"
        why = "" if said == current else "what it rests on there was put in doubt"
        if gone:
            retraction = _at(db, gone, Retraction)
            withdrawn, why = "retracted", f"{retraction.by}: {retraction.why}"
        (signed,) = db.execute("SELECT signature FROM verdict WHERE seq = ?", (said,)).fetchone()
        parts = (_at(db, seq, Finding), _at(db, said, Verdict), _at(db, signed, Signature))
        found.append(Offer(*parts, position, withdrawn, why))
    return found


def find(db: sqlite3.Connection, prefix: str) -> list[Imported]:
    """Return the imports whose finding's id starts with this (8 hex digits or more)."""
    bare = prefix.removeprefix("sha256:")
    if len(bare) < 8 or not set(bare) <= set("0123456789abcdef"):
        raise AbsentError(f"{prefix!r} is no id", mend="give at least 8 of its hex digits")
    rows = db.execute(
        "SELECT latest, retraction FROM import WHERE finding GLOB ? ORDER BY seq LIMIT 3",
        (f"sha256:{bare}*",),
    ).fetchall()
    return of_rows(db, rows)
