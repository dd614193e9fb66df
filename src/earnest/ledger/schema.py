"""The ledger's tables. Migrations are numbered and append-only: never change one that landed.

`record` is the truth: canonical bytes in a hash chain. Everything else is derived from it, and
`earnest.ledger.audit` derives it again and compares.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from earnest.core.errors import LedgerError

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
)


def connect(path: str) -> sqlite3.Connection:
    """Open a database, apply the migrations it lacks, and return the connection.

    Raises `LedgerError` where it is no ledger or comes from a newer version.
    """
    try:
        connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"{path} can't be opened as a ledger: {error}") from error
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for number in range(_version(connection), len(MIGRATIONS)):
                for statement in _statements(MIGRATIONS[number]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
    if _version(connection) > len(MIGRATIONS):
        raise LedgerError(
            f"the ledger has version {_version(connection)}, newer than this program",
            mend="pip install -U earnest",
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    statements, pending = [], ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    return statements
