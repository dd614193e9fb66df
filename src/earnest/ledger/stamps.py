"""Stamps: signed notes of where the chain stood (DSSE envelopes, `urn:earnest:stamp:1`).

A stamp's subject is the chain's link at its last record, so it covers every record up to there.
It is put only over what its signer has looked at: records whose links hold, verdicts with a good
signature, and imports that hold together. So whoever rewrites the chain without the key is found,
and one good stamp vouches for all signatures before it. What is not covered: records after the last
stamp, and a ledger cut back to an earlier stamp, for somebody who has not kept a later one (the
verifier keeps its own).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final

from earnest.core.canon import GENESIS, canonical, chained, digest, parse
from earnest.core.errors import LedgerError, RecordError
from earnest.core.history import Import, Signature
from earnest.core.records import Verdict
from earnest.core.sign import STAMP, VERDICT, Signer, stated, statement
from earnest.ledger.imports import check_import, said_of_verdict

EVERY: Final = 1000
"""A writer with the key puts a stamp after this many records, at least."""


def vouch(verdict: Verdict, signer: Signer) -> Signature:
    """Return a verdict's signature: an in-toto statement about its bytes."""
    return Signature(subject=verdict.id, envelope=signer.sign(said_of_verdict(verdict)))


def check_signature(signature: Signature, public: str) -> None:
    """Raise `RecordError` unless the key signed a statement about the subject it is filed under."""
    subject, _ = stated(signature.envelope, public, VERDICT)
    if subject != signature.subject:
        raise RecordError(f"the signature is about {subject}, not {signature.subject}")


def last_stamp(db: sqlite3.Connection) -> tuple[int, dict[str, Any]] | None:
    """Return the last stamp and the number of records that it covers."""
    row = db.execute("SELECT seq, envelope FROM stamp ORDER BY seq DESC LIMIT 1").fetchone()
    return (int(row[0]), parse(row[1])) if row else None


def read_stamp(envelope: object, public: str) -> tuple[int, str]:
    """Return how many records a stamp covers, and the link it names. Raises `RecordError`."""
    link, said = stated(envelope, public, STAMP)
    if not isinstance(said.get("records"), int):
        raise RecordError("a stamp that covers no number of records")
    return said["records"], link


def put_stamp(
    db: sqlite3.Connection, signer: Signer, made: Callable[[int], bool]
) -> dict[str, Any] | None:
    """Stamp the chain as it is, inside a transaction; None where that was done already.

    `made`: whether the signature at a place was made here and now. Raises `LedgerError` where
    what came since the last stamp does not hold.
    """
    last = last_stamp(db)
    link, seq = GENESIS, 0
    if last is not None:
        seq, link = read_stamp(last[1], signer.public)
    rows = db.execute(
        "SELECT r.seq, r.id, r.kind, r.data, r.chain, v.signature FROM record r "
        "LEFT JOIN verdict v ON v.seq = r.seq WHERE r.seq > ? ORDER BY r.seq",
        (seq,),
    )
    keyed = last is not None
    count = 0
    for place, name, kind, data, chain, signature in rows:
        count += 1
        if place != seq + count or digest(data) != name or chained(link, data) != chain:
            raise LedgerError(f"record {place} does not hold", mend="earnest ledger audit")
        link = chain
        keyed = keyed or kind == "key"
        if kind == "verdict" and keyed and signature is None:
            raise LedgerError(f"record {place}: an unsigned verdict", mend="earnest ledger audit")
        if kind == "signature" and not made(place):
            check_signature(Signature.from_bytes(data), signer.public)
        if kind == "import":
            check_import(Import.from_bytes(data))
    if not count:
        return None
    told = {"records": seq + count, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    envelope = signer.sign(statement(STAMP, "ledger", link, told))
    db.execute("INSERT INTO stamp VALUES (?, ?)", (seq + count, canonical(envelope)))
    return envelope
