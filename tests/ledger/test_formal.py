"""Findings that speak of no table: their shares, their kin, and that nothing is used up."""

import pytest

from earnest.core.records import FRESH, Claim
from earnest.ledger import budget
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from tests.ledger.test_ledger import finding, submit, verdict


@pytest.fixture
def ledger(tmp_path, keys):
    with Ledger(tmp_path / "ledger.sqlite", keys) as opened:
        yield opened


def identity(
    run="run-1", left="sum(k**3, k, 1, n)", right="(n*(n+1)/2)**2", inputs="integer 1..99"
):
    claim = Claim(
        kind="identity",
        direction="equal",
        table="",
        left=left,
        right=right,
        inputs=(f"n: {inputs}",),
    )
    return finding(run=run).model_copy(update={"claim": claim, "table": FRESH})


def program(run="run-1", reference="def f(n):\n    return n + n\n", threshold=None):
    claim = Claim(
        kind="program",
        direction="equivalent",
        table="",
        program="def f(n):\n    return 2 * n\n",
        reference=reference,
        inputs=("n: integer 0..9",),
        threshold=threshold,
    )
    return finding(run=run).model_copy(update={"claim": claim, "table": FRESH})


def put(ledger, one, word="confirmed"):
    submit(ledger, one)
    return ledger.conclude(verdict(one, word, alpha=ledger.alpha(one.id)))


def test_they_are_paid_for_and_use_no_table_up(ledger, tmp_path, keys, monkeypatch):
    monkeypatch.setattr(budget, "LOOKS", 2)
    for number in range(5):
        one = identity(run=f"run-{number}", left=f"sum(k**3, k, 1, n) + {number}")
        assert not ledger.used_up(one)
        submit(ledger, one)
        assert ledger.alpha(one.id) > 0
    assert ledger.looks(FRESH.table) == {}
    assert ledger.stats()["tables"] == []
    (purse,) = ledger.stats()["principals"]
    assert purse["tests"] == 5
    assert audit(tmp_path / "ledger.sqlite", keys=keys, deep=True).clean


def test_they_never_pay_for_each_other_but_for_claims_of_tables(ledger):
    put(ledger, identity())
    submit(ledger, program("run-2"), finding("y", run="run-3"))
    # one rejection, of a claim of no table: credited to the claim of a table only
    assert ledger.alpha(program("run-2").id) < ledger.alpha(finding("y", run="run-3").id)


@pytest.mark.parametrize(
    ("first", "later", "how"),
    [
        (identity(), identity("run-2", right="sum(j**3, j, 1, n)", left="(n*(n+1)/2)**2"), "known"),
        (identity(), identity("run-2", inputs="integer 1..9999"), "extends"),
        (identity(), identity("run-2", right="n**2 * (n+1)**2 / 4"), "near"),
        (program(), program("run-2", threshold=0.9), "extends"),
        (program(), program("run-2", reference="def f(m):\n    return m * 2\n"), "near"),
    ],
)
def test_what_one_is_to_an_earlier_one(ledger, first, later, how):
    put(ledger, first)
    assert [(one.how, one.finding) for one in ledger.related(later)] == [(how, first.id)]


@pytest.mark.parametrize(
    "other", [identity("run-2", "2**n", "2*2**(n-1)"), program("run-2"), finding("n", run="run-2")]
)
def test_what_shares_nothing_is_no_kin(ledger, other):
    put(ledger, identity())
    assert ledger.related(other) == []


def test_the_same_claim_is_neither_tested_nor_paid_for_again(ledger):
    put(ledger, identity(), "refuted")
    again = identity("run-2", left="(n*(n+1)/2)**2", right="sum(i**3, i, 1, n)")
    submit(ledger, again)
    assert ledger.alpha(again.id) is None
    assert ledger.earlier(again)[0] == identity().id


def test_they_are_found_by_their_text(ledger):
    put(ledger, identity())
    ((found, _),) = ledger.search("sum")
    assert found.id == identity().id
