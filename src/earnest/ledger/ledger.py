"""The ledger: records in a hash chain in SQLite, and the views that are derived from them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from earnest.core.canon import GENESIS, canonical, chained, parse
from earnest.core.errors import LedgerError, RecordError
from earnest.core.history import ClosedBook, Import, Key, Retraction, Revision, Signature
from earnest.core.home import write_whole
from earnest.core.records import Allocation, Finding, Record, Verdict
from earnest.core.sign import KeyFolder
from earnest.ledger import budget, imports, kin
from earnest.ledger.derive import derive
from earnest.ledger.reader import Reader
from earnest.ledger.schema import connect
from earnest.ledger.stamps import EVERY, last_stamp, put_stamp, vouch

_BY_METHOD: Final = (
    Finding, Verdict, Allocation, Key, Signature, Revision, Retraction, ClosedBook, Import
)  # fmt: skip


class Ledger(Reader):
    """One ledger, open. Safe for several processes; an object belongs to one thread.

    The public methods are the interface that another database can implement; all of them mean
    the same whoever else writes at the same time.
    """

    def __init__(self, path: Path, keys: KeyFolder | None = None) -> None:
        """Open or create the ledger at `path`. Raises `LedgerError`.

        `keys`: the verifier's, where the verifier opens it: verdicts are signed, and the chain
        is stamped. Raises `LackError` where this account may not use the key.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._keys = keys
        self._signer = keys.signer() if keys else None
        self._enrolled = False
        self._made: set[int] = set()
        self._stamped: int | None = None
        self._tail = (0, GENESIS)
        self._db = connect(str(path))
        if not self.head_path.exists() and self._last()[0] == 0:
            # Before the first record: a crash after its commit must not leave it without a note.
            self._note(self._last())

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

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction; afterwards the end of the chain is noted beside the database."""
        self._db.execute("BEGIN IMMEDIATE")
        self._made.clear()
        stamp = None
        with self._db:
            self._tail = self._last()
            yield
            last = self._tail
            if self._stamped is not None and last[0] >= self._stamped + EVERY:
                stamp = self._put_stamp()
        # Noted after the commit: a crash between leaves an older, still valid note.
        self._note(last)
        self._keep(stamp)

    def _note(self, last: tuple[int, str]) -> None:
        write_whole(self.head_path, canonical({"chain": last[1], "seq": last[0]}))

    def _put_stamp(self) -> dict[str, Any] | None:
        """Put a stamp inside a transaction, where the key is at hand."""
        if self._signer is None:
            return None
        stamp = put_stamp(self._db, self._signer, self._made.__contains__)
        last = last_stamp(self._db)
        self._stamped = last[0] if last else 0
        return stamp

    def _keep(self, stamp: dict[str, Any] | None) -> None:
        if stamp is not None and self._keys is not None:
            write_whole(self._keys.stamp, canonical(stamp), mode=0o644)

    def _append(self, record: Record) -> bool:
        """Add a record inside a transaction; False where it is there already."""
        seq, previous = self._tail
        link = chained(previous, record.data)
        added = self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (seq + 1, record.id, record.record, record.data, link),
        )
        if not added.rowcount:
            return False
        derive(self._db, seq + 1, record)
        self._tail = (seq + 1, link)
        return True

    def _append_verdict(self, verdict: Verdict) -> None:
        """Add a verdict and, where the key is at hand, its signature right behind it."""
        if self._signer is None and self.key():
            raise LedgerError(
                "this ledger takes verdicts that its verifier has signed",
                mend="earnest verifier run",
            )
        if self._append(verdict) and self._signer is not None:
            self._append(vouch(verdict, self._signer))
            self._made.add(self._tail[0])

    def enrol(self) -> None:
        """Make the verifier's key the one that signs here: the first time a record, a stamp.

        The key is published only once both are stored, so that an audit may ask for them.
        Raises `LedgerError` where another key signs here already.
        """
        if self._signer is None or self._keys is None or self._enrolled:
            return None
        known = self.key()
        if known and known != self._signer.public:
            raise LedgerError(
                f"this ledger's verdicts are signed by {known}, not by {self._signer.public}",
                mend=f"put the key back that was in {self._keys.root}",
            )
        if not known:
            stamp = None
            with self._transaction():
                if not self.key():
                    self._append(Key(public=self._signer.public))
                    stamp = self._put_stamp()
            self._keep(stamp)
            return self.enrol()
        if not self._keys.public():
            self._keys.publish(self._signer.public)
        last = last_stamp(self._db)
        self._stamped = last[0] if last else 0
        self._enrolled = True
        return None

    def stamp(self) -> int:
        """Stamp the chain as it is; return how many records the last stamp covers (0: none)."""
        if self._signer is not None:
            self.enrol()
            with self._transaction():
                stamp = self._put_stamp()
            self._keep(stamp)
        last = last_stamp(self._db)
        return last[0] if last else 0

    def add(self, record: Record) -> str:
        """Add a record and return its id; a second time does nothing.

        Findings and verdicts have their own ways in: `submit` and `conclude`.
        """
        if isinstance(record, _BY_METHOD):
            raise LedgerError(f"a {record.record} is added by submit, conclude, revise or retract")
        with self._transaction():
            self._append(record)
        return record.id

    def submit(
        self,
        findings: Sequence[Finding],
        *,
        testable: Sequence[str],
        answers: Sequence[ClosedBook] = (),
    ) -> None:
        """Add a run's frozen batch of findings and allocate the error budget, in one transaction.

        `testable`: the ids of those that will be tested; of these, one whose claim has a verdict
        on the same table gets no share, nor does one whose table's sealed rows are used up.
        `answers`: what a model was asked closed-book about them. A batch that is there already is
        left as it is.
        """
        wanted, told = frozenset(testable), {one.finding: one for one in answers}
        run, read = "", budget.Credit()
        with self._transaction():
            for finding in findings:
                if finding.run != run:
                    run, read = finding.run, budget.Credit()
                known = self.earlier(finding) is not None
                if not self._append(finding):
                    continue
                if finding.id in wanted and not known and not self.used_up(finding):
                    self._append(budget.allocation(self._db, finding, read))
                if finding.id in told:
                    self._append(told[finding.id])

    def conclude(self, verdict: Verdict) -> Verdict:
        """Add a verdict; where the finding has one already, that one stands and is returned.

        Where a confirmed finding contradicts it, both are re-opened in the same transaction: each
        gets a later verdict, `inconclusive`, that names the other; the finding's is returned.
        """
        return self.conclude_all([verdict])[0]

    def conclude_all(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Add the verdicts of a batch, each as `conclude` does, in one transaction."""
        self.enrol()
        with self._transaction():
            return [self._conclude(verdict) for verdict in verdicts]

    def _conclude(self, verdict: Verdict) -> Verdict:
        found = self.verdict(verdict.finding)
        if found is not None:
            return found
        self._there(verdict.finding)
        self._append_verdict(verdict)
        return self._reopened(verdict)

    def _reopened(self, verdict: Verdict) -> Verdict:
        """Re-open a finding and each confirmed one that contradicts it; return its verdict now."""
        if verdict.word not in ("confirmed", "replicated"):
            return verdict
        current = verdict
        for other in kin.contradicted(self._db, verdict.finding):
            standing = self.verdict(other.id)
            if standing is None:
                continue
            self._revise(standing, kin.reopened(standing, verdict.finding), "reopened")
            if current is verdict:
                current = kin.reopened(verdict, other.id)
                self._revise(verdict, current, "reopened")
        return current

    def _revise(
        self,
        current: Verdict,
        later: Verdict,
        kind: Literal["replication", "reopened"],
        why: str = "",
        tables: Sequence[str] = (),
    ) -> Revision:
        self._append_verdict(later)
        revision = Revision(
            finding=later.finding,
            verdict=later.id,
            replaces=current.id,
            kind=kind,
            why=why or later.reason,
            tables=tuple(tables),
        )
        self._append(revision)
        return revision

    def revise(
        self,
        verdict: Verdict,
        *,
        kind: Literal["replication", "reopened"],
        why: str,
        tables: Sequence[str] = (),
    ) -> Revision:
        """Put a later verdict in the place of a finding's current one, which stays in its history.

        `why` and `tables` (the ids of those with the new rows): what it rests on. The same again
        changes nothing. The error budget is left as it is. What is confirmed so re-opens what
        contradicts it, as in `conclude`. Raises `LedgerError` where the finding has no verdict yet.
        """
        self.enrol()
        with self._transaction():
            for before in self.history(verdict.finding):
                if before[0].id == verdict.id and before[1] is not None:
                    return before[1]
            current = self.verdict(verdict.finding)
            if current is None or current.id == verdict.id:
                raise LedgerError("only a finding that has a verdict gets a later one")
            revision = self._revise(current, verdict, kind, why, tables)
            self._reopened(verdict)
        return revision

    def retract(self, finding: str, *, by: str, why: str) -> Retraction:
        """Withdraw a finding, or an import, for good; the first retraction stands and is returned.

        Its verdict stays on record, and the error budget keeps what it spent and earned.
        """
        with self._transaction():
            found = self.retraction(finding)
            if found is not None:
                return found
            if not imports.find(self._db, finding):
                self._there(finding)
            retraction = Retraction(finding=finding, by=by, why=why)
            self._append(retraction)
        return retraction

    def take_in(self, record: Import) -> bool:
        """Keep what another ledger offers; False where it is here already.

        Whether its source is trusted is for who calls to know. Raises `RecordError` where it does
        not hold together, `LedgerError` where it is older than what was taken of it, takes a
        retraction back, or is a finding of this ledger.
        """
        imports.check_import(record)
        with self._transaction():
            return self.news(record) and self._append(record)


def read_head(path: Path) -> tuple[int, str] | None:
    """Return the noted end of the chain; None where there is no note. Raises `LedgerError`."""
    try:
        body = parse(path.read_bytes())
        return int(body["seq"]), str(body["chain"])
    except FileNotFoundError:
        return None
    except (RecordError, KeyError, TypeError, ValueError) as error:
        raise LedgerError(f"{path} is damaged: {error}") from error
