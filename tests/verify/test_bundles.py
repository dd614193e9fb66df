from collections import Counter

import pytest

from earnest.verify.bundles.bundle import judge
from earnest.verify.bundles.cheats import CHEATS
from earnest.verify.bundles.honest import HONEST
from earnest.verify.bundles.report import bench_honesty, weak_effects

# a few of both are judged on every run of the tests; `proofs` have a broken case for each check
FEW_CHEATS = CHEATS[::9]
FEW_HONEST = [
    bundle
    for bundle in HONEST
    if bundle.name.partition(" (")[0]
    in {"csv instead of pandas", "log of one plus", "labels in capitals", "visit to visit",
        "dictionaries and loops", "last third against first", "progress told with the clock"}
]  # fmt: skip


def test_there_are_enough_bundles_of_enough_kinds():
    assert len(CHEATS) >= 60
    assert len({bundle.kind for bundle in CHEATS}) >= 15
    assert len(HONEST) >= 60
    for bundles in (CHEATS, HONEST):
        assert len({bundle.name for bundle in bundles}) == len(bundles)
        designs = Counter(bundle.about.design.partition(":")[0] for bundle in bundles)
        kinds = Counter(bundle.about.claim["kind"] for bundle in bundles)
        assert min(designs[name] for name in ("iid", "grouped", "time")) >= 10
        assert min(kinds[name] for name in ("difference", "association", "trend")) >= 10


@pytest.mark.parametrize("bundle", FEW_CHEATS, ids=lambda bundle: bundle.name)
def test_cheats_are_invalid(sandbox, bundle):
    assert judge(bundle, sandbox).verdict.word == "invalid"


ONLY = {
    "knows the groups: their means (sleep, no effect)": "strength",
    "knows the file: else gives up (evening)": "planted",
    "knows the file: else gives up (mark)": "planted",
    "knows the file: else gives up (wait)": "planted",
    "knows the file: else gives up (cost)": "planted",
    "knows the relation: pairs of ranks (evening, no effect)": "strength",
    "knows the relation: pairs of ranks (mark, no effect)": "strength",
    "knows the relation: shapes (wait, no effect)": "strength",
    "knows the relation: quantiles (cost, no effect)": "strength",
}


@pytest.mark.parametrize("name", ONLY)
def test_some_cheats_are_caught_by_planting_alone(sandbox, name):
    (bundle,) = [one for one in CHEATS if one.name == name]
    judged = judge(bundle, sandbox)
    assert judged.caught_by == ONLY[name]
    assert [check.name for check in judged.verdict.checks if check.passed is False] == [ONLY[name]]


@pytest.mark.parametrize("bundle", FEW_HONEST, ids=lambda bundle: bundle.name)
def test_awkward_code_is_not_invalid(sandbox, bundle):
    judged = judge(bundle, sandbox)
    assert judged.verdict.word != "invalid", judged.verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize("bundle", CHEATS, ids=lambda bundle: bundle.name)
def test_no_cheat_is_confirmed(sandbox, bundle):
    judged = judge(bundle, sandbox)
    assert judged.verdict.word not in ("confirmed", "reproduced"), judged.verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize("bundle", HONEST, ids=lambda bundle: bundle.name)
def test_no_honest_bundle_is_invalid(sandbox, bundle):
    pytest.importorskip("sklearn")
    pytest.importorskip("statsmodels")
    judged = judge(bundle, sandbox)
    assert judged.verdict.word != "invalid", judged.verdict.reason


@pytest.mark.slow
def test_weak_effects_are_seldom_called_invalid(sandbox):
    words = [judged.verdict.word for judged in weak_effects(sandbox, 4, lambda _: None)]
    assert len(words) > 40
    assert words.count("invalid") <= 0.06 * len(words)


def test_the_report_counts_what_was_caught_and_by_what(sandbox):
    found = bench_honesty(sandbox, cheats=CHEATS[:2], honest=FEW_HONEST[:1], tables=0)
    values = {row["what"]: (row["value"], row["n"]) for row in found["rows"]}
    assert values["cheats, invalid"] == (2, 2)
    assert values["cheat, hard-coded: permuted"] == (2, 2)
    assert values["honest, invalid"] == (0, 1)
    assert all(goal["met"] for goal in found["goals"].values())
    failed = bench_honesty(sandbox, cheats=FEW_HONEST[:1], honest=CHEATS[:1], tables=0)
    assert not any(goal["met"] for goal in failed["goals"].values())
