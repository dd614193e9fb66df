import pandas as pd
import pytest

from earnest.core.errors import UsageError
from earnest.core.home import Home
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


def test_only_the_owner_can_reach_sealed_rows(home, tmp_path):
    registry = Registry(home)
    ref = registry.seal(write(tmp_path / "t.csv", 60))
    for path in (home.root, home.sealed, registry.sealed(ref.table).parent):
        assert path.stat().st_mode & 0o077 == 0
    assert registry.sealed(ref.table).stat().st_mode & 0o077 == 0


def test_another_homes_secret_gives_another_split(tmp_path):
    path = write(tmp_path / "t.csv", 200)
    refs = [Registry(Home(tmp_path / name)).seal(path) for name in ("one", "two")]
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
