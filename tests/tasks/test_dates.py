from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.tasks.dates import dates, is_iso

NOTATIONS = {
    "iso": "%Y-%m-%d",
    "day/": "%d/%m/%Y",
    "month/": "%m/%d/%Y",
    "points": "%d.%m.%Y",
    "named": "%b %d %Y",
    "named-after": "%d %B %Y",
    "digits": "%Y%m%d",
}
YEAR = [date(2023, 1, 1) + timedelta(days=n) for n in range(365)]


@pytest.mark.parametrize("slashes", ["day/", "month/"])
def test_five_notations_in_one_column_are_one(slashes):
    used = ["iso", slashes, "points", "named", "digits"]
    written = [day.strftime(NOTATIONS[used[n % 5]]) for n, day in enumerate(YEAR)]
    found = dates(written)
    assert found.cells == [day.isoformat() for day in YEAR]
    assert found.order == ("day-first" if slashes == "day/" else "month-first")
    assert "they stood there as" in found.said[0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1),
    st.randoms(use_true_random=False),
    st.sampled_from(["day/", "month/"]),
)
def test_a_date_comes_back_from_any_notation(days, random, slashes):
    names = ["iso", slashes, "points", "named", "named-after", "digits"]
    written = [day.strftime(NOTATIONS[random.choice(names)]) for day in days]
    order = "day-first" if slashes == "day/" else "month-first"
    assert dates(written, order).cells == [day.isoformat() for day in days]


def test_the_column_decides_and_not_the_cell():
    assert dates(["05/04/2024", "31/01/2024"]).cells[0] == "2024-04-05"
    assert dates(["05/04/2024", "01/31/2024"]).cells[0] == "2024-05-04"


def test_what_nothing_decides_is_doubtful_and_a_contradiction_is_told():
    open_ = dates(["05/04/2024", "06/07/2024"])
    assert open_.doubtful
    assert open_.cells == ["2024-05-04", "2024-06-07"]
    clash = dates(["31/01/2024", "01/31/2024", "05/04/2024"])
    assert clash.clash == ("31/01/2024", "01/31/2024")
    said = dates(["31/01/2024", "01/31/2024", "05/04/2024"], "day-first")
    assert said.cells == ["2024-01-31", "2024-01-31", "2024-04-05"]
    assert not said.clash


def test_the_first_of_each_month_says_which_part_is_the_day():
    firsts = [f"01/{month:02}/2024" for month in range(1, 13)]
    found = dates(firsts)
    assert (found.order, found.doubtful) == ("day-first", False)
    assert found.cells[1] == "2024-02-01"


@pytest.mark.parametrize(
    ("cell", "iso"),
    [
        ("1/31/24 5:03 PM", "2024-01-31 17:03:00"),
        ("1/31/24 12:00 am", "2024-01-31 00:00:00"),
        ("31.01.98", "1998-01-31"),
        ("Tue, 3 Mar 2020 10:00:00 UTC", "2020-03-03 10:00:00Z"),
        ("3rd of March 2020", "2020-03-03"),
        ("March 3, 2020", "2020-03-03"),
        ("2020/3/1", "2020-03-01"),
        ("Jan 2020", "2020-01"),
        ("2020-03-01T10:00:00.5+02:00", "2020-03-01T10:00:00.5+02:00"),
        ("31.02.2024", None),
        ("13/31/2024", None),
        ("25:00", None),
        ("1/2/2024 25:00", None),
        ("t12", None),
        ("12", None),
        ("", None),
    ],
)
def test_other_notations(cell, iso):
    assert dates([cell]).cells == [iso]
    assert iso is None or is_iso(iso)
