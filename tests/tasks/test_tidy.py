import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.columns import numbers
from earnest.core.errors import TableError
from earnest.tasks.assume import Reading
from earnest.tasks.tidy import tidy


def column(*cells, name="c", **reading):
    """One column in one notation, and what was assumed, by kind."""
    raw = pd.DataFrame({name: list(cells), "other": [str(n) for n in range(len(cells))]}, dtype=str)
    found = tidy(raw, Reading(**reading))
    said = {one.what: one for one in found.assumed if name in one.columns}
    return (found.cells[name].tolist() if name in found.cells else None), said


@pytest.mark.parametrize("mark", ["NA", "n/a", "-", ".", "?", "#N/A", "missing", "unknown", "--"])
def test_missing_among_numbers_in_many_notations(mark):
    cells, said = column("1", "2.5", mark, "")
    assert cells == ["1", "2.5", "", ""]
    assert (said["missing"].count, repr(mark) in said["missing"].said) == (1, True)


def test_among_words_a_word_for_missing_may_be_a_level():
    assert column("low", "unknown", "NA", "?")[0] == ["low", "unknown", "", ""]
    assert column("+", "-", "+", "x")[0] == ["+", "-", "+", "x"]
    cells, said = column("None", "Minor", "Major", "None")
    assert cells == ["none", "Minor", "Major", "none"]
    assert said["missing"].count == 2


def test_a_code_for_missing_is_said_and_kept():
    cells, said = column(*["-999"] * 3, *(str(n) for n in range(1, 40)))
    assert cells[:4] == ["-999"] * 3 + ["1"]
    assert ("-999" in said["code"].said, said["code"].count) == (True, 3)
    assert "code" in column("99999", *(str(n) for n in range(30)))[1]
    for plain in (["-9", "-99", "5", "-70", "3", "60"], ["99", "98", "97", "1", "50"]):
        assert "code" not in column(*plain)[1]


def test_mixed_types_are_said():
    cells, said = column(*(str(n) for n in range(60)), "oops")
    assert cells[-1] == "oops"
    assert "'oops'" in said["mixed"].said
    cells, said = column(*(str(n) for n in range(30)), *"abcdefghijklmnopqrst")
    assert "60% of the cells are numbers" in said["mixed"].said
    assert cells[0] == "0"
    assert "per-cent" in column("1%", "2", "3")[1]["mixed"].said


def test_constant_columns_are_not_offered():
    raw = pd.DataFrame(
        {"a": ["1", "2"], "b": ["x", "x"], "c": ["NA", ""], "d": ["", "x"]}, dtype=str
    )
    found = tidy(raw, Reading())
    assert list(found.cells.columns) == ["a", "d"]
    (said,) = [one for one in found.assumed if one.what == "constant"]
    assert said.columns == ("b", "c")
    assert list(tidy(raw, Reading(), keep={"b"}).cells.columns) == ["a", "b", "d"]


def test_free_text_and_formulas_are_said():
    long = [f"a remark of some length that was written by hand, number {n}" for n in range(9)]
    assert "text" in column(*long)[1]
    assert "text" not in column(*long[:1] * 5, *long[1:2] * 5)[1]
    cells, said = column("=1+1", "=cmd|' /C calc'!A0", "x")
    assert cells[0] == "=1+1"
    assert said["formulas"].count == 2


def test_days_in_digits_only_are_dates_where_the_name_says_so():
    assert column("20240131", "20240201", name="date")[0] == ["2024-01-31", "2024-02-01"]
    assert column("20240131", "20240201", name="amount")[0] == ["20240131", "20240201"]
    assert column("20240131", "20249901", name="date")[0] == ["20240131", "20249901"]


def test_contradicting_dates_are_refused_and_the_mend_works():
    cells = ["31/01/2024", "01/31/2024", "05/04/2024"]
    with pytest.raises(TableError, match="contradict") as caught:
        column(*cells)
    assert "--read dates=day-first" in caught.value.mend
    assert column(*cells, dates="day-first")[0] == ["2024-01-31", "2024-01-31", "2024-04-05"]


def test_what_decides_sides_stays_as_it_stands():
    raw = pd.DataFrame({"g": ["1,000", "1000", "NA"], "x": ["1,000", "1000", "NA"]}, dtype=str)
    found = tidy(raw, Reading(), keep={"g"})
    assert found.cells["g"].tolist() == ["1,000", "1000", "NA"]
    assert found.cells["x"].tolist() == ["1000", "1000", ""]


def test_clean_cells_are_not_touched():
    raw = pd.DataFrame({"a": ["007", "1.50", "1e3"], "b": ["x", " y", "z"]}, dtype=str)
    found = tidy(raw, Reading())
    assert found.cells["a"].tolist() == ["007", "1.50", "1e3"]
    assert found.assumed == ()


NOTATIONS = {
    "plain": lambda value: f"{value:.3f}",
    "grouped": lambda value: f"{value:,.2f}",
    "german": lambda value: f"{value:,.2f}".translate(str.maketrans(",.", ".,")),
    "french": lambda value: f"{value:,.2f}".replace(",", "\u202f").replace(".", ","),
    "dollars": lambda value: f"${value:,.2f}" if value >= 0 else f"-${-value:,.2f}",
    "share": lambda value: f"{value:.2f} %",
    "accounts": lambda value: f"{value:,.2f}" if value >= 0 else f"({-value:,.2f})",
}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(10**8), 10**8), min_size=20, max_size=60, unique=True),
    st.sampled_from(sorted(NOTATIONS)),
    st.lists(st.sampled_from(["", "NA", "n/a", "-", ".", "?"]), max_size=12),
    st.integers(0, 2**32),
)
def test_messy_notations_give_the_same_numbers(cents, notation, missing, seed):
    values = [number / 100 for number in cents] + [np.nan] * len(missing)
    cells = [NOTATIONS[notation](number / 100) for number in cents] + missing
    order = random.Random(seed).sample(range(len(cells)), len(cells))
    found, _ = column(*(cells[n] for n in order))
    read = numbers(pd.Series(found, name="c").replace("", np.nan))
    np.testing.assert_array_equal(read.to_numpy(), np.array([values[n] for n in order]))
