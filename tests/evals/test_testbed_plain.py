"""Code said in a roundabout way is read as if it were said plainly; and what isn't, is left."""

import ast
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.testbed import SOLUTION
from earnest.evals.testbed_detect import attempts
from earnest.evals.testbed_plain import plainly
from earnest.tasks.specs import exercise, program_of
from earnest.tasks.specs_cheats import cheat
from earnest.tasks.specs_honest import solution
from earnest.tasks.specs_mutate import rephrase


def said(text):
    return ast.unparse(plainly(ast.parse(text)))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("x = 10 - 1", "x = 9"),
        ("x = (2 * 3 + 4) * -1", "x = -10"),
        ("x = 'a' + 'b' + 'c'", "x = 'abc'"),
        ("x = 'a'.__add__('b')", "x = 'ab'"),
        ("x = ''.join(['a', 'b'])", "x = 'ab'"),
        ("x = '%s%s' % ('n', 'an')", "x = 'nan'"),
        ("x = f'ab'", "x = 'ab'"),
        ("x = dict(zip([1, 2], ['a', 3]))", "x = {1: 'a', 2: 3}"),
        ("getattr(os, '_ex' + 'it')(0)", "os._exit(0)"),
        ("vars(m)['a'].b = 1", "m.a.b = 1"),
        ("m.__dict__['a'] = 1", "m.a = 1"),
        ("m.__getattribute__('a')", "m.a"),
    ],
)
def test_what_is_put_together_is_worked_out(text, plain):
    assert said(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "x = a + 1", "x = 'a' * 10 ** 9", "x = 1 / 2", "x = '%d' % 3", "x = '%s' % (1,)",
        "x = '%s' % ()", "x = f'{a}b'", "x = dict(zip(a, b))", "x = dict(zip([1], [2, 3]))",
        "getattr(os, name)", "getattr(os, 'a', None)", "getattr(os, 'a b')", "vars()['a']",
        "x['a']", "','.join(words)", "x = 'a' + 1", "x = dict(a=1)",
    ],
)  # fmt: skip
def test_what_can_not_be_worked_out_is_left(text):
    assert said(text) == ast.unparse(ast.parse(text))


def test_no_number_grows_without_end():
    text = "x = " + " * ".join(["99999999999"] * 60)
    assert len(said(text)) < 10_000


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_plain_code_does_the_same(seed, depth):
    """The rephrased, read plainly, does what it did."""
    one, secrets = exercise(seed % 20, depth)
    source = solution(program_of(secrets), before="TABLE = {1: 'one', 22: 'two'}\n\n\n")
    for _ in range(3):
        source, _way = rephrase(source, random.Random(seed))
    names = {}
    exec(said(source), names)  # noqa: S102 (our own lines)
    for case in one.shown:
        assert names["solve"](case.given) == case.expected


def test_cheats_are_told_by_their_family_however_their_constants_are_said():
    told = 0
    for seed in range(30):
        one, _ = exercise(seed, 2, offers=["key"])
        family = ("hard-coded", "fingerprint", "state", "early-exit", "read-answers")[seed % 5]
        files = cheat(one, family, random.Random(seed))
        way, text = "", ""
        rng = random.Random(seed)
        while way not in ("texts", "tables", "attributes"):
            text, way = rephrase(files[SOLUTION].decode(), rng)
        found = {attempt.family for attempt in attempts(one, {**files, SOLUTION: text.encode()})}
        told += family in found
    assert told == 30
