"""Effects against scipy and against what the rows plainly say, kind by kind."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, kruskal, mannwhitneyu, spearmanr
from scipy.stats.contingency import association
from tests.verify.nulls import AB, MODIFIED, ORDERED, REVERSED, RULE, claim, reversing, text

from earnest.core.kinds import FORMAL, FORMS
from earnest.verify.dependence import _Between
from earnest.verify.estimate import Ask, answer, estimate, point
from earnest.verify.moderation import jackknifed
from earnest.verify.rules import NUMBER
from earnest.verify.shape import triples
from earnest.verify.units import NotTestableError, untestable


def many(seed=1, n=240):
    rng = np.random.default_rng(seed)
    x = rng.choice(list("abc"), n)
    return pd.DataFrame(
        {
            "x": x,
            "y": rng.normal(size=n) + (x == "a"),
            "l": np.where(rng.random(n) < 0.3, x, rng.choice(list("abc"), n)),
            "g": rng.integers(0, 20, n),
        }
    )


def test_the_highest_is_the_least_of_its_differences():
    frame = many()
    found = estimate(text(frame), claim("difference", "highest", **AB), "iid", alpha=0.01, seed=1)
    pairs = []
    for other in "bc":
        one, two = frame.y[frame.x == "a"], frame.y[frame.x == other]
        pairs.append(2 * mannwhitneyu(one, two).statistic / (len(one) * len(two)) - 1)
    assert found.effect == pytest.approx(min(pairs))
    assert found.p.p < 0.01
    low = estimate(
        text(frame.assign(y=-frame.y)),
        claim("difference", "lowest", **AB),
        "iid",
        alpha=0.01,
        seed=1,
    )
    assert low.effect == pytest.approx(-found.effect)
    assert low.p.p < 0.01
    # The intervals mirror each other but for the draws of the bootstrap.
    assert low.interval == pytest.approx((-found.interval[1], -found.interval[0]), abs=0.05)


def test_a_group_that_shares_the_first_place_is_not_highest():
    frame = many()
    frame.loc[frame.x == "b", "y"] += 1
    found = estimate(text(frame), claim("difference", "highest", **AB), "iid", alpha=0.01, seed=1)
    assert found.p.p > 0.01
    assert found.interval[0] < 0


def test_ordinal_levels_go_by_their_places():
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    y = np.maximum(x, y)
    names = np.array(["s", "m", "l"])
    frame = text(pd.DataFrame({"x": names[x], "y": names[y]}))
    one = claim("association", "positive", exposure="x", **ORDERED)
    assert point(frame, one, "iid") == pytest.approx(spearmanr(x, y).statistic)
    with pytest.raises(NotTestableError, match="holds no numbers"):
        point(frame, claim("association", "positive", exposure="x"), "iid")


def test_dependence_is_kruskals_and_pearsons_statistic():
    frame = many()
    sides = [frame.y[frame.x == level] for level in "abc"]
    marks = (frame.y.rank() - (len(frame) + 1) / 2).to_numpy()[:, None]
    codes, zeros = pd.factorize(frame.x)[0], np.zeros(len(frame), dtype=np.intp)
    root = _Between(marks, codes, zeros).statistic(codes[None, :] * 1.0, marks, zeros)[0]
    h = root**2 / (marks**2).sum() * (len(frame) - 1)
    assert h == pytest.approx(kruskal(*sides).statistic)
    numbers = claim("association", "dependent", exposure="x")
    epsilon = (h - 2) / (len(frame) - 1 - 2)  # the corrected correlation ratio, squared
    assert point(text(frame), numbers, "iid") == pytest.approx(np.sqrt(epsilon), rel=0.01)
    levels = claim("association", "dependent", "l", exposure="x")
    table = pd.crosstab(frame.l, frame.x)
    v = np.sqrt(
        max(0, chi2_contingency(table, correction=False).statistic / len(frame) - 4 / 239) / 2
    )
    assert point(text(frame), levels, "iid") == pytest.approx(v, rel=0.03)
    assert v < association(table, method="cramer")


def test_dependence_has_no_direction():
    frame = text(many())
    one = claim("association", "dependent", exposure="x")
    turned = claim("association", "dependent", "x", exposure="y")
    assert point(frame, one, "iid") == pytest.approx(point(frame, turned, "iid"))


def test_skew_is_the_mean_of_all_triples():
    x = np.random.default_rng(3).exponential(size=14).round(1)
    each = np.zeros(14)
    for i, j, k in itertools.combinations(range(14), 3):
        a, b, c = sorted((x[i], x[j], x[k]))
        for row in (i, j, k):
            each[row] += np.sign(a + c - 2 * b)
    assert triples(x) == pytest.approx(each / (13 * 12 / 2))


def test_the_jackknife_leaves_each_row_out():
    rng = np.random.default_rng(4)
    x = rng.integers(0, 6, 30) * 1.0
    y = x + rng.integers(0, 9, 30)
    left = [spearmanr(np.delete(x, i), np.delete(y, i)).statistic for i in range(30)]
    found = jackknifed(y, x)
    assert found.values == pytest.approx(30 * found.rho - 29 * np.array(left))


def test_stronger_is_a_difference_of_sizes():
    rng = np.random.default_rng(5)
    x, m = rng.normal(size=200), np.repeat(["a", "b"], 100)
    y = np.where(m == "a", -x, 0.2 * x) + rng.normal(size=200)
    frame = pd.DataFrame({"x": x, "y": y, "m": m})
    rhos = [abs(spearmanr(x[m == side], y[m == side]).statistic) for side in "ab"]
    stronger, weaker = (claim("interaction", way, **MODIFIED) for way in ("stronger", "weaker"))
    assert point(text(frame), stronger, "iid") == pytest.approx(rhos[0] - rhos[1])
    assert point(text(frame), weaker, "iid") == pytest.approx(rhos[0] - rhos[1])
    assert estimate(text(frame), stronger, "iid", alpha=0.01, seed=1).p.p < 0.01
    assert estimate(text(frame), weaker, "iid", alpha=0.01, seed=1).p.p > 0.5


def test_a_reversal_needs_both_signs_also_between_two_groups():
    frame = reversing(3, -0.8)(np.random.default_rng(6))
    both = claim("interaction", "positive-overall", **REVERSED)
    assert point(text(frame), both, "iid") > 0.1
    assert point(text(frame), claim("interaction", "negative-overall", **REVERSED), "iid") < 0
    frame["x"] = np.where(frame.x > frame.x.median(), "a", "b")
    groups = claim("interaction", "positive-overall", **REVERSED, group="a")
    assert estimate(text(frame), groups, "iid", alpha=0.01, seed=1).p.p < 0.01


@pytest.mark.parametrize(
    ("one", "design", "says"),
    [
        (claim("distribution", "different", **AB), "grouped:g", "independent rows"),
        (claim("distribution", "right-skewed"), "grouped:g", "independent rows"),
        (claim("distribution", "wider", **AB), "time:t", "time series"),
        (claim("association", "dependent", exposure="x"), "time:t", "time series"),
        (claim("value", "equal", statistic="mean", value=1), "iid", "rows at hand"),
        (claim("difference", "highest", exposure="x", group="q"), "iid", "against"),
        (claim("difference", "highest", exposure="n", group="a"), "iid", "levels"),
        (claim("distribution", "different", exposure="x", group="a"), "iid", "needed for shape"),
        (claim("association", "dependent", "n", exposure="x"), "iid", "more than 30 levels"),
        (
            claim("interaction", "stronger", exposure="y2", modifier="x", group="a"),
            "iid",
            "fewer than 20",
        ),
    ],
)
def test_what_has_no_test_says_so(one, design, says):
    frame = many(n=45).assign(t=range(45), n=[f"name {i}" for i in range(45)], y2=range(45))
    with pytest.raises(NotTestableError, match=says):
        estimate(text(frame), one, design, alpha=0.01, seed=1)
    if "rows" in says or "series" in says:
        assert says in untestable(one, design)


def test_a_design_that_cannot_reach_its_share_is_not_drawn():
    frame = many(n=40)
    frame["x"] = ["a"] * 2 + ["b"] * 38
    found = estimate(text(frame), claim("difference", "higher", **AB), "iid", alpha=1e-4, seed=1)
    assert (found.p.p, found.p.draws) == (1.0, 0)
    assert found.p.reached == pytest.approx(1 / 780)


def test_every_form_with_an_estimator_has_one():
    for kind, direction in OF_TABLES:
        one = claim(kind, direction, **{k: MORE[k] for k in FORMS[kind, direction].needs})
        if not one.descriptive:
            assert -1 <= point(text(_whole_table()), one, "iid") <= 1


def test_no_test_for_what_is_not_asked():
    frame = text(_whole_table())
    for kind, direction in OF_TABLES:
        one = claim(kind, direction, **{k: MORE[k] for k in FORMS[kind, direction].needs})
        if not one.descriptive:
            assert answer(frame, one, "iid", Ask(None, 1, resamples=9)).p is None


OF_TABLES = [form for form in FORMS if form[0] not in FORMAL]
MORE = {
    **RULE,
    "threshold": 0.9,
    "exposure": "x",
    "group": "1",
    "modifier": "m",
    "statistic": "mean",
    "value": 1,
    "where": "y > 1",
    "count": 1,
}


def _whole_table():
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "x": rng.integers(0, 3, 300),
            "m": rng.integers(0, 3, 300),
            "y": rng.normal(size=300),
            NUMBER: rng.normal(size=300),
        }
    )
