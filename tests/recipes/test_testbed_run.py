from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from earnest.core.errors import RecordError, UsageError
from earnest.core.records import Decision
from earnest.evals.testbed_grade import Graders
from earnest.recipes.testbed_lines import append, lines, rewrite
from earnest.recipes.testbed_report_words import in_words
from earnest.recipes.testbed_run import Plan, SeedRun, _hash, save_policy
from earnest.recipes.testbed_training import all_lines, result
from earnest.tasks.specs_talk import MARKS

PLAN = Plan(
    arm="naive", seeds=(0,), generations=2, updates=2, zero="", prompts=2, each=2, tasks=3, final=1
)


@pytest.fixture(scope="module")
def zero(tmp_path_factory) -> Path:
    from earnest.train.nano import Shape
    from earnest.train.policy import fresh_policy

    folder = tmp_path_factory.mktemp("zero") / "policy"
    policy = fresh_policy(["def solve(given):"], MARKS, 0, Shape(16, 1, 2, 32))
    save_policy(policy, folder, parent=None, recipe={})
    return folder


@given(st.integers(1, 20), st.integers(1, 60))
def test_each_generation_s_rate_falls_to_nothing_and_begins_below_the_last_one_s(
    generations: int, updates: int
) -> None:
    plan = replace(PLAN, generations=generations, updates=updates)
    ways = [plan.how(number) for number in range(1, generations + 1)]
    starts = [how.at(0) for how in ways]
    assert starts[0] == plan.rate
    assert starts == sorted(set(starts), reverse=True)
    assert starts[-1] > 0
    for how in ways:
        assert how.temperature == plan.temperature > 1
        assert how.at(updates - 1) > how.at(updates) == 0


def ignore(_: str) -> None:
    """Say nothing."""


def made(plan: Plan, folder: Path, zero: Path, sandbox) -> SeedRun:
    return SeedRun(plan, 0, folder / "seed-0", zero, Graders(sandbox), ignore)


class KilledError(Exception):
    """Stands for the end of a process."""


def test_a_refused_generation_is_rolled_back_and_quarantined(zero, sandbox, tmp_path) -> None:
    from earnest.core.canon import canonical

    run = made(PLAN, tmp_path, zero, sandbox)
    run.run()
    found = list(lines(run.folder.generations))
    assert [line["decision"] for line in found] == ["anchor", "refuse", "refuse"]
    assert all(found[1]["reasons"])
    assert run.folder.incumbent == zero  # the next generation began from it again
    assert {line["incumbent"] for line in found} == {found[0]["checkpoint"]}
    for line in found[1:3]:
        (place,) = line["quarantined"]
        assert (tmp_path / place / "policy" / "model.safetensors").exists()
        decision = Decision.from_bytes(
            (run.folder.root / "decisions" / f"{line['generation']}.json").read_bytes()
        )
        assert decision.candidate == line["checkpoint"] != decision.incumbent
    assert [line["update"] for line in lines(run.folder.updates)] == [1, 2, 3, 4]
    (tmp_path / "plan.json").write_bytes(canonical({**PLAN.document(), "version": 1}))
    document = result(tmp_path)
    assert document["updates"] == 4
    assert document["after_is"] == ["last candidate"]
    assert len(document["generations"]) == 2
    assert document["families"]["unknown"]["held_out"]
    assert "refuse" in in_words(document)
    before = [path.read_bytes() for path in (run.folder.updates, run.folder.generations)]
    made(PLAN, tmp_path, zero, sandbox).run()  # nothing is left to do
    assert [path.read_bytes() for path in (run.folder.updates, run.folder.generations)] == before
    assert len(all_lines(tmp_path, "updates.jsonl")) == 4


class Promoting(SeedRun):
    """A run whose gate lets everything through: tiny models have nothing to show."""

    def _decide(self, number):
        decision, found = super()._decide(number)
        return decision.model_copy(update={"word": "promote"}), found


@pytest.mark.slow
def test_a_promoted_one_is_where_the_next_begins(zero, sandbox, tmp_path) -> None:
    from earnest.train.sft import read_checkpoint

    run = Promoting(PLAN, 0, tmp_path / "seed-0", zero, Graders(sandbox), ignore)
    run.run()
    found = list(lines(run.folder.generations))
    assert [line["decision"] for line in found] == ["anchor", "promote", "promote", "final"]
    assert run.folder.incumbent == run.folder.root / "incumbent"
    assert _hash(run.folder.incumbent) == found[2]["checkpoint"] == found[2]["incumbent"]
    assert read_checkpoint(run.folder.incumbent).parent == found[1]["checkpoint"]
    assert found[3]["final"]
    assert not list(run.folder.root.glob("quarantine/*"))


def test_a_killed_run_goes_on_to_the_same_weights(zero, sandbox, tmp_path) -> None:
    plan = replace(PLAN, generations=1, updates=3, arm="secure")
    whole = made(plan, tmp_path / "whole", zero, sandbox)
    whole.run()
    cut = made(plan, tmp_path / "cut", zero, sandbox)

    def dies(line: str) -> None:
        if "update 2" in line:
            raise KilledError

    cut.say = dies
    with pytest.raises(KilledError):
        cut.run()
    assert not cut.folder.state(1).exists()  # nothing was saved yet: its two updates are made again
    made(plan, tmp_path / "cut", zero, sandbox).run()
    same = [
        [(line["update"], line["tokens"], line["reward"]) for line in lines(run.folder.updates)]
        for run in (whole, cut)
    ]
    assert same[0] == same[1]
    hashes = [list(lines(run.folder.generations))[1]["checkpoint"] for run in (whole, cut)]
    assert hashes[0] == hashes[1]


def test_a_changed_policy_is_not_taken(zero, sandbox, tmp_path) -> None:
    import shutil

    own = tmp_path / "zero"
    shutil.copytree(zero, own)
    (own / "config.json").write_text("{}")
    with pytest.raises(RecordError, match="changed"):
        made(PLAN, tmp_path, own, sandbox).run()


def test_lines_are_whole_or_said_to_be_damaged(tmp_path) -> None:
    path = tmp_path / "x.jsonl"
    assert list(lines(path)) == []
    append(path, {"a": 1})
    append(path, {"a": 2})
    with path.open("ab") as file:
        file.write(b'{"a": 3')
    assert [line["a"] for line in lines(path)] == [1, 2]
    rewrite(path, lambda line: line["a"] > 1)
    assert path.read_bytes() == b'{"a": 2}\n'
    path.write_bytes(b"no\n")
    with pytest.raises(UsageError, match="no JSON"):
        list(lines(path))
