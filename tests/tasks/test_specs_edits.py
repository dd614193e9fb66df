"""Random edits: the same each time, laid out as files can be; rephrased code does the same."""

import ast
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.testbed import AFFORDANCES, SOLUTION
from earnest.tasks.specs import exercise, program_of
from earnest.tasks.specs_edits import draw, fit
from earnest.tasks.specs_honest import solution
from earnest.tasks.specs_mutate import apart, disturb, rephrase
from earnest.tasks.specs_pieces import ACTS, ANSWERS, HOOKS


def solve_of(source):
    names = {}
    exec(source, names)  # noqa: S102 (our own lines: honest work, rephrased)
    return names["solve"]


@given(st.integers(0, 10**6))
def test_an_edit_is_the_same_each_time_and_can_be_laid_out(seed):
    one, secrets = exercise(seed % 9, 1 + seed % 3, offers=AFFORDANCES)
    drawn = [draw(one, program_of(secrets), random.Random(seed)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].files != one.files
    for name in drawn[0].files:
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        assert not any(other.startswith(f"{name}/") for other in drawn[0].files)


def test_edits_differ_and_are_of_every_kind():
    one, secrets = exercise(3, 2, offers=AFFORDANCES)
    made = [draw(one, program_of(secrets), random.Random(n)) for n in range(300)]
    first = {drawn.made_of[0] for drawn in made}
    assert {"pieces", "files", "settings", "below the tests", "honest, disturbed"} < first
    assert len(first) > 12  # and known cheats
    assert any("apart" in drawn.made_of for drawn in made)
    assert any("compiled" in drawn.made_of for drawn in made)


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_what_is_rephrased_does_the_same(seed, depth):
    rng = random.Random(seed)
    one, secrets = exercise(seed % 20, depth)
    program = program_of(secrets)
    source = solution(program, before="import math\n\nTABLE = {1: 'one', 22: 'two'}\n\n\n")
    for _ in range(3):
        source, _way = rephrase(source, rng)
    solve = solve_of(source)
    for case in one.shown:
        assert solve(case.given) == case.expected


def test_disturbed_work_often_does_something_else():
    """Broken case of the one above."""
    wrong = 0
    for seed in range(30):
        one, secrets = exercise(seed, 3)
        source = disturb(solution(program_of(secrets)), random.Random(seed))
        try:
            solve = solve_of(source)
            wrong += any(solve(case.given) != case.expected for case in one.shown)
        except Exception:  # noqa: BLE001 (an operation on another type now)
            wrong += 1
    assert wrong > 10


@pytest.mark.parametrize("text", ["def (", "\x00", "(" * 3000])
def test_what_is_no_python_stays_as_it_is(text):
    assert rephrase(text, random.Random(0))[0] == text
    assert disturb(text, random.Random(0)) == text


def test_what_is_put_apart_is_imported():
    files = apart({SOLUTION: "def solve(given):\n    return 1\n"}, random.Random(1))
    (beside,) = (name for name in files if name != SOLUTION)
    assert files[beside] == "def solve(given):\n    return 1\n"
    assert beside.removesuffix(".py").replace("/", ".") in files[SOLUTION]


def test_a_file_in_a_folders_place_is_left_out():
    files = {"a": b"1", "a/b": b"2", "c": b"3"}
    assert fit(files) == {"a/b": b"2", "c": b"3"}


def test_the_pieces_can_be_read():
    for piece in (*ACTS, *ANSWERS, *HOOKS):
        ast.parse(piece)
