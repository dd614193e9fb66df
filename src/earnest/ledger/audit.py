"""The audit: every stored byte hashed again, everything derived compared with what is stored.

It finds any change to a record, a record put in, left out or swapped, a chain cut short or
rewritten, a signature that is missing, wrong, or by another key, and a damaged database.

`deep` derives every other table anew from the records and compares, checks each signature, the
database's pages and the full-text index. Without it, the derived tables are compared by SQL with
the fields they were taken from; claim keys, sentences, budgets' counts and the search index are
not, and signatures that a stamp covers are not checked again. What is not covered in either:
somebody who holds the verifier's key; records after the last stamp, where the note beside the
database is rewritten too; a ledger cut back to an earlier stamp by somebody who can also write
the verifier's folder.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from earnest.core.canon import GENESIS, parse
from earnest.core.errors import EarnestError, LedgerError
from earnest.core.history import ALL, Import, Key, Signature
from earnest.core.records import Verdict
from earnest.core.sign import KeyFolder
from earnest.ledger.imports import check_import
from earnest.ledger.ledger import read_head
from earnest.ledger.recheck import Anew, compare
from earnest.ledger.schema import MIGRATIONS, connect, version
from earnest.ledger.stamps import check_signature, read_stamp

_SIGNED = ("verdict", "signature", "import")
_IN_MEMORY = 50_000  # records; more are derived anew in a file


@dataclass(frozen=True)
class Audit:
    """What an audit found: how many records were read, and the first thing that is wrong.

    `key`: the key that signs here, if any; `unsigned`: how many verdicts it has not signed;
    `stamped`: how many records the last stamp covers.
    """

    records: int
    problem: str = ""
    key: str = ""
    unsigned: int = 0
    stamped: int = 0
    deep: bool = True

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


@dataclass
class _State:
    """What an audit has seen so far."""

    deep: bool
    trusted: str
    stamps: dict[int, bytes] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    count: int = 0
    key: str = ""
    unsigned: int = 0


def audit(
    path: Path, *, keys: KeyFolder | None = None, trusted: str = "", deep: bool = True
) -> Audit:
    """Audit the ledger at `path`; name the first bad record. Raises `LedgerError` if none is.

    `trusted`: the public key that must have signed; else the one published in `keys`. Without
    either, the key that the ledger itself names is believed. With `keys`, the verifier's own copy
    of its last stamp must be part of the chain.
    """
    if not path.exists():
        raise LedgerError(f"there is no ledger {path}", mend="earnest demo, or --home DIR")
    state = _State(deep, trusted)
    try:
        if not trusted and keys is not None:
            state.trusted = keys.public()
        with _opened(path) as (db, at):
            _audit(db, at, state, path.with_suffix(".head"), keys)
    except (EarnestError, sqlite3.Error, ValueError, UnicodeError) as error:
        return _told(state, str(error) or type(error).__name__)
    return _told(state, "")


def _told(state: _State, problem: str) -> Audit:
    return Audit(
        state.count, problem, state.key, state.unsigned, max(state.stamps, default=0), state.deep
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[sqlite3.Connection, Path]]:
    """Open a ledger for reading; one of an older version as a copy, brought up to date."""
    db = _reading(path)
    try:
        if version(db) >= len(MIGRATIONS):
            yield db, path
            return
        with tempfile.TemporaryDirectory(prefix="earnest-audit-") as folder:
            copy = Path(folder, path.name)
            target = sqlite3.connect(copy)
            db.backup(target)
            target.close()
            connect(str(copy)).close()
            newer = _reading(copy)
            try:
                yield newer, copy
            finally:
                newer.close()
    finally:
        db.close()


def _reading(path: Path) -> sqlite3.Connection:
    # Another thread may use it, one at a time.
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=60, check_same_thread=False)


def _audit(
    db: sqlite3.Connection, path: Path, state: _State, head: Path, keys: KeyFolder | None
) -> None:
    second = _reading(path)
    try:
        # Before the database: others may write meanwhile, and a note may only be older than it.
        noted, own = read_head(head), _own_stamp(keys)
        records = _same_moment(db, second)
        state.stamps = dict(db.execute("SELECT seq, envelope FROM stamp"))
        for seq in (*state.stamps, noted[0] if noted else 0):
            state.links[seq] = ""
        with ThreadPoolExecutor(1) as beside, _anew(state.deep, records) as anew:
            # SQL runs beside the hashing: it holds no lock of the interpreter.
            checked = None if state.deep else beside.submit(compare, second)
            _chain(db, state, anew)
            if checked is not None:
                checked.result()(state.kinds)
            _noted(head, noted, state)
            _stamped(state, keys, own, db)
            if anew is not None:
                anew.compare(db)
                anew.sound(db)
    finally:
        second.close()


def _same_moment(first: sqlite3.Connection, second: sqlite3.Connection) -> int:
    """Begin reading on both connections at the same moment of the ledger; return its length."""
    query = "SELECT COALESCE(MAX(seq), 0) FROM record"
    for _ in range(1000):
        for db in (first, second):
            db.execute("BEGIN")
        found = [int(db.execute(query).fetchone()[0]) for db in (first, second)]
        if found[0] == found[1]:
            return found[0]
        for db in (first, second):
            db.execute("COMMIT")
    raise LedgerError("others write to the ledger without a pause", mend="try again")


@contextmanager
def _anew(deep: bool, records: int) -> Iterator[Anew | None]:
    if not deep:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="earnest-audit-") as folder:
        name = ":memory:" if records <= _IN_MEMORY else str(Path(folder, "anew.sqlite"))
        anew = Anew(name, Path(folder))
        try:
            yield anew
        finally:
            anew.close()


def _chain(db: sqlite3.Connection, state: _State, anew: Anew | None) -> None:
    """Hash every record again and walk the chain; what is deeper is left to `_look`."""
    sha, link = hashlib.sha256, GENESIS.encode()
    links, kinds, after = state.links, state.kinds, max(state.stamps, default=0)
    rows = db.execute("SELECT seq, id, kind, data, chain FROM record NOT INDEXED ORDER BY seq")
    for expected, (seq, name, kind, data, chain) in enumerate(rows, start=1):
        if seq != expected:
            raise LedgerError(f"record {expected} is missing")
        if type(data) is not bytes or "sha256:" + sha(data).hexdigest() != name:
            raise LedgerError(f"record {seq} ({name}): its bytes have changed")
        if "sha256:" + sha(link + b"\n" + data).hexdigest() != chain:
            raise LedgerError(f"record {seq} ({name}): the chain does not hold")
        if kind not in ALL or b'"record":"%b"' % kind.encode() not in data:
            raise LedgerError(f"record {seq} ({name}): no kind {kind!r}")
        kinds[kind] += 1
        if seq in links:
            links[seq] = chain
        # Before the last stamp its signer has looked: quickly, only what comes after it.
        if anew is not None or kind == "key" or (seq > after and kind in _SIGNED):
            _look(seq, name, kind, data, state, anew)
        elif kind == "verdict":
            state.unsigned += not state.key
        link = chain.encode()
        state.count = expected
    if anew is not None or state.key:
        _all_signed(db)


def _look(seq: int, name: str, kind: str, data: bytes, state: _State, anew: Anew | None) -> None:
    try:
        record = ALL[kind].from_bytes(data, expect=name)
        if isinstance(record, Key):
            if state.key:
                raise LedgerError("a second key")
            state.key = record.public
        elif isinstance(record, Signature):
            check_signature(record, state.key)
        elif isinstance(record, Import):
            check_import(record)
        elif isinstance(record, Verdict):
            state.unsigned += not state.key
        if anew is not None:
            anew.add(seq, name, record)
    except (EarnestError, sqlite3.Error) as error:
        raise LedgerError(f"record {seq} ({name}): {error}") from error


def _all_signed(db: sqlite3.Connection) -> None:
    """Every verdict that came after the key has a signature, which stands right behind it."""
    row = db.execute(
        "SELECT v.seq FROM verdict v LEFT JOIN record s ON s.seq = v.signature "
        "WHERE v.seq > (SELECT MIN(seq) FROM record WHERE kind = 'key' AND kind NOT IN "
        "('finding', 'allocation', 'verdict', 'signature')) "
        "AND (s.kind IS NOT 'signature' OR s.seq != v.seq + 1) ORDER BY v.seq LIMIT 1"
    ).fetchone()
    if row:
        raise LedgerError(f"record {row[0]}: a verdict without its signature")


def _noted(path: Path, head: tuple[int, str] | None, state: _State) -> None:
    if head is None:
        if state.count:
            raise LedgerError(f"{path} is missing: nothing says where the chain ended")
        return
    seq, chain = head
    if seq > state.count:
        raise LedgerError(f"records {state.count + 1} to {seq} are missing from the end")
    if (state.links[seq] if seq else GENESIS) != chain:
        raise LedgerError(f"record {seq}: the chain is not the one that was noted")


def _own_stamp(keys: KeyFolder | None) -> bytes | None:
    try:
        return keys.stamp.read_bytes() if keys is not None else None
    except OSError:
        return None


def _stamped(
    state: _State, keys: KeyFolder | None, own: bytes | None, db: sqlite3.Connection
) -> None:
    """Every stamp is by the trusted key and names the chain as it is."""
    if state.trusted and state.key != state.trusted:
        signs = f"the key {state.key} signs here" if state.key else "nothing is signed here"
        raise LedgerError(f"{signs}, the trusted key is {state.trusted}")
    if state.key and not state.stamps:
        raise LedgerError("the stamps are missing")
    if state.stamps and not state.key:
        raise LedgerError("there are stamps, and the record of the key is missing")
    stamps = [*sorted(state.stamps.items()), *([(0, own)] if own and keys else [])]
    for seq, envelope in stamps:
        where = f"the stamp after record {seq}" if seq else f"the stamp in {keys and keys.stamp}"
        try:
            records, link = read_stamp(parse(envelope), state.key)
        except EarnestError as error:
            raise LedgerError(f"{where}: {error}") from error
        if seq and records != seq:
            raise LedgerError(f"{where} is one of {records} records")
        if records > state.count:
            raise LedgerError(f"records {state.count + 1} to {records} are missing from the end")
        row = db.execute("SELECT chain FROM record WHERE seq = ?", (records,)).fetchone()
        if row is None or row[0] != link:
            raise LedgerError(f"{where}: the chain was rewritten at record {records} or before")
