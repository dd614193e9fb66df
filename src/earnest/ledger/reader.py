"""What can be read of a ledger: records re-verified as they are read, and the derived views."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from earnest.core.canon import GENESIS
from earnest.core.errors import AbsentError
from earnest.core.history import ALL, ClosedBook, Import, Key, Retraction, Revision, Signature
from earnest.core.likeness import Related
from earnest.core.records import (
    WORDS,
    Allocation,
    Checkpoint,
    Dataset,
    Finding,
    Generation,
    Record,
    Task,
    Verdict,
    Word,
)
from earnest.ledger import budget, imports, kin
from earnest.ledger.derive import BEHIND, short_key
from earnest.ledger.imports import Imported, Offer
from earnest.ledger.lineage import made_from
from earnest.ledger.search import search

Kind = TypeVar("Kind", bound=Record)


def _where(word: str, run: str) -> tuple[str, tuple[str, ...]]:
    """Return the condition on `finding` that its indexes serve, and what it is asked with."""
    asked = {column: value for column, value in (("word", word), ("run", run)) if value}
    return "WHERE " * bool(asked) + " AND ".join(f"{one} = ?" for one in asked), (*asked.values(),)


class Reader:
    """The reading half of a ledger, on an open connection."""

    _db: sqlite3.Connection

    def _last(self) -> tuple[int, str]:
        row = self._db.execute("SELECT seq, chain FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, GENESIS)

    def _there(self, finding: str) -> None:
        """Raise `AbsentError` unless there is a finding with this id."""
        row = self._db.execute(
            "SELECT 1 FROM record r JOIN finding f ON f.seq = r.seq WHERE r.id = ?", (finding,)
        ).fetchone()
        if row is None:
            raise AbsentError(f"the ledger has no finding {finding}")

    def get(self, name: str, kind: type[Kind]) -> Kind:
        """Return the record with this id, re-verified. Raises `AbsentError` or `RecordError`."""
        row = self._db.execute("SELECT data FROM record WHERE id = ?", (name,)).fetchone()
        if row is None:
            raise AbsentError(f"the ledger has no {kind.record} {name}")
        return kind.from_bytes(row[0], expect=name)

    def named(self, prefix: str) -> Record:
        """Return the one record whose id starts with this (8 hex digits or more).

        Raises `AbsentError`.
        """
        bare = prefix.removeprefix("sha256:")
        if len(bare) < 8 or not set(bare) <= set("0123456789abcdef"):
            raise AbsentError(f"{prefix!r} is no id", mend="give at least 8 of its hex digits")
        rows = self._db.execute(
            "SELECT id, kind FROM record WHERE id GLOB ? LIMIT 2", (f"sha256:{bare}*",)
        ).fetchall()
        if len(rows) != 1:
            raise AbsentError(f"{'several records' if rows else 'no record'} with id {prefix}")
        return self.get(rows[0][0], ALL[rows[0][1]])

    def records(self, kind: type[Kind]) -> list[Kind]:
        """Return all records of one kind, oldest first."""
        query = "SELECT id, data FROM record WHERE kind = ?"
        if kind not in (Finding, Allocation, Verdict, Signature):
            # Word for word the condition of the index on the few records of other kinds.
            query += " AND kind NOT IN ('finding', 'allocation', 'verdict', 'signature')"
        rows = self._db.execute(f"{query} ORDER BY seq", (kind.record,))
        return [kind.from_bytes(data, expect=name) for name, data in rows]

    def _at(self, seq: int, kind: type[Kind]) -> Kind:
        row = self._db.execute("SELECT id, data FROM record WHERE seq = ?", (seq,)).fetchone()
        return kind.from_bytes(row[1], expect=row[0])

    def _of(self, finding: str, column: str) -> int | None:
        """Return a column of a finding's row: its current verdict, or its retraction."""
        row = self._db.execute(
            f"SELECT f.{column} FROM record r JOIN finding f ON f.seq = r.seq "  # noqa: S608
            "WHERE r.id = ?",
            (finding,),
        ).fetchone()
        return row[0] if row else None

    def verdict(self, finding: str) -> Verdict | None:
        """Return a finding's current verdict; None while it is queued."""
        seq = self._of(finding, "verdict")
        return self._at(seq, Verdict) if seq else None

    def history(self, finding: str) -> list[tuple[Verdict, Revision | None]]:
        """Return all of a finding's verdicts, oldest first, later ones with what they rest on."""
        rows = self._db.execute(
            "SELECT v.seq FROM record r JOIN verdict v ON v.finding = r.seq "
            "WHERE r.id = ? ORDER BY v.seq",
            (finding,),
        ).fetchall()
        later = {}
        if len(rows) > 1:
            later = {one.verdict: one for one in self.records(Revision) if one.finding == finding}
        verdicts = [self._at(row[0], Verdict) for row in rows]
        return [(verdict, later.get(verdict.id)) for verdict in verdicts]

    def closed_book(self, finding: str) -> ClosedBook | None:
        """Return what a model was asked about a finding when it was submitted; None: none was.

        Only a record that stands right behind the finding counts: it was frozen with it.
        """
        rows = self._db.execute(
            "SELECT b.seq FROM record r JOIN record b ON b.seq > r.seq AND b.seq <= r.seq + ? "
            "WHERE r.id = ? AND b.kind = 'closed-book' ORDER BY b.seq",
            (BEHIND, finding),
        ).fetchall()
        told = (self._at(row[0], ClosedBook) for row in rows)
        return next((one for one in told if one.finding == finding), None)

    def retraction(self, finding: str) -> Retraction | None:
        """Return who withdrew a finding, and why; None: nobody did."""
        seq = self._of(finding, "retraction")
        if seq is None:
            asked = "SELECT retraction FROM import WHERE finding = ?"
            seq = next((row[0] for row in self._db.execute(asked, (finding,))), None)
        return self._at(seq, Retraction) if seq else None

    def retracted(self) -> frozenset[str]:
        """Return the ids of the findings that were withdrawn."""
        return frozenset(one.finding for one in self.records(Retraction))

    def trained_on(self, finding: str) -> dict[str, list[str]]:
        """Return the ids of the data sets, checkpoints and generations that a finding taught."""
        verdicts = [verdict.id for verdict, _ in self.history(finding)]
        return made_from(
            verdicts, self.records(Dataset), self.records(Checkpoint), self.records(Generation)
        )

    def key(self) -> str:
        """Return the public key that signs here; empty: none does."""
        keys = self.records(Key)
        return keys[0].public if keys else ""

    def signature(self, verdict: str) -> Signature | None:
        """Return a verdict's signature, unchecked (the audit checks); None: it has none."""
        row = self._db.execute(
            "SELECT v.signature FROM record r JOIN verdict v ON v.seq = r.seq WHERE r.id = ?",
            (verdict,),
        ).fetchone()
        return self._at(row[0], Signature) if row and row[0] else None

    def queued(self) -> list[str]:
        """Return the ids of the findings that have no verdict yet, oldest first."""
        rows = self._db.execute(
            "SELECT r.id FROM finding f JOIN record r ON r.seq = f.seq "
            "WHERE f.word = '' ORDER BY f.seq"
        )
        return [row[0] for row in rows]

    def counts(self) -> dict[Word, int]:
        """Return the number of findings by current verdict, every word named."""
        rows = dict(self._db.execute("SELECT word, COUNT(*) FROM finding GROUP BY word"))
        return {word: int(rows.get(word, 0)) for word in WORDS}

    def findings(
        self,
        *,
        word: str = "",
        run: str = "",
        names: Sequence[str] | None = None,
        newest: int | None = None,
    ) -> list[tuple[Finding, Verdict | None]]:
        """Return findings with their current verdicts, oldest first, or in the order of `names`.

        `newest`: only so many, the last ones.
        """
        if names is not None:
            return [(self.get(name, Finding), self.verdict(name)) for name in names]
        where, asked = _where(word, run)
        rows = self._db.execute(
            f"SELECT seq, verdict FROM finding {where} ORDER BY seq DESC LIMIT ?",  # noqa: S608
            (*asked, -1 if newest is None else newest),
        ).fetchall()
        return self._pairs(rows[::-1])

    def of_table(self, table: str, *, newest: int) -> list[tuple[Finding, Verdict | None]]:
        """Return the newest findings on the table with this id, oldest first.

        Those that were withdrawn are left out. There is no index: it reads the list of findings
        from its end, up to so many.
        """
        rows = self._db.execute(
            "SELECT seq, verdict FROM finding WHERE table_id = ? AND retraction IS NULL "
            "ORDER BY seq DESC LIMIT ?",
            (table, newest),
        ).fetchall()
        return self._pairs(rows[::-1])

    def count(self, *, word: str = "", run: str = "") -> int:
        """Return how many findings have this current verdict, and are of this run."""
        where, asked = _where(word, run)
        row = self._db.execute(f"SELECT COUNT(*) FROM finding {where}", asked).fetchone()  # noqa: S608
        return int(row[0])

    def _pairs(
        self, rows: Sequence[tuple[int, int | None]]
    ) -> list[tuple[Finding, Verdict | None]]:
        return [(self._at(f, Finding), self._at(v, Verdict) if v else None) for f, v in rows]

    def alpha(self, finding: str) -> float | None:
        """Return the share of the error budget allocated to a finding; None: none was."""
        row = self._db.execute(
            "SELECT a.alpha FROM record r JOIN allocation a ON a.finding = r.seq WHERE r.id = ?",
            (finding,),
        ).fetchone()
        return float(row[0]) if row else None

    def _same_claim(self, finding: Finding) -> str | None:
        """Return the oldest other finding whose verdict says something of this very claim.

        `invalid` and `reproduced` were reached without a look at the sealed rows: if they counted,
        bad evidence for a claim would keep good evidence from ever being tested. Nor does a
        finding count that was withdrawn.
        """
        row = self._db.execute(
            "SELECT r.id FROM finding f JOIN record r ON r.seq = f.seq "
            "WHERE f.claim = ? AND f.table_id = ? AND r.id != ? AND f.retraction IS NULL "
            "AND f.word NOT IN ('', 'invalid', 'reproduced') ORDER BY f.seq LIMIT 1",
            (short_key(finding.claim), finding.table.table, finding.id),
        ).fetchone()
        return str(row[0]) if row else None

    def earlier(self, finding: Finding) -> tuple[str, Verdict] | None:
        """Return an earlier finding with the same claim on the same table, and its verdict."""
        name = self._same_claim(finding)
        verdict = self.verdict(name) if name and self.alpha(finding.id) is None else None
        return (name, verdict) if name and verdict else None

    def batch(self, finding: Finding) -> Iterator[Finding]:
        """Yield the findings of its run that were frozen before it, oldest first."""
        rows = self._db.execute(
            "SELECT f.seq FROM finding f JOIN record r ON r.id = ? "
            "WHERE f.run = ? AND f.seq < r.seq ORDER BY f.seq",
            (finding.id, finding.run),
        ).fetchall()
        for (seq,) in rows:
            yield self._at(seq, Finding)

    def related(self, finding: Finding) -> list[Related]:
        """Return the earlier findings of other runs that a finding is like, the closest first."""
        return kin.related(self._db, finding)

    def looks(self, table: str) -> dict[str, int]:
        """Return how often each principal's tests have looked at a table's sealed rows."""
        return budget.looks(self._db, table)

    def used_up(self, finding: Finding) -> bool:
        """Say whether the table's sealed rows have been looked at too often for one more test."""
        return not budget.may_look(self._db, finding.table.table, finding.author.principal)

    def stats(self) -> dict[str, Any]:
        """Return the principals' error budgets, and the looks at sealed rows."""
        return budget.stats(self._db)

    def search(self, query: str, limit: int = 20) -> list[tuple[Finding, Verdict | None]]:
        """Return the findings whose text has all words of the query, else any of them."""
        places = search(self._db, query, limit)
        rows = [
            self._db.execute("SELECT seq, verdict FROM finding WHERE seq = ?", (seq,)).fetchone()
            for seq in places
        ]
        return self._pairs(rows)

    def imports(self, *, newest: int | None = None) -> list[Imported]:
        """Return what came from other ledgers, oldest first; `newest`: the last ones only."""
        rows = self._db.execute(
            "SELECT latest, retraction FROM import ORDER BY seq DESC LIMIT ?",
            (-1 if newest is None else newest,),
        ).fetchall()
        return imports.of_rows(self._db, rows[::-1])

    def imported(self, prefix: str) -> Imported:
        """Return the one import whose finding's id starts with this (8 hex digits or more).

        Raises `AbsentError` where there is none, or more than one source offers it.
        """
        found = imports.find(self._db, prefix)
        if len(found) != 1:
            raise AbsentError(f"{'several imports' if found else 'no import'} with id {prefix}")
        return found[0]

    def search_imports(self, query: str, limit: int = 20) -> list[Imported]:
        """Return the imports whose text has all words of the query, else any of them."""
        query_ = "SELECT latest, retraction FROM import WHERE seq = ?"
        places = search(self._db, query, limit, "import_text")
        return imports.of_rows(
            self._db, [self._db.execute(query_, (seq,)).fetchone() for seq in places]
        )

    def tested_here(self, imported: str) -> list[tuple[Finding, Verdict | None]]:
        """Return the findings of this ledger as which an import was tested here, with verdicts.

        Their task names it (`metadata["import"]`), as does their run (`run_of`).
        """
        rows = self._db.execute(
            "SELECT seq, verdict FROM finding WHERE run GLOB ? ORDER BY seq",
            (f"{imports.run_of(imported)}*",),
        ).fetchall()
        return [
            (finding, verdict)
            for finding, verdict in self._pairs(rows)
            if self.get(finding.task, Task).metadata.get("import") == imported
        ]

    def news(self, record: Import) -> bool:
        """Say whether an import tells something that is not here. Raises `LedgerError`: why not."""
        return imports.news(self._db, record)

    def heard(self, source: str) -> int:
        """Return the last place in a source's chain of which anything was taken; 0: nothing was."""
        row = self._db.execute("SELECT MAX(position) FROM import WHERE source = ?", (source,))
        return int(row.fetchone()[0] or 0)

    def offers(self, *, after: int = 0, limit: int = 100) -> list[Offer]:
        """Return what this ledger has to offer others from a place in its chain on, in order."""
        return imports.offers(self._db, after, limit)

    def head(self) -> tuple[int, str]:
        """Return the number of records and the end of the chain."""
        return self._last()
