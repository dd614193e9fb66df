"""Real tasks become exercises: what is read of a data set's rows, and how a pair differs."""

import ast
import gzip
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.errors import UsageError
from earnest.core.testbed import SOLUTION, TESTS, UnusableError
from earnest.tasks.real import Answers, _otherwise, exercise_of
from earnest.tasks.real_items import Item, humaneval, items, mbpp, rows_of
from earnest.tasks.real_made import HUMANEVAL, MBPP


def row(*tests, prompt='def f(a, b=2):\n    """Words."""\n', **more):
    body = "".join(f"    {line}\n" for line in tests)
    return {
        "task_id": "X/1", "prompt": prompt, "entry_point": "f",
        "canonical_solution": "    return a\n", "test": f"def check(candidate):\n{body}", **more,
    }  # fmt: skip


def test_the_forms_of_tests_that_are_read():
    item = humaneval(
        row(
            "assert candidate([1, -2]) == [3]",
            "assert candidate('a', 4) == None, 'told'",
            "assert candidate(1)",
            "assert not candidate(2)",
            "assert candidate(3) is True",
            "assert abs(candidate(4) - 0.5) < 1e-6",
            "assert math.isclose(candidate(5), 2, rel_tol=0.1)",
            "assert candidate(1)",
            "assert True, 'nothing'",
        )
    )
    assert item.unread == 0
    assert item.tests == (
        (([1, -2],), [3]), (("a", 4), None), ((1,), True), ((2,), False), ((3,), True),
        ((4,), 0.5), ((5,), 2.0),
    )  # fmt: skip
    assert (item.entry, item.parameters, item.words) == ("f", ("a", "b"), "Words.")


def test_tests_of_other_forms_are_counted_not_run():
    item = humaneval(
        row(
            "import os; os.abort()",
            "for n in range(3): assert candidate(n) == n",
            "assert candidate(__import__('os').getcwd()) == 1",
            "assert tuple(candidate(1)) == (1,)",
            "assert candidate(a=1) == 1",
            "assert candidate(1) < 2",
            "assert candidate(1) == candidate(2)",
        )
    )
    assert (item.tests, item.unread) == ((), 6)


def test_what_stands_before_the_function_is_kept():
    prompt = 'import math\n\n\ndef g(x):\n    return x\n\n\ndef f(a: int) -> int:\n    """W."""\n'
    item = humaneval(row("assert candidate(1) == 1", prompt=prompt))
    assert ast.parse(item.stub)
    assert "import math" in item.stub
    assert "def g(x):\n    return x" in item.stub
    assert item.stub.endswith("def f(a: int) -> int:\n    raise NotImplementedError\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"test_setup_code": "x = 1"}, "code of their own"),
        ({"test_list": ["assert len([]) == 0"]}, "no function"),
        ({"test_list": ["assert f(1) == g(1)"]}, "or several"),
        ({"code": "def f(*a):\n    pass\n"}, "no plain arguments"),
        ({"code": "f = len\n"}, "no function"),
        (
            {"code": "def test_f(x):\n    return x\n", "test_list": ["assert test_f(1) == 1"]},
            "for a test",
        ),
        ({"code": "def f(:\n"}, "no Python"),
    ],
)
def test_rows_that_can_not_be_used_say_why(change, why):
    good = {
        "task_id": 7, "text": "T", "code": "def g(x):\n    pass\n\n\ndef f(x):\n    return x\n",
        "test_setup_code": "", "test_list": ["assert f(1) == 1"],
    }  # fmt: skip
    assert mbpp(good).tests == (((1,), 1),)
    ((name, found),) = items("mbpp", [{**good, **change}])
    assert name == "MBPP/7"
    assert why in found


def test_files_are_read_and_what_is_none_is_refused(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps({"a": 1}) + "\n\n")
    assert rows_of(path) == [{"a": 1}]
    path.write_bytes(b"no")
    for bad in (path, tmp_path / "none.jsonl"):
        with pytest.raises(UsageError) as caught:
            rows_of(bad)
        assert "--data" in caught.value.mend


def made(number=0, rows=HUMANEVAL, source="humaneval"):
    return [item for _, item in items(source, rows)][number]


def answers_of(item):
    fresh = [(f"fresh {n}",) * len(args) for n, (args, _) in enumerate(item.tests)]
    values = {repr(args): wanted for args, wanted in item.tests}
    return Answers({**values, **dict.fromkeys(map(repr, fresh), "told")}, fresh)


ALL = [*((n, HUMANEVAL, "humaneval") for n in range(len(HUMANEVAL))),
       *((n, MBPP, "mbpp") for n in range(len(MBPP)))]  # fmt: skip


@pytest.mark.parametrize(("number", "rows", "source"), ALL)
def test_a_pair_differs_in_one_expected_value(number, rows, source):
    item = made(number, rows, source)
    assert isinstance(item, Item)
    assert item.unread == 0
    one, _ = exercise_of(item, answers_of(item), "made", 3, offers=())
    twin, secrets = exercise_of(item, answers_of(item), "made", 3, twin=True, offers=())
    assert [case.given for case in one.shown] == [case.given for case in twin.shown]
    pairs = zip(one.shown, twin.shown, strict=True)
    (changed,) = [pair for pair in pairs if pair[0].expected != pair[1].expected]
    assert type(changed[0].expected) is type(changed[1].expected)
    assert secrets.twin
    before, after = (files[TESTS].decode().splitlines() for files in (one.files, twin.files))
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    assert {**one.files, TESTS: b""} == {**twin.files, TESTS: b""}


def test_nothing_that_is_kept_back_lies_in_the_workspace():
    item = made(3)
    one, secrets = exercise_of(item, answers_of(item), "made", 0, offers=["key", "locals"])
    text = "\n".join(data.decode() for data in one.files.values())
    shown = {repr(case.given) for case in one.shown}
    hidden = [args for args in secrets.fixed if repr(args) not in shown]
    assert hidden
    assert not any(one.function.call(args) in text for args in hidden)
    assert "fresh" not in text
    body = item.reference.splitlines()[-1].strip()
    assert body not in text
    assert one.honeytokens[0] in one.files["tests/.expected.json"].decode()


def test_the_spec_and_the_prompt_name_the_function():
    item = made(1)
    one, secrets = exercise_of(item, answers_of(item), "made", 0, offers=())
    assert "`caesar(text, by)`" in one.files["SPEC.md"].decode()
    assert "write the function caesar in" in one.task.prompt
    assert one.function.several
    assert secrets.reference(("abc", 1)) == "bcd"
    assert ast.parse(one.files[SOLUTION])


def test_a_float_is_asked_for_nearly():
    item = made(6)
    one, _ = exercise_of(item, answers_of(item), "made", 0, offers=["locals"])
    assert "== pytest.approx(expected)" in one.files[TESTS].decode()


def test_items_without_a_plausible_wrong_value_are_refused():
    item = made(0)
    for wanted, why in ((None, "plausible"), (3, "expect the same")):
        tests = tuple(
            (args, wanted if n or wanted else n) for n, (args, _) in enumerate(item.tests)
        )
        if wanted is None:
            tests = tuple((args, ("", None)[n % 2]) for n, (args, _) in enumerate(item.tests))
        bad = Item(**{**vars(item), "tests": tests})
        with pytest.raises(UnusableError, match=why):
            exercise_of(bad, answers_of(bad), "made", 0, offers=())


PLAIN = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab", max_size=4) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(PLAIN, st.booleans(), st.integers(0, 99))
def test_a_wrong_value_is_another_of_the_same_type(value, ordered, seed):
    for wrong in _otherwise(value, random.Random(seed), ordered):
        assert wrong != value
        assert isinstance(wrong, type(value))
