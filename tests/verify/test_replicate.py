"""A confirmed claim on new rows: replicated, contradicted, or neither."""

import numpy as np
import pandas as pd
import pytest

from earnest.core.canon import digest
from earnest.core.records import Author, Check, Claim, Evidence, Finding, TableRef, Verdict
from earnest.verify.replicate import LEVEL, fresh_rows, replicated, unseen
from earnest.verify.units import NotTestableError


def rows(slope, seed, count=200):
    rng = np.random.Generator(np.random.PCG64(seed))
    x = rng.normal(size=count)
    return pd.DataFrame({"x": x, "y": slope * x + rng.normal(size=count)}).round(6).astype(str)


FIRST = rows(1.0, 1)


def finding(**more):
    claim = {"outcome": "y", "exposure": "x", "direction": "positive", **more}
    return Finding(
        claim=Claim(kind="association", table="t", **claim),
        evidence=Evidence(script=digest(b""), inputs={}, results={"r": 1.0}, supports="r > 0"),
        exposure="sealed",
        author=Author(principal="p", model="m"),
        run="r",
        task=digest(b"task"),
        table=TableRef(
            name="t", table=digest(b"t"), visible=digest(b"v"), design="iid", rows=120,
            columns=("x", "y"),
        ),
    )  # fmt: skip


def confirmed(about):
    return Verdict(
        finding=about.id, word="confirmed", reason="p = 0.001", seed=1, verifier="v",
        checks=(Check(name="sealed", passed=True, detail="it holds"),),
        effect=0.7, interval=(0.6, 0.8), p=0.001, alpha=0.01, rows=80,
    )  # fmt: skip


def later(new, **more):
    about = finding(**more)
    fresh = fresh_rows(new, [FIRST], "new")
    left_out = len(new) - len(fresh)
    return replicated(about, confirmed(about), fresh, name="new", left_out=left_out, seed=3)


def test_what_holds_on_new_rows_is_replicated():
    found = later(rows(1.0, 2))
    assert found.word == "replicated"
    assert (found.alpha, found.rows) == (LEVEL, 200)
    assert [check.name for check in found.checks] == ["sealed", "replication"]
    assert found.interval[0] > 0.5


def test_what_new_rows_exclude_is_open_again():
    found = later(rows(-1.0, 2))
    assert found.word == "inconclusive"
    assert "contradicted" in found.reason
    assert found.effect < 0


def test_what_new_rows_can_not_tell_stays_confirmed_and_says_so():
    found = later(rows(0.05, 2))
    assert (found.word, found.effect, found.rows) == ("confirmed", 0.7, 80)
    assert "not replicated" in found.reason
    assert found.checks[-1].passed is False


def test_the_first_rows_again_replicate_nothing():
    """The broken case: who sends the same rows once more must not get `replicated`."""
    with pytest.raises(NotTestableError, match="200 of 200 rows of new"):
        later(FIRST)
    half = pd.concat([FIRST.head(150), rows(1.0, 2, 100)])
    with pytest.raises(NotTestableError, match="150 of 250"):
        later(half)
    mixed = pd.concat([FIRST.head(50), rows(1.0, 2)])
    assert later(mixed).rows == 200
    assert later(mixed).checks[-1].observed["left_out"] == 50


def test_rows_that_another_test_has_looked_at_are_not_new():
    second = rows(1.0, 2)
    third = pd.concat([second, rows(1.0, 3, 250)])
    assert len(fresh_rows(third, [FIRST, second], "third")) == 250
    with pytest.raises(NotTestableError, match="250 of 450 rows of third"):
        fresh_rows(third, [FIRST, rows(1.0, 3, 250)], "third")


def test_a_table_without_the_columns_tests_nothing():
    with pytest.raises(NotTestableError, match="no column"):
        later(rows(1.0, 2).rename(columns={"y": "z"}))


def test_rows_are_compared_by_the_columns_of_both():
    more = FIRST.assign(z="1")
    assert len(unseen(more, FIRST)) == 0
    assert len(unseen(more, FIRST.assign(z="2"))) == 200
    assert len(unseen(FIRST[["x"]].rename(columns={"x": "w"}), FIRST)) == 200


def test_chance_replicates_at_its_level_only():
    words = [later(rows(0.0, seed)).word for seed in range(100, 200)]
    assert words.count("replicated") <= 12  # 5 of 100 expected; more than 12 in 1 of 600
