import shutil
import sqlite3
from pathlib import Path

import pytest

from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.ledger.schema import MIGRATIONS

VERSION_1 = Path(__file__).parent / "version1"


@pytest.fixture
def old(tmp_path):
    for name in ("ledger.sqlite", "ledger.head"):
        shutil.copy(VERSION_1 / name, tmp_path / name)
    return tmp_path / "ledger.sqlite"


def version(path):
    db = sqlite3.connect(path)
    try:
        return db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()


def test_a_ledger_of_version_1_is_audited_as_it_lies(old):
    before = old.read_bytes()
    for deep in (True, False):
        found = audit(old, deep=deep)
        assert found.clean
        assert (found.records, found.unsigned) == (49, 15)
    assert old.read_bytes() == before
    assert version(old) == 1


def test_a_changed_record_of_version_1_is_found(old):
    db = sqlite3.connect(old)
    db.execute("DROP TRIGGER record_keeps_bytes")
    db.execute("UPDATE record SET data = CAST('{}' AS BLOB) WHERE seq = 4")
    db.commit()
    db.close()
    assert not audit(old).clean


def test_a_ledger_of_version_1_says_the_same_after_the_migration(old):
    db = sqlite3.connect(old)
    records = db.execute("SELECT * FROM record ORDER BY seq").fetchall()
    words = dict(db.execute("SELECT finding, word FROM verdict"))
    shares = dict(db.execute("SELECT finding, alpha FROM allocation"))
    rejected = db.execute(
        "SELECT a.principal, COUNT(*) FROM allocation a JOIN verdict v ON v.finding = a.finding "
        "WHERE v.rejected GROUP BY 1"
    ).fetchall()
    db.close()
    with Ledger(old) as ledger:
        assert version(old) == len(MIGRATIONS)
        found = ledger.findings()
        assert {f.id: v.word for f, v in found if v} == words
        assert {f.id: ledger.alpha(f.id) for f, _ in found if ledger.alpha(f.id)} == shares
        purses = {one["principal"]: one["rejections"] for one in ledger.stats()["principals"]}
        assert {name: count for name, count in purses.items() if count} == dict(rejected)
        assert [one.claim.outcome for one, _ in ledger.search("y3 boats")] == ["y3"]
        assert len(ledger.queued()) == 3
    db = sqlite3.connect(old)
    assert db.execute("SELECT * FROM record ORDER BY seq").fetchall() == records
    db.close()
    assert audit(old).clean


def test_a_migrated_ledger_is_the_same_as_a_fresh_one(old, tmp_path):
    Ledger(old).close()
    Ledger(tmp_path / "fresh.sqlite").close()
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    told = []
    for path in (old, tmp_path / "fresh.sqlite"):
        db = sqlite3.connect(path)
        told.append(db.execute(schema).fetchall())
        db.close()
    assert told[0] == told[1]
