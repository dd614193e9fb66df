import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.records import Claim
from earnest.verify.evidence_effects import in_play, planted, unplanted
from earnest.verify.evidence_forms import EFFECTS, Effect, NoEffectError


def claim(kind="association", **more):
    direction = {"association": "positive", "difference": "higher", "trend": "rising"}[kind]
    base = {"kind": kind, "table": "t", "outcome": "y", "exposure": "x", "direction": direction}
    return Claim(**{**base, **more})


def noise(n=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "y": rng.integers(0, 50, n)})
    return frame.assign(arm=rng.choice(["a", "b", "c"], n), site=rng.choice(["n", "s"], n))


def text(frame):
    return frame.astype(str).mask(frame.isna())


def after(frame, one, strength, design="iid", seed=1):
    """The strength that is there once an effect was planted."""
    play = in_play(text(frame), one, design)
    new = planted(play, one, strength, seed)(frame.astype(str))
    assert sorted(new["y"]) == sorted(frame["y"].astype(str))
    pd.testing.assert_frame_equal(new.drop(columns="y"), frame.astype(str).drop(columns="y"))
    return in_play(text(new), one, design).strength


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 1000), st.sampled_from([-0.9, -0.4, 0.0, 0.3, 0.8]))
def test_what_is_planted_is_there(seed, strength):
    """(The table itself is drawn with seed 0: a plant with that one would be made of its `x`.)"""
    for one in (
        claim(),
        claim("trend", direction="falling"),
        claim("difference", exposure="arm", group="a"),
        claim("difference", exposure="arm", group="a", versus="b", direction="lower"),
        claim(adjust_for=("site",)),
        claim(subset="site == 'n'"),
    ):
        found = after(noise(), one, strength, seed=seed)
        most = 0.75 if one.kind == "difference" else 1.0  # two groups can't follow more closely
        assert found == pytest.approx(np.clip(strength, -most, most), abs=0.25)


def test_strength_has_the_claims_sign():
    frame = noise().assign(y=lambda t: t.x - 0.5 * (t.arm == "a"))
    assert in_play(text(frame), claim(), "iid").strength > 0.8
    assert in_play(text(frame), claim(direction="negative"), "iid").strength < -0.8
    lower = claim("difference", exposure="arm", group="a", direction="lower")
    assert in_play(text(frame), lower, "iid").strength > 0.1


def test_no_effect_is_within_two_standard_errors():
    zs = [in_play(text(noise(seed=seed)), claim(), "iid").z for seed in range(200)]
    assert np.std(zs) == pytest.approx(1, abs=0.2)


def test_groups_count_as_one_where_the_exposure_does_not_vary_in_them():
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(20), 30)
    arm = rng.permutation(np.arange(20) % 2)[group]
    level = rng.normal(size=20)[group]
    frame = pd.DataFrame({"g": group, "x": arm, "y": level + 0.3 * rng.normal(size=600)})
    as_rows = in_play(text(frame), claim(), "iid")
    as_groups = in_play(text(frame), claim(), "grouped:g")
    assert abs(as_groups.z) < 3
    assert len(as_groups._units[0]) == 20
    strengths = [after(frame, claim(), 0.5, "grouped:g", seed) for seed in range(20)]
    assert np.mean(strengths) == pytest.approx(0.5, abs=0.15)
    assert np.std(strengths) > 3 * np.std([after(frame, claim(), 0.5, "iid", s) for s in range(20)])
    assert as_rows.groups is None


def test_within_groups_outcomes_stay_in_their_group():
    rng = np.random.default_rng(1)
    frame = noise(200).assign(g=np.repeat(np.arange(20), 10), y=rng.permutation(200))
    play = in_play(text(frame), claim(), "grouped:g")
    new = planted(play, claim(), 0.9, 3)(frame.astype(str))
    for _, rows in frame.groupby("g"):
        assert sorted(new.loc[rows.index, "y"].astype(int)) == sorted(rows["y"])


def test_a_spread_is_planted_by_the_distance_from_the_middle(monkeypatch):
    spread = Effect(
        EFFECTS["difference", "higher"].follows, orders=lambda y, *_: (y - y.median()).abs()
    )
    monkeypatch.setitem(EFFECTS, ("difference", "higher"), spread)
    one = claim("difference", exposure="arm", group="a")
    frame = noise()
    play = in_play(text(frame), one, "iid")
    new = planted(play, one, 0.7, 1)(frame.astype(str))
    widths = new["y"].astype(float).groupby(new["arm"]).std()
    assert widths["a"] > 1.5 * max(widths["b"], widths["c"])


def test_what_can_not_be_planted_says_why(monkeypatch):
    with pytest.raises(NoEffectError, match="does not vary"):
        in_play(text(noise().assign(y=3)), claim(), "iid")
    with pytest.raises(NoEffectError, match="holds no numbers"):
        in_play(text(noise().assign(y="red")), claim(), "iid")
    monkeypatch.delitem(EFFECTS, ("trend", "rising"))
    with pytest.raises(NoEffectError, match="no way to plant a trend"):
        in_play(text(noise()), claim("trend"), "iid")


def test_missing_cells_keep_their_place():
    frame = noise().astype({"y": float})
    frame.loc[::7, "y"] = np.nan
    play = in_play(text(frame), claim(), "iid")
    written = frame.astype(str).where(frame.notna(), "")
    new = planted(play, claim(), 0.9, 1)(written)
    assert (new["y"] == "").equals(frame["y"].isna())


def test_strength_sees_what_ranks_see_in_a_mixture_that_leans_the_other_way_inside():
    """Three groups that rise inside and fall overall: normal scores give half of what ranks do."""
    centres = [(39, 18.4, 0.4, 95), (47.5, 15.0, 0.65, 75), (49, 18.4, 0.65, 42)]
    rng = np.random.default_rng(7)
    parts = [
        rng.multivariate_normal((x, y), [[7, r * 2.9], [r * 2.9, 1.2]], n) for x, y, r, n in centres
    ]
    frame = pd.DataFrame(np.concatenate(parts), columns=["x", "y"]).round(2)
    play = in_play(text(frame), claim(direction="negative"), "iid")
    rho = -frame["x"].corr(frame["y"], method="spearman")
    assert rho > 0.15
    assert play.strength >= rho - 1e-9
    assert float(play.y @ play.x) / len(frame) < 0.8 * rho
    assert in_play(text(frame), claim(), "iid").strength < 0


def middling(second=81, third=37, last=8):
    """Of four ways to travel, the car is the second fastest for most: never the first."""
    place = np.repeat([1, 2, 3], [second, third, last])
    rows = []
    for person, at in enumerate(place):
        others = [rank for rank in range(4) if rank != at]
        ways = zip(("air", "bus", "train"), others, strict=True)
        rows += [(person, "car", at), *((person, way, rank) for way, rank in ways)]
    return pd.DataFrame(rows, columns=["who", "x", "y"])


def test_an_effect_that_is_small_beside_a_shuffle_and_clear_beside_its_own_spread_is_seen():
    """As in 126 travellers of statsmodels' modechoice: Wilcoxon's p of them is 0.026."""
    one = claim("difference", exposure="x", group="car", direction="lower")
    play = in_play(text(middling()), one, "grouped:who")
    assert play.strength == pytest.approx(0.04, abs=0.02)
    assert play.z > 2
    assert play.equivalent > 2 * play.strength
    nothing = in_play(text(middling(59, 59, 8)), one, "grouped:who")
    assert nothing.z < 0.5
    other = one.model_copy(update={"direction": "higher"})
    assert in_play(text(middling()), other, "grouped:who").z < 0


def test_in_pairs_the_effect_is_looked_for_inside_each():
    rng = np.random.default_rng(5)
    pair = np.repeat(np.arange(60), 2)
    after_ = np.tile([0, 1], 60)
    level = 10 * rng.normal(size=60)[pair]
    frame = pd.DataFrame({"g": pair, "x": after_, "y": level + after_ + rng.normal(size=120)})
    inside = in_play(text(frame), claim(), "grouped:g")
    assert inside.z > 3 > in_play(text(frame), claim(), "iid").z
    assert inside.parted
    new = planted(inside, claim(), 0.9, 1)(frame.astype(str))
    assert (new["y"].astype(float).groupby(pair).mean() == frame["y"].groupby(pair).mean()).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["iid", "grouped:g"]))
def test_a_few_values_never_make_an_effect_clear(seed, design):
    """Whatever six rows or groups say, it is no more than the root of 6 standard errors."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(6), 2)
    frame = pd.DataFrame({"g": g, "x": np.tile([0, 1], 6), "y": rng.normal(size=12).round(2)})
    play = in_play(text(frame), claim(), design)
    units = 12 if design == "iid" else 6
    assert play.z <= np.sqrt(units) + 1e-9


def test_where_nothing_is_planted_groups_exchange_their_outcomes_as_wholes():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(40), 6)
    mean = rng.normal(size=40)
    x = mean[g] + rng.normal(size=240)
    frame = pd.DataFrame({"g": g, "x": x, "y": (3 * mean[g] + rng.normal(size=240)).round(3)})
    play = in_play(text(frame), claim(), "grouped:g")

    def between(values):
        means = values.groupby(g).mean()
        return sorted(means.round(6)), means.corr(frame["x"].groupby(g).mean())

    was, rho = between(frame["y"])
    for seed in range(3):
        new = unplanted(play, claim(), seed)(frame.astype(str))["y"].astype(float)
        now, other = between(new)
        assert now == was
        assert abs(other) < 0.5 < rho
        inner = new - new.groupby(g).transform("mean")
        assert abs(inner.corr(frame["x"] - frame["x"].groupby(g).transform("mean"))) < 0.25


LEANING = Claim(kind="distribution", table="t", outcome="y", direction="right-skewed")
APART = Claim(kind="distribution", table="t", outcome="y", exposure="x", group="a",
              direction="different")  # fmt: skip
FASTER = Claim(kind="interaction", table="t", outcome="y", exposure="x", modifier="m", group="a",
               direction="stronger")  # fmt: skip
TURNED = Claim(kind="interaction", table="t", outcome="y", exposure="x", modifier="m",
               direction="positive-overall")  # fmt: skip


def test_of_a_column_that_leans_distances_stay_and_whole_numbers_too():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"y": rng.poisson(6, 300), "x": rng.normal(size=300)})
    play = in_play(text(frame), LEANING, "iid")
    middle = float(np.quantile(frame.y, 0.5, method="lower"))
    for strength in (0.8, 0.0, -0.8):
        new = planted(play, LEANING, strength, 3)(frame.astype(str))["y"]
        assert not new.str.contains(".", regex=False).any()
        assert sorted((new.astype(float) - middle).abs()) == sorted((frame.y - middle).abs())


def test_of_shapes_location_and_spread_of_each_group_stay():
    rng = np.random.default_rng(3)
    arm = np.repeat(["a", "b"], 150)
    y = np.where(arm == "a", 100 + 9 * rng.exponential(size=300), rng.normal(size=300))
    frame = pd.DataFrame({"x": arm, "y": y.round(3)})
    play = in_play(text(frame), APART, "iid")
    assert play.z > 2.5
    for strength in (0.0, 0.3):
        new = planted(play, APART, strength, 3)(frame.astype(str))["y"].astype(float)
        assert new[arm == "a"].median() == pytest.approx(106, abs=4)
        assert new[arm == "b"].median() == pytest.approx(0, abs=0.4)
    assert in_play(text(frame.assign(x=rng.permutation(arm))), APART, "iid").z < 2.5


@pytest.mark.parametrize("one", [LEANING, APART, FASTER, TURNED], ids=lambda one: one.direction)
def test_of_noise_our_measure_of_the_newer_forms_sees_little(one):
    zs = []
    for seed in range(120):
        rng = np.random.default_rng(1000 + seed)
        arm = rng.choice(["a", "b"], 200)
        x = arm if one is APART else rng.normal(size=200) + 2 * (arm == "a")
        frame = pd.DataFrame({"m": arm, "x": x, "y": rng.normal(size=200).round(3)})
        zs.append(in_play(text(frame), one, "iid").z)
    assert np.mean(np.array(zs) >= 2.5) <= 0.05


def test_a_reversal_needs_levels_that_differ_and_do_not_say_all():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"m": rng.choice(["a", "b"], 99), "y": rng.normal(size=99)})
    for x in (rng.normal(size=99), (frame["m"] == "a") * 1):
        with pytest.raises(NoEffectError, match="no reversal fits"):
            in_play(text(frame.assign(x=x)), TURNED, "iid")
