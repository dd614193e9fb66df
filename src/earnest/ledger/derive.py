"""What the other tables say of each record; the one place that writes them.

Rows are named by the place in the chain (`record.seq`) of the record that they speak of.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Final

from earnest.core.claims import sentence
from earnest.core.errors import LedgerError
from earnest.core.history import ClosedBook, Import, Retraction, Revision, Signature
from earnest.core.likeness import claim_key, topic, topic_under
from earnest.core.records import FRESH, Allocation, Claim, Finding, Record, Verdict
from earnest.ledger.imports import derived
from earnest.ledger.search import names

BEHIND: Final = 2
"""How far a `ClosedBook` is behind its finding, at most: the share may stand between them."""


def derive(db: sqlite3.Connection, seq: int, record: Record) -> None:
    """Write what the other tables say of the record at place `seq` of the chain.

    Raises `LedgerError` where it speaks of a record that does not come before it.
    """
    if isinstance(record, Finding):
        _finding(db, seq, record)
    elif isinstance(record, Allocation):
        _allocation(db, record)
    elif isinstance(record, Verdict):
        _verdict(db, seq, record)
    elif isinstance(record, Signature):
        db.execute(
            "UPDATE verdict SET signature = ? WHERE seq = ? AND signature IS NULL",
            (seq, _there(db, record.subject)),
        )
    elif isinstance(record, Revision):
        _revision(db, record)
    elif isinstance(record, Retraction):
        _retraction(db, seq, record)
    elif isinstance(record, Import):
        _import(db, seq, record)
    elif isinstance(record, ClosedBook) and seq - _there(db, record.finding) > BEHIND:
        raise LedgerError(f"it does not stand right behind {record.finding}")


def place(db: sqlite3.Connection, name: str) -> int | None:
    """Return where in the chain the record with this id stands; None: nowhere."""
    row = db.execute("SELECT seq FROM record WHERE id = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def _there(db: sqlite3.Connection, name: str) -> int:
    found = place(db, name)
    if found is None:
        raise LedgerError(f"it speaks of {name}, which comes nowhere before it")
    return found


@lru_cache(maxsize=1024)
def short_key(claim: Claim) -> str:
    """Return 128 bits of what two findings share when they claim the same."""
    return claim_key(claim).removeprefix("sha256:")[:32]


@lru_cache(maxsize=1024)
def short_topic(claim: Claim) -> int:
    """Return 63 bits of what two findings share that ask the same of a table with one name."""
    return _bits(topic(claim))


def short_topic_under(finding: Finding) -> int:
    """Return 63 bits of what two findings share that ask the same of tables with one's columns."""
    return _bits(topic_under(finding.claim, finding.table.columns))


def _bits(name: str) -> int:
    return int(name.removeprefix("sha256:")[:16], 16) >> 1


def rejects(verdict: Verdict) -> bool:
    """Say whether a verdict's p met its share: a rejection, whatever word it got."""
    return verdict.p is not None and verdict.alpha is not None and verdict.p <= verdict.alpha


def _finding(db: sqlite3.Connection, seq: int, record: Finding) -> None:
    db.execute(
        "INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, NULL, '', NULL)",
        (
            seq,
            short_key(record.claim),
            short_topic(record.claim),
            short_topic_under(record),
            record.table.table,
            record.author.principal,
            record.run,
        ),
    )
    db.execute(
        "INSERT INTO run VALUES (?, 1) ON CONFLICT DO UPDATE SET open = open + 1", (record.run,)
    )
    _text(db, "text", seq, record)


def _text(db: sqlite3.Connection, index: str, seq: int, record: Finding) -> None:
    said = sentence(record.claim)
    db.execute(
        f"INSERT INTO {index} (rowid, sentence, prose, names) VALUES (?, ?, ?, ?)",  # noqa: S608
        (seq, said, record.prose, names(f"{said} {record.prose}")),
    )


def _allocation(db: sqlite3.Connection, record: Allocation) -> None:
    finding = _there(db, record.finding)
    db.execute(
        "INSERT INTO allocation VALUES (?, ?, ?, ?, NULL)",
        (finding, record.principal, record.number, record.alpha),
    )
    row = db.execute("SELECT table_id FROM finding WHERE seq = ?", (finding,)).fetchone()
    if row:
        _look(db, row[0], record.principal, 1)


def _look(db: sqlite3.Connection, table: str, principal: str, count: int) -> None:
    if table == FRESH.table:
        return  # there are no sealed rows to look at, and none to use up
    db.execute(
        "INSERT INTO look VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET looks = looks + excluded.looks",
        (table, principal, count),
    )


def _verdict(db: sqlite3.Connection, seq: int, record: Verdict) -> None:
    finding = _there(db, record.finding)
    db.execute("INSERT INTO verdict VALUES (?, ?, ?, NULL)", (seq, finding, record.word))
    first = db.execute(
        "UPDATE finding SET verdict = ?, word = ? WHERE seq = ? AND verdict IS NULL "
        "RETURNING run, table_id, principal",
        (seq, record.word, finding),
    ).fetchone()
    if first is None:
        return  # a later verdict counts once a revision says so
    run, table, principal = first
    db.execute("UPDATE run SET open = open - 1 WHERE name = ?", (run,))
    if rejects(record):
        db.execute(
            "UPDATE allocation SET revealed = (SELECT MAX(number) FROM allocation "
            "WHERE principal = ?) WHERE finding = ?",
            (principal, finding),
        )
    if (
        record.alpha is None
        and db.execute("SELECT 1 FROM allocation WHERE finding = ?", (finding,)).fetchone()
    ):
        _look(db, table, principal, -1)  # it ended before anyone looked at the sealed rows


def _revision(db: sqlite3.Connection, record: Revision) -> None:
    finding = _there(db, record.finding)
    db.execute(
        "UPDATE finding SET (verdict, word) = (SELECT seq, word FROM verdict WHERE seq = ?) "
        "WHERE seq = ?",
        (_there(db, record.verdict), finding),
    )
    row = db.execute("SELECT principal FROM finding WHERE seq = ?", (finding,)).fetchone()
    for table in record.tables if row else ():
        _look(db, table, row[0], 1)


def _retraction(db: sqlite3.Connection, seq: int, record: Retraction) -> None:
    """Withdraw a finding, or an import: that has no record of its own finding here."""
    here = db.execute(
        "UPDATE import SET retraction = ? WHERE finding = ? AND retraction IS NULL RETURNING 1",
        (seq, record.finding),
    ).fetchall()
    if not here or place(db, record.finding) is not None:
        db.execute(
            "UPDATE finding SET retraction = ? WHERE seq = ? AND retraction IS NULL",
            (seq, _there(db, record.finding)),
        )


def _import(db: sqlite3.Connection, seq: int, record: Import) -> None:
    """Keep what a source said last of a finding; its text is searched apart from all others."""
    finding, verdict = derived(record)
    told = (record.position, verdict.word, bool(record.withdrawn))
    row = db.execute(
        "SELECT seq FROM import WHERE finding = ? AND source = ?", (record.of, record.source)
    ).fetchone()
    if row:
        db.execute(
            "UPDATE import SET latest = ?, position = ?, word = ?, gone = ? WHERE seq = ?",
            (seq, *told, row[0]),
        )
        return
    db.execute(
        "INSERT INTO import VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        (seq, record.of, record.source, seq, *told),
    )
    _text(db, "import_text", seq, finding)
