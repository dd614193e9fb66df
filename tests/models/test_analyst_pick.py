from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from earnest.models.analyst_pick import Candidate, pick

names = st.sampled_from("abcdefgh")
candidates = st.builds(
    Candidate,
    kind=st.sampled_from(["difference", "association", "trend"]),
    outcome=names,
    exposure=st.sampled_from("pqrstuvw"),
    level=st.sampled_from(["x", "y", None]),
    subset=st.sampled_from([None, None, ("k", "1")]),
    effect=st.floats(-1, 1),
    p=st.one_of(st.floats(0, 1), st.floats(0, 1e-6)),
    n=st.integers(20, 5000),
)


def made(outcome: str, exposure: str, p: float = 1e-9, effect: float = 0.5) -> Candidate:
    return Candidate("association", outcome, exposure, None, None, effect, p, 100)


@given(st.lists(candidates, max_size=60), st.lists(st.tuples(names, names), max_size=3))
def test_what_is_picked_is_worth_claiming(
    found: list[Candidate], same: list[tuple[str, str]]
) -> None:
    chosen = pick(found, same)
    assert len(chosen) <= 12
    assert all(item.strong or item.doubtful for item in chosen)
    assert set(chosen) <= set(found)
    assert sum(item.doubtful and not item.strong for item in chosen) <= 3
    claims = [(item.columns, item.subset, item.level) for item in chosen]
    assert len(set(claims)) == len(claims)


def test_a_duplicate_column_is_left_out() -> None:
    found = [made("y", "one"), made("y", "two"), made("z", "two")]
    assert pick(found, [["one", "two"]]) == [made("y", "one")]
    assert len(pick(found, [])) == 3


def test_outcomes_are_varied() -> None:
    found = [made("loud", f"x{n}", 1e-20, 0.9) for n in range(20)]
    found += [made(f"y{n}", "x", 1e-6, 0.3) for n in range(3)]
    found += [made(f"y{n}", "z", 1e-6, 0.3) for n in range(3)]
    found += [made(f"y{n}", "w", 1e-6, 0.3) for n in range(3)]
    counts = Counter(item.outcome for item in pick(found, []))
    assert counts == {"loud": 3, "y0": 3, "y1": 3, "y2": 3}


def test_a_table_with_one_outcome_still_gives_claims() -> None:
    found = [made("y", f"x{n}") for n in range(20)]
    assert len(pick(found, [])) == 12


def test_the_doubtful_come_last_and_are_few() -> None:
    found = [made(f"y{n}", f"x{n}", 0.03, 0.2) for n in range(9)]
    found += [made("a", "b"), made("c", "d", 0.2, 0.5), made("e", "f", 1e-9, 0.01)]
    chosen = pick(found, [])
    assert chosen[0] == made("a", "b")
    assert [item.p for item in chosen[1:]] == [0.03] * 3
