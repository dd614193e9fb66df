import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.tasks.numerals import numerals


def grouped(value, thousands, decimal):
    return f"{value:,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(10**11), 10**11), min_size=1),
    st.sampled_from([(",", "."), (".", ","), (" ", ","), (" ", "."), ("\u00a0", ","), ("'", ".")]),
    st.sampled_from(["", "$", " €", "%"]),
)
def test_a_number_comes_back_from_any_notation(cents, marks, unit):
    values = [number / 100 for number in cents]
    cells = [grouped(value, *marks) for value in values]
    cells = [f"${c}" if unit == "$" else c + unit for c in cells]
    found = numerals(cells)
    assert not found.refused
    assert [float(cell) for cell in found.cells] == values


@pytest.mark.parametrize(
    ("cells", "plain"),
    [
        (["1,234.5", "12"], ["1234.5", "12"]),
        (["1.234,5", "0,75"], ["1234.5", "0.75"]),
        (["1.234", "1,5"], ["1234", "1.5"]),
        (["1,234", "950"], ["1234", "950"]),
        (["0,123", "5"], ["0.123", "5"]),
        (["1.234.567", "2.345"], ["1234567", "2345"]),
        (["12,34,567"], ["1234567"]),
        (["(5.00)", "7-", "\u22126"], ["-5.00", "-7", "-6"]),
        (["USD 5", "7 usd"], ["5", None]),
        (["1e5", "1,234.0"], ["1e5", "1234.0"]),
        (["12 34", "5"], [None, "5"]),
        (["1,23,4", "5"], [None, "5"]),
        (["(5", "--5", "-5-", "$5$", "5", "abc", ""], [None, None, None, None, "5", None, None]),
    ],
)
def test_the_column_decides(cells, plain):
    assert numerals(cells).cells == plain


def test_digits_stay_as_they_stand():
    assert numerals(["1,500.10", "007,000"]).cells == ["1500.10", "007000"]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["1,5", "2.5"], "a point and a comma"),
        (["1,234", "1.234"], "a point and a comma"),
        (["12%", "5"], "per-cent"),
        (["$5", "5 €"], "€"),
    ],
)
def test_what_contradicts_itself_is_no_column_of_numbers(cells, why):
    found = numerals(cells)
    assert why in found.refused
    assert found.cells == [None, None]


def test_a_user_can_decide():
    assert numerals(["1,234", "5"]).cells == ["1234", "5"]
    assert numerals(["1,234", "5"], "comma").cells == ["1.234", "5"]
    assert numerals(["1,5", "2.5"], "comma").cells == ["1.5", None]


def test_what_was_assumed_is_said():
    said = dict(numerals(["$1,234", "$5"]).said)
    assert "1,234 is read as 1234" in said["numbers"]
    assert "$" in said["currency"]
    assert dict(numerals(["5 %"]).said)["percent"]
    assert numerals(["1.5", "2"]).said == []
