import math

import pytest

from earnest.sandbox.grade_call import CallTimeoutError, CandidateError, ProtocolError
from earnest.sandbox.grade_many import Answer, answers, differing


def ask(sandbox, source, inputs, order=None, **more):
    limits = {"call_s": 5.0, "total_s": 30.0, **more}
    order = range(len(inputs)) if order is None else order
    return answers(sandbox, source, "f", inputs, order, **limits)


def test_answers_stand_as_the_inputs_do_in_whatever_order_they_were_asked(sandbox):
    source = "def f(row): return row['a'] * 2"
    inputs = [{"a": number} for number in range(20)]
    found = ask(sandbox, source, inputs, [*range(1, 20), 0])
    assert [one.value for one in found] == [2 * number for number in range(20)]
    assert differing(found, ask(sandbox, source, inputs, range(19, -1, -1))) == []


def test_what_raises_and_what_is_no_data_is_an_answer_without_a_value(sandbox):
    source = "def f(n): return [1 / n, object()][n > 5]"
    found = ask(sandbox, source, [1, 0, 9])
    assert found[0] == Answer(1.0)
    assert found[1].why.startswith("ZeroDivisionError")
    assert "not data" in found[2].why


def test_a_memory_of_earlier_calls_is_seen(sandbox):
    source = "seen = []\ndef f(n):\n    seen.append(n)\n    return len(seen)"
    first = ask(sandbox, source, [1, 2, 3], [0, 1, 2])
    assert differing(first, ask(sandbox, source, [1, 2, 3], [2, 0, 1])) == [0, 1, 2]


def test_nan_is_the_same_again_and_types_count():
    assert differing([Answer(math.nan)], [Answer(math.nan)]) == []
    assert differing([Answer(1)], [Answer(True)]) == [0]
    assert differing([Answer(why="at 0x1")], [Answer(why="at 0x2")]) == []
    assert differing([Answer(None)], [Answer(why="raised")]) == [0]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def g(n): return n", CandidateError),
        ("def f(n: return n", CandidateError),
        ("import os\ndef f(n): os._exit(0)", ProtocolError),
        ("import os\ndef f(n):\n    os.write(3, b'x')\n    return n", ProtocolError),
        ("def f(n):\n    while True: pass", CallTimeoutError),
        ("import time\ndef f(n): time.sleep(0.3)", CallTimeoutError),
    ],
)
def test_what_ends_a_jail_ends_the_asking(sandbox, source, error):
    with pytest.raises(error):
        ask(sandbox, source, list(range(9)), call_s=0.8, total_s=1.5)
