import numpy as np
import pandas as pd
from tests.verify.nulls import claim, text

from earnest.verify.fragility import fragility


def checks(frame, one, design="iid"):
    return {check.name: check for check in fragility(text(frame), one, design, 1)}


def noise(rng, n=300):
    return pd.DataFrame(
        {"x": rng.normal(size=n), "z": rng.normal(size=n), "site": rng.choice(list("abc"), n)}
    )


def test_an_effect_that_all_the_data_carry_is_sound():
    rng = np.random.default_rng(1)
    frame = noise(rng)
    frame["y"] = frame.x + rng.normal(size=300)
    found = checks(frame, claim("association", "positive", exposure="x"))
    assert found["fragility"].passed
    assert found["fragility"].observed["tenths"] == 1
    assert found["lurking"].passed
    assert set(found["lurking"].observed) <= {"z", "site"}


def test_an_effect_of_one_site_is_said_to_be():
    rng = np.random.default_rng(2)
    frame = noise(rng)
    frame["y"] = np.where(frame.site == "b", 3 * frame.x, -0.2 * frame.x) + rng.normal(size=300)
    found = checks(frame, claim("association", "positive", exposure="x"))
    assert found["fragility"].passed is None
    assert "without site 'b'" in found["fragility"].detail


def test_a_group_that_carries_it_is_named_and_a_threshold_counts():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(12), 10)
    x = rng.normal(size=120)
    frame = pd.DataFrame({"g": g, "x": x, "y": x + rng.normal(size=120)})
    plain = claim("association", "positive", exposure="x")
    assert checks(frame, plain, "grouped:g")["fragility"].passed
    effect = checks(frame, plain, "grouped:g")["fragility"].observed["without_part"]
    bold = claim("association", "positive", exposure="x", threshold=round(effect + 0.01, 3))
    found = checks(frame, bold, "grouped:g")
    assert found["fragility"].passed is None
    assert "gone" in found["fragility"].detail


def test_it_never_fails_and_is_silent_where_there_is_no_estimate():
    frame = pd.DataFrame({"x": range(50), "y": [1] * 50})
    assert fragility(text(frame), claim("association", "positive", exposure="x"), "iid", 1) == []
