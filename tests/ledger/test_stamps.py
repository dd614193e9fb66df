"""Whoever rewrites a signed ledger without the key is found by either audit."""

import json
import shutil
import sqlite3

import pytest

from earnest.core.canon import GENESIS, canonical, chained, digest
from earnest.core.errors import LedgerError, RecordError
from earnest.core.history import Key
from earnest.core.sign import VERDICT, KeyFolder, Signer, stated
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.ledger.stamps import EVERY, check_signature, put_stamp, vouch
from tests.ledger.test_audit import tamper
from tests.ledger.test_ledger import finding, submit, verdict

FORGER = Signer.of(b"\7" * 32)
BATCH = [finding(f"column{number}") for number in range(6)]


@pytest.fixture
def path(tmp_path, keys):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, keys) as ledger:
        submit(ledger, *BATCH)
        for one in BATCH:
            ledger.conclude(verdict(one, alpha=ledger.alpha(one.id)))
        assert ledger.stamp() == 25
    return path


def problems(path, **how):
    return [audit(path, deep=deep, **how).problem for deep in (False, True)]


def test_a_signed_ledger_is_clean(path, keys):
    for deep in (False, True):
        found = audit(path, keys=keys, deep=deep)
        assert found.clean
        assert (found.unsigned, found.stamped, found.key) == (0, 25, keys.public())


def test_each_verdict_is_signed_and_strangers_can_check_it(path, keys):
    with Ledger(path) as ledger:
        for one in BATCH:
            found = ledger.verdict(one.id)
            envelope = ledger.signature(found.id).envelope
            said = {"finding": one.id, "verifier": "v", "word": "confirmed"}
            assert stated(envelope, keys.public(), VERDICT) == (digest(found.data), said)


def test_who_has_no_key_adds_no_verdict(path):
    late = finding("late")
    with Ledger(path) as ledger:
        submit(ledger, late)
        with pytest.raises(LedgerError, match="signed"):
            ledger.conclude(verdict(late))
        assert ledger.verdict(late.id) is None
    assert problems(path) == ["", ""]


def test_another_key_does_not_sign_here(path, tmp_path):
    with Ledger(path, KeyFolder(tmp_path / "other")) as ledger, pytest.raises(LedgerError):
        ledger.conclude(verdict(BATCH[0]))


def test_old_verdicts_are_told_apart_as_unsigned(tmp_path, keys):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        submit(ledger, *BATCH)
        ledger.conclude(verdict(BATCH[0]))
        ledger.conclude(verdict(BATCH[1]))
    with Ledger(path, keys) as ledger:
        ledger.conclude(verdict(BATCH[2]))
        assert ledger.signature(ledger.verdict(BATCH[0].id).id) is None
        ledger.stamp()
    for deep in (False, True):
        found = audit(path, keys=keys, deep=deep)
        assert (found.clean, found.unsigned) == (True, 2)


def test_a_stamp_is_put_after_so_many_records(path, keys):
    with Ledger(path, keys) as ledger:
        more = [finding(f"more{number}") for number in range(EVERY)]
        ledger.submit(more, testable=[])
        ledger.conclude(verdict(more[0]))
        last = ledger.head()[0]
    assert audit(path, keys=keys).stamped == last


# What somebody without the key can do, who rewrites everything that isn't signed


def rewrite(path, change=lambda rows: rows, *, more=()):
    """Change the records as (kind, data), then make every hash, link and note anew."""
    db = sqlite3.connect(path)
    rows = change(db.execute("SELECT kind, data FROM record ORDER BY seq").fetchall())
    db.close()
    path.unlink()
    fresh = Ledger(path)
    link = GENESIS
    from earnest.core.history import ALL
    from earnest.ledger.derive import derive

    with fresh._transaction():
        for seq, (kind, data) in enumerate(rows, start=1):
            link = chained(link, data)
            fresh._db.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?)", (seq, digest(data), kind, data, link)
            )
            derive(fresh._db, seq, ALL[kind].from_bytes(data))
        for statement, values in more:
            fresh._db.execute(statement, values)
    fresh.close()


def stamps(path):
    db = sqlite3.connect(path)
    rows = db.execute("SELECT seq, envelope FROM stamp ORDER BY seq").fetchall()
    db.close()
    return [("INSERT INTO stamp VALUES (?, ?)", row) for row in rows]


def softened(rows):
    """The first verdict says something else, and its signature is filed under the new one."""
    place = next(place for place, (kind, _) in enumerate(rows) if kind == "verdict")
    (_, old), (_, signature) = rows[place : place + 2]
    data = old.replace(b'"word":"confirmed"', b'"word":"refuted"')
    moved = signature.replace(digest(old).encode(), digest(data).encode())
    return [*rows[:place], ("verdict", data), ("signature", moved), *rows[place + 2 :]]


def without_signatures(rows):
    return [row for row in softened(rows) if row[0] not in ("signature", "key")]


def resigned(rows):
    """All verdicts signed anew, by the forger's key."""
    from earnest.core.records import Verdict

    found = []
    for kind, data in softened(rows):
        if kind == "key":
            found.append((kind, Key(public=FORGER.public).data))
        elif kind != "signature":
            found.append((kind, data))
        if kind == "verdict":
            found.append(("signature", vouch(Verdict.from_bytes(data), FORGER).data))
    return found


@pytest.mark.parametrize("change", [softened, lambda rows: rows[:-3], lambda rows: rows[:-1]])
def test_a_chain_rewritten_with_a_fresh_note_is_found(path, change):
    rewrite(path, change, more=stamps(path))
    assert all(problems(path))


def test_records_swapped_dropped_or_put_in_are_found_however_well_hidden(path):
    whole = path.read_bytes()
    extra = finding("extra")
    for change in (
        lambda rows: [*rows[2:4], *rows[:2], *rows[4:]],
        lambda rows: [*rows[:1], *rows[2:]],
        lambda rows: [*rows[:4], ("finding", extra.data), *rows[4:]],
    ):
        kept = stamps(path)
        rewrite(path, change, more=kept)
        assert all(problems(path))
        path.write_bytes(whole)


def test_stripped_signatures_are_found(path, keys):
    rewrite(path, without_signatures)  # the stamps are gone as well
    assert problems(path, trusted=keys.public())[0] == problems(path, keys=keys)[1]
    assert "nothing is signed here" in problems(path, keys=keys)[0]
    assert problems(path) == ["", ""]  # nobody says that it ever was signed


def test_signatures_by_another_key_are_found(path, keys):
    rewrite(path, resigned)
    with Ledger(path) as ledger, ledger._transaction():
        put_stamp(ledger._db, FORGER, lambda _: True)
    assert all("the trusted key is" in one for one in problems(path, keys=keys))
    assert all("the trusted key is" in one for one in problems(path, trusted=keys.public()))
    assert problems(path) == ["", ""]


def test_one_stripped_signature_is_named(path):
    def strip(rows):
        place = next(place for place, (kind, _) in enumerate(rows) if kind == "signature")
        return [*rows[:place], *rows[place + 1 :]]

    rewrite(path, strip)
    assert "without its signature" in audit(path).problem


def test_a_swapped_signature_is_named(path):
    def swap(rows):
        first, second = [place for place, row in enumerate(rows) if row[0] == "signature"][:2]
        bodies = [json.loads(rows[place][1]) for place in (first, second)]
        bodies[0]["envelope"], bodies[1]["envelope"] = bodies[1]["envelope"], bodies[0]["envelope"]
        rows[first], rows[second] = (("signature", canonical(body)) for body in bodies)
        return rows

    rewrite(path, swap)
    assert "the signature is about" in audit(path).problem


@pytest.mark.parametrize("deep", [True, False])
def test_a_forged_verdict_at_the_end_is_named(path, keys, deep):
    late = finding("late")
    with Ledger(path) as ledger:
        submit(ledger, late)
        with ledger._transaction():
            forged = verdict(late)
            ledger._append(forged)
            ledger._append(vouch(forged, FORGER))
        last = ledger.head()[0]
    found = audit(path, keys=keys, deep=deep)
    assert found.problem.startswith(f"record {last} ")
    assert "another key" in found.problem
    with Ledger(path, keys) as ledger, pytest.raises(RecordError, match="another key"):
        ledger.stamp()  # and the verifier does not vouch for it


def test_the_verifier_stamps_no_broken_chain(path, keys):
    with Ledger(path, keys) as ledger:
        submit(ledger, finding("late"))
        tamper(path, "UPDATE record SET data = CAST('{}' AS BLOB) WHERE seq = 26")
        with pytest.raises(LedgerError, match="record 26"):
            ledger.stamp()


@pytest.mark.parametrize(
    ("attack", "says"),
    [
        (["DELETE FROM stamp"], "the stamps are missing"),
        (["UPDATE stamp SET envelope = CAST('{}' AS BLOB) WHERE seq = 25"], "after record 25"),
        (["UPDATE stamp SET seq = 24 WHERE seq = 25"], "is one of 25 records"),
        (["UPDATE stamp SET seq = 99 WHERE seq = 25"], "is one of 25 records"),
    ],
)
def test_changed_stamps_are_found(path, attack, says):
    tamper(path, *attack)
    assert all(says in one for one in problems(path))


def test_a_ledger_put_back_to_an_earlier_stamp_is_found_by_the_verifiers_own(path, keys, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for file in (path, path.with_suffix(".head")):
        shutil.copy(file, old / file.name)
    with Ledger(path, keys) as ledger:
        submit(ledger, finding("late"))
        ledger.stamp()
    for file in old.iterdir():
        shutil.copy(file, path.parent / file.name)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    assert problems(path) == ["", ""]
    assert all("are missing from the end" in one for one in problems(path, keys=keys))


def test_a_signature_is_about_the_record_it_is_filed_under():
    one, other = vouch(verdict(BATCH[0]), FORGER), vouch(verdict(BATCH[1]), FORGER)
    check_signature(one, FORGER.public)
    with pytest.raises(RecordError, match="is about"):
        check_signature(one.model_copy(update={"envelope": other.envelope}), FORGER.public)
