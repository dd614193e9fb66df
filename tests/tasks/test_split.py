import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.errors import TableError, UsageError
from earnest.tasks.split import Design, guess_design, sealed_rows, times

KEY = b"k" * 32


def frame(rows=200):
    return pd.DataFrame(
        {
            "a": [str(n) for n in range(rows)],
            "g": [f"g{n % 20}" for n in range(rows)],
            "year": [str(1800 + n) for n in range(rows)],
        }
    )


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(30, 200), st.integers(0, 80))
def test_a_row_keeps_its_side_whatever_comes_before_after_or_between(random, count, more):
    whole = frame(count + more)
    before, _ = sealed_rows(whole.head(count), Design("iid"), KEY, 0.4)
    order = list(range(count + more))
    random.shuffle(order)
    after, _ = sealed_rows(whole.iloc[order], Design("iid"), KEY, 0.4)
    side = {order[place]: bool(after[place]) for place in range(len(order))}
    assert [side[place] for place in range(count)] == before.tolist()


def test_equal_rows_are_on_the_same_side_and_columns_may_be_in_any_order():
    doubled = pd.concat([frame(), frame()], ignore_index=True)
    mask, _ = sealed_rows(doubled, Design("iid"), KEY, 0.4)
    assert (mask[:200] == mask[200:]).all()
    swapped, _ = sealed_rows(doubled[["year", "g", "a"]], Design("iid"), KEY, 0.4)
    assert (swapped == mask).all()


def test_the_share_is_about_what_was_asked_and_the_secret_decides():
    mask, _ = sealed_rows(frame(2000), Design("iid"), KEY, 0.4)
    other, _ = sealed_rows(frame(2000), Design("iid"), b"o" * 32, 0.4)
    assert 0.36 < mask.mean() < 0.44
    assert (mask != other).mean() > 0.3


def test_groups_stay_whole():
    table = frame()
    mask, _ = sealed_rows(table, Design("grouped", "g"), KEY, 0.4)
    sides = pd.Series(mask).groupby(table["g"].to_numpy()).nunique()
    assert (sides == 1).all()
    assert 0 < mask.sum() < len(mask)


def test_a_series_is_cut_once_and_the_cut_stays():
    mask, cut = sealed_rows(frame(), Design("time", "year"), KEY, 0.4)
    assert np.flatnonzero(mask).tolist() == list(range(120, 200))
    longer, again = sealed_rows(frame(300), Design("time", "year"), KEY, 0.4, cut_off=cut)
    assert again == cut
    assert np.flatnonzero(longer).tolist() == list(range(120, 300))
    with pytest.raises(TableError, match="all of it comes after") as raised:
        sealed_rows(frame(300).tail(100), Design("time", "year"), KEY, 0.4, cut_off=cut)
    assert "another name" in raised.value.mend


def test_a_key_names_a_row_whose_content_changes():
    table = frame()
    mask, _ = sealed_rows(table, Design("iid"), KEY, 0.4, key="a")
    changed, _ = sealed_rows(table.assign(g="other"), Design("iid"), KEY, 0.4, key="a")
    assert (mask == changed).all()


def test_what_cannot_be_split_is_an_error():
    with pytest.raises(TableError, match="no times"):
        sealed_rows(frame(), Design("time", "g"), KEY, 0.4)
    with pytest.raises(TableError, match="empty"):
        sealed_rows(frame().assign(g="one"), Design("grouped", "g"), KEY, 0.4)
    with pytest.raises(UsageError, match="no column"):
        sealed_rows(frame(), Design("grouped", "zebra"), KEY, 0.4)
    with pytest.raises(UsageError, match="share"):
        sealed_rows(frame(), Design("iid"), KEY, 1.0)
    for wrong in ("", "grouped", "time:", "iid:x", "other"):
        with pytest.raises(UsageError):
            Design.parse(wrong)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (frame(), "time:year"),
        (frame().drop(columns="year"), "iid"),
        (pd.DataFrame({"ID": ["secret", "public", "none"] * 20, "x": ["1"] * 60}), "iid"),
        (
            frame().assign(year=["1990"] * 200).rename(columns={"g": "patient_id"}),
            "grouped:patient_id",
        ),
        (
            pd.DataFrame(
                {
                    "Country": ["a", "b", "c"] * 20,
                    "Year": [str(1990 + n // 3) for n in range(60)],
                    "x": ["1"] * 60,
                }
            ),
            "grouped:Country",
        ),
        (
            pd.DataFrame({"date": [f"2020-01-{n:02}" for n in range(1, 31)], "x": ["1"] * 30}),
            "time:date",
        ),
    ],
)
def test_a_design_is_guessed_where_the_signs_are_clear(table, expected):
    assert str(guess_design(table)) == expected


def test_dates_sort_as_times():
    found = times(pd.Series(["2001-02-03", "1999-12-31", "not a date"]))
    assert found[0] > found[1]
    assert np.isnan(found[2])
