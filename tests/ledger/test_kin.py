"""What the ledger says of a claim that others made before, or that contradicts one of theirs."""

import pytest

from earnest.core.canon import digest
from earnest.core.records import Claim, Verdict
from earnest.data.build import build
from earnest.ledger.audit import audit
from earnest.ledger.kin import _TOLD
from earnest.ledger.ledger import Ledger
from tests.ledger.test_ledger import finding, submit, verdict


@pytest.fixture
def ledger(tmp_path, keys):
    with Ledger(tmp_path / "ledger.sqlite", keys) as opened:
        yield opened


def claimed(run, table="cars", registered="", **more):
    base = {"kind": "difference", "outcome": "mpg", "exposure": "origin", "direction": "higher"}
    one = finding("mpg", table=table, run=run)
    ref = one.table.model_copy(
        update={
            "columns": ("age", "mpg", "origin", "weight"),
            "table": digest((registered or table).encode()),
        }
    )
    claim = Claim(table=table, **{**base, "group": "usa", "versus": "japan", **more})
    return one.model_copy(update={"claim": claim, "table": ref})


def put(ledger, one, word="confirmed"):
    submit(ledger, one)
    return ledger.conclude(verdict(one, word, alpha=ledger.alpha(one.id)))


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ({}, "known"),
        ({"group": "japan", "versus": "usa", "direction": "lower"}, "known"),
        ({"registered": "cars, next year"}, "known"),
        ({"threshold": 0.3}, "extends"),
        ({"subset": "age > 3"}, "extends"),
        ({"adjust_for": ("weight",)}, "extends"),
        ({"direction": "lower"}, "contradicts"),
        ({"group": "japan", "versus": "usa"}, "contradicts"),
        ({"table": "autos"}, "near"),
        ({"group": "france"}, "near"),
        ({"kind": "distribution", "direction": "wider"}, "near"),
    ],
)
def test_what_a_finding_is_to_an_earlier_one(ledger, more, how):
    first, later = claimed("run-1"), claimed("run-2", **more)
    put(ledger, first)
    assert [(one.how, one.finding) for one in ledger.related(later)] == [(how, first.id)]
    submit(ledger, later)
    assert [(one.how, one.finding) for one in ledger.related(later)] == [(how, first.id)]
    assert ledger.related(first) == []


@pytest.mark.parametrize(
    "more", [{"outcome": "weight"}, {"exposure": "age", "group": "1", "versus": "2"}]
)
def test_a_finding_about_other_columns_is_no_kin(ledger, more):
    put(ledger, claimed("run-1"))
    assert ledger.related(claimed("run-2", **more)) == []


def test_a_batch_queued_bad_or_withdrawn_findings_are_no_kin(ledger):
    same = claimed("run-2", threshold=0.4)
    for number, word in enumerate(("invalid", "", "confirmed")):
        one = claimed(f"earlier-{number}", threshold=0.1 + number / 10)
        submit(ledger, one)
        if word:
            ledger.conclude(verdict(one, word))
    ledger.retract(one.id, by="me", why="wrong")
    put(ledger, claimed("run-2"))
    assert ledger.related(same) == []


def test_the_opposite_of_what_was_refuted_contradicts_nothing(ledger):
    put(ledger, claimed("run-1"), "refuted")
    assert [one.how for one in ledger.related(claimed("run-2", direction="lower"))] == ["near"]


def test_kin_are_bounded_and_the_closest_come_first(ledger):
    for number in range(30):
        put(ledger, claimed(f"run-{number}", threshold=number / 100))
    found = ledger.related(claimed("later", threshold=0.0))
    assert len(found) == _TOLD
    assert [one.how for one in found] == ["known"] + ["extends"] * (_TOLD - 1)


def test_claims_that_say_the_same_are_paid_for_once(ledger):
    first = claimed("run-1", subset="age > 3 and weight < 9")
    put(ledger, first)
    again = claimed(
        "run-2",
        group="japan",
        versus="usa",
        direction="lower",
        subset="weight<9.0 and `age`>3",
    )
    submit(ledger, again)
    assert ledger.alpha(again.id) is None
    assert ledger.earlier(again)[0] == first.id
    opposite = claimed("run-3", direction="lower", subset="age > 3 and weight < 9")
    submit(ledger, opposite)
    assert ledger.alpha(opposite.id) is not None


def test_two_confirmed_findings_that_contradict_reopen_both(ledger):
    one, other = claimed("run-1"), claimed("run-2", direction="lower", threshold=0.1)
    bystander = claimed("run-3", direction="lower", subset="age > 3")
    kept = put(ledger, one), put(ledger, bystander)
    before = ledger.stats()["principals"][0]["rejections"]
    told = put(ledger, other)
    assert told == ledger.verdict(other.id)
    for mine, theirs in ((one, other), (other, one)):
        current = ledger.verdict(mine.id)
        assert current.word == "inconclusive"
        assert theirs.id in current.reason
        assert [v.word for v, _ in ledger.history(mine.id)] == ["confirmed", "inconclusive"]
        assert ledger.history(mine.id)[1][1].kind == "reopened"
        assert ledger.signature(current.id) is not None
    assert ledger.history(one.id)[0][0] == kept[0]
    assert ledger.verdict(bystander.id) == kept[1]
    assert ledger.stats()["principals"][0]["rejections"] == before + 1
    head = ledger.head()
    assert ledger.conclude(verdict(other)) == told
    assert ledger.head() == head
    assert audit(ledger.path).clean


def test_what_was_reopened_is_taught_no_more(ledger, tmp_path):
    batch = [claimed("run-1"), claimed("run-2", outcome="weight")]
    batch.append(claimed("run-3", direction="lower"))
    seen = []
    for place, one in enumerate(batch):
        submit(ledger, one)
        effect = {"effect": 0.5 * one.claim.sign, "interval": (-0.9, 0.9), "rows": 200}
        ledger.conclude(verdict(one).model_copy(update=effect))
        made = build(ledger.findings(), [one.table], None, tmp_path / f"data-{place}", 1)
        seen.append({ledger.get(name, Verdict).finding for name in made.verdicts})
    assert seen == [{batch[0].id}, {batch[0].id, batch[1].id}, {batch[1].id}]


@pytest.mark.parametrize("word", ["inconclusive", "refuted", "reproduced", "invalid"])
def test_what_is_not_confirmed_reopens_nothing(ledger, word):
    one = claimed("run-1")
    kept = put(ledger, one)
    put(ledger, claimed("run-2", direction="lower"), word)
    assert ledger.verdict(one.id) == kept


def test_what_was_withdrawn_reopens_nothing_and_is_not_reopened(ledger):
    one, other = claimed("run-1"), claimed("run-2", direction="lower")
    kept = put(ledger, one)
    ledger.retract(one.id, by="me", why="wrong")
    assert put(ledger, other).word == "confirmed"
    assert ledger.verdict(one.id) == kept


def test_a_replication_reopens_what_it_contradicts(ledger):
    one, other = claimed("run-1"), claimed("run-2", direction="lower")
    put(ledger, one)
    put(ledger, other, "inconclusive")
    later = verdict(other, "replicated")
    ledger.revise(later, kind="replication", why="new rows", tables=[digest(b"new")])
    words = [[v.word for v, _ in ledger.history(found.id)] for found in (one, other)]
    assert words == [
        ["confirmed", "inconclusive"],
        ["inconclusive", "replicated", "inconclusive"],
    ]
    before = ledger.head()
    ledger.revise(later, kind="replication", why="new rows", tables=[digest(b"new")])
    assert ledger.head() == before
    assert audit(ledger.path).clean
