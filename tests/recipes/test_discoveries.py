"""The harness measures what it says: broken estimators must show, good ones must hold."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from earnest.cli import main
from earnest.core.canon import digest
from earnest.core.records import Verdict
from earnest.ledger.ledger import Ledger
from earnest.recipes.discoveries import AUTHORS, careless, one_ledger
from earnest.recipes.discoveries_bench import bench
from earnest.recipes.discoveries_figures import GOALS, false_share, goals, wilson
from earnest.recipes.discoveries_judge import Court, Stream, _finding
from earnest.recipes.discoveries_tables import adversary, analyst, beside, lay_out, pairs
from earnest.tasks.worlds import make_world
from earnest.verify.estimate import Estimate, estimate
from earnest.verify.permute import PValue
from earnest.verify.units import NotTestableError


def table(kind, seed=0):
    return lay_out(make_world("t", [seed], kind), seed)


def says(p):
    """An estimator that always says the same p, whatever the rows say."""

    def always(sealed, claim, design, *, alpha, seed):
        effect = 0.5 * claim.sign
        return Estimate(effect, (effect - 0.1, effect + 0.1), PValue(p, 1, "broken"), 9, "broken")

    return always


def shares(ledger, author, way=0):
    """Return the false-discovery proportion, how much was declared, and the power at 0.5."""
    tallies = ledger.tallies[author]
    made, false = (
        sum(getattr(tally, name)[way] for tally in tallies) for name in ("made", "false")
    )
    found = [ways[way] for tally in tallies for d, ways in tally.planted if d == 0.5]
    return false / max(1, made), made, sum(found) / max(1, len(found))


TWO = ("adversary", "beside")


@pytest.fixture(scope="module")
def real():
    return one_ledger(3, 0, 6, Court(), TWO)


def test_the_real_estimators_confirm_what_is_true(real):
    false, made, _ = shares(real, "adversary")
    assert made >= 10
    assert false <= 0.1
    assert shares(real, "beside")[2] >= 0.75


def test_careless_ways_are_worse(real):
    assert shares(real, "adversary", 1)[0] > 0.1  # the sealed rows without a budget
    assert shares(real, "adversary", 2)[0] > shares(real, "adversary", 0)[0]


def test_an_estimator_that_always_says_zero_blows_the_figure():
    ledger = one_ledger(3, 0, 2, Court(says(0.0)), TWO)
    false, made, _ = shares(ledger, "adversary")
    assert made > 30
    assert false > 0.5


def test_an_estimator_that_always_says_one_has_no_power():
    ledger = one_ledger(3, 0, 2, Court(says(1.0)), TWO)
    assert shares(ledger, "adversary") == (0, 0, 0)
    assert shares(ledger, "beside")[2] == 0


def test_an_estimator_that_can_test_nothing_confirms_nothing():
    def refuses(sealed, claim, design, *, alpha, seed):
        raise NotTestableError("no")

    assert shares(one_ledger(3, 0, 2, Court(refuses), TWO), "adversary")[1] == 0


def test_the_stream_gives_the_shares_of_the_real_ledger(tmp_path):
    stream, names = Stream(), ["a", "b", "a", "c"]
    with Ledger(tmp_path / "ledger.db") as ledger:
        for run, name in enumerate(names):
            laid = table("beside", run)
            batch = []
            for number, claim in enumerate(pairs(laid.world)):
                ref = {"name": name, "table": digest(name.encode())}
                finding = _finding(laid, claim)
                batch.append(
                    finding.model_copy(
                        update={
                            "table": finding.table.model_copy(update=ref),
                            "run": f"run-{run}",
                            "prose": f"{run}-{number}",
                            # No two runs claim the same, or it would not be tested again.
                            "claim": claim.model_copy(update={"threshold": run / 100}),
                        }
                    )
                )
            ledger.submit(batch, testable=[finding.id for finding in batch])
            numbers, alphas = stream.freeze(name, len(batch))
            assert [ledger.alpha(finding.id) for finding in batch] == pytest.approx(alphas)
            for number, (finding, alpha) in enumerate(zip(batch, alphas, strict=True)):
                p = 0.0 if number % 2 else 1.0
                ledger.conclude(
                    Verdict(
                        finding=finding.id,
                        word="confirmed" if number % 2 else "inconclusive",
                        reason="",
                        checks=(),
                        p=p,
                        alpha=alpha,
                        seed=0,
                        verifier="test",
                    )
                )
            stream.settle(name, [number for i, number in enumerate(numbers) if i % 2])


@pytest.mark.parametrize("kind", ["difference", "confounded", "grouped"])
def test_the_short_cut_knows_what_the_estimator_would_say(kind):
    laid, court = table(kind, 4), Court()
    claims = adversary(laid)
    for claim in claims[:: len(claims) // 5]:
        quick = court.quick(laid, claim)
        try:
            found = estimate(laid.sealed.frame, claim, laid.world.design, alpha=0.01, seed=1)
        except NotTestableError:
            assert quick is None
            continue
        if quick is not None:
            assert found.p.p == pytest.approx(quick, rel=0.5, abs=0.02)


def test_what_is_declared_by_a_short_cut_is_declared_the_long_way():
    laid = table("difference", 5)
    for claim in adversary(laid)[::7]:
        quick = Court().quick(laid, claim)
        if not 0.0025 < quick < 0.04:
            short, long = Court().fate(laid, claim, 0.01), Court()._long_way(laid, claim, 0.01)
            assert short.confirmed == long.confirmed


def test_the_adversary_claims_every_pair_in_the_direction_seen():
    laid = table("beside", 1)
    claims = adversary(laid)
    numeric = [name for name in laid.visible.values if name != "arm"]
    plain = [claim for claim in claims if not claim.adjust_for]
    assert len(plain) == len(numeric) + len(numeric) * (len(numeric) - 1) // 2
    assert len(claims) == len(plain) + 3 * (len(numeric) + 1 - 2)
    (planted,) = laid.world.planted
    (claim,) = [c for c in plain if (c.outcome, c.exposure) == ("y", "arm")]
    assert claim.sign == np.sign(planted.d)


def test_the_analyst_is_the_real_one(tmp_path):
    laid = table("association", 2)
    claims = analyst(laid, tmp_path)
    assert claims == analyst(laid, tmp_path)
    assert 1 <= len(claims) <= 12
    assert any({"x", "y"} <= {claim.outcome, claim.exposure} for claim in claims)
    assert not list(tmp_path.iterdir())


def test_a_planted_difference_has_company():
    for nulls in range(4):
        claims = beside(table("beside", 1), nulls)
        assert len(claims) == nulls + 1
        assert sum(claim.outcome == "y" for claim in claims) == 1


def test_a_careless_agent_takes_rows_for_independent():
    laid = table("grouped", 3)
    claims = list(pairs(laid.world))
    kept = [claim for claim, told in zip(claims, careless(laid, claims), strict=True) if told]
    assert any(laid.oracle.truth(claim).word == "null" for claim in kept)
    assert careless(laid, claims[:1]) in ([True], [False])


def test_the_mean_false_share_and_its_bound():
    ones = np.ones((4, 50), dtype=int)
    assert false_share(ones, 0 * ones) == (0, 0)
    assert false_share(ones, ones) == (1, 1)
    assert false_share(0 * ones, 0 * ones) == (0, 0)
    some = ones.copy() * 0
    some[:, :5] = 1
    mean, upper = false_share(ones, some)
    assert mean == pytest.approx(0.1)
    # Four ledgers of 50 draws at 0.1: a standard error of 0.021, and 1.64 of these.
    assert upper == pytest.approx(0.1 + 1.64 * 0.0212, abs=0.006)


def test_intervals_of_shares():
    assert wilson(0, 100) == pytest.approx((0, 0.037), abs=0.001)
    assert wilson(50, 100) == pytest.approx((0.404, 0.596), abs=0.001)


def test_goals_can_be_missed():
    good = {name: bound for name, (_, bound) in GOALS.items()}
    assert all(goal["met"] for goal in goals(good).values())
    bad = {
        name: bound + (0.01 if side == "at_most" else -0.01)
        for name, (side, bound) in GOALS.items()
    }
    assert not any(goal["met"] for goal in goals(bad).values())


def test_the_command_prints_the_contracts_document(capsys):
    small = ["bench", "discoveries", "--ledgers", "1", "--tables", "1", "--composites", "1"]
    assert main([*small, "--json"]) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert "ledgers of 1 tables: 1 of 1" in told.err
    assert set(report) == {"name", "machine", "rows", "ratios", "goals"}
    assert set(report["ratios"]) == set(report["goals"]) == set(GOALS)
    names = [row["what"] for row in report["rows"]]
    assert len(names) == len(set(names))
    for author in AUTHORS:
        assert f"{author}, budget: false-discovery proportion" in names
    assert all(set(row) == {"what", "value", "unit", "n"} for row in report["rows"])
    assert main([*small[:2], "--ledgers", "-1"]) == 2


def test_equal_seeds_give_equal_figures():
    first, again, other = (one_ledger(seed, 0, 1, authors=TWO).tallies for seed in (5, 5, 6))
    assert first == again != other


def test_an_interrupted_bench_ends_at_once(tmp_path):
    command = [sys.executable, "-m", "earnest", "bench", "discoveries", "--ledgers", "0"]
    started = subprocess.Popen(
        [*command, "--composites", "20", "--home", str(tmp_path)],
        env=os.environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "tables of noise" in started.stderr.readline()
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does
    _, rest = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "Traceback" not in rest


@pytest.mark.slow
def test_false_discoveries_stay_within_the_goal():
    report = bench(ledgers=4, tables=40, composites=0, seed=11, progress=lambda line: None)
    for name, goal in report["goals"].items():
        if not name.endswith("_upper"):  # a bound on so few tables is wide
            assert goal["met"], name
    value = {row["what"]: row["value"] for row in report["rows"]}
    assert value["adversary, sealed alone: false-discovery proportion"] > 0.1
    assert value["adversary, visible BH: false-discovery proportion"] > 0.1
