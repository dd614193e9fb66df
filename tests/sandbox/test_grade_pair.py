import pytest

from earnest.core.errors import UsageError
from earnest.sandbox.grade_pair import Answer, Pair, PairError, agree, told

PLAIN = "def f(n):\n    return n\n"


def pair(sandbox, program, reference=PLAIN, call_s=2.0):
    return Pair(sandbox, program, reference, wall_s=30, call_s=call_s)


def test_both_answer_and_are_compared_type_for_type(sandbox):
    with pair(sandbox, "def f(n):\n    return n if n else 0.0\n") as both:
        assert agree(*both.ask((7,)))
        one, other = both.ask((0,))
        assert (one, other) == (Answer("value", 0.0), Answer("value", 0))
        assert not agree(one, other)


def test_an_exception_is_an_answer_by_its_name(sandbox):
    with pair(
        sandbox, "def f(n):\n    return 1 // n\n", "def f(n):\n    return 1 // (n+0)\n"
    ) as both:
        one, other = both.ask((0,))
        assert (one.how, one.value) == ("raised", "ZeroDivisionError")
        assert agree(one, other)
        assert not agree(one, Answer("raised", "ValueError"))


def test_what_is_no_data_is_like_nothing(sandbox):
    lying = "class A(int):\n    def __eq__(self, other): return True\ndef f(n):\n    return A(n)\n"
    with pair(sandbox, lying, lying) as both:
        one, other = both.ask((3,))
        assert (one.how, other.how) == ("not data", "not data")
        assert not agree(one, other)


@pytest.mark.parametrize(
    ("source", "why", "late"),
    [
        ("1 / 0\ndef f(n): return n\n", "can't be loaded: ZeroDivisionError", False),
        ("def g(n): return n\n", "can't be loaded: AttributeError", False),
        ("import os\nos._exit(0)\n", "can't be loaded", False),
    ],
)
def test_what_cannot_be_loaded_is_named(sandbox, source, why, late):
    for which, both in (("program", (source, PLAIN)), ("reference", (PLAIN, source))):
        with pytest.raises(PairError, match=f"the {which} {why}") as caught:
            pair(sandbox, *both).__enter__()
        assert caught.value.late is late


@pytest.mark.parametrize(
    ("source", "why", "late"),
    [
        ("def f(n):\n    while True: pass\n", r"no answer within 0.5 s", True),
        ("import os\ndef f(n):\n    os._exit(0)\n", "left the protocol", False),
        ("import os\ndef f(n):\n    os.write(3, b'\\0\\0\\0\\2{}')\n    return n\n",
         "left the protocol", False),
    ],
)  # fmt: skip
def test_what_does_not_answer_ends_it(sandbox, source, why, late):
    with pair(sandbox, source, call_s=0.5) as both:
        with pytest.raises(PairError, match=f"the program .*{why}") as caught:
            both.ask((1,))
        assert caught.value.late is late


def test_nothing_is_asked_where_nothing_isolates():
    from pathlib import Path

    from earnest.sandbox.unsafe import UnsafeLocal

    with pytest.raises(UsageError, match="isolates nothing"):
        pair(UnsafeLocal(Path("/nowhere")), PLAIN)


def test_long_values_are_told_in_few_words():
    assert told([1, 2]) == "[1, 2]"
    assert told(1 << 9999) == "an integer of 10000 bits"
    assert told([1 << 99_999]) == "a list with very long integers"
    assert len(told("x" * 999)) == 100
    assert str(Answer("raised", "ValueError")) == "raises ValueError"
    assert str(Answer("value", [1])) == "gives [1]"
