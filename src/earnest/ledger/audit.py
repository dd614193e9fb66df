"""The audit: every stored byte hashed again, everything derived compared with what is stored.

It finds any change to a record or to what is derived from it, a record put in, left out or
swapped, a chain cut short, and a damaged database. What is not covered: somebody who rewrites
the whole chain and the note beside it from some record on; signed checkpoints are to close that.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from earnest.core.canon import GENESIS, chained, digest
from earnest.core.errors import EarnestError, LedgerError
from earnest.core.records import RECORDS
from earnest.ledger.ledger import derive, read_head
from earnest.ledger.schema import connect

_DERIVED = ("finding", "allocation", "verdict", "text")


@dataclass(frozen=True)
class Audit:
    """What an audit found: how many records were read, and the first thing that is wrong."""

    records: int
    problem: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


def audit(path: Path) -> Audit:
    """Audit the ledger at `path`; name the first bad record. Raises `LedgerError` if none is."""
    if not path.exists():
        raise LedgerError(f"there is no ledger {path}", mend="earnest demo, or --home DIR")
    count = 0
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
        try:
            db.execute("BEGIN")
            fresh = connect(":memory:")
            count, links = _chain(db, fresh)
            _compare(db, fresh)
            _sound(db)
            _head(path.with_suffix(".head"), links)
        finally:
            db.close()
    except (EarnestError, sqlite3.Error, ValueError, UnicodeError) as error:
        return Audit(count, str(error) or type(error).__name__)
    return Audit(count)


def _chain(db: sqlite3.Connection, fresh: sqlite3.Connection) -> tuple[int, list[str]]:
    """Hash every record again, and derive the other tables anew in `fresh`."""
    links = [GENESIS]
    rows = db.execute("SELECT seq, id, kind, data, chain FROM record NOT INDEXED ORDER BY seq")
    for expected, (seq, name, kind, data, chain) in enumerate(rows, start=1):
        if seq != expected:
            raise LedgerError(f"record {expected} is missing")
        if not isinstance(data, bytes) or digest(data) != name:
            raise LedgerError(f"record {seq} ({name}): its bytes have changed")
        if chained(links[-1], data) != chain:
            raise LedgerError(f"record {seq} ({name}): the chain does not hold")
        if kind not in RECORDS:
            raise LedgerError(f"record {seq} ({name}): no kind {kind!r}")
        derive(fresh, seq, RECORDS[kind].from_bytes(data, expect=name))
        links.append(chain)
    return len(links) - 1, links


def _compare(db: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    for table in _DERIVED:
        # Table names come from the constant above.
        query = f"SELECT * FROM {table} ORDER BY 1"  # noqa: S608
        if db.execute(query).fetchall() != fresh.execute(query).fetchall():
            raise LedgerError(f"the table {table!r} does not say what the records say")
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    if db.execute(schema).fetchall() != fresh.execute(schema).fetchall():
        raise LedgerError("the database's schema has changed")


def _sound(db: sqlite3.Connection) -> None:
    for (line,) in db.execute("PRAGMA integrity_check"):
        if line != "ok":
            raise LedgerError(f"the database is damaged: {line}")
    copy = sqlite3.connect(":memory:")
    try:
        # The full-text index is checked by a command that writes, so on a copy.
        db.backup(copy)
        copy.execute("INSERT INTO text (text, rank) VALUES ('integrity-check', 1)")
    finally:
        copy.close()


def _head(path: Path, links: list[str]) -> None:
    head = read_head(path)
    if head is None:
        if len(links) > 1:
            raise LedgerError(f"{path} is missing: nothing says where the chain ended")
        return
    seq, chain = head
    if seq >= len(links):
        raise LedgerError(f"records {len(links)} to {seq} are missing from the end")
    if links[seq] != chain:
        raise LedgerError(f"record {seq}: the chain is not the one that was noted")
