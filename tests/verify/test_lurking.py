"""Which columns are said to end an effect: true confounders, not what only looks like one."""

import gzip
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verify.nulls import claim, text
from tests.verify.test_fragility import checks, noise

from earnest.core.columns import read_cells
from earnest.core.records import Check, Claim
from earnest.verify.fragility import fragility

DATA = Path(
    os.environ.get("EARNEST_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
NONE = Check(name="lurking", passed=True, detail="no other column goes with both")
POSITIVE = claim("association", "positive", exposure="x")


def test_a_reversal_under_another_column_is_said():
    rng = np.random.default_rng(3)
    frame = noise(rng)
    size = rng.integers(0, 3, 300)
    frame["size"], frame["x"] = size, size + 0.5 * rng.normal(size=300)
    frame["y"] = 3 * size - frame.x + 0.3 * rng.normal(size=300)
    found = checks(frame, claim("association", "positive", exposure="x"))
    assert found["lurking"].passed is None
    assert "turns its sign with size held fixed" in found["lurking"].detail
    assert found["lurking"].observed["size"] < 0


def test_an_effect_that_another_column_explains_is_said():
    rng = np.random.default_rng(4)
    frame = noise(rng)
    frame["size"] = rng.integers(0, 4, 300)
    frame["x"] = frame["size"] + 0.3 * rng.normal(size=300)
    frame["y"] = frame["size"] + 0.3 * rng.normal(size=300)
    found = checks(frame, claim("association", "positive", exposure="x"))
    assert "all but vanishes with size held fixed" in found["lurking"].detail


def true_effect(rng, n=300):
    frame = noise(rng, n)
    frame["y"] = frame.x + rng.normal(size=n)
    return frame


def confounded(rng, n=300):
    """`size` makes both: no effect of `x` is left where it is held fixed."""
    frame = noise(rng, n)
    frame["size"] = rng.normal(size=n).round(3)
    frame["x"] = frame["size"] + rng.normal(size=n)
    frame["y"] = frame["size"] + rng.normal(size=n)
    return frame


def lurking(frame, one=POSITIVE, design="iid"):
    return checks(frame, one, design).get("lurking", NONE)


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.6])
def test_a_confounder_is_named_on_the_rows_that_have_it(missing):
    rng = np.random.default_rng(11)
    frame = confounded(rng, 400)
    frame.loc[rng.uniform(size=400) < missing, "size"] = np.nan
    found = lurking(frame)
    assert "all but vanishes with size held fixed" in found.detail
    assert found.passed is None


@pytest.mark.parametrize("broken", [0, 5])
@pytest.mark.parametrize("of", ["outcome", "exposure"])
def test_a_copy_in_other_words_is_left_out_and_named(broken, of):
    rng = np.random.default_rng(12)
    frame = true_effect(rng)
    sick = frame.y > 0.3
    frame["y"] = np.where(sick, "1", "0")
    source = sick if of == "outcome" else frame.x.rank() % 5
    names = {key: f"level {key}" for key in set(source)}
    if of == "exposure":
        frame["x"] = source + 3 * (rng.uniform(size=300) < 0.5 + 0.4 * sick)
        names = {key: f"level {key}" for key in set(frame.x)}
        source = frame.x
    frame["alias"] = source.map(names)
    frame.loc[rng.permutation(300)[:broken], "alias"] = next(iter(names.values()))
    found = lurking(frame)
    column = "y" if of == "outcome" else "x"
    assert f"left out, since in other words it is `{column}`: alias" in found.detail
    assert found.passed
    assert "alias" not in found.observed


@pytest.mark.parametrize("copied", ["x", "y"])
def test_a_numeric_copy_is_one_in_other_units_and_with_a_few_rows_wrong(copied):
    rng = np.random.default_rng(13)
    frame = true_effect(rng)
    frame["copy"] = np.exp(-frame[copied]).round(6)
    frame.loc[rng.permutation(300)[:8], "copy"] = 9.0
    assert f"in other words it is `{copied}`: copy" in lurking(frame).detail


def test_a_strong_confounder_is_no_copy():
    rng = np.random.default_rng(14)
    for spread in (0.1, 0.3):
        frame = noise(rng)
        frame["size"] = rng.integers(0, 4, 300) * 1.0
        frame["x"] = frame["size"] + spread * rng.normal(size=300)
        frame["y"] = frame["size"] + spread * rng.normal(size=300)
        assert "all but vanishes with size held fixed" in lurking(frame).detail
        frame["size"] += 0.05 * rng.normal(size=300)
        assert "other words" not in lurking(frame).detail


def test_a_column_missing_at_random_is_no_explanation():
    for seed in range(15):
        rng = np.random.default_rng(100 + seed)
        frame = true_effect(rng)
        for name, share in (("z", 0.5), ("site", 0.9)):
            frame.loc[rng.uniform(size=300) < share, name] = np.nan
        assert "vanishes" not in lurking(frame).detail
        assert "turns" not in lurking(frame).detail


def test_a_mostly_missing_column_is_compared_on_its_own_rows():
    """Where it is known the effect is weaker, with it and without it: it explains nothing."""
    rng = np.random.default_rng(16)
    frame = true_effect(rng, 600)
    known = rng.uniform(size=600) < 0.3
    frame["y"] = np.where(known, 0.6 * frame.x, 2 * frame.x) + rng.normal(size=600)
    frame["deck"] = np.where(known, np.round(frame.x + 2 * rng.normal(size=600)), np.nan)
    found = lurking(frame)
    assert "vanishes" not in found.detail
    assert found.observed["deck: without"] < 0.8 * 0.85
    assert found.observed["deck"] > 0.5 * found.observed["deck: without"]


def test_rows_whose_effect_is_gone_anyway_are_said_not_to_compare():
    """Who is a man or a woman tells the sex; only the children are left, in whom it is nothing."""
    rng = np.random.default_rng(17)
    frame = noise(rng, 600)
    frame["sex"] = rng.choice(["male", "female"], 600)
    child = rng.uniform(size=600) < 0.1
    frame["who"] = np.where(child, "child", np.where(frame.sex == "male", "man", "woman"))
    frame["y"] = 2 * ((frame.sex == "female") & ~child) + child + rng.normal(size=600)
    found = lurking(frame, claim("difference", "higher", exposure="sex", group="female"))
    assert "who can't be compared" in found.detail
    assert "without it as well" in found.detail
    assert found.passed is None


def test_rows_that_show_no_effect_until_the_column_is_held_fixed_turn_it():
    """Where both levels of `x` are found in one part of `size`, two opposite effects cancel."""
    rng = np.random.default_rng(21)
    frame = noise(rng, 600)
    frame["x"] = rng.choice(["a", "b"], 600)
    size = np.where(frame.x == "a", rng.normal(2.5, 1, 600), rng.normal(0, 1, 600))
    frame["size"], frame["y"] = size, 2 * size - 1.5 * (frame.x == "a") + rng.normal(size=600)
    higher = claim("difference", "higher", exposure="x", group="a")
    found = lurking(frame, higher)
    assert "turns its sign with size held fixed" in found.detail
    assert found.observed["size"] < -0.2 < 0 < found.observed["size: without"]


def test_parts_that_are_too_wide_to_hold_a_confounder_fixed_are_said_to_be():
    """A tenth of the rows has it: bins of ten rows let through what it explains."""
    rng = np.random.default_rng(18)
    frame = noise(rng, 600)
    size = rng.uniform(0, 4, 600)
    frame["x"], frame["y"] = (size + 0.05 * rng.normal(size=600) for _ in range(2))
    frame["size"] = np.where(rng.uniform(size=600) < 0.1, size.round(3), np.nan)
    found = lurking(frame)
    assert found.observed["size"] > 0.5
    assert "size can't be compared" in found.detail
    assert "so wide" in found.detail


def test_groups_exchange_a_column_as_wholes():
    rng = np.random.default_rng(19)
    g = np.repeat(np.arange(500), 2)
    size = rng.normal(size=500).round(2)
    x, y = (size + 0.7 * rng.normal(size=500) for _ in range(2))
    frame = pd.DataFrame({"g": g, "x": x[g], "y": y[g] + rng.normal(size=1000), "size": size[g]})
    found = lurking(frame, design="grouped:g")
    assert "with size held fixed" in found.detail
    assert found.observed["size"] < 0.2 < 0.5 < found.observed["size: without"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.97))
def test_it_never_fails_and_says_something_of_any_missing_share(seed, share):
    rng = np.random.default_rng(seed)
    frame = true_effect(rng, 120)
    frame["deck"] = rng.integers(0, 9, 120) * 1.0
    frame.loc[rng.uniform(size=120) < share, "deck"] = np.nan
    for check in fragility(text(frame), POSITIVE, "iid", seed):
        assert check.passed in (True, None)
        assert check.detail


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared tables are not here")
def test_of_the_titanic_no_copy_and_no_missing_column_explains_the_sexes():
    packed = (DATA / "seaborn_data" / "titanic.csv.gz").read_bytes()
    cells = read_cells(BytesIO(gzip.decompress(packed)))
    base = {"table": "titanic", "outcome": "survived"}
    sexes = Claim(kind="difference", direction="higher", exposure="sex", group="female", **base)
    classes = Claim(kind="association", direction="negative", exposure="pclass", **base)
    for one in (sexes, classes):
        found = {check.name: check for check in fragility(cells, one, "iid", 1)}["lurking"]
        assert "vanishes" not in found.detail
        assert "in other words it is `survived`: alive" in found.detail
    assert "in other words it is `pclass`: class" in found.detail
