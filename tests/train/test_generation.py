"""From findings to the next generation, three times: what the exam must show."""

import pytest
from tests.world import NEW, OLD, world

from earnest.data.build import build
from earnest.evals.exam import exam_items, run_exam
from earnest.gate.decide import decide
from earnest.models.local import LocalModel
from earnest.train.sft import Recipe, sft


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_keeps_and_does_not_claim(seed, tmp_path):
    old, old_tables = world(OLD, 40, 4, 100 + seed)
    new, new_tables = world(NEW, 30, 8, seed)
    build(old, old_tables, None, tmp_path / "data 0", seed)
    zero = sft(tmp_path / "data 0", None, tmp_path / "model 0", seed, recipe=Recipe(epochs=24))
    before = {finding.id for finding, _ in old}
    items = exam_items([*old, *new], [*old_tables, *new_tables], before, seed)
    asked = [item.question for item in items]
    build(new, new_tables, tmp_path / "model 0", tmp_path / "data 1", seed, exam=asked)
    one = sft(tmp_path / "data 1", tmp_path / "model 0", tmp_path / "model 1", seed)
    first = run_exam(zero.id, LocalModel(tmp_path / "model 0").answers, items, seed)
    second = run_exam(one.id, LocalModel(tmp_path / "model 1").answers, items, seed)
    assert len(items) >= 200
    assert first.rate("confirmed") <= 0.10
    assert second.rate("confirmed") >= 0.90
    assert 1 - second.rate("unasserted") <= 0.05
    assert second.rate("kept") >= 0.95
    assert decide(first, first, first).word == "refuse"
    assert one.parameters <= 1_000_000
    assert one.parent == zero.id
    size = sum(path.stat().st_size for path in (tmp_path / "model 1").iterdir())
    assert size <= 4 * 2**20
