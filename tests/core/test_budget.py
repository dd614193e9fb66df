"""The purse holds a run, and its sub-agents together, to what it may use."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.budget import NAMES, Budget, Purse
from earnest.core.errors import BudgetError


def test_what_is_too_much_is_refused_with_nothing_counted():
    purse = Purse(Budget(bytes_written=10))
    purse.take("bytes_written", 8)
    with pytest.raises(BudgetError, match="10 bytes_written"):
        purse.take("bytes_written", 3)
    assert purse.used["bytes_written"] == 8
    purse.take("bytes_written", 2)


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 7)), max_size=40),
)
def test_children_never_use_more_together_than_the_parent_may(limit, takes):
    purse = Purse(Budget(processes=limit))
    children = [purse, purse.child(Budget(processes=9)), purse.child(Budget(processes=None))]
    done = [0, 0, 0]
    for who, amount in takes:
        try:
            children[who].take("processes", amount)
            done[who] += amount
        except BudgetError:
            pass
    assert sum(done) == purse.used["processes"] <= limit
    assert done[1] <= 9


def test_threads_can_t_take_more_than_there_is():
    purse = Purse(Budget(network_calls=100))
    taken = []

    def work():
        for _ in range(60):
            try:
                purse.take("network_calls")
                taken.append(1)
            except BudgetError:
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == purse.used["network_calls"] == 100


def test_a_purse_goes_on_where_it_was_and_ends_by_time():
    now = [5.0]
    purse = Purse(Budget(wall_s=10), {"wall_s": 4.0, "tokens": 7}, clock=lambda: now[0])
    assert purse.ended() is None
    assert purse.used["tokens"] == 7
    now[0] = 11.0
    assert purse.ended() == ("wall_s", 10, 10.0)
    assert purse.child(Budget(wall_s=None)).ended() == ("wall_s", 10, 10.0)
    assert set(purse.used) == set(NAMES)


def test_what_a_child_that_was_cut_off_used_is_counted_once():
    parent = Purse(Budget(tokens=100))
    parent.charge("tokens", 10)
    child = parent.child(Budget())
    child.charge("tokens", 5)
    assert (parent.used["tokens"], parent.lent()["tokens"]) == (15, 5)
    # The parent's record ends where the child was called; the child's own has the rest.
    later = Purse(Budget(tokens=100), {"tokens": parent.used["tokens"] - parent.lent()["tokens"]})
    again = later.child(Budget(), {"tokens": 5})
    again.charge("tokens", 2)
    assert (later.used["tokens"], again.used["tokens"]) == (17, 7)
    assert later.lent(settled=True)["tokens"] == 7
    assert later.lent()["tokens"] == 0


def test_what_is_set_aside_is_given_back():
    purse = Purse(Budget(tokens=100, cost_usd=1.0))
    with purse.aside({"tokens": 60, "cost_usd": 0.5}) as used:
        assert purse.left("tokens") == 40
        used["tokens"] = 20
    assert (purse.left("tokens"), purse.left("cost_usd")) == (80, 1.0)
    with pytest.raises(BudgetError), purse.aside({"cost_usd": 0.5, "tokens": 81}):
        raise AssertionError("begun after all")
    assert (purse.left("tokens"), purse.left("cost_usd")) == (80, 1.0)
    with pytest.raises(ZeroDivisionError), purse.aside({"tokens": 80}):
        raise ZeroDivisionError
    assert purse.left("tokens") == 80


def test_a_record_is_taken_in_once():
    now = [100.0]
    purse = Purse(Budget(tokens=100, wall_s=60), {"tokens": 5}, clock=lambda: now[0])
    for _ in range(2):
        purse.at_least({"tokens": 20, "wall_s": 30, "processes": 1})
    assert (purse.left("tokens"), purse.used["processes"], purse.left("wall_s")) == (80, 1, 30)
    purse.charge("tokens", 7)
    purse.at_least({"tokens": 20})
    assert purse.used["tokens"] == 27
