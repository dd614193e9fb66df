from dataclasses import dataclass
from pathlib import Path

import pytest

from earnest.core.canon import digest
from earnest.core.errors import UsageError
from earnest.core.home import BlobStore
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


def test_a_descriptive_claim_is_never_tested_on_sealed_rows():
    for kind, more in (
        ("value", {"statistic": "mean", "value": 1.0, "direction": "equal"}),
        ("anomaly", {"where": "y > 1", "count": 1, "direction": "present"}),
    ):
        one = finding()
        body = {"kind": kind, "table": "t", "outcome": "y", **more}
        assert not is_testable(one.model_copy(update={"claim": Claim(**body)}))


def test_what_the_design_cannot_reach_is_inconclusive():
    none = PValue(1.0, 0, "not drawn: this design reaches p = 0.05 at best", 0.05)
    word, reason = judge(finding(), Estimate(0.9, (0.5, 1.0), none, 8, "rho"), 1e-3)
    assert (word, reason) == (
        "inconclusive",
        "not drawn: this design reaches p = 0.05 at best, 0.001 was needed",
    )
    assert judge(finding(), Estimate(-0.9, (-1, -0.5), none, 8, "rho"), 1e-3)[0] == "refuted"


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

        def related(self, one):
            return ()

        def closed_book(self, name):
            return None

        def earlier(self, one):
            return first.id, verdict

    told = Verifier(sandbox, None, None, b"key").check(again, View())
    assert (told.word, told.effect, told.p, told.finding) == ("confirmed", 0.5, None, again.id)
    assert first.id in told.reason
    assert told.id != verdict.id


MEAN = """
import argparse, csv, json, statistics
options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
rows = list(csv.DictReader(open(options.data + "/t.csv")))
json.dump({"mean": statistics.mean(float(row["y"]) for row in rows)}, open(options.out, "w"))
"""


@dataclass(frozen=True)
class Bench:
    folder: Path

    def visible(self, table):
        return self.folder

    def sealed(self, table):
        raise AssertionError("a descriptive claim looked at sealed rows")

    def alpha(self, name):
        return None

    def related(self, one):
        return ()

    def closed_book(self, name):
        return None

    def earlier(self, one):
        return None


@pytest.mark.parametrize(("value", "word"), [(4.5, "reproduced"), (4.4, "refuted")])
def test_a_value_is_computed_on_the_visible_rows(sandbox, tmp_path, value, word):
    data = "x,y\n" + "".join(f"{number % 3},{number}\n" for number in range(10))
    tmp_path.chmod(0o755)
    visible = tmp_path / "visible"
    visible.mkdir()
    (visible / "t.csv").write_text(data)
    blobs = BlobStore(tmp_path / "blobs")
    one = finding()
    claim = Claim(
        kind="value", table="t", outcome="y", direction="equal", statistic="mean", value=value
    )
    evidence = Evidence(
        script=blobs.put(MEAN.encode()),
        inputs={"t.csv": digest(data.encode())},
        results={"mean": 4.5},
        supports="mean > 4.49 and mean < 4.51",
    )
    table = one.table.model_copy(update={"visible": digest(data.encode())})
    one = one.model_copy(update={"claim": claim, "evidence": evidence, "table": table})
    bench = Bench(visible)
    verdict = Verifier(sandbox, blobs, bench, b"key").check(one, bench)
    assert (verdict.word, verdict.checks[-1].name) == (word, "computes"), verdict.reason
    assert (verdict.p, verdict.effect) == (None, None)
    assert verdict.checks[-1].observed["value"] == 4.5


def test_it_refuses_a_sandbox_that_isolates_nothing(tmp_path):
    with pytest.raises(UsageError, match="verification must not rest on it"):
        Verifier(UnsafeLocal(tmp_path), None, None, b"key")


def test_where_the_sealed_rows_are_used_up_nothing_is_tested_and_fresh_ones_are_asked_for(
    sandbox, tmp_path
):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")

    class UsedUp:
        share = None

        def alpha(self, name):
            return self.share

        def batch(self, one):
            return ()

        def related(self, one):
            return ()

        def closed_book(self, name):
            return None

        def earlier(self, one):
            return None

        def used_up(self, one):
            return True

    class Honest(Verifier):
        def _honesty(self, one, seed):
            return [Check(name="reproduces", passed=True, detail="")]

    verifier = Honest(sandbox, BlobStore(tmp_path), Bench(tmp_path), key=b"k")
    verdict = verifier.check(finding(), UsedUp())
    assert verdict.word == "inconclusive"
    assert "fresh rows are needed" in verdict.reason
    assert verdict.alpha is None


def test_a_near_copy_within_a_batch_is_not_tested_unless_it_was_paid_for(sandbox, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    blobs = BlobStore(tmp_path / "blobs")
    scripts = [blobs.put(b"print(%d)" % number) for number in (40, 41)]
    first, second = (
        one.model_copy(update={"evidence": one.evidence.model_copy(update={"script": script})})
        for one, script in zip(
            (finding(subset="x > 40"), finding(subset="x > 41")), scripts, strict=True
        )
    )

    class Frozen:
        def __init__(self, share):
            self.share = share

        def closed_book(self, name):
            return None

        def alpha(self, name):
            return self.share

        def batch(self, one):
            return (first,)

        def related(self, one):
            return ()

        def earlier(self, one):
            return None

    verifier = Verifier(sandbox, blobs, Bench(tmp_path), key=b"k")
    verdict = verifier.check(second, Frozen(None))
    assert verdict.word == "inconclusive"
    assert first.id in verdict.reason
    assert [check.name for check in verdict.checks] == ["novelty", "near-copy"]
    assert verifier.check(second, Frozen(0.01)).word == "invalid"
