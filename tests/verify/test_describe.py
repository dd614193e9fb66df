import pandas as pd
import pytest
from tests.verify.nulls import claim, text

from earnest.verify.describe import described
from earnest.verify.units import NotTestableError

TABLE = text(
    pd.DataFrame(
        {
            "y": [1.0, 2.0, 3.0, 4.0, None, -999.0],
            "x": [2.0, 4.0, 6.0, 8.0, 5.0, 5.0],
            "g": ["a", "a", "b", "b", "c", "b"],
        }
    )
)
GOOD = "y > -99"


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({"statistic": "mean", "subset": GOOD}, 2.5),
        ({"statistic": "median", "subset": GOOD}, 2.5),
        ({"statistic": "sum", "subset": GOOD}, 10),
        ({"statistic": "min"}, -999),
        ({"statistic": "max"}, 4),
        ({"statistic": "count"}, 5),
        ({"statistic": "missing"}, 1),
        ({"statistic": "distinct"}, 5),
        ({"statistic": "variance", "subset": GOOD}, 5 / 3),
        ({"statistic": "sd", "subset": GOOD}, (5 / 3) ** 0.5),
        ({"statistic": "share", "where": "g == 'a'"}, 0.4),
        ({"statistic": "correlation", "exposure": "x", "subset": GOOD}, 1.0),
    ],
)
def test_a_value_computes_as_stated_or_does_not(more, value):
    right = described(TABLE, claim("value", "equal", value=value, **more))
    wrong = described(TABLE, claim("value", "equal", value=value + 0.1, **more))
    near = described(TABLE, claim("value", "equal", value=value + 0.1, tolerance=0.2, **more))
    assert (right.passed, wrong.passed, near.passed) == (True, False, True)
    assert right.observed["value"] == pytest.approx(value)


def test_the_highest_level_is_alone_at_the_top():
    best = {"exposure": "g", "statistic": "mean", "subset": GOOD}
    assert described(TABLE, claim("value", "highest", group="b", **best)).passed
    assert not described(TABLE, claim("value", "highest", group="a", **best)).passed
    assert described(TABLE, claim("value", "lowest", group="a", **best)).passed
    tied = {"exposure": "g", "statistic": "count", "subset": GOOD}
    assert not described(TABLE, claim("value", "highest", group="a", **tied)).passed


def test_an_anomaly_is_a_number_of_rows():
    odd = {"where": "y == -999", "count": 1}
    assert described(TABLE, claim("anomaly", "present", **odd)).passed
    assert not described(TABLE, claim("anomaly", "present", **{**odd, "count": 2})).passed


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (claim("value", "equal", "z", statistic="mean", value=1), "no column 'z'"),
        (claim("value", "equal", "g", statistic="mean", value=1), "no numbers"),
        (claim("value", "equal", statistic="sd", value=1, subset="y == 4"), "no value"),
        (claim("value", "equal", statistic="mean", value=1, subset="x > 99"), "no row"),
        (claim("value", "highest", statistic="sum", exposure="g", group="q"), "no row has"),
        (claim("anomaly", "present", where="z == 1", count=1), "no column"),
    ],
)
def test_what_does_not_compute_says_why(one, says):
    with pytest.raises(NotTestableError, match=says):
        described(TABLE, one)
