import shutil
import sqlite3
from pathlib import Path

import pytest

from earnest.core.errors import LedgerError
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.ledger.schema import MIGRATIONS
from tests.ledger.offers import an_import, found

HERE = Path(__file__).parent


def laid(number, folder):
    for name in ("ledger.sqlite", "ledger.head"):
        shutil.copy(HERE / f"version{number}" / name, folder / name)
    return folder / "ledger.sqlite"


@pytest.fixture
def old(tmp_path):
    return laid(1, tmp_path)


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


def test_a_ledger_of_version_2_is_audited_as_it_lies(tmp_path):
    old = laid(2, tmp_path)
    before = old.read_bytes()
    for deep in (True, False):
        assert audit(old, deep=deep).clean
    assert old.read_bytes() == before
    assert version(old) == 2


def test_a_ledger_of_version_2_knows_which_of_its_claims_say_the_same(tmp_path):
    old = laid(2, tmp_path)
    db = sqlite3.connect(old)
    records = db.execute("SELECT * FROM record ORDER BY seq").fetchall()
    assert len(set(db.execute("SELECT claim FROM finding"))) == 6
    shares = db.execute("SELECT * FROM allocation ORDER BY 1").fetchall()
    db.close()
    with Ledger(old) as ledger:
        found = ledger.findings()
        assert [v.word if v else "" for _, v in found] == [
            "confirmed", "confirmed", "refuted", "replicated", "inconclusive", ""
        ]  # fmt: skip
        assert ledger.retracted() == {found[1][0].id}
        assert ledger.queued() == [found[5][0].id]
        again = found[1][0].model_copy(update={"run": "a new run"})
        ledger.submit([again], testable=[again.id])
        assert ledger.earlier(again)[0] == found[0][0].id
    db = sqlite3.connect(old)
    keys = [row[0] for row in db.execute("SELECT claim FROM finding ORDER BY seq LIMIT 6")]
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4] != keys[5]
    assert len(set(db.execute("SELECT topic FROM finding"))) == 2
    assert db.execute("SELECT * FROM record ORDER BY seq").fetchall()[: len(records)] == records
    assert db.execute("SELECT * FROM allocation ORDER BY 1").fetchall() == shares
    db.close()
    assert audit(old).clean


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_migrated_ledger_is_the_same_as_a_fresh_one(number, tmp_path):
    old = laid(number, tmp_path)
    Ledger(old).close()
    Ledger(tmp_path / "fresh.sqlite").close()
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    told = []
    for path in (old, tmp_path / "fresh.sqlite"):
        db = sqlite3.connect(path)
        told.append(db.execute(schema).fetchall())
        db.close()
    assert told[0] == told[1]


def test_a_ledger_of_version_3_with_findings_of_version_2_stays_as_it_is(tmp_path):
    old = laid(3, tmp_path)
    db = sqlite3.connect(old)
    tables = ("record", "finding", "allocation", "verdict", "look", "text")
    before = {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608
    db.close()
    assert all(b'"version":2' in row[3] for row in before["record"] if row[2] == "finding")
    for deep in (True, False):
        found = audit(old, deep=deep)
        assert found.clean, found.problem
        assert (found.unsigned, bool(found.stamped)) == (0, True)
    with Ledger(old) as ledger:
        found = ledger.findings()
        assert [v.word if v else "" for _, v in found] == [
            "replicated", "confirmed", "refuted", "inconclusive", "reproduced", ""
        ]  # fmt: skip
        again = found[1][0].model_copy(update={"run": "a new run"})
        assert b'"version":3' in again.data
        ledger.submit([again], testable=[again.id])
        assert ledger.earlier(again)[0] == found[1][0].id
    db = sqlite3.connect(old)
    for name, rows in before.items():
        assert db.execute(f"SELECT * FROM {name}").fetchall()[: len(rows)] == rows  # noqa: S608
    db.close()
    assert audit(old).clean


def test_a_ledger_of_version_3_takes_imports_and_keeps_its_own_apart(tmp_path):
    old = laid(3, tmp_path)
    assert version(old) == 3
    with Ledger(old) as ledger:
        before = ledger.search("cars y")
        assert ledger.imports() == []
        assert ledger.take_in(an_import())
        assert ledger.search("cars y") == before
        assert len(ledger.search_imports("ships")) == 1
    assert version(old) == len(MIGRATIONS)
    for deep in (True, False):
        assert audit(old, deep=deep).clean


def test_a_ledger_of_version_4_stays_as_it_is(tmp_path):
    old = laid(4, tmp_path)
    before = old.read_bytes()
    for deep in (True, False):
        found_ = audit(old, deep=deep)
        assert found_.clean, found_.problem
        assert (found_.unsigned, bool(found_.stamped)) == (0, True)
    assert old.read_bytes() == before
    with Ledger(old) as ledger:
        told = [
            (one.finding.claim.outcome, one.verdict.word, one.withdrawn, one.record.name)
            for one in ledger.imports()
        ]
        assert told == [
            ("cargo", "confirmed", False, "them"),
            ("crew", "replicated", False, "them"),
            ("hull", "confirmed", True, "them"),
            ("sail", "confirmed", True, "others"),
        ]
        assert [one.finding.claim.outcome for one in ledger.search_imports("crew")] == ["crew"]
        assert [one.claim.outcome for one, _ in ledger.search("cargo")] == ["cargo"]
        assert len(ledger.findings()) == 1
        with pytest.raises(LedgerError, match="no retraction is taken back"):
            ledger.take_in(an_import(found("hull"), position=20))
