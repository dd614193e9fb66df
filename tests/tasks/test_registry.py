import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.homes import home_at

from earnest.core.columns import read_cells
from earnest.core.errors import TableError, UsageError
from earnest.tasks.assume import Reading
from earnest.tasks.bundled import TABLES, bundled
from earnest.tasks.read import as_text
from earnest.tasks.registry import Registry, table_name


def write(path, rows, start=0):
    pd.DataFrame({"x": range(start, start + rows), "y": [n * n for n in range(rows)]}).to_csv(
        path, index=False
    )
    return path


def test_the_parts_are_disjoint_and_make_up_the_whole(home, tmp_path):
    registry = Registry(home)
    ref = registry.seal(write(tmp_path / "My Data.csv", 200))
    seen = pd.read_csv(registry.visible(ref.table) / "my_data.csv")
    hidden = pd.read_csv(registry.sealed(ref.table))
    assert (ref.name, ref.rows, len(seen) + len(hidden)) == ("my_data", len(seen), 200)
    assert set(seen.x) | set(hidden.x) == set(range(200))
    assert registry.list() == [registry.get(ref.table)] == [ref]


def test_the_same_file_again_exposes_nothing_new(home, tmp_path):
    registry = Registry(home)
    first = registry.seal(write(tmp_path / "t.csv", 200))
    assert registry.seal(tmp_path / "t.csv") == first
    longer = registry.seal(write(tmp_path / "t.csv", 260))
    hidden = set(pd.read_csv(registry.sealed(first.table)).x)
    seen = set(pd.read_csv(registry.visible(longer.table) / "t.csv").x)
    assert not hidden & seen


def test_a_longer_series_keeps_its_cut_off(home, tmp_path):
    registry = Registry(home)
    first = registry.seal(write(tmp_path / "t.csv", 100), design="time:x")
    longer = registry.seal(write(tmp_path / "t.csv", 200), design="time:x")
    assert first.rows == longer.rows == 60


def test_a_frame_may_continue_another_series_than_that_of_its_name(home, tmp_path):
    registry = Registry(home)
    registry.seal(write(tmp_path / "t.csv", 100), design="time:x")
    registry.seal(write(tmp_path / "later.csv", 200), design="time:x")
    rows = pd.read_csv(tmp_path / "later.csv", dtype=str).tail(100)
    later = registry.seal_frame(rows, "t", design="time:x", series="later")
    assert (later.name, later.rows) == ("t", 20)


def test_only_the_owner_can_reach_sealed_rows(home, tmp_path):
    registry = Registry(home)
    ref = registry.seal(write(tmp_path / "t.csv", 60))
    for path in (home.root, home.sealed, registry.sealed(ref.table).parent):
        assert path.stat().st_mode & 0o077 == 0
    assert registry.sealed(ref.table).stat().st_mode & 0o077 == 0


def test_another_homes_secret_gives_another_split(tmp_path):
    path = write(tmp_path / "t.csv", 200)
    homes = [home_at(tmp_path / "one"), home_at(tmp_path / "two", bytes(32))]
    refs = [Registry(home).seal(path) for home in homes]
    assert refs[0].visible != refs[1].visible


def test_unknown_tables_are_errors(home):
    with pytest.raises(UsageError, match="no table"):
        Registry(home).visible("sha256:" + "0" * 64)
    with pytest.raises(UsageError, match="no bundled table"):
        bundled("nope")


def test_names_are_plain_words(tmp_path):
    assert table_name(tmp_path / "My File (2).csv.gz") == "my_file_2"
    assert table_name(tmp_path / "...") == "table"


@pytest.mark.parametrize("name", TABLES)
def test_every_bundled_table_loads_and_splits(home, name):
    table = bundled(name)
    ref = Registry(home).seal_frame(as_text(table.load()), name, design=table.design)
    assert ref.rows >= 20
    assert ref.design == table.design
    assert len(ref.columns) >= 2


def messy(number, order):
    """A row whose cells are written in a notation drawn by its number."""
    value, day = number * 1234.5, f"{number % 28 + 1:02}"
    amount = (f"${value:,.2f}", f"{value}", f"$ {value:,.1f}")[number % 3]
    when = (f"{day}/02/2023", f"2023-02-{day}", f"Feb {number % 28 + 1} 2023")[number % 3]
    return f'{number},"{amount}","{when}",{("NA", "-", "x", "y")[order.choice(range(4))]}'


@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(40, 120), st.integers(0, 60))
def test_no_row_changes_sides_when_rows_are_added_or_notations_become_clear(
    tmp_path_factory, order, count, more
):
    folder = tmp_path_factory.mktemp("sides")
    registry, path = Registry(home_at(folder / "home")), folder / "t.csv"
    rows = [messy(number, order) for number in range(count + more)]
    path.write_text("id,amount,when,mark\n" + "\n".join(rows[:count]) + "\n")
    first = registry.seal(path, design="iid")
    assert registry.seal(path, design="iid") == first
    later = rows.copy()
    random.Random(0).shuffle(later)
    path.write_text("A report\n\nid,amount,when,mark\n" + "\n".join(later) + "\n")
    second = registry.seal(path, design="iid")
    hidden = set(pd.read_csv(registry.sealed(first.table))["id"])
    seen = set(pd.read_csv(registry.visible(second.table) / "t.csv")["id"])
    assert hidden
    assert not hidden & seen


def test_both_parts_are_written_in_one_notation_and_what_was_assumed_is_kept(home, tmp_path):
    rows = "".join(f'{n},"{n * 1000:,}",{n % 28 + 1:02}.01.2023,one\n' for n in range(80))
    (tmp_path / "t.csv").write_text("id,big,day,same\n" + rows + rows[:20])
    registry = Registry(home)
    ref = registry.seal(tmp_path / "t.csv", design="iid")
    assert ref.columns == ("id", "big", "day")
    for path in (registry.visible(ref.table) / "t.csv", registry.sealed(ref.table)):
        part = pd.read_csv(path)
        assert (part["big"] == part["id"] * 1000).all()
        assert part["day"].str.fullmatch(r"2023-01-\d\d").all()
    said = {one.what: one for one in registry.assumed(ref.table)}
    assert {"numbers", "dates", "constant", "duplicates"} == set(said)
    assert said["duplicates"].count == 1


def test_two_notations_of_a_group_are_two_groups_on_the_side_of_each(home, tmp_path):
    rows = "".join(f'"{(n % 20) * 1000:,}",{n}\n{(n % 20) * 1000},{n}\n' for n in range(80))
    (tmp_path / "t.csv").write_text("g,x\n" + rows)
    registry = Registry(home)
    ref = registry.seal(tmp_path / "t.csv", design="grouped:g")
    seen = set(pd.read_csv(registry.visible(ref.table) / "t.csv", dtype=str)["g"])
    hidden = set(pd.read_csv(registry.sealed(ref.table), dtype=str)["g"])
    assert not seen & hidden
    assert "1,000" in seen | hidden


def series(path, days, years):
    rows = "".join(f"{day},{year}\n" for day, year in zip(days, years, strict=True))
    path.write_text("date,x\n" + rows)
    return path


def test_the_order_of_a_series_dates_is_kept_with_its_cut_off(home, tmp_path):
    registry, path = Registry(home), tmp_path / "t.csv"
    doubtful = [f"{n % 12 + 1:02}/{n % 11 + 1:02}/{1960 + n}" for n in range(40)]
    series(path, doubtful, range(40))
    with pytest.raises(TableError, match="day or the month") as caught:
        registry.seal(path)
    assert "--read dates=day-first" in caught.value.mend
    first = registry.seal(path, reading=Reading(dates="day-first"))
    assert first.design == "time:date"
    seen = pd.read_csv(registry.visible(first.table) / "t.csv")
    assert seen["date"][1] == "1961-02-02"
    assert seen["date"][11] == "1971-01-12"
    # Nothing decides it still: it is read as before, and the same rows are sealed.
    longer = registry.seal(series(path, [*doubtful, "01/02/2000"], range(41)))
    assert pd.read_csv(registry.visible(longer.table) / "t.csv").equals(seen)
    assert any("earlier version" in one.said for one in registry.assumed(longer.table))
    # A row that says otherwise may not turn the old ones round.
    series(path, [*doubtful, "01/31/2000"], range(41))
    with pytest.raises(TableError, match="was read day-first"):
        registry.seal(path)


def test_an_index_that_comes_and_goes_moves_no_row(home, tmp_path):
    rows = [f"car {n},{n},{n * n % 13}" for n in range(90)]
    registry, path = Registry(home), tmp_path / "t.csv"
    path.write_text(",x,y\n" + "\n".join(rows) + "\n")
    first = registry.seal(path, design="iid")
    assert first.columns == ("x", "y")
    path.write_text(",x,y\n" + "\n".join([*rows, "car 3,1000,1"]) + "\n")
    second = registry.seal(path, design="iid")
    assert second.columns == ("Unnamed: 0", "x", "y")
    hidden = set(pd.read_csv(registry.sealed(first.table)).x)
    assert not hidden & set(pd.read_csv(registry.visible(second.table) / "t.csv").x)


def test_a_table_in_which_hardly_anything_varies_is_an_error(home, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(f"{n},1,NA\n" for n in range(60)))
    with pytest.raises(TableError, match="1 columns in which anything varies") as caught:
        Registry(home).seal(tmp_path / "t.csv", design="iid")
    assert caught.value.mend


def test_a_carriage_return_ends_no_line(home):
    frame = pd.DataFrame({"a\rb": [f"{n}\r" for n in range(60)], "c": [f"{n}" for n in range(60)]})
    ref = Registry(home).seal_frame(frame, "t", design="iid")
    assert ref.columns == ("a\rb", "c")
    cells = read_cells(Registry(home).visible(ref.table) / "t.csv")
    assert [f"{cell}\r" for cell in cells["c"]] == list(cells["a\rb"])
