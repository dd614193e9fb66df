import itertools
import random
import shutil
import sqlite3
import threading
import time

import pytest

from earnest.core.canon import canonical
from earnest.core.errors import LedgerError
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from tests.ledger.test_ledger import finding, submit, verdict


def written(path, keys=None):
    with Ledger(path, keys) as ledger:
        batch = [finding(f"column{number}") for number in range(12)]
        submit(ledger, *batch)
        for one in batch[:8]:
            ledger.conclude(verdict(one, alpha=ledger.alpha(one.id)))
        ledger.revise(verdict(batch[0], "refuted"), kind="reopened", why="contradicted")
        ledger.retract(batch[1].id, by="me", why="the script was wrong")
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()


@pytest.fixture
def path(tmp_path):
    written(tmp_path / "ledger.sqlite")
    return tmp_path / "ledger.sqlite"


def tamper(path, *attacks):
    """Change the database as somebody would who hides that it was changed."""
    db = sqlite3.connect(path)
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for attack in attacks:
        db.execute(attack)
    for _, sql in triggers:
        db.execute(sql)
    db.commit()
    db.close()


@pytest.mark.parametrize("deep", [True, False])
def test_an_untouched_ledger_is_clean(path, deep):
    found = audit(path, deep=deep)
    assert found.clean
    assert found.records == 35
    assert found.unsigned == 9
    assert (found.key, found.stamped) == ("", 0)


def test_no_ledger_is_an_error(tmp_path):
    with pytest.raises(LedgerError, match="no ledger"):
        audit(tmp_path / "none")


TRUTH = [
    "UPDATE record SET data = CAST(replace(data, '0.5', '0.9') AS BLOB) WHERE seq = 3",
    "DELETE FROM record WHERE seq = 5",
    "DELETE FROM record WHERE seq = 35",
    "UPDATE record SET kind = 'task' WHERE seq = 1",
    "UPDATE record SET chain = 'sha256:00' WHERE seq = 2",
    "UPDATE record SET seq = 100 WHERE seq = 35",
    "INSERT INTO record SELECT 36, 'sha256:1', kind, data, chain FROM record WHERE seq = 1",
    "UPDATE verdict SET word = 'refuted' WHERE seq = (SELECT MIN(seq) FROM verdict)",
    "UPDATE verdict SET finding = 3 WHERE seq = (SELECT MIN(seq) FROM verdict)",
    "DELETE FROM verdict WHERE seq = (SELECT MIN(seq) FROM verdict)",
    "UPDATE finding SET word = 'confirmed' WHERE seq = 1",
    "UPDATE finding SET verdict = NULL WHERE seq = 5",
    "UPDATE finding SET principal = 'you' WHERE seq = 5",
    "UPDATE allocation SET alpha = 0.05 WHERE finding = 3",
    "UPDATE allocation SET number = 100 WHERE finding = 3",
    "DELETE FROM finding WHERE seq = 1",
    "DELETE FROM text WHERE rowid = 1",
    "DROP INDEX finding_by_run",
]
DERIVED = [
    "UPDATE finding SET claim = 'another' WHERE seq = 1",
    "UPDATE finding SET retraction = NULL",
    "UPDATE allocation SET revealed = NULL",
    "UPDATE look SET looks = 0",
    "UPDATE run SET open = 0",
    "UPDATE text SET sentence = 'obey me' WHERE rowid = 1",
]


@pytest.mark.parametrize("attack", TRUTH + DERIVED)
def test_every_tampering_is_found(path, attack):
    tamper(path, attack)
    found = audit(path)
    assert not found.clean
    assert found.problem


@pytest.mark.parametrize("attack", TRUTH)
def test_a_quick_audit_finds_what_it_says_it_finds(path, attack):
    tamper(path, attack)
    assert not audit(path, deep=False).clean


def test_the_first_bad_record_is_named(path):
    change = "UPDATE record SET data = CAST('{}' AS BLOB) WHERE seq IN (7, 9)"
    tamper(path, change)
    assert audit(path).problem.startswith("record 7 (sha256:")
    assert audit(path, deep=False).problem == audit(path).problem


def test_a_rewritten_note_of_the_end_is_found(path):
    path.with_suffix(".head").write_bytes(canonical({"chain": "sha256:" + "1" * 64, "seq": 4}))
    assert "not the one that was noted" in audit(path).problem
    path.with_suffix(".head").unlink()
    assert "missing" in audit(path).problem


def test_an_audit_while_others_write_is_clean(path, keys):
    stop = threading.Event()

    def write():
        with Ledger(path, keys) as ledger:
            for number in itertools.count():
                one = finding(f"more{number}")
                submit(ledger, one)
                ledger.conclude(verdict(one, alpha=ledger.alpha(one.id)))
                ledger.stamp()
                if stop.is_set():
                    return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        found, end = [audit(path, keys=keys)], time.monotonic() + 60
        while len(found) < 20 or found[-1].records == found[0].records:
            assert time.monotonic() < end, "nothing was written"
            found.append(audit(path, keys=keys, deep=bool(len(found) % 2)))
    finally:
        stop.set()
        thread.join()
    assert [one.problem for one in found if not one.clean] == []


def everything(path):
    db = sqlite3.connect(path)
    try:
        return "\n".join(db.iterdump())
    finally:
        db.close()


@pytest.mark.parametrize("signed", [False, True])
def test_any_changed_byte_of_the_file_is_found_or_means_nothing(tmp_path, keys, signed):
    """A byte in a page's unused part, or in a counter, changes nothing that can be read."""
    path = tmp_path / "ledger.sqlite"
    written(path, keys if signed else None)
    whole, before = path.read_bytes(), everything(path)
    draw, found = random.Random(0), 0
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path.with_suffix(".head"), copy.with_suffix(".head"))
    for _ in range(300):
        place = draw.randrange(len(whole))
        if whole[place] == 0 and draw.random() < 0.9:
            continue
        copy.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        if audit(copy).clean:
            assert everything(copy) == before, place
        else:
            found += 1
    assert found > 60
