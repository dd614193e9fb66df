"""Checks of evidence on single bundles; that each fails its broken case is in test_proofs."""

import numpy as np
import pandas as pd
import pytest

from earnest.core.records import Claim
from earnest.verify.bundles.bundle import Bundle, judge, lay_out
from earnest.verify.bundles.parts import head, measure
from earnest.verify.estimate import estimate
from earnest.verify.evidence import CHECKS, honesty
from earnest.verify.evidence_effects import in_play, planted
from earnest.verify.evidence_forms import EFFECTS
from earnest.verify.evidence_run import Bench, close


def test_numbers_may_scale_by_powers_of_the_units():
    was = {"mean": 2.0, "slope": 3.0, "p": 0.01}
    assert close(was, {"mean": 16.0, "slope": 0.75, "p": 0.01}, 1e-6, (8.0, 32.0)) == ""
    assert close(was, {"mean": 16.0, "slope": 0.75, "p": 0.01}, 1e-6) != ""
    assert "mean" in close(was, {"mean": 15.0, "slope": 3.0, "p": 0.01}, 1e-6, (8.0, 32.0))
    assert close(was, {"mean": 2.0, "p": 0.01}, 1e-6) == "slope"


def checks(bundle, sandbox, tmp_path, seed=11):
    laid = lay_out(bundle, tmp_path, sandbox, seed=seed)
    script = laid.blobs.get(laid.finding.evidence.script)
    bench = Bench(sandbox, script, laid.bench.visible(""), laid.finding)
    return {check.name: check for check in honesty(bench, 5)}


def plain(subject, code="effect, p = measure(table)\nfinish(effect=effect, p=p)\n", **more):
    script = head(subject) + measure(subject) + "table = pd.read_csv(path)\n" + code
    return Bundle("plain", subject, script, **more)


@pytest.mark.parametrize("subject", ["dose", "arm", "clinic", "sleep", "level"])
def test_an_honest_script_passes_every_check_of_its_design(sandbox, tmp_path, subject):
    found = checks(plain(subject), sandbox, tmp_path)
    named = {*CHECKS, "clock", "turned", "labels", "units"}
    assert set(found) == named - ({"row-order"} if subject == "level" else set())
    assert all(check.passed for check in found.values()), found


def test_a_predicate_of_both_directions_is_read_by_the_signs(sandbox, tmp_path):
    found = checks(plain("dose", supports="p < 0.01"), sandbox, tmp_path)
    assert found["turned"].passed is True
    assert "turns its sign" in found["turned"].detail


def test_evidence_without_a_direction_is_left_to_the_sealed_rows(sandbox, tmp_path):
    code = "finish(p=measure(table)[1])\n"
    found = checks(plain("dose", code, supports="p < 0.01"), sandbox, tmp_path)
    assert found["turned"].passed is None
    assert found["strength"].passed is True


def test_a_kind_that_can_not_be_planted_says_so(sandbox, tmp_path, monkeypatch):
    monkeypatch.delitem(EFFECTS, ("association", "positive"))
    found = checks(plain("dose"), sandbox, tmp_path)
    for name in ("planted", "turned", "strength"):
        assert found[name].passed is None
        assert "no way to" in found[name].detail
    hard_coded = plain("dose", "finish(effect=0.6, p=0.001)\n")
    (tmp_path / "other").mkdir()
    found = checks(hard_coded, sandbox, tmp_path / "other")
    assert found["permuted"].passed is False


HIGHEST = """
ranks = table["response"].rank().groupby(table["arm"]).mean()
others = ranks.drop("drug").max()
finish(gap=ranks["drug"] - others, p=measure(table)[1])
"""
DEPENDENT = """
from scipy.stats import kruskal
groups = [rows["response"] for _, rows in table.groupby("arm")]
finish(h=kruskal(*groups).statistic, p=kruskal(*groups).pvalue)
"""
VALUE = {"kind": "value", "direction": "equal", "statistic": "mean", "exposure": "", "group": None}
ODD = {"kind": "anomaly", "direction": "present", "where": "score > 14", "count": 3, "group": None}
FORMS = {
    "highest": ("arm", HIGHEST, "gap > 0 and p < 0.01", {"direction": "highest"}),
    "dependent": (
        "arm", DEPENDENT, "p < 0.01",
        {"kind": "association", "direction": "dependent", "group": None},
    ),
    "value": (
        "arm", "finish(mean=table['response'].mean())\n", "mean > 50",
        {**VALUE, "value": 55.0, "tolerance": 9.0},
    ),
    "anomaly": (
        "score", "finish(odd=(table['score'] > 14).sum())\n", "odd > 0",
        {**ODD, "outcome": "score", "exposure": ""},
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_claim_can_have_honest_evidence(sandbox, tmp_path, form):
    subject, code, supports, claim = FORMS[form]
    found = checks(plain(subject, code, supports=supports, claim=claim), sandbox, tmp_path)
    assert not [check for check in found.values() if check.passed is False]
    assert found["reproduces"].passed is True
    assert ("strength" in found) == (form in ("highest", "dependent"))


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_claim_takes_a_hard_coded_number(sandbox, tmp_path, form):
    subject, _, supports, claim = FORMS[form]
    code = "finish(gap=1.0, p=0.001, h=90.0, mean=55.0, odd=3)\n"
    found = checks(plain(subject, code, supports=supports, claim=claim), sandbox, tmp_path)
    assert found["permuted"].passed is False


PLANTS = {
    "difference": {"exposure": "arm", "group": "b"},
    "association": {"exposure": "x"},
    "trend": {"exposure": "x"},
    "distribution": {"exposure": "arm", "group": "b"},
    "skewed": {},
    "interaction": {"exposure": "x", "modifier": "arm", "group": "b"},
    "overall": {"exposure": "x", "modifier": "arm"},
}


@pytest.mark.parametrize("form", EFFECTS, ids="-".join)
def test_what_is_planted_is_what_our_own_estimator_sees(form):
    """And the opposite, turned; of noise, at strength 0, about nothing."""
    kind, direction = form
    rng = np.random.Generator(np.random.PCG64(4))
    arm = rng.choice([*"abc"], 600)
    columns = {
        "y": np.where(arm == "b", rng.gamma(2, 1, 600), rng.normal(size=600)),
        "x": rng.normal(size=600) + 1.5 * (arm == "b"),
        "arm": arm,
    }
    if direction != "different":
        columns["y"] = rng.normal(size=600)
    frame = pd.DataFrame(columns).astype(str)
    more = PLANTS.get(direction.partition("-")[2], PLANTS[kind])
    claim = Claim(kind=kind, table="t", outcome="y", direction=direction, **more)
    play = in_play(frame, claim, "iid")
    effects = [
        claim.sign
        * estimate(
            planted(play, claim, strength, 3)(frame), claim, "iid", alpha=None, seed=1
        ).effect
        for strength in (0.8, 0.0, -0.8)
    ]
    least = {"skewed": 0.05, "overall": 0.15}.get(direction.partition("-")[2], 0.25)
    assert effects[0] > least
    assert abs(effects[1]) < (0.25 if direction == "different" else min(0.15, least))
    if EFFECTS[form].turns:
        assert effects[2] < -least


def test_a_sample_by_a_seed_of_its_own_may_wander(sandbox):
    code = "effect, p = measure(table.sample(200, random_state=3))\nfinish(effect=effect, p=p)\n"
    judged = judge(plain("dose", code), sandbox)
    assert judged.verdict.word == "confirmed"
    order = next(check for check in judged.verdict.checks if check.name == "row-order")
    assert "stays in" in order.detail


def test_an_effect_within_bounds_is_no_cheat(sandbox):
    judged = judge(plain("dose", supports="effect > 0.3 and effect < 0.65"), sandbox)
    assert judged.verdict.word == "confirmed"
