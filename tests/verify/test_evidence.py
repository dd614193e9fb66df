"""Checks of evidence on single bundles; that each fails its broken case is in test_proofs."""

import pytest

from earnest.verify.bundles.bundle import Bundle, judge, lay_out
from earnest.verify.bundles.parts import head, measure
from earnest.verify.evidence import CHECKS, honesty
from earnest.verify.evidence_effects import EFFECTS
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
    monkeypatch.delitem(EFFECTS, "association")
    found = checks(plain("dose"), sandbox, tmp_path)
    for name in ("permuted", "planted", "turned", "strength"):
        assert found[name].passed is None
        assert "no way to" in found[name].detail
    hard_coded = plain("dose", "finish(effect=0.6, p=0.001)\n")
    (tmp_path / "other").mkdir()
    found = checks(hard_coded, sandbox, tmp_path / "other")
    assert found["permuted"].passed is False


def test_a_sample_by_a_seed_of_its_own_may_wander(sandbox):
    code = "effect, p = measure(table.sample(200, random_state=3))\nfinish(effect=effect, p=p)\n"
    judged = judge(plain("dose", code), sandbox)
    assert judged.verdict.word == "confirmed"
    order = next(check for check in judged.verdict.checks if check.name == "row-order")
    assert "stays in" in order.detail


def test_an_effect_within_bounds_is_no_cheat(sandbox):
    judged = judge(plain("dose", supports="effect > 0.3 and effect < 0.65"), sandbox)
    assert judged.verdict.word == "confirmed"
