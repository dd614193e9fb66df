"""What a model was asked about a finding is frozen with it, and covered by the audit."""

import sqlite3

import pytest

from earnest.core.errors import LedgerError
from earnest.core.history import Asked, ClosedBook
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from tests.ledger.test_ledger import finding, verdict


@pytest.fixture
def ledger(tmp_path, keys):
    with Ledger(tmp_path / "ledger.sqlite", keys) as opened:
        yield opened


def told(one, reply="yes"):
    asked = Asked(question="Is this so?", answer=reply, says="agrees")
    return ClosedBook(finding=one.id, model="m", asked=(asked,))


def test_answers_stand_behind_their_findings_with_and_without_a_share(ledger):
    batch = [finding("a"), finding("b"), finding("c"), finding("d")]
    answers = [told(batch[2]), told(batch[0]), told(batch[3])]
    ledger.submit(batch, testable=[batch[0].id, batch[1].id, batch[2].id], answers=answers)
    heard = [ledger.closed_book(one.id) for one in batch]
    assert heard == [answers[1], None, answers[0], answers[2]]
    assert [ledger.alpha(one.id) is None for one in batch] == [False, False, False, True]
    for one in batch:
        ledger.conclude(verdict(one, alpha=ledger.alpha(one.id)))
    assert audit(ledger.path).clean
    assert audit(ledger.path, deep=False).clean
    assert ledger.closed_book(answers[0].id) is None


def test_the_answer_behind_the_next_finding_is_not_taken_for_ones_own(ledger):
    batch = [finding("a"), finding("b")]
    ledger.submit(batch, testable=[], answers=[told(batch[1])])
    assert [ledger.closed_book(one.id) for one in batch] == [None, told(batch[1])]


def test_what_came_later_does_not_count(ledger):
    batch = [finding("a")]
    ledger.submit(batch, testable=[])
    ledger.submit(batch, testable=[], answers=[told(batch[0])])
    assert ledger.closed_book(batch[0].id) is None
    with pytest.raises(LedgerError, match="closed-book is added by submit"):
        ledger.add(told(batch[0]))


def test_one_that_stands_elsewhere_is_refused(ledger):
    batch = [finding("a"), finding("b"), finding("c")]
    ledger.submit(batch, testable=[])
    with pytest.raises(LedgerError, match="right behind"), ledger._transaction():
        ledger._append(told(batch[0]))
    assert audit(ledger.path).clean


@pytest.mark.parametrize("deep", [True, False])
def test_a_changed_answer_is_found(ledger, deep):
    one = finding("a")
    ledger.submit([one], testable=[], answers=[told(one)])
    ledger.close()
    db = sqlite3.connect(ledger.path)
    db.execute("DROP TRIGGER record_keeps_bytes")
    forged = told(one, "no").data
    db.execute("UPDATE record SET data = ? WHERE kind = 'closed-book'", (forged,))
    db.commit()
    db.close()
    assert "bytes have changed" in audit(ledger.path, deep=deep).problem
