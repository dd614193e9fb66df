import sqlite3
import threading

import pytest

from earnest.core.canon import digest
from earnest.core.errors import AbsentError, LedgerError
from earnest.core.records import (
    Allocation,
    Author,
    Claim,
    Evidence,
    Finding,
    TableRef,
    Task,
    Verdict,
)
from earnest.ledger.budget import SEEN
from earnest.ledger.ledger import Ledger
from earnest.ledger.lord import share


def finding(outcome="y", table="cars", principal="me", run="run-1", kind="positive"):
    name = digest(outcome.encode())
    return Finding(
        claim=Claim(kind="association", table=table, outcome=outcome, exposure="x", direction=kind),
        evidence=Evidence(script=name, inputs={}, results={"effect": 0.5}, supports="effect > 0"),
        exposure="sealed",
        author=Author(principal=principal, model="scripted"),
        run=run,
        task=name,
        table=TableRef(
            name=table,
            table=digest(table.encode()),
            visible=name,
            design="iid",
            rows=10,
            columns=("x", outcome),
        ),
        prose="a heavier engine drinks more",
    )


def verdict(found, word="confirmed", p=1e-6, alpha=None):
    return Verdict(
        finding=found.id, word=word, reason="r", checks=(), p=p, alpha=alpha, seed=1, verifier="v"
    )


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def submit(ledger, *findings):
    ledger.submit(findings, testable=[one.id for one in findings])


def test_a_batch_is_stored_once_with_its_shares(ledger):
    batch = [finding("a"), finding("b")]
    submit(ledger, *batch)
    submit(ledger, *batch)
    assert [one.id for one, _ in ledger.findings()] == [one.id for one in batch]
    assert [one.id for one, _ in ledger.findings(newest=1)] == [batch[1].id]
    assert ledger.findings(newest=0) == []
    run = batch[0].run
    counts = [ledger.count(**asked) for asked in ({}, {"run": run}, {"word": "refuted"})]
    assert counts == [2, 2, 0]
    assert ledger.alpha(batch[0].id) == share(1, [])
    assert ledger.alpha(batch[1].id) == share(2, [])


def test_of_a_batch_those_before_a_finding_are_told_in_their_order(ledger):
    other, *batch = finding("a", run="other"), *(finding(name) for name in "abc")
    submit(ledger, other)
    submit(ledger, *batch)
    for place, one in enumerate(batch):
        assert [found.id for found in ledger.batch(one)] == [found.id for found in batch[:place]]
    assert list(ledger.batch(other)) == []


def test_rejections_on_other_closed_tables_raise_the_share_and_no_others_do(ledger):
    first, open_one, same = (
        finding("a"),
        finding("o", table="open", run="run-2"),
        finding("c", run="run-4"),
    )
    submit(ledger, first)
    submit(ledger, open_one, finding("p", table="open", run="run-2"))
    ledger.conclude(verdict(first, alpha=ledger.alpha(first.id)))
    ledger.conclude(verdict(open_one, alpha=ledger.alpha(open_one.id)))
    submit(ledger, same)
    assert ledger.alpha(same.id) == SEEN * share(4, [])  # another run has looked at its table
    other = finding("d", table="boats", run="run-3")
    submit(ledger, other)
    # The rejection became known after three tests had been given their share.
    assert ledger.alpha(other.id) == share(5, [3])


def test_each_principal_has_a_stream_of_its_own(ledger):
    submit(ledger, *(finding(f"y{number}", principal="flood") for number in range(50)))
    mine = finding("z", principal="me")
    submit(ledger, mine)
    assert ledger.alpha(mine.id) == share(1, [])


def test_the_same_claim_again_is_not_paid_for(ledger):
    first = finding("a")
    submit(ledger, first)
    ledger.conclude(verdict(first, alpha=ledger.alpha(first.id)))
    again = finding("a", run="run-2")
    submit(ledger, again)
    assert ledger.alpha(again.id) is None
    assert ledger.earlier(again)[0] == first.id
    assert ledger.earlier(first) is None


def test_the_same_claim_is_tested_while_the_first_is_still_queued(ledger):
    first, again = finding("a"), finding("a", run="run-2")
    submit(ledger, first)
    submit(ledger, again)
    assert ledger.alpha(again.id) == SEEN * share(2, [])
    ledger.conclude(verdict(first, alpha=ledger.alpha(first.id)))
    assert ledger.earlier(again) is None


@pytest.mark.parametrize("word", ["invalid", "reproduced"])
def test_bad_evidence_does_not_keep_good_evidence_from_being_tested(ledger, word):
    forged, honest = finding("a"), finding("a", run="run-2")
    submit(ledger, forged)
    ledger.conclude(verdict(forged, word, p=None))
    submit(ledger, honest)
    assert ledger.alpha(honest.id) == share(2, [])
    assert ledger.earlier(honest) is None


def test_the_first_verdict_stands(ledger):
    found = finding()
    submit(ledger, found)
    kept = ledger.conclude(verdict(found, "inconclusive", p=0.5))
    assert ledger.conclude(verdict(found, "confirmed")) == kept
    assert ledger.verdict(found.id).word == "inconclusive"
    assert ledger.head()[0] == 3


def test_a_verdict_needs_its_finding(ledger):
    with pytest.raises(LedgerError, match="no finding"):
        ledger.conclude(verdict(finding()))


def test_search_takes_all_words_first_then_any(ledger):
    submit(ledger, finding("weight"), finding("mpg", table="boats"))
    assert [one.claim.outcome for one, _ in ledger.search("weight cars")] == ["weight"]
    assert len(ledger.search("weight zebra")) == 1
    assert len(ledger.search("engines")) == 2
    assert ledger.search('" OR (') == []
    assert ledger.search("") == []


def test_nothing_can_be_changed_or_deleted(ledger):
    submit(ledger, finding())
    db = sqlite3.connect(ledger.path)
    for statement in ("DELETE FROM record", "UPDATE record SET kind = 'task'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)


def test_records_are_found_by_the_start_of_their_id(ledger):
    task = Task(kind="research", prompt="?", tables=())
    assert ledger.add(task) == ledger.add(task)
    assert ledger.named(task.id[:20]) == task
    for wrong in ("abc", "0" * 12, "zzzzzzzzz"):
        with pytest.raises(LedgerError):
            ledger.named(wrong)
    with pytest.raises(LedgerError, match="submit"):
        ledger.add(finding())


def test_many_writers_lose_and_double_nothing(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()

    def write(number):
        with Ledger(path) as mine:
            for place in range(10):
                submit(mine, finding(f"y{number}-{place}", run=f"run-{number}"))
                submit(mine, finding(f"shared-{place}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger(path) as ledger:
        assert len(ledger.findings()) == 70
        shares = ledger.records(Allocation)
    assert [one.number for one in shares] == list(range(1, 71))
    assert shares[0].alpha == share(1, [])
    assert all(one.alpha in (share(n, []), SEEN * share(n, [])) for n, one in enumerate(shares, 1))


def test_a_share_is_less_on_a_table_that_another_run_has_looked_at(ledger):
    first, second = finding("a"), finding("b")
    submit(ledger, first)
    submit(ledger, second)  # of the same run: its author has seen no verdict
    assert ledger.alpha(second.id) == share(2, [])
    ledger.conclude(verdict(first, "invalid", p=None))
    ledger.conclude(verdict(second, "inconclusive", p=0.5, alpha=ledger.alpha(second.id)))
    again, elsewhere = finding("c", run="run-2"), finding("d", table="boats", run="run-2")
    submit(ledger, again, elsewhere)
    assert ledger.alpha(again.id) == SEEN * share(3, [])
    assert ledger.alpha(elsewhere.id) == share(4, [])


def test_a_ledger_from_the_future_and_a_file_that_is_none_are_refused(tmp_path):
    (tmp_path / "text").write_text("no database, but long enough to look like a file" * 40)
    with pytest.raises(LedgerError, match="can't be opened"):
        Ledger(tmp_path / "text")
    Ledger(tmp_path / "l").close()
    db = sqlite3.connect(tmp_path / "l")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerError, match="newer"):
        Ledger(tmp_path / "l")


def test_what_is_not_there_is_told_from_what_is_broken(ledger, tmp_path):
    submit(ledger, finding())
    for name in ("", "12345678", "sha256:" + "0" * 64, "zzzzzzzz"):
        with pytest.raises(AbsentError):
            ledger.named(name)
    with pytest.raises(AbsentError):
        ledger.get("sha256:" + "0" * 64, Finding)
    with pytest.raises(AbsentError):
        ledger.retract("sha256:" + "0" * 64, by="me", why="w")
    (tmp_path / "broken.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(LedgerError) as caught:
        Ledger(tmp_path / "broken.sqlite")
    assert not isinstance(caught.value, AbsentError)


def test_the_newest_findings_on_a_table(ledger):
    cars = [finding(outcome=f"y{n}") for n in range(4)]
    submit(ledger, *cars, finding(table="trees"))
    ledger.conclude(verdict(cars[1]))
    ledger.retract(cars[2].id, by="me", why="wrong")
    table = cars[0].table.table
    assert [one.id for one, _ in ledger.of_table(table, newest=9)] == [
        cars[0].id,
        cars[1].id,
        cars[3].id,
    ]
    told = ledger.of_table(table, newest=2)
    assert [(one.id, word and word.word) for one, word in told] == [
        (cars[1].id, "confirmed"),
        (cars[3].id, None),
    ]
    assert ledger.of_table(digest(b"nothing"), newest=9) == []
