from xml.etree.ElementTree import fromstring

import pandas as pd
import pytest
from tests.injections import TEXTS

from earnest.core.records import Claim
from earnest.recipes.drawn import drawing

ROWS = 600
CELLS = pd.DataFrame(
    {
        "y": [str((n * 37 % 101) / 10 + n / 100) for n in range(ROWS)],
        "x": [str(n) for n in range(ROWS)],
        "day": [str(one.date()) for one in pd.date_range("1950-01-01", periods=ROWS)],
        "g": ["ab"[n % 2] for n in range(ROWS)],
        "h": ["low", "mid", "high"] * (ROWS // 3),
    }
)


def claim(kind, direction, **more):
    return Claim(kind=kind, table="t", outcome="y", direction=direction, **more)


DRAWN = {
    "difference": claim("difference", "higher", exposure="g", group="a"),
    "highest": claim("difference", "highest", exposure="h", group="mid"),
    "association": claim("association", "positive", exposure="x"),
    "ordinal": claim("association", "positive", exposure="h", order=("low", "mid", "high")),
    "levels": claim("association", "dependent", exposure="g"),
    "trend": claim("trend", "rising", exposure="day"),
    "spread": claim("distribution", "wider", exposure="g", group="a", versus="b"),
    "skew": claim("distribution", "right-skewed"),
    "interaction": claim("interaction", "stronger", exposure="x", modifier="g", group="a"),
    "reversal": claim("interaction", "positive-overall", exposure="x", modifier="g"),
    "subset": claim("association", "positive", exposure="x", subset="g == 'a'"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_each_kind_is_drawn_and_the_same_each_time(name):
    drawn = drawing(DRAWN[name], CELLS)
    root = fromstring(drawn)
    assert root.get("aria-label")
    shapes = list(root.iter("{http://www.w3.org/2000/svg}circle")) + root.findall("{*}rect")
    assert len(shapes) >= 20
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) <= 600
    assert drawn == drawing(DRAWN[name], CELLS)
    for dot in list(root.iter("{http://www.w3.org/2000/svg}circle")):
        assert 0 <= float(dot.get("cx")) <= 460
        assert 0 <= float(dot.get("cy")) <= 270


def test_dates_are_told_as_days():
    assert "1950-01-01" in drawing(DRAWN["trend"], CELLS)


def test_the_group_of_a_difference_lies_where_its_values_are():
    shifted = CELLS.assign(y=[str(n % 7 + 50 * (n % 2 == 0)) for n in range(ROWS)])
    boxes = fromstring(drawing(DRAWN["difference"], shifted)).findall("{*}rect")
    above, below = (float(one.get("y")) for one in boxes)
    assert above < below  # the group first, and it is higher


NOT_DRAWN = {
    "a column that is not there": claim("association", "positive", exposure="nope"),
    "no numbers": Claim(
        kind="association", table="t", outcome="h", exposure="g", direction="dependent"
    ),
    "a value": claim("value", "equal", statistic="mean", value=1.0),
    "no rows": claim("association", "positive", exposure="x", subset="x > 10000"),
    "a subset of no column": claim("association", "positive", exposure="x", subset="z > 1"),
}


@pytest.mark.parametrize("name", NOT_DRAWN)
def test_what_has_no_drawing_has_none(name):
    assert drawing(NOT_DRAWN[name], CELLS) == ""


@pytest.mark.parametrize("text", [one for one in TEXTS.values() if len(one) < 1000])
def test_a_name_cannot_leave_its_text(text):
    cells = pd.DataFrame({text: CELLS["y"], text + "2": CELLS["g"]})
    drawn = drawing(
        Claim(kind="difference", table="t", outcome=text, exposure=text + "2", direction="higher",
              group="a"),
        cells,
    )  # fmt: skip
    tags = {one.tag.partition("}")[2] for one in fromstring(drawn).iter()}
    assert tags <= {"svg", "text", "line", "circle", "rect", "polyline", "g"}


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_rows_are_drawn_or_not_at_all(rows):
    for one in DRAWN.values():
        drawn = drawing(one, CELLS[:rows])
        assert drawn == "" or fromstring(drawn) is not None
