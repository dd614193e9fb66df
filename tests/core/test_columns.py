import pandas as pd
import pytest

from earnest.core.columns import numbers, read_cells, same_level, select
from earnest.core.errors import UsageError


def cells(*values):
    return pd.Series(list(values), dtype="str", name="c")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (cells("1", "2.5", "-3e2"), [1, 2.5, -300]),
        (cells("yes", "No", "TRUE"), [1, 0, 1]),
        (cells("1970-01-02", "1970-01-01T00:00:10Z"), [86400, 10]),
        (cells("2 Jan 1970", "Jan 3 1970"), [86400, 172800]),
    ],
)
def test_numerals_truths_and_dates_are_numbers(column, expected):
    assert numbers(column).tolist() == expected


@pytest.mark.parametrize("column", [cells("t12", "t13"), cells("red", "blue"), cells("a1-b", "c")])
def test_other_text_is_not(column):
    with pytest.raises(UsageError, match="holds no numbers") as caught:
        numbers(column)
    assert caught.value.mend


def test_a_few_odd_cells_are_missing_and_many_are_not_numbers():
    assert numbers(cells(*["1"] * 39, "?")).isna().sum() == 1
    with pytest.raises(UsageError):
        numbers(cells(*["1"] * 10, "?"))


def test_levels_are_compared_as_written_or_as_numbers():
    assert same_level(cells("1", "1.0", "2", "x"), "1").tolist() == [True, True, False, False]
    assert same_level(cells("a", "b"), "a").tolist() == [True, False]


def test_a_subset_keeps_the_rows_it_names(tmp_path):
    (tmp_path / "t.csv").write_text("age,sex\n40,f\n50,m\nNA,f\n60,\n")
    frame = read_cells(tmp_path / "t.csv")
    assert len(select(frame, "")) == 4
    assert select(frame, "age >= 50")["age"].tolist() == ["50", "60"]
    assert select(frame, "age < 55 and sex != 'm'")["age"].tolist() == ["40"]
    with pytest.raises(UsageError, match="no column"):
        select(frame, "zebra > 1")
