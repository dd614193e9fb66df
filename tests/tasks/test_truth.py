"""The oracle knows what the graph says: what is null, true, wrong-way, overstated or trivial."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.records import Claim
from earnest.tasks.simulated import Node, World, draw
from earnest.tasks.truth import Oracle, separated

TWO = {"levels": ("a", "b"), "chances": (0.5, 0.5)}


def world(*nodes, design="iid", size=0):
    return World("t", "test", design, nodes, size)


def claim(outcome, exposure, direction="positive", **more):
    kind = {"higher": "difference", "lower": "difference"}.get(direction, "association")
    if direction in ("rising", "falling"):
        kind = "trend"
    return Claim(
        kind=kind, table="t", outcome=outcome, exposure=exposure, direction=direction, **more
    )


def words(found, *claims):
    oracle = Oracle(found, population=40_000)
    return [oracle.truth(each).word for each in claims]


CONFOUNDED = world(Node("c", **TWO), Node("x", (("c", 1.0),)), Node("y", (("c", -1.0),)), Node("n"))


def test_a_confounded_pair_is_true_and_null_when_the_lurking_column_is_held_fixed():
    assert words(
        CONFOUNDED,
        claim("y", "x", "negative"),
        claim("y", "x"),
        claim("y", "x", "negative", adjust_for=("c",)),
        claim("y", "x", "negative", subset="c == 'a'"),
        claim("y", "x", "negative", adjust_for=("n",)),
        claim("y", "n"),
    ) == ["true", "wrong-way", "null", "null", "true", "null"]


def test_what_goes_by_way_of_a_third_column_is_true_unless_it_is_held_fixed():
    chain = world(Node("x"), Node("y", (("x", 0.8),)), Node("z", (("y", -0.8),)))
    assert words(
        chain,
        claim("z", "x", "negative"),
        claim("x", "z", "negative"),
        claim("z", "x", "positive"),
        claim("z", "x", "negative", adjust_for=("y",)),
    ) == ["true", "true", "wrong-way", "null"]


def test_holding_a_common_effect_fixed_makes_an_association():
    collider = world(Node("x"), Node("y"), Node("z", (("x", 1.0), ("y", 1.0))))
    assert words(
        collider, claim("y", "x", "negative"), claim("y", "x", "negative", adjust_for=("z",))
    ) == ["null", "true"]


def test_columns_that_say_the_same_are_trivial():
    copied = world(
        Node("x"),
        Node("y", (("x", 0.5),)),
        Node("cm", copies=("x", 2.54, 0.0)),
        Node("both", sums=("x", "y")),
    )
    assert words(
        copied,
        claim("x", "cm"),
        claim("cm", "x", "negative"),
        claim("both", "cm"),
        claim("y", "both"),
        claim("y", "cm"),
        claim("y", "x", adjust_for=("cm",)),
    ) == ["trivial", "trivial", "trivial", "trivial", "true", "null"]


def test_a_difference_and_its_size():
    planted = world(Node("arm", **TWO), Node("y", (("arm", 0.5),)))
    higher = claim("y", "arm", "higher", group="a")
    lower = claim("y", "arm", "lower", group="a")
    other = claim("y", "arm", "lower", group="b")
    assert words(planted, higher, lower, other) == ["true", "wrong-way", "true"]
    # The rank-biserial correlation of two normals d apart is 2 Phi(d / sqrt 2) - 1 = 0.276.
    assert Oracle(planted).truth(higher).effect == pytest.approx(0.276, abs=0.01)
    for least, word in ((0.2, "true"), (0.35, "overstated")):
        asked = claim("y", "arm", "higher", group="a", threshold=least)
        assert words(planted, asked) == [word]


def test_missing_cells_select_rows():
    """x and y have nothing to do with each other, except where both are common causes of gaps."""
    nodes = (Node("x"), Node("y"), Node("s", (("x", 2.0), ("y", 2.0))))
    whole = world(*nodes, Node("m"))
    gaps = world(*nodes, Node("m", missing=0.4, missing_by="s"))
    asked = claim("y", "x", "negative", adjust_for=("m",))
    assert words(whole, asked) == ["null"]
    assert words(gaps, asked) == ["true"]
    assert words(gaps, claim("y", "x", "negative")) == ["null"]


def test_groups_are_asked_within_where_the_exposure_varies_inside():
    grouped = world(
        Node("u", hidden=True, per_group=True),
        Node("policy", per_group=True, **TWO),
        Node("x", (("u", 1.0),)),
        Node("y", (("u", 1.0), ("policy", 0.8))),
        Node("arm", **TWO),
        Node("z", (("arm", 0.5), ("u", 1.0))),
        design="grouped:site",
        size=20,
    )
    assert words(
        grouped,
        claim("y", "x"),
        claim("y", "policy", "higher", group="a"),
        claim("z", "policy", "higher", group="a"),
        claim("z", "arm", "higher", group="a"),
        claim("z", "arm", "lower", group="a"),
    ) == ["null", "true", "null", "true", "wrong-way"]


def test_trends():
    series = world(
        Node("day", clock=True),
        Node("up", (("day", 1.0),), memory=0.8),
        Node("walk", memory=1.0),
        Node("wave", cycle=30),
        design="time:day",
    )
    assert words(
        series,
        claim("up", "day", "rising"),
        claim("up", "day", "falling"),
        claim("walk", "day", "rising"),
        claim("wave", "day", "falling"),
    ) == ["true", "wrong-way", "null", "null"]


def test_a_connection_that_rows_could_not_show_is_null():
    faint = world(Node("x"), Node("y", (("x", 0.001),)))
    assert not separated(faint, "x", "y", ())
    assert words(faint, claim("y", "x")) == ["null"]


@st.composite
def graphs(drawing):
    """Linear graphs of four to five columns, with weights that don't cancel by chance."""
    count = drawing(st.integers(4, 5))
    nodes = []
    for number in range(count):
        parents = [
            (f"v{other}", drawing(st.sampled_from([0.7, 1.1, -0.9])))
            for other in range(number)
            if drawing(st.booleans())
        ]
        nodes.append(Node(f"v{number}", tuple(parents)))
    return world(*nodes)


@given(graphs(), st.data())
def test_what_the_graph_separates_has_no_partial_correlation(found, data):
    names = [node.name for node in found.nodes]
    one, other = data.draw(st.sampled_from(list(itertools.combinations(names, 2))))
    rest = [name for name in names if name not in (one, other)]
    fixed = [name for name in rest if data.draw(st.booleans())]
    if separated(found, one, other, fixed):
        values = draw(found, 20_000, np.random.default_rng(1)).values
        basis = np.column_stack([np.ones(20_000), *(values[name] for name in fixed)])
        left, right = (
            values[name] - basis @ np.linalg.lstsq(basis, values[name], rcond=None)[0]
            for name in (one, other)
        )
        assert abs(np.corrcoef(left, right)[0, 1]) < 5 / np.sqrt(20_000)
    assert separated(found, one, other, fixed) == separated(found, other, one, fixed)
