import pytest

from earnest.core.canon import digest
from earnest.core.errors import LedgerError
from earnest.core.records import Checkpoint, Dataset, Generation
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from tests.ledger.test_ledger import finding, submit, verdict

NEW_ROWS = digest(b"next year's rows")


@pytest.fixture
def ledger(tmp_path, keys):
    with Ledger(tmp_path / "ledger.sqlite", keys) as opened:
        yield opened


@pytest.fixture
def found(ledger):
    one = finding("a")
    submit(ledger, one)
    ledger.conclude(verdict(one, alpha=ledger.alpha(one.id)))
    return one


def test_a_later_verdict_is_current_and_the_first_stays_in_the_history(ledger, found):
    first, later = ledger.verdict(found.id), verdict(found, "replicated")
    made = ledger.revise(later, kind="replication", why="2027's rows", tables=[NEW_ROWS])
    assert made.replaces == first.id
    assert ledger.verdict(found.id) == later
    assert ledger.history(found.id) == [(first, None), (later, made)]
    assert [v.word for _, v in ledger.findings(word="replicated")] == ["replicated"]
    assert ledger.findings(word="confirmed") == []
    assert ledger.counts()["replicated"] == 1
    again = verdict(found, "refuted")
    ledger.revise(again, kind="reopened", why="contradicted")
    assert ledger.verdict(found.id) == again
    assert [v.word for v, _ in ledger.history(found.id)] == ["confirmed", "replicated", "refuted"]
    assert audit(ledger.path).clean


def test_the_same_revision_again_changes_nothing(ledger, found):
    later = verdict(found, "replicated")
    made = ledger.revise(later, kind="replication", why="new rows", tables=[NEW_ROWS])
    before = ledger.head()
    assert ledger.revise(later, kind="replication", why="new rows", tables=[NEW_ROWS]) == made
    assert ledger.head() == before


def test_later_verdicts_are_signed_and_leave_the_budget_as_it_is(ledger, found):
    before = ledger.stats()["principals"]
    later = verdict(found, "inconclusive", p=0.5, alpha=0.01)
    ledger.revise(later, kind="reopened", why="contradicted")
    assert ledger.signature(later.id) is not None
    assert ledger.stats()["principals"] == before
    assert before[0]["rejections"] == 1


def test_conclude_still_takes_the_first_verdict_only(ledger, found):
    first = ledger.verdict(found.id)
    assert ledger.conclude(verdict(found, "refuted")) == first
    assert len(ledger.history(found.id)) == 1


def test_only_a_finding_with_a_verdict_gets_a_later_one(ledger, found):
    queued = finding("b")
    submit(ledger, queued)
    for one in (verdict(queued), ledger.verdict(found.id)):
        with pytest.raises(LedgerError, match="later"):
            ledger.revise(one, kind="reopened", why="?")
    assert ledger.verdict(queued.id) is None


def test_a_replication_looks_at_the_new_rows(ledger, found):
    ledger.revise(verdict(found, "replicated"), kind="replication", why="w", tables=[NEW_ROWS])
    assert ledger.looks(NEW_ROWS) == {"me": 1}


def test_a_retracted_finding_stays_findable_and_says_why(ledger, found):
    kept = ledger.retract(found.id, by="me", why="the column was mislabelled")
    assert ledger.retract(found.id, by="you", why="another reason") == kept
    assert ledger.retraction(found.id) == kept
    assert ledger.retracted() == {found.id}
    assert ledger.verdict(found.id).word == "confirmed"
    assert [one.id for one, _ in ledger.search("engine")] == [found.id]
    assert ledger.stats()["principals"][0]["rejections"] == 1
    assert audit(ledger.path).clean


def test_only_what_is_there_is_retracted(ledger):
    with pytest.raises(LedgerError, match="no finding"):
        ledger.retract(digest(b"nothing"), by="me", why="why not")


def test_a_retracted_claim_may_be_tested_again(ledger, found):
    again = finding("a", run="run-2")
    ledger.retract(found.id, by="me", why="wrong script")
    submit(ledger, again)
    assert ledger.alpha(again.id) is not None
    assert ledger.earlier(again) is None


def dataset(*verdicts, parents=()):
    return Dataset(parents=parents, verdicts=verdicts, files={}, rows={}, recipe={})


def checkpoint(data, parent=None):
    return Checkpoint(parent=parent, dataset=data.id, files={}, parameters=1, recipe={})


def test_what_was_trained_on_a_finding_is_listed(ledger, found):
    clean = finding("clean")
    submit(ledger, clean)
    ledger.conclude(verdict(clean))
    touched = dataset(ledger.verdict(found.id).id)
    replayed = dataset(parents=(touched.id,))
    other = dataset(ledger.verdict(clean.id).id)
    models = [checkpoint(touched), checkpoint(replayed), checkpoint(other)]
    child = checkpoint(other, parent=models[0].id)
    turns = [
        Generation(number=k, parent=None, checkpoint=model.id, dataset=model.dataset, decision=None)
        for k, model in enumerate([*models, child])
    ]
    for record in (other, touched, replayed, *models, child, *turns):
        ledger.add(record)
    assert ledger.trained_on(found.id) == {
        "datasets": [touched.id, replayed.id],
        "checkpoints": [models[0].id, models[1].id, child.id],
        "generations": [turns[0].id, turns[1].id, turns[3].id],
    }
    assert ledger.trained_on(clean.id)["datasets"] == [other.id]


def test_a_data_set_on_a_later_verdict_is_found_as_well(ledger, found):
    later = verdict(found, "replicated")
    ledger.revise(later, kind="replication", why="w", tables=[NEW_ROWS])
    ledger.add(dataset(later.id))
    assert len(ledger.trained_on(found.id)["datasets"]) == 1


def test_records_that_have_a_way_in_of_their_own_are_not_just_added(ledger, found):
    kept = ledger.retract(found.id, by="me", why="w")
    for record in (kept, ledger.signature(ledger.verdict(found.id).id)):
        with pytest.raises(LedgerError, match="added by"):
            ledger.add(record)
