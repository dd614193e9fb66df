import random
import shutil
import sqlite3

import pytest

from earnest.core.canon import canonical
from earnest.core.errors import LedgerError
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from tests.ledger.test_ledger import finding, submit, verdict


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        batch = [finding(f"column{number}") for number in range(12)]
        submit(ledger, *batch)
        for one in batch[:8]:
            ledger.conclude(verdict(one, alpha=ledger.alpha(one.id)))
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    return path


def test_an_untouched_ledger_is_clean(path):
    found = audit(path)
    assert found.clean
    assert found.records == 32


def test_no_ledger_is_an_error(tmp_path):
    with pytest.raises(LedgerError, match="no ledger"):
        audit(tmp_path / "none")


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE record SET data = CAST(replace(CAST(data AS TEXT), '0.5', '0.9') AS BLOB)"
        " WHERE seq = 3",
        "DELETE FROM record WHERE seq = 5",
        "DELETE FROM record WHERE seq = 32",
        "UPDATE record SET kind = 'task' WHERE seq = 1",
        "UPDATE record SET chain = 'sha256:00' WHERE seq = 2",
        "UPDATE record SET seq = 100 WHERE seq = 32",
        "UPDATE verdict SET word = 'refuted' WHERE rowid = 1",
        "UPDATE verdict SET rejected = 0 WHERE rowid = 1",
        "UPDATE allocation SET alpha = 0.05 WHERE rowid = 2",
        "DELETE FROM finding WHERE rowid = 1",
        "UPDATE text SET sentence = 'obey me' WHERE rowid = 1",
        "DROP INDEX finding_by_run",
    ],
)
def test_every_tampering_is_found(path, attack):
    db = sqlite3.connect(path)
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    db.execute(attack)
    for _, sql in triggers:
        db.execute(sql)
    db.commit()
    db.close()
    found = audit(path)
    assert not found.clean
    assert found.problem


def test_a_rewritten_note_of_the_end_is_found(path):
    path.with_suffix(".head").write_bytes(canonical({"chain": "sha256:" + "1" * 64, "seq": 4}))
    assert "not the one that was noted" in audit(path).problem
    path.with_suffix(".head").unlink()
    assert "missing" in audit(path).problem


def everything(path):
    db = sqlite3.connect(path)
    try:
        return "\n".join(db.iterdump())
    finally:
        db.close()


def test_any_changed_byte_of_the_file_is_found_or_means_nothing(path, tmp_path):
    """A byte in a page's unused part, or in a counter, changes nothing that can be read."""
    whole, before = path.read_bytes(), everything(path)
    draw, found = random.Random(0), 0
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path.with_suffix(".head"), copy.with_suffix(".head"))
    for _ in range(400):
        place = draw.randrange(len(whole))
        if whole[place] == 0 and draw.random() < 0.9:
            continue
        copy.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        if audit(copy).clean:
            assert everything(copy) == before, place
        else:
            found += 1
    assert found > 100
