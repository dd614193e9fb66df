"""The ledger: records in a hash chain in SQLite, and the views that are derived from them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from earnest.core.canon import GENESIS, canonical, chained, parse
from earnest.core.claims import claim_key, sentence
from earnest.core.errors import LedgerError, RecordError
from earnest.core.home import write_whole
from earnest.core.records import RECORDS, Allocation, Finding, Record, Verdict
from earnest.ledger.lord import share
from earnest.ledger.schema import connect

Kind = TypeVar("Kind", bound=Record)


class Ledger:
    """One ledger, open. Safe for several processes; an object belongs to one thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger at `path`. Raises `LedgerError`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = connect(str(path))

    @property
    def head_path(self) -> Path:
        """The file beside the database that names the end of the chain."""
        return self.path.with_suffix(".head")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Writing

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction; afterwards the end of the chain is noted beside the database."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            yield
            last = self._last()
        # Noted after the commit: a crash between leaves an older, still valid note.
        write_whole(self.head_path, canonical({"chain": last[1], "seq": last[0]}))

    def _last(self) -> tuple[int, str]:
        row = self._db.execute("SELECT seq, chain FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, GENESIS)

    def _append(self, record: Record) -> bool:
        """Add a record inside a transaction; False where it is there already."""
        if self._db.execute("SELECT 1 FROM record WHERE id = ?", (record.id,)).fetchone():
            return False
        seq, previous = self._last()
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
            (seq + 1, record.id, record.record, record.data, chained(previous, record.data)),
        )
        derive(self._db, seq + 1, record)
        return True

    def add(self, record: Record) -> str:
        """Add a record and return its id; a second time does nothing.

        Findings and verdicts have their own ways in: `submit` and `conclude`.
        """
        if isinstance(record, (Finding, Verdict, Allocation)):
            raise LedgerError(f"a {record.record} is added by submit or conclude")
        with self._transaction():
            self._append(record)
        return record.id

    def submit(self, findings: Sequence[Finding], *, testable: Sequence[str]) -> None:
        """Add a run's frozen batch of findings and allocate the error budget, in one transaction.

        `testable`: the ids of those that will be tested; of these, one whose claim has a verdict
        on the same table gets no share. A batch that is there already is left as it is.
        """
        with self._transaction():
            for finding in findings:
                known = self.earlier(finding) is not None
                if self._append(finding) and finding.id in testable and not known:
                    self._append(self._allocation(finding))

    def _allocation(self, finding: Finding) -> Allocation:
        principal = finding.author.principal
        number = 1 + int(
            self._db.execute(
                "SELECT COALESCE(MAX(number), 0) FROM allocation WHERE principal = ?", (principal,)
            ).fetchone()[0]
        )
        credited = self._credited(principal, finding.table.table)
        return Allocation(
            finding=finding.id,
            principal=principal,
            number=number,
            alpha=share(number, credited),
            credited=tuple(credited),
        )

    def _credited(self, principal: str, table: str) -> list[int]:
        """Return the numbers of the rejections on other tables, from runs that have no open claim.

        Claims on one table share its sealed rows: they are each other's conflict set.
        """
        rows = self._db.execute(
            """
            SELECT a.number FROM allocation a
            JOIN verdict v ON v.finding = a.finding JOIN finding f ON f.id = a.finding
            WHERE a.principal = ? AND v.rejected AND f.table_id != ? AND NOT EXISTS (
                SELECT 1 FROM finding o LEFT JOIN verdict w ON w.finding = o.id
                WHERE o.run = f.run AND w.id IS NULL)
            ORDER BY a.number
            """,
            (principal, table),
        )
        return [int(row[0]) for row in rows]

    def conclude(self, verdict: Verdict) -> Verdict:
        """Add a verdict; where the finding has one already, that one stands and is returned."""
        with self._transaction():
            found = self.verdict(verdict.finding)
            if found is not None:
                return found
            self.get(verdict.finding, Finding)
            self._append(verdict)
        return verdict

    # Reading

    def get(self, name: str, kind: type[Kind]) -> Kind:
        """Return the record with this id, re-verified. Raises `LedgerError` or `RecordError`."""
        row = self._db.execute("SELECT data FROM record WHERE id = ?", (name,)).fetchone()
        if row is None:
            raise LedgerError(f"the ledger has no {kind.record} {name}")
        return kind.from_bytes(row[0], expect=name)

    def named(self, prefix: str) -> Record:
        """Return the one record whose id starts with this (8 hex digits or more)."""
        bare = prefix.removeprefix("sha256:")
        if len(bare) < 8 or not set(bare) <= set("0123456789abcdef"):
            raise LedgerError(f"{prefix!r} is no id", mend="give at least 8 of its hex digits")
        rows = self._db.execute(
            "SELECT id, kind FROM record WHERE id GLOB ? LIMIT 2", (f"sha256:{bare}*",)
        ).fetchall()
        if len(rows) != 1:
            raise LedgerError(f"{'several records' if rows else 'no record'} with id {prefix}")
        return self.get(rows[0][0], RECORDS[rows[0][1]])

    def records(self, kind: type[Kind]) -> list[Kind]:
        """Return all records of one kind, oldest first."""
        rows = self._db.execute(
            "SELECT id, data FROM record WHERE kind = ? ORDER BY seq", (kind.record,)
        )
        return [kind.from_bytes(data, expect=name) for name, data in rows]

    def verdict(self, finding: str) -> Verdict | None:
        """Return a finding's verdict; None while it is queued."""
        row = self._db.execute("SELECT id FROM verdict WHERE finding = ?", (finding,)).fetchone()
        return self.get(row[0], Verdict) if row else None

    def findings(
        self, *, word: str = "", run: str = "", names: Sequence[str] | None = None
    ) -> list[tuple[Finding, Verdict | None]]:
        """Return findings with their verdicts, oldest first, or in the order of `names`."""
        if names is None:
            rows = self._db.execute(
                "SELECT f.id FROM finding f LEFT JOIN verdict v ON v.finding = f.id "
                "WHERE (? = '' OR v.word = ?) AND (? = '' OR f.run = ?) ORDER BY f.seq",
                (word, word, run, run),
            )
            names = [row[0] for row in rows]
        return [(self.get(name, Finding), self.verdict(name)) for name in names]

    def alpha(self, finding: str) -> float | None:
        """Return the share of the error budget allocated to a finding; None: none was."""
        row = self._db.execute(
            "SELECT alpha FROM allocation WHERE finding = ?", (finding,)
        ).fetchone()
        return float(row[0]) if row else None

    def _same_claim(self, finding: Finding) -> str | None:
        """Return the oldest other finding whose verdict says something of this very claim.

        `invalid` and `reproduced` were reached without a look at the sealed rows: if they counted,
        bad evidence for a claim would keep good evidence from ever being tested.
        """
        row = self._db.execute(
            "SELECT f.id FROM finding f JOIN verdict v ON v.finding = f.id "
            "WHERE f.table_id = ? AND f.claim = ? AND f.id != ? "
            "AND v.word NOT IN ('invalid', 'reproduced') ORDER BY f.seq",
            (finding.table.table, claim_key(finding.claim), finding.id),
        ).fetchone()
        return str(row[0]) if row else None

    def earlier(self, finding: Finding) -> tuple[str, Verdict] | None:
        """Return an earlier finding with the same claim on the same table, and its verdict."""
        name = self._same_claim(finding)
        verdict = self.verdict(name) if name and self.alpha(finding.id) is None else None
        return (name, verdict) if name and verdict else None

    def search(self, query: str, limit: int = 20) -> list[tuple[Finding, Verdict | None]]:
        """Return the findings whose text has all words of the query, else any of them."""
        words = ['"' + word.replace('"', '""') + '"' for word in query.split()]
        names: list[str] = []
        for joint in (" AND ", " OR "):
            if words and not names:
                rows = self._db.execute(
                    "SELECT finding FROM text WHERE text MATCH ? ORDER BY rank LIMIT ?",
                    (joint.join(words), limit),
                )
                names = [row[0] for row in rows]
        return self.findings(names=names)

    def head(self) -> tuple[int, str]:
        """Return the number of records and the end of the chain."""
        return self._last()


def derive(db: sqlite3.Connection, seq: int, record: Record) -> None:
    """Write what the other tables say of a record; the one place that does."""
    if isinstance(record, Finding):
        db.execute(
            "INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.id,
                seq,
                claim_key(record.claim),
                record.table.table,
                record.author.principal,
                record.run,
            ),
        )
        db.execute(
            "INSERT INTO text VALUES (?, ?, ?)", (record.id, sentence(record.claim), record.prose)
        )
    elif isinstance(record, Allocation):
        db.execute(
            "INSERT INTO allocation VALUES (?, ?, ?, ?)",
            (record.finding, record.principal, record.number, record.alpha),
        )
    elif isinstance(record, Verdict):
        rejected = record.p is not None and record.alpha is not None and record.p <= record.alpha
        db.execute(
            "INSERT INTO verdict VALUES (?, ?, ?, ?)",
            (record.finding, record.id, record.word, int(rejected)),
        )


def read_head(path: Path) -> tuple[int, str] | None:
    """Return the noted end of the chain; None where there is no note. Raises `LedgerError`."""
    try:
        body = parse(path.read_bytes())
        return int(body["seq"]), str(body["chain"])
    except FileNotFoundError:
        return None
    except (RecordError, KeyError, TypeError, ValueError) as error:
        raise LedgerError(f"{path} is damaged: {error}") from error
