"""How an audit compares the derived tables with the records: anew, or quickly by SQL."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Final

from earnest.core.errors import LedgerError
from earnest.core.records import Record
from earnest.ledger.derive import derive
from earnest.ledger.schema import connect

_DERIVED: Final = ("finding", "run", "allocation", "look", "verdict", "import")
_INDEXES: Final = ("text", "import_text")
# Each finds a row that does not say what its record says. JSON numbers are read by SQLite to
# within a rounding, which is what the tolerance of alpha is for.
_QUICK: Final = {
    "finding": """
        SELECT f.seq FROM finding f LEFT JOIN record r ON r.seq = f.seq
        LEFT JOIN verdict v ON v.seq = f.verdict
        WHERE r.kind IS NOT 'finding' OR f.word IS NOT COALESCE(v.word, '')
            OR v.finding IS NOT IIF(f.verdict IS NULL, NULL, f.seq)
            OR json_array(f.table_id, f.principal, f.run) IS NOT json_extract(
                CAST(r.data AS TEXT), '$.table.table', '$.author.principal', '$.run')
        LIMIT 1""",
    "allocation": """
        SELECT a.finding FROM allocation a LEFT JOIN record f ON f.seq = a.finding
        LEFT JOIN record r ON r.seq = a.finding + 1
        WHERE r.kind IS NOT 'allocation' OR json_array(f.id, a.principal, a.number)
                IS NOT json_extract(CAST(r.data AS TEXT), '$.finding', '$.principal', '$.number')
            OR ABS(a.alpha - json_extract(CAST(r.data AS TEXT), '$.alpha')) > 1e-12 * a.alpha
        LIMIT 1""",
    "verdict": """
        SELECT v.seq FROM verdict v LEFT JOIN record r ON r.seq = v.seq
        LEFT JOIN record f ON f.seq = v.finding LEFT JOIN record s ON s.seq = v.signature
        WHERE r.kind IS NOT 'verdict' OR json_array(f.id, v.word)
                IS NOT json_extract(CAST(r.data AS TEXT), '$.finding', '$.word')
            OR v.signature NOT NULL AND (s.kind IS NOT 'signature'
                OR json_extract(CAST(s.data AS TEXT), '$.subject') IS NOT r.id)
        LIMIT 1""",
    "import": """
        SELECT i.seq FROM import i LEFT JOIN record r ON r.seq = i.latest
        LEFT JOIN record a ON a.seq = i.seq LEFT JOIN record t ON t.seq = i.retraction
        WHERE r.kind IS NOT 'import' OR a.kind IS NOT 'import'
            OR json_array(i.finding, i.source) IS NOT json_extract(
                CAST(a.data AS TEXT), '$.of', '$.source')
            OR json_array(i.finding, i.source, i.position) IS NOT json_extract(
                CAST(r.data AS TEXT), '$.of', '$.source', '$.position')
            OR i.word IS NOT json_extract(
                json_extract(CAST(r.data AS TEXT), '$.verdict'), '$.word')
            OR i.gone IS NOT (json_extract(CAST(r.data AS TEXT), '$.withdrawn') != '')
            OR i.retraction NOT NULL AND (t.kind IS NOT 'retraction'
                OR json_extract(CAST(t.data AS TEXT), '$.finding') IS NOT i.finding)
        UNION ALL
        SELECT r.seq FROM record r LEFT JOIN import i
            ON i.finding = json_extract(CAST(r.data AS TEXT), '$.of')
            AND i.source = json_extract(CAST(r.data AS TEXT), '$.source')
        WHERE r.kind = 'import' AND r.kind NOT IN
            ('finding', 'allocation', 'verdict', 'signature')
            AND (i.seq IS NULL OR r.seq NOT BETWEEN i.seq AND i.latest)
        LIMIT 1""",
}
_COUNTS: Final = "SELECT (SELECT COUNT(*) FROM finding), (SELECT COUNT(*) FROM allocation), \
(SELECT COUNT(*) FROM verdict), (SELECT COUNT(*) FROM text_docsize), \
(SELECT COUNT(*) FROM import), (SELECT COUNT(*) FROM import_text_docsize)"


def compare(db: sqlite3.Connection) -> Callable[[Counter[str]], None]:
    """Compare by SQL; return what is left to compare once the records are counted by kind.

    Raises `LedgerError`.
    """
    _same_schema(db)
    for table, query in _QUICK.items():
        row = db.execute(query).fetchone()
        if row:
            raise LedgerError(f"the table {table!r} does not say what record {row[0]} says")
    findings, allocations, verdicts, texts, imports, others = db.execute(_COUNTS).fetchone()
    found = {"finding": findings, "allocation": allocations, "verdict": verdicts}

    def counted(kinds: Counter[str]) -> None:
        for kind, count in found.items():
            if kinds[kind] != count:
                raise LedgerError(f"{kinds[kind]} records of {kind!r}, and the table has {count}")
        if texts != findings:
            raise LedgerError(f"{findings} findings, and {texts} in the search index")
        if others != imports:
            raise LedgerError(f"{imports} imports, and {others} in their search index")

    return counted


def _same_schema(db: sqlite3.Connection) -> None:
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    fresh = connect(":memory:")
    try:
        if db.execute(schema).fetchall() != fresh.execute(schema).fetchall():
            raise LedgerError("the database's schema has changed")
    finally:
        fresh.close()


class Anew:
    """The derived tables made anew, record by record, in a database of their own."""

    def __init__(self, name: str, folder: Path) -> None:
        self._folder = folder
        self._db = connect(name)
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def add(self, seq: int, name: str, record: Record) -> None:
        """Derive a record's rows. Only its name and place are kept of the record itself."""
        self._db.execute("INSERT INTO record VALUES (?, ?, '', x'', '')", (seq, name))
        derive(self._db, seq, record)

    def compare(self, db: sqlite3.Connection) -> None:
        """Compare every row of every derived table. Raises `LedgerError`."""
        _same_schema(db)
        for table in (*_DERIVED, *_INDEXES):
            # Table names come from the constant above.
            key = "rowid, *" if table in _INDEXES else "*"
            query = f"SELECT {key} FROM {table} ORDER BY 1, 2"  # noqa: S608
            rows = zip_longest(db.execute(query), self._db.execute(query))
            if any(stored != derived for stored, derived in rows):
                raise LedgerError(f"the table {table!r} does not say what the records say")

    def sound(self, db: sqlite3.Connection) -> None:
        """Check the database's pages and the search index. Raises `LedgerError`."""
        for (line,) in db.execute("PRAGMA integrity_check"):
            if line != "ok":
                raise LedgerError(f"the database is damaged: {line}")
        memory = self._db.execute("PRAGMA database_list").fetchone()[2] == ""
        copy = sqlite3.connect(":memory:" if memory else self._folder / "copy.sqlite")
        try:
            # The full-text index is checked by a command that writes, so on a copy.
            db.backup(copy)
            for index in _INDEXES:
                check = f"({index}, rank) VALUES ('integrity-check', 1)"
                copy.execute(f"INSERT INTO {index} {check}")
        finally:
            copy.close()
