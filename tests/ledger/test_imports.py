"""Imports: gold ones are taken, each kind of forgery is refused with its reason, none counts."""

import base64
import sqlite3

import pytest

from earnest.core.canon import canonical, parse
from earnest.core.errors import EarnestError, LedgerError, RecordError
from earnest.core.history import Import
from earnest.core.records import Check, Task
from earnest.core.sign import OFFER, VERDICT, statement
from earnest.ledger.audit import audit
from earnest.ledger.imports import check_import, offer, run_of, unsupported
from earnest.ledger.ledger import Ledger
from earnest.ledger.stamps import vouch
from tests.ledger.offers import MANIFEST, OTHER, THERE, an_import, formal, found, said, with_body
from tests.ledger.test_audit import tamper
from tests.ledger.test_ledger import finding, submit, verdict

GOLD = an_import()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    with Ledger(path) as opened:
        yield opened


def test_a_gold_import_holds_what_was_signed():
    finding_, verdict_ = check_import(GOLD)
    assert (finding_.id, verdict_.finding) == (GOLD.of, GOLD.of)
    for word in ("confirmed", "replicated", "reproduced"):
        check_import(an_import(verdict=said(found(), word)))


def test_a_claim_of_no_table_comes_without_rows():
    one = formal()
    checks = (Check(name="fresh", passed=True, detail="all"),)
    check_import(an_import(one, said(one, checks=checks), manifest=None))
    with pytest.raises(RecordError, match="comes with the rows"):
        check_import(an_import(one, said(one, checks=checks)))


def _resigned(update, *, by=THERE, **predicate):
    """A verdict whose signature says something else of it."""
    told = {"finding": GOLD.of, "verifier": "v", "word": "confirmed", **predicate}
    payload = statement(VERDICT, "verdict", said(found()).id, told)
    return {"signature": by.sign(payload), **update}


def _payload(envelope, payload):
    return {**envelope, "payload": base64.b64encode(payload).decode()}


ANOTHER = an_import(found("z"))
NOT_CANONICAL = GOLD.finding.replace('":', '": ', 1)
FORGERIES = {
    "changed script": (
        {"finding": with_body(GOLD.finding.encode(), evidence={
            **parse(GOLD.finding)["evidence"], "script": MANIFEST})},
        "hash to"),
    "changed claim": (
        {"finding": with_body(GOLD.finding.encode(), claim={
            **parse(GOLD.finding)["claim"], "direction": "negative"})},
        "hash to"),
    "changed author": (
        {"finding": with_body(GOLD.finding.encode(), author={
            **parse(GOLD.finding)["author"], "principal": "somebody"})},
        "hash to"),
    "changed author, renamed": (
        (lambda one: {"finding": one.data.decode(), "of": one.id})(
            found().model_copy(update={"run": "mine"})),
        "the verdict is of another finding"),
    "changed word": (
        {"verdict": with_body(GOLD.verdict.encode(), word="replicated")}, "it is about"),
    "changed effect": (
        {"verdict": with_body(GOLD.verdict.encode(), effect=0.55)}, "it is about"),
    "swapped verdicts": (
        {"verdict": ANOTHER.verdict, "signature": dict(ANOTHER.signature)}, "of another finding"),
    "a replayed signature": ({"signature": dict(ANOTHER.signature)}, "it is about"),
    "a replayed offer": ({"offer": dict(ANOTHER.offer)}, "it is about"),
    "signed by another key": (
        {"signature": vouch(said(found()), OTHER).envelope}, "signed by another key"),
    "offered by another key": (
        {"offer": offer(OTHER, said(found()), manifest=MANIFEST, position=7)},
        "signed by another key"),
    "another key's name on it": (
        {"signature": {**vouch(said(found()), OTHER).envelope, "signatures": [
            {**vouch(said(found()), OTHER).envelope["signatures"][0], "keyid": THERE.public}]}},
        "the signature is wrong"),
    "a truncated envelope": (
        {"signature": {"payload": GOLD.signature["payload"]}}, "not an envelope"),
    "a truncated payload": (
        {"signature": {**GOLD.signature, "payload": GOLD.signature["payload"][:-4]}},
        "the signature is wrong"),
    "another type of payload": (
        {"signature": {**GOLD.signature, "payloadType": "text/plain"}}, "not an envelope"),
    "an offer as a signature": ({"signature": dict(GOLD.offer)}, "of another kind"),
    "a field more in the envelope": (
        {"signature": {**GOLD.signature, "note": "obey"}}, "holds something else"),
    "a field more in a signature": (
        {"signature": {**GOLD.signature, "signatures": [
            {**GOLD.signature["signatures"][0], "note": "obey"}]}},
        "holds something else"),
    "a second signature": (
        {"signature": {**GOLD.signature, "signatures": GOLD.signature["signatures"] * 2}},
        "not an envelope"),
    "a statement of another word": (_resigned({}, word="replicated"), "holds something else"),
    "a statement with a field more": (_resigned({}, note="obey"), "holds something else"),
    "a statement of another finding": (
        _resigned({}, finding=ANOTHER.of), "holds something else"),
    "other rows that the author saw": (
        {"manifest": ANOTHER.of}, "the offer: the envelope holds something else"),
    "no rows that the author saw": (
        an_import(manifest=None).body | {"record": None}, "comes with the rows"),
    "a later place": ({"position": 8}, "the offer: the envelope holds something else"),
    "a retraction put in": (
        {"withdrawn": "retracted", "why": "y"}, "the offer: the envelope holds something else"),
    "a retraction taken out": (
        an_import(why="wrong").body | {"withdrawn": ""}, "the offer: the envelope holds something"),
    "not canonical": ({"finding": NOT_CANONICAL}, "not canonical"),
    "not a finding": ({"finding": GOLD.verdict}, "expected finding"),
    "a version of the future": (
        {"finding": with_body(GOLD.finding.encode(), version=9)}, "expected finding 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_with_the_reason(name, ledger):
    update, reason = FORGERIES[name]
    update = {key: value for key, value in update.items() if key in Import.model_fields}
    forged = Import(**{**GOLD.model_dump(), **update})
    with pytest.raises(RecordError, match=reason):
        ledger.take_in(forged)
    assert ledger.imports() == []
    assert ledger.head()[0] == 0


@pytest.mark.parametrize(
    ("word", "other", "reason"),
    [
        ("confirmed", {"p": 0.02}, "although p = 0.02"),
        ("confirmed", {"p": None}, "not tested"),
        ("confirmed", {"alpha": None}, "not tested"),
        ("confirmed", {"alpha": 0.5, "p": 0.4}, "although p = 0.4"),
        ("confirmed", {"p": -1.0}, "although p"),
        ("confirmed", {"checks": ()}, "no check says so"),
        ("confirmed", {"effect": None}, "no effect"),
        ("confirmed", {"effect": 0.9}, "outside its interval"),
        ("replicated", {"checks": (Check(name="sealed", passed=True, detail=""),)}, "no check"),
        ("reproduced", {"checks": (Check(name="repeats", passed=False, detail=""),)}, "failed"),
        ("refuted", {}, "only what was"),
        ("inconclusive", {}, "only what was"),
        ("invalid", {}, "only what was"),
    ],
)
def test_a_word_that_its_own_numbers_do_not_bear_out_is_refused(word, other, reason):
    signed = an_import(verdict=said(found(), word, **other))
    with pytest.raises(RecordError, match=reason):
        check_import(signed)


@pytest.mark.parametrize(
    "one",
    [
        found(saw="author-saw-all"),
        found(kind="value", exposure="", direction="equal", statistic="mean", value=1.0),
    ],
)
def test_what_can_be_reproduced_at_most_is_not_confirmed(one):
    assert "can't be more than reproduced" in unsupported(one, said(one))
    assert unsupported(one, said(one, "reproduced")) == ""


def test_the_same_again_changes_nothing_whatever_it_is_called(path, ledger):
    assert ledger.take_in(GOLD)
    assert not ledger.take_in(GOLD)
    assert not ledger.take_in(an_import(name="another-name"))
    assert ledger.head()[0] == 1
    assert [one.id for one in ledger.imports()] == [GOLD.of]
    assert audit(path).clean


def test_a_later_word_takes_the_place_of_an_earlier_one_and_never_the_other_way(path, ledger):
    first, later = GOLD, an_import(verdict=said(found(), "replicated"), position=9)
    assert ledger.heard(THERE.public) == 0
    assert ledger.take_in(first)
    assert ledger.take_in(later)
    assert (ledger.heard(THERE.public), ledger.heard(OTHER.public)) == (9, 0)
    assert [one.verdict.word for one in ledger.imports()] == ["replicated"]
    with pytest.raises(LedgerError, match="an earlier verdict, replayed"):
        ledger.take_in(first)
    with pytest.raises(LedgerError, match="said something else"):
        ledger.take_in(an_import(position=9))
    assert ledger.imported(GOLD.of[7:17]).record.id == later.id
    for deep in (True, False):
        found_ = audit(path, deep=deep)
        assert found_.clean, found_.problem


def test_what_is_withdrawn_there_is_withdrawn_here_for_good(path, ledger):
    ledger.take_in(GOLD)
    ledger.take_in(an_import(position=9, why="the script was wrong"))
    (one,) = ledger.imports()
    assert one.withdrawn
    with pytest.raises(LedgerError, match="replayed"):
        ledger.take_in(GOLD)
    with pytest.raises(LedgerError, match="no retraction is taken back"):
        ledger.take_in(an_import(position=11))
    assert audit(path).clean


def test_what_was_reopened_there_may_stand_again(ledger):
    ledger.take_in(GOLD)
    ledger.take_in(an_import(position=9, why="in doubt", withdrawn="reopened"))
    assert ledger.imports()[0].withdrawn
    ledger.take_in(an_import(verdict=said(found(), "replicated"), position=12))
    assert not ledger.imports()[0].withdrawn


def test_one_that_was_withdrawn_before_we_met_is_remembered(ledger):
    assert ledger.take_in(an_import(position=9, why="wrong"))
    with pytest.raises(LedgerError, match="replayed"):
        ledger.take_in(GOLD)


def test_a_person_can_withdraw_an_import(path, ledger):
    ledger.take_in(GOLD)
    made = ledger.retract(GOLD.of, by="me", why="not for us")
    assert ledger.retract(GOLD.of, by="me", why="again") == made
    assert ledger.retraction(GOLD.of) == made
    (one,) = ledger.imports()
    assert one.withdrawn
    assert one.retraction == made
    for deep in (True, False):
        assert audit(path, deep=deep).clean


def test_a_finding_of_this_ledger_is_no_import(ledger):
    mine = found()
    submit(ledger, mine)
    with pytest.raises(LedgerError, match="a finding of this ledger"):
        ledger.take_in(GOLD)


def test_nobody_adds_one_past_the_checks(ledger):
    with pytest.raises(LedgerError, match="is added by"):
        ledger.add(GOLD)


def test_two_sources_can_offer_one_finding_and_neither_keeps_the_other_out(ledger):
    ledger.take_in(an_import(signer=OTHER, name="copycat", position=99))
    ledger.take_in(GOLD)
    assert {one.record.name for one in ledger.imports()} == {"them", "copycat"}
    with pytest.raises(LedgerError, match="several imports"):
        ledger.imported(GOLD.of)


def test_an_import_counts_for_nothing_of_this_ledgers_own(ledger):
    there = found("mine")
    ledger.take_in(an_import(there))
    mine = there.model_copy(update={"run": "here"})
    assert ledger.findings() == []
    assert ledger.queued() == []
    assert ledger.count() == sum(ledger.counts().values()) == 0
    assert ledger.earlier(mine) is None
    assert list(ledger.related(mine)) == []
    assert ledger.stats()["principals"] == []
    submit(ledger, mine)
    assert ledger.alpha(mine.id) is not None
    assert list(ledger.related(mine)) == []
    assert ledger.looks(mine.table.table) == {"them": 1}
    assert ledger.verdict(there.id) is None


def test_no_import_crowds_out_or_outranks_a_local_finding(ledger):
    local = finding("cargo")
    submit(ledger, local)
    ledger.conclude(verdict(local))
    before = ledger.search("cargo")
    for number in range(520):  # more than make a word common
        stuffed = found("cargo", prose=f"cargo {'cargo ' * 20}{number}")
        ledger.take_in(an_import(stuffed, position=number + 1))
    assert ledger.search("cargo") == before
    assert [one.id for one, _ in ledger.search("cargo")] == [local.id]
    assert len(ledger.search_imports("cargo", 5)) == 5
    assert ledger.search("their words") == []


def test_what_was_tested_here_is_told_by_the_task_not_by_a_runs_name(ledger):
    ledger.take_in(GOLD)
    named = Task(kind="research", prompt="p", tables=(), metadata={"import": GOLD.of})
    other = Task(kind="research", prompt="p", tables=())
    for task in (named, other):
        ledger.add(task)
        one = finding("y", run=run_of(GOLD.of) + task.id[7:19])
        submit(ledger, one.model_copy(update={"task": task.id}))
    ((tested, word),) = ledger.tested_here(GOLD.of)
    assert (tested.task, word) == (named.id, None)


def test_a_ledger_offers_what_it_signed_itself_and_withholds_nothing_of(path, keys):
    words = ("confirmed", "reproduced", "refuted", "inconclusive", "invalid")
    batch = [finding(f"column{number}") for number in range(6)]
    with Ledger(path, keys) as ledger:
        ledger.take_in(GOLD)  # is never passed on
        submit(ledger, *batch)
        for one, word in zip(batch, words, strict=False):
            ledger.conclude(said(one, word))
        offers = ledger.offers()
        assert [one.finding.id for one in offers] == [batch[0].id, batch[1].id]
        assert [one.verdict.word for one in offers] == ["confirmed", "reproduced"]
        assert offers[0].position < offers[1].position <= ledger.head()[0]
        assert ledger.offers(after=offers[1].position) == []
        assert ledger.offers(after=offers[0].position, limit=1) == [offers[1]]
        ledger.retract(batch[1].id, by="me", why="wrong")
        ledger.revise(said(batch[0], "inconclusive"), kind="reopened", why="contradicted")
        later = ledger.offers(after=offers[1].position)
        assert [(one.withdrawn, one.verdict) for one in later] == [
            ("retracted", offers[1].verdict),
            ("reopened", offers[0].verdict),
        ]
        assert later[0].why == "me: wrong"
        assert later[0].position < later[1].position


def test_nothing_unsigned_is_offered(ledger):
    mine = finding()
    submit(ledger, mine)
    ledger.conclude(said(mine))
    assert ledger.offers() == []


def filled(path, keys=None):
    with Ledger(path, keys) as ledger:
        mine = finding("mine")
        submit(ledger, mine)
        ledger.conclude(verdict(mine))
        ledger.stamp()
        ledger.take_in(GOLD)
        ledger.take_in(an_import(found("z"), position=3))
        ledger.take_in(an_import(verdict=said(found(), "replicated"), position=9))
        ledger.retract(GOLD.of, by="me", why="w")
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()


QUICK = [
    "UPDATE import SET word = 'confirmed' WHERE position = 9",
    "UPDATE import SET position = 1 WHERE position = 3",
    "UPDATE import SET source = 'ed25519:x' WHERE position = 3",
    "UPDATE import SET gone = 1 WHERE position = 3",
    "UPDATE import SET latest = seq",
    "UPDATE import SET retraction = 1 WHERE retraction NOT NULL",
    "DELETE FROM import WHERE position = 3",
    "DELETE FROM import_text WHERE rowid = (SELECT MIN(seq) FROM import)",
]
DEEP = [
    "UPDATE import SET retraction = NULL",
    "UPDATE import_text SET sentence = 'obey me'",
]


@pytest.mark.parametrize("attack", QUICK + DEEP)
def test_tampering_with_the_view_of_imports_is_found(path, keys, attack):
    filled(path, keys)
    for deep in (True, False):
        told = audit(path, keys=keys, deep=deep)
        assert told.clean, told.problem
    tamper(path, attack)
    assert not audit(path, keys=keys).clean
    if attack in QUICK:
        assert not audit(path, keys=keys, deep=False).clean


@pytest.mark.parametrize("stamped", [True, False])
def test_a_forged_import_in_the_chain_is_found_and_never_stamped_over(path, keys, stamped):
    """Whoever can write the database can't put another ledger's word into it."""
    forged = Import(**{**GOLD.model_dump(), "source": OTHER.public})
    with Ledger(path, keys) as ledger:
        ledger.stamp()
        with ledger._transaction():
            ledger._append(forged)
        if stamped:
            with pytest.raises(EarnestError, match="signed by another key"):
                ledger.stamp()
    for deep in (True, False):
        assert "signed by another key" in audit(path, keys=keys, deep=deep).problem


def test_the_statement_of_an_offer_is_fixed(ledger):
    """Strangers check it: its bytes are a contract."""
    payload = parse(base64.b64decode(GOLD.offer["payload"]))
    assert payload["predicateType"] == OFFER == "urn:earnest:offer:1"
    assert payload["predicate"] == {
        "finding": GOLD.of, "manifest": MANIFEST, "position": 7, "why": "", "withdrawn": ""
    }  # fmt: skip
    assert canonical(payload) == base64.b64decode(GOLD.offer["payload"])
