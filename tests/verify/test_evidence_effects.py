import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.records import Claim
from earnest.verify.evidence_effects import EFFECTS, Effect, NoEffectError, in_play, planted


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
@given(st.integers(0, 1000), st.sampled_from([-0.9, -0.4, 0.0, 0.3, 0.8]))
def test_what_is_planted_is_there(seed, strength):
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
        EFFECTS["difference", "higher"].follows, orders=lambda y: (y - y.median()).abs()
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
