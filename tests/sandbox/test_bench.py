"""The bench measures what it says, in the contract's form; a program that fails stops it."""

import json
import threading
import time

import pytest

from earnest.core.errors import SandboxError
from earnest.core.jobs import Result
from earnest.sandbox import bench, bench_runners
from earnest.sandbox.bench import GOALS, bench_sandbox, table
from earnest.sandbox.bench_runners import PROGRAMS, Loop, bare, forking, in_sandbox


@pytest.fixture(scope="module")
def report(image):
    return bench_sandbox(image.parent.parent, seconds=0.5)


@pytest.mark.slow
def test_the_report_has_the_contracts_form(report):
    assert set(report) == {"name", "machine", "rows", "ratios", "goals"}
    assert report["name"] == "sandbox"
    assert report["machine"]["cores"] >= 1
    assert set(report["ratios"]) == set(GOALS) == set(report["goals"])
    for row in report["rows"]:
        assert set(row) == {"what", "value", "unit", "n"}
        assert row["value"] > 0
        assert row["n"] >= 6
        assert row["unit"] in ("ms", "executions/s")
    assert json.loads(json.dumps(report)) == report


@pytest.mark.slow
def test_every_way_and_program_is_there_once(report):
    names = [row["what"] for row in report["rows"]]
    assert len(names) == len(set(names)) == 3 * (4 * 4 + 1)
    for way in ("bare python", "bwrap cold", "warm pool", "fork + exit limit"):
        for program in PROGRAMS:
            for what in ("two workers", "p50", "p99"):
                assert f"{way}, {program}, {what}" in names


@pytest.mark.slow
def test_the_figures_are_in_a_sound_relation(report):
    value = {row["what"]: row["value"] for row in report["rows"]}
    for what in ("bare python", "bwrap cold", "warm pool", "fork + exit limit"):
        for program in PROGRAMS:
            assert value[f"{what}, {program}, p50"] <= value[f"{what}, {program}, p99"]
        assert value[f"{what}, 5 ms of work, p50"] >= 5
    assert value["bwrap cold, trivial, p50"] > value["warm pool, trivial, p50"]
    assert value["bare python, pandas loaded, p50"] > value["bare python, trivial, p50"]
    cold, warm = (value[f"{way}, trivial, two workers"] for way in ("bwrap cold", "warm pool"))
    assert report["ratios"]["warm_over_bwrap_cold_trivial"] == pytest.approx(warm / cold, rel=0.05)


@pytest.mark.slow
def test_goals_are_judged(report):
    for name, goal in report["goals"].items():
        assert goal["at_least"] == GOALS[name]
        assert goal["met"] is (report["ratios"][name] >= GOALS[name])
    found = bench._goals({name: goal - 0.01 for name, goal in GOALS.items()})
    assert not any(goal["met"] for goal in found.values())
    found = bench._goals(dict(GOALS))
    assert all(goal["met"] for goal in found.values())


@pytest.mark.slow
def test_the_table_names_all(report):
    text = table(report)
    assert len(text.splitlines()) == 1 + 17 + 3
    for name in ("warm pool, pandas loaded", *GOALS):
        assert name in text


def test_a_loop_takes_its_time_and_runs_at_least_once():
    times = Loop(lambda: time.sleep(0.05)).turn(0.5)
    assert 2 <= len(times) <= 10
    assert all(took >= 50 for took in times)
    assert len(Loop(lambda: None).turn(0.0)) == 1


class Failing:
    name = "failing"

    def run(self, job):
        return Result("exit", 1, "", "broken", {}, 0.0)


def test_a_program_that_fails_is_no_figure(image, monkeypatch):
    for program in ("trivial", "numpy loaded"):
        bare(image, program)()
    monkeypatch.setitem(bench_runners.PROGRAMS, "trivial", "raise SystemExit(1)")
    with pytest.raises(SandboxError, match="failed"):
        bare(image, "trivial")()
    with pytest.raises(SandboxError, match="broken"):
        in_sandbox(Failing(), "trivial")()
    remote = forking(image, "trivial")
    try:
        with pytest.raises(SandboxError, match="ended"):
            remote.turn(0.1)
    finally:
        remote.close()


def test_a_failure_in_a_worker_stops_the_bench():
    way = bench._Way("a", "b", [Loop(lambda: None), Loop(lambda: 1 // 0)])
    with pytest.raises(ZeroDivisionError):
        way.measure_together(0.05)
    inside, together = [], threading.Event()

    def meet():
        inside.append(1)
        if len(inside) > 1:
            together.set()
        together.wait(0.05)
        inside.pop()

    good = bench._Way("a", "b", [Loop(meet) for _ in range(2)])
    good.measure_together(0.5)
    assert together.is_set()
    assert good.rate > 2
