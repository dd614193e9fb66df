import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.records import Claim
from earnest.verify.evidence_tables import (
    measured,
    part,
    redrawn,
    renamed,
    renamings,
    reordered,
    rescaled,
    shuffled,
    together,
)

CLAIM = Claim(kind="association", table="t", outcome="y", exposure="x", direction="positive")
SITES = ["north", "south", "east", "west"]


def frame(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": np.arange(n) + 7,
            "g": np.repeat(list("kmpq"), n // 4),
            "site": rng.choice(SITES, n),
            "stage": rng.choice(["stage 1", "stage 2"], n),
            "x": rng.normal(5, 2, n).round(3),
            "y": rng.normal(50, 9, n).round(2),
            "count": rng.integers(0, 9, n),
        }
    ).astype(str)


def rows(table):
    return sorted(map(tuple, table.to_numpy().tolist()))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_another_order_has_the_same_rows(seed):
    table = frame()
    moved = reordered("iid", seed)(table)
    assert rows(moved) == rows(table)
    assert moved["y"].tolist() != table["y"].tolist()
    assert reordered("time:id", seed)(table) is table
    whole = reordered("grouped:g", seed)(table)
    assert rows(whole) == rows(table)
    for _, inside in whole.groupby("g"):
        assert inside.index.tolist() == sorted(inside.index)
        assert inside.index[-1] - inside.index[0] == len(inside) - 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["iid", "grouped:g", "time:id"]))
def test_a_part_leaves_a_few_rows_out_and_changes_none(seed, design):
    table = frame(400)
    kept = part(design, seed)(table)
    assert set(rows(kept)) <= set(rows(table))
    if design == "grouped:g":
        assert len(kept["g"].unique()) == 3
        assert len(kept) == 300
    else:
        assert 0.9 * 400 <= len(kept) < 400
    if design == "time:id":
        assert np.diff(kept["id"].astype(int)).max() == 1


def test_shuffling_and_redrawing_touch_one_column():
    table = frame()
    for change in (shuffled("y", 1), redrawn("y", 1)):
        new = change(table)
        pd.testing.assert_frame_equal(new.drop(columns="y"), table.drop(columns="y"))
        assert new["y"].tolist() != table["y"].tolist()
    assert sorted(shuffled("y", 1)(table)["y"]) == sorted(table["y"])


def test_labels_that_nobody_names_are_renamed_in_order():
    table = frame()
    found = renamings(table, CLAIM, "iid", b"table.groupby('site')")
    assert set(found) == {"id", "g", "site"}
    assert set(found["site"]) == set(SITES)
    for column, new in found.items():
        read = int if column == "id" else str
        old = sorted(new, key=read)
        assert [new[one] for one in old] == sorted(new.values(), key=read)
        assert len(set(new.values())) == len(new)
    changed = renamed(found)(table)
    assert not set(changed["site"]) & set(SITES)
    assert changed.groupby("site").size().tolist() == table.groupby("site").size().tolist()
    assert changed["y"].equals(table["y"])


def test_labels_that_somebody_names_are_left_alone():
    table = frame()
    claim = CLAIM.model_copy(update={"subset": "site == 'north'"})
    found = renamings(table, claim, "iid", b"table[table.site != 'west']")
    assert set(found["site"]) == {"east", "south"}
    group = Claim(
        kind="difference", table="t", outcome="y", exposure="g", direction="higher", group="k"
    )
    assert set(renamings(table, group, "iid", b"?")["g"]) == {"m", "p", "q"}
    assert set(renamings(table, CLAIM, "time:id", b"?")) == {"g", "site"}


def test_what_carries_an_order_of_its_own_is_no_label():
    table = frame().assign(
        day=[f"2020-01-{n % 28 + 1:02d}" for n in range(40)],
        year=[str(1980 + n) for n in range(40)],
        sick=["yes", "no"] * 20,
    )
    assert not {"stage", "day", "year", "sick", "count"} & set(renamings(table, CLAIM, "iid", b"?"))


def test_only_measurements_change_their_units():
    table = frame().assign(share=np.linspace(0, 1, 40).round(3).astype(str))
    assert measured(table, CLAIM) == ("y", "x")
    whole = CLAIM.model_copy(update={"outcome": "count"})
    assert measured(table, whole) == ("x",)
    assert measured(table, CLAIM.model_copy(update={"outcome": "share"})) == ("x",)
    assert measured(table, CLAIM.model_copy(update={"subset": "x > 4"})) == ("y",)


def test_what_a_rule_reads_or_gives_keeps_its_labels_and_units():
    body = {"kind": "rule", "table": "t", "direction": "predicts", "program": "def f(row): ..."}
    reads = Claim(**body, outcome="y", given=("site", "x"))
    assert set(renamings(frame(), reads, "iid", b"")) == {"id", "g"}
    assert measured(frame(), reads) == ()
    gives = Claim(**body, outcome="site", given=("x",))
    assert set(renamings(frame(), gives, "iid", b"")) == {"id", "g"}
    assert "site" in renamings(frame(), CLAIM, "iid", b"")


def test_units_multiply_numbers_and_leave_the_rest():
    table = frame()
    table.loc[3, "y"] = "lost"
    table.loc[4, "y"] = ""
    new = rescaled({"y": 8.0})(table)
    assert new.loc[[3, 4], "y"].tolist() == ["lost", ""]
    old = pd.to_numeric(table["y"], errors="coerce")
    assert pd.to_numeric(new["y"], errors="coerce").dropna().tolist() == pytest.approx(
        (8 * old).dropna().tolist()
    )


def test_changes_follow_each_other():
    table = frame()
    both = together(part("iid", 1), rescaled({"y": 2.0}))(table)
    assert len(both) == 38
    assert float(both["y"].iloc[0]) == 2 * float(table.loc[both.index[0], "y"])
