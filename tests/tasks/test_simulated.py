"""Simulated tables are what they say: the same from the same seed, spoilt as asked, splittable."""

import numpy as np
import pandas as pd
import pytest

from earnest.core.columns import numbers
from earnest.tasks.simulated import ROWS, Node, World, as_cells, draw
from earnest.tasks.split import Design, guess_design, sealed_rows
from earnest.tasks.worlds import MIXTURE, make_world

KINDS = [*MIXTURE, "beside"]


def table(world, seed=0, rows=ROWS):
    return as_cells(world, draw(world, rows, np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_is_a_function_of_its_seed_and_splits(kind):
    first, again, other = (make_world("t", [7, seed], kind) for seed in (0, 0, 1))
    assert first == again != other
    frame = table(first)
    pd.testing.assert_frame_equal(frame, table(again))
    assert len(frame) == ROWS
    assert [name for name in frame if name != first.group] == [n.name for n in first.columns]
    sealed, _ = sealed_rows(frame, Design.parse(first.design), b"secret", 0.4)
    assert 250 <= sealed.sum() <= 550


def test_every_kind_comes_in_its_share():
    kinds = [make_world("t", [1, n]).kind for n in range(600)]
    for kind, share in MIXTURE.items():
        assert kinds.count(kind) / 600 == pytest.approx(share, abs=0.06)


def test_parents_come_before_children_and_weights_are_edges():
    for number in range(300):
        seen = set()
        for node in make_world("t", [3, number]).nodes:
            causes = {name for name, _ in node.parents} | set(node.made_of)
            assert causes <= seen
            assert all(weight for _, weight in node.parents)
            seen.add(node.name)


def test_a_planted_difference_has_its_size():
    for number in range(5):
        world = make_world("t", [5, number], "beside")
        (planted,) = world.planted
        values = draw(world, 100_000, np.random.default_rng(number)).values
        y, arm = values[planted.outcome], values[planted.exposure]
        there = ~np.isnan(y) & ~np.isnan(arm) & (np.abs(y) < 8)  # without the outliers
        apart = y[there & (arm == 0)].mean() - y[there & (arm == 1)].mean()
        assert apart / y[there & (arm == 0)].std() == pytest.approx(planted.d, abs=0.03)


def test_outliers_missing_cells_copies_and_sums():
    world = World(
        "t",
        "test",
        "iid",
        (
            Node("x", outliers=0.02, missing=0.1),
            Node("y", missing=0.2, missing_by="x"),
            Node("x_cm", copies=("x", 2.54, 1.0)),
            Node("both", sums=("x", "y")),
        ),
    )
    values = draw(world, 50_000, np.random.default_rng(0)).values
    assert np.mean(np.abs(values["x"]) > 8) == pytest.approx(0.018, abs=0.003)
    assert np.isnan(values["x"]).mean() == pytest.approx(0.1, abs=0.01)
    assert np.isnan(values["y"]).mean() == pytest.approx(0.2, abs=0.01)
    high = values["x"] > 1
    assert np.isnan(values["y"][high]).mean() > 0.3
    np.testing.assert_allclose(values["x_cm"], values["x"] * 2.54 + 1)
    np.testing.assert_allclose(values["both"], values["x"] + values["y"])
    frame = table(world)
    assert (frame.x == "").sum() == (frame.x_cm == "").sum() > 50
    assert numbers(frame.x.replace("", np.nan)).notna().all() == False  # noqa: E712
    assert guess_design(frame) == Design("iid")


def test_groups_share_what_is_drawn_once_a_group():
    world = make_world("t", [2, 1], "grouped")
    frame = table(world)
    groups = frame.groupby("site")
    assert groups.size().nunique() == 1
    assert (groups["policy"].nunique() == 1).all()
    assert (groups["arm"].nunique() > 1).any()


def test_a_series_remembers():
    world = World("t", "test", "time:day", (Node("day", clock=True), Node("s", memory=0.9)))
    values = draw(world, 20_000, np.random.default_rng(0)).values["s"]
    assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(0.9, abs=0.02)
    assert values.std() == pytest.approx(1, abs=0.1)
