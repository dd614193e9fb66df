"""The ledger's tables. Migrations are numbered and append-only: never change one that landed.

`record` is the truth: canonical bytes in a hash chain. `stamp` holds signed notes of where the
chain stood. Everything else is derived from `record`, and `earnest.ledger.audit` derives it again
and compares; a migration that changes it drops it, and it is derived anew (`REDERIVED`).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from earnest.core.errors import LedgerError
from earnest.core.history import ALL
from earnest.ledger.derive import derive

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE record (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        data BLOB NOT NULL,
        chain TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER record_keeps_rows BEFORE DELETE ON record
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER record_keeps_bytes BEFORE UPDATE ON record
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TABLE finding (
        id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        claim TEXT NOT NULL,
        table_id TEXT NOT NULL,
        principal TEXT NOT NULL,
        run TEXT NOT NULL
    ) STRICT;
    CREATE INDEX finding_by_claim ON finding (table_id, claim);
    CREATE INDEX finding_by_run ON finding (run);
    CREATE TABLE allocation (
        finding TEXT PRIMARY KEY,
        principal TEXT NOT NULL,
        number INTEGER NOT NULL,
        alpha REAL NOT NULL,
        UNIQUE (principal, number)
    ) STRICT;
    CREATE TABLE verdict (
        finding TEXT PRIMARY KEY,
        id TEXT NOT NULL,
        word TEXT NOT NULL,
        rejected INTEGER NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE text USING fts5 (finding UNINDEXED, sentence, prose,
        tokenize = 'porter unicode61');
    """,
    # Later verdicts, retractions, signatures, stamps; rows are named by `record.seq`, which makes
    # them half as large and a million findings quick to search.
    """
    DROP TABLE text;
    DROP TABLE verdict;
    DROP TABLE allocation;
    DROP TABLE finding;
    CREATE TABLE stamp (seq INTEGER PRIMARY KEY, envelope BLOB NOT NULL) STRICT;
    CREATE TRIGGER stamp_keeps_rows BEFORE DELETE ON stamp
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER stamp_keeps_bytes BEFORE UPDATE ON stamp
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE INDEX record_of_other_kinds ON record (kind, seq)
        WHERE kind NOT IN ('finding', 'allocation', 'verdict', 'signature');
    CREATE TABLE finding (
        seq INTEGER PRIMARY KEY,
        claim TEXT NOT NULL,
        table_id TEXT NOT NULL,
        principal TEXT NOT NULL,
        run TEXT NOT NULL,
        verdict INTEGER,
        word TEXT NOT NULL,
        retraction INTEGER
    ) STRICT;
    CREATE INDEX finding_by_claim ON finding (claim);
    CREATE INDEX finding_by_run ON finding (run);
    CREATE INDEX finding_by_word ON finding (word);
    CREATE TABLE run (name TEXT PRIMARY KEY, open INTEGER NOT NULL) STRICT;
    CREATE TABLE allocation (
        finding INTEGER PRIMARY KEY,
        principal TEXT NOT NULL,
        number INTEGER NOT NULL,
        alpha REAL NOT NULL,
        revealed INTEGER,
        UNIQUE (principal, number)
    ) STRICT;
    CREATE INDEX allocation_rejected ON allocation (principal, number) WHERE revealed NOT NULL;
    CREATE TABLE look (
        table_id TEXT NOT NULL,
        principal TEXT NOT NULL,
        looks INTEGER NOT NULL,
        PRIMARY KEY (table_id, principal)
    ) STRICT;
    CREATE TABLE verdict (
        seq INTEGER PRIMARY KEY,
        finding INTEGER NOT NULL,
        word TEXT NOT NULL,
        signature INTEGER
    ) STRICT;
    CREATE INDEX verdict_by_finding ON verdict (finding);
    CREATE VIRTUAL TABLE text USING fts5 (sentence, prose, names, tokenize = 'porter unicode61');
    """,
    # Claims that say the same have one key, and what a claim asks is looked up.
    """
    DROP TABLE finding;
    CREATE TABLE finding (
        seq INTEGER PRIMARY KEY,
        claim TEXT NOT NULL,
        topic INTEGER NOT NULL,
        under INTEGER NOT NULL,
        table_id TEXT NOT NULL,
        principal TEXT NOT NULL,
        run TEXT NOT NULL,
        verdict INTEGER,
        word TEXT NOT NULL,
        retraction INTEGER
    ) STRICT;
    CREATE INDEX finding_by_claim ON finding (claim);
    CREATE INDEX finding_by_topic ON finding (topic);
    CREATE INDEX finding_by_topic_under ON finding (under);
    CREATE INDEX finding_by_run ON finding (run);
    CREATE INDEX finding_by_word ON finding (word);
    DELETE FROM run;
    DELETE FROM allocation;
    DELETE FROM look;
    DELETE FROM verdict;
    DROP TABLE text;
    CREATE VIRTUAL TABLE text USING fts5 (sentence, prose, names, tokenize = 'porter unicode61');
    """,
    # What comes from other ledgers, apart from all that is this ledger's own.
    """
    CREATE TABLE import (
        seq INTEGER PRIMARY KEY,
        finding TEXT NOT NULL,
        source TEXT NOT NULL,
        latest INTEGER NOT NULL,
        position INTEGER NOT NULL,
        word TEXT NOT NULL,
        gone INTEGER NOT NULL,
        retraction INTEGER,
        UNIQUE (finding, source)
    ) STRICT;
    CREATE VIRTUAL TABLE import_text
        USING fts5 (sentence, prose, names, tokenize = 'porter unicode61');
    """,
)
REDERIVED: Final = frozenset({2, 3})
"""The versions from which on the derived tables are others: made anew from the records."""


def connect(path: str) -> sqlite3.Connection:
    """Open a database, apply the migrations it lacks, and return the connection.

    Raises `LedgerError` where it is no ledger or comes from a newer version.
    """
    try:
        connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")  # KiB; the indexes of a large ledger
        _migrate(connection)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"{path} can't be opened as a ledger: {error}") from error
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    if version(connection) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            before = version(connection)
            for number in range(before, len(MIGRATIONS)):
                for statement in _statements(MIGRATIONS[number]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
            if REDERIVED & set(range(before + 1, len(MIGRATIONS) + 1)):
                _derive_all(connection)
    if version(connection) > len(MIGRATIONS):
        raise LedgerError(
            f"the ledger has version {version(connection)}, newer than this program",
            mend="pip install -U earnest",
        )


def _derive_all(connection: sqlite3.Connection) -> None:
    """Fill the derived tables, which are empty. Raises `RecordError` for a damaged record."""
    rows = connection.execute("SELECT seq, id, kind, data FROM record ORDER BY seq")
    for seq, name, kind, data in rows:
        if kind not in ALL:
            raise LedgerError(f"record {seq} ({name}): no kind {kind!r}")
        derive(connection, seq, ALL[kind].from_bytes(data, expect=name))


def version(connection: sqlite3.Connection) -> int:
    """Return how many migrations a database has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    statements, pending = [], ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    return statements
