import pytest

from earnest.core.canon import digest
from earnest.core.errors import UsageError
from earnest.core.records import Author, Check, Claim, Evidence, Finding, TableRef, Verdict
from earnest.sandbox.unsafe import UnsafeLocal
from earnest.verify.estimate import Estimate
from earnest.verify.permute import PValue
from earnest.verify.units import testable as is_testable
from earnest.verify.verifier import Verifier, judge

NAME = digest(b"x")


def finding(design="iid", exposure="sealed", kind="association", **claim):
    direction = {"association": "positive", "trend": "rising"}[kind]
    return Finding(
        claim=Claim(kind=kind, table="t", outcome="y", exposure="x", direction=direction, **claim),
        evidence=Evidence(script=NAME, inputs={}, results={"effect": 1}, supports="effect > 0"),
        exposure=exposure,
        author=Author(principal="me", model="m"),
        run="r",
        task=NAME,
        table=TableRef(
            name="t", table=NAME, visible=NAME, design=design, rows=9, columns=("x", "y")
        ),
    )


def found(effect, low, high, p):
    return Estimate(effect, (low, high), PValue(p, 1999, "permutation"), 50, "rho")


def test_the_words():
    claim = finding()
    assert judge(claim, found(0.5, 0.3, 0.7, 1e-5), 1e-3)[0] == "confirmed"
    assert judge(claim, found(0.1, -0.1, 0.3, 0.2), 1e-3)[0] == "inconclusive"
    assert judge(claim, found(-0.5, -0.7, -0.3, 1.0), 1e-3)[0] == "refuted"
    # Significant by itself, but not within what the ledger has left to spend.
    assert judge(claim, found(0.3, 0.1, 0.5, 0.01), 1e-3)[0] == "inconclusive"


def test_a_threshold_is_part_of_the_claim():
    claim = finding(threshold=0.4)
    assert judge(claim, found(0.5, 0.45, 0.7, 1e-5), 1e-3)[0] == "confirmed"
    assert judge(claim, found(0.5, 0.3, 0.7, 1e-5), 1e-3)[0] == "inconclusive"
    assert judge(claim, found(0.2, 0.1, 0.3, 1e-5), 1e-3)[0] == "refuted"


def test_what_can_be_tested_follows_from_design_and_exposure():
    assert is_testable(finding())
    assert is_testable(finding("grouped:g"))
    assert is_testable(finding("time:x", kind="trend"))
    assert not is_testable(finding("time:t", kind="trend"))
    assert not is_testable(finding("time:x"))
    assert not is_testable(finding(exposure="author-saw-all"))
    assert not is_testable(finding(exposure="public"))


def test_a_claim_that_was_made_before_gets_its_verdict_without_a_test(sandbox):
    first, again = finding(), finding(exposure="public")
    verdict = Verdict(
        finding=first.id,
        word="confirmed",
        reason="r",
        checks=(),
        effect=0.5,
        interval=(0.4, 0.6),
        p=1e-5,
        alpha=1e-3,
        rows=9,
        seed=1,
        verifier="v",
    )

    class View:
        def alpha(self, name):
            return None

        def earlier(self, one):
            return first.id, verdict

    told = Verifier(sandbox, None, None, b"key").check(again, View())
    assert (told.word, told.effect, told.p, told.finding) == ("confirmed", 0.5, None, again.id)
    assert first.id in told.reason
    assert told.id != verdict.id


def test_it_refuses_a_sandbox_that_isolates_nothing(tmp_path):
    with pytest.raises(UsageError, match="verification must not rest on it"):
        Verifier(UnsafeLocal(tmp_path), None, None, b"key")


def test_where_the_sealed_rows_are_used_up_nothing_is_tested_and_fresh_ones_are_asked_for(sandbox):
    class UsedUp:
        share = None

        def alpha(self, name):
            return self.share

        def earlier(self, one):
            return None

        def used_up(self, one):
            return True

    class Honest(Verifier):
        def _honesty(self, one, seed):
            return [Check(name="reproduces", passed=True, detail="")]

    verifier = Honest(sandbox, None, None, key=b"k")
    verdict = verifier.check(finding(), UsedUp())
    assert verdict.word == "inconclusive"
    assert "fresh rows are needed" in verdict.reason
    assert verdict.alpha is None
