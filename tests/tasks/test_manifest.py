"""Who has a copy of a table can tell which rows an author saw; nobody is told more."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.columns import read_cells
from earnest.core.errors import TableError, UsageError
from earnest.tasks.manifest import LEAST, compare, manifest, require_enough
from earnest.tasks.registry import Registry

TABLE = "sha256:" + "1" * 64
COLUMNS = ("x", "y")


def cells(rows, seed=0, **more):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "y": rng.normal(size=rows), **more})
    return frame.round(5).astype(str)


def told(frame, columns=COLUMNS):
    return manifest(frame, columns, TABLE)


def test_on_a_copy_it_finds_the_rows_that_were_seen_in_any_order():
    whole = cells(200)
    data = told(whole[:120])
    assert len(data) == 8 * 120
    shuffled = whole.sample(frac=1, random_state=1)
    found = compare(shuffled, COLUMNS, TABLE, "iid", data)
    assert found.same
    assert set(shuffled[found.seen].index) == set(range(120))
    assert set(shuffled[found.unseen].index) == set(range(120, 200))
    require_enough(found, "copy")


def test_other_rows_are_no_copy_and_a_few_common_ones_are_left_out():
    other = pd.concat([cells(190, seed=1), cells(200)[:10]])
    found = compare(other, COLUMNS, TABLE, "iid", told(cells(200)[:120]))
    assert not found.same
    assert (found.seen.sum(), found.unseen.sum()) == (10, 190)
    require_enough(found, "other")


def test_a_part_of_it_and_more_than_it_are_copies_too():
    whole = cells(200)
    for part in (whole[100:140], pd.concat([whole, cells(5000, seed=3)])):
        found = compare(part, COLUMNS, TABLE, "iid", told(whole[:120]))
        assert found.same


def test_another_notation_hides_no_row():
    whole = cells(200)
    other = whole.copy()
    other["x"] = [f"{float(one):.9e}" for one in whole["x"]]
    other["y"] = [f" {one}0" for one in whole["y"]]
    other.insert(0, "Unnamed: 0", [str(number) for number in range(200)])
    other["a new column"] = "a"
    found = compare(other, COLUMNS, TABLE, "iid", told(whole[:120]))
    assert found.seen.sum() == 120


def test_without_the_columns_nothing_can_be_told():
    with pytest.raises(UsageError, match="it lacks 'y' of the columns"):
        compare(cells(50)[["x"]], COLUMNS, TABLE, "iid", told(cells(50)))


def test_under_another_tables_id_the_same_rows_are_others():
    assert told(cells(50)) != manifest(cells(50), COLUMNS, "sha256:" + "2" * 64)


def test_no_group_reaches_from_one_side_to_the_other():
    group = np.repeat([f"g{number}" for number in range(20)], 10)
    whole = cells(200, g=group)
    seen = whole[:115]  # of g11 five rows
    found = compare(whole, ("g", "x", "y"), TABLE, "grouped:g", told(seen, ("g", "x", "y")))
    assert set(whole["g"][found.unseen]) == {f"g{number}" for number in range(12, 20)}
    assert not (found.seen & found.unseen).any()


def test_no_time_reaches_from_one_side_to_the_other():
    whole = cells(200, t=np.arange(200))
    seen = whole[20:120]
    found = compare(whole, ("t", "x", "y"), TABLE, "time:t", told(seen, ("t", "x", "y")))
    assert set(whole.index[found.unseen]) == set(range(120, 200))


@pytest.mark.parametrize("count", [200 - LEAST + 1, LEAST - 1])
def test_too_few_rows_on_a_side_are_told(count):
    found = compare(cells(200), COLUMNS, TABLE, "iid", told(cells(200)[:count]))
    with pytest.raises(TableError, match=rf"ships has {LEAST - 1} rows that"):
        require_enough(found, "ships")


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=1, max_size=30))
def test_each_row_that_was_seen_is_found_whatever_its_cells_hold(rows):
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    found = compare(frame, COLUMNS, TABLE, "iid", told(frame[: len(rows) // 2 + 1]))
    assert found.seen[: len(rows) // 2 + 1].all()


def test_a_split_that_somebody_else_decided_is_kept_for_one_use(home, tmp_path):
    registry = Registry(home)
    whole = cells(100)
    mine = registry.seal_frame(whole, "ships")
    other = registry.keep("ships", "iid", whole[:60], whole[60:], use="an import")
    again = registry.keep("ships", "iid", whole[:60], whole[60:], use="an import")
    assert other == again
    assert registry.list() == [mine]
    assert (registry.kept_for(other.table), registry.kept_for(mine.table)) == ("an import", "")
    assert registry.get(other.table) == other
    assert len(read_cells(registry.sealed(other.table))) == 40
    visible = registry.visible(other.table) / "ships.csv"
    assert len(read_cells(visible)) == other.rows == 60
