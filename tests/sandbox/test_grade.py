"""Grading: the trusted side against lines that misbehave, and real candidates in real jails."""

import contextlib
import json
import random
import select
import shutil
import socket
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.errors import ChannelClosedError, SandboxError, UsageError
from earnest.core.jobs import Limits, Result
from earnest.sandbox.callee import MOST
from earnest.sandbox.grade import Case, Grader, JailedCallable, Raises
from earnest.sandbox.grade_call import (
    CallTimeoutError,
    CandidateError,
    NotDataError,
    ProtocolError,
)


def framed(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return len(data).to_bytes(4, "big") + data


class Line:
    """A channel whose other end is a thread that says what a test wants said."""

    def __init__(self, other):
        self.ours, self.theirs = socket.socketpair()
        self.thread = threading.Thread(target=self.serve, args=(other,), daemon=True)
        self.thread.start()

    def serve(self, other):
        with self.theirs, contextlib.suppress(OSError):
            while head := self.theirs.recv(4, socket.MSG_WAITALL):
                size = int.from_bytes(head, "big")
                request = json.loads(self.theirs.recv(size, socket.MSG_WAITALL))
                said = {"id": request["id"], "ok": None} if "load" in request else other(request)
                if said is None:
                    return
                self.theirs.sendall(said if isinstance(said, bytes) else framed(said))

    def send(self, data, timeout_s):
        try:
            self.ours.sendall(data)
        except OSError as error:
            raise ChannelClosedError("gone") from error

    def receive(self, most, timeout_s):
        if not select.select([self.ours], [], [], timeout_s)[0]:
            raise TimeoutError
        return self.ours.recv(most)

    def close(self):
        self.ours.close()
        self.thread.join(5)
        return Result("signal", 9, "", "", {}, 0.0)


class Lines:
    """A sandbox in which every candidate is such a thread."""

    name = "lines"
    isolates = True

    def __init__(self, other):
        self.other = other

    def open(self, job):
        assert job.pool == "verify"
        return Line(self.other)


def right(request):
    return {"id": request["id"], "ok": request["args"][0] + 1}


def raw(text):
    """The right answer's number, written into JSON of a test's own."""
    return lambda request: framed(
        text.replace("ID", str(request["id"])).replace("OK", str(request["args"][0] + 1)).encode()
    )


GRADER = Grader(
    [Case((1,), 2)],
    fresh=lambda rng: (rng.randrange(10**6),),
    reference=lambda x: x + 1,
    case_s=0.4,
    count=3,
)


def graded(other, grader=GRADER):
    return grader.grade(Lines(other), "", "f")


def test_the_right_answer_passes():
    assert graded(right).passed
    assert graded(raw('{"id":ID,"ok":OK}')).passed
    assert graded(raw('{"ok":OK,"id":ID}')).passed


RIGHT_BUT_GARBLED = {
    "a key twice": raw('{"id":ID,"ok":OK,"ok":OK}'),
    "the id twice": raw('{"id":ID,"id":ID,"ok":OK}'),
    "a key more": raw('{"id":ID,"ok":OK,"passed":true}'),
    "two answers": raw('{"id":ID,"ok":OK}{"id":ID,"ok":OK}'),
    "another id": lambda request: {"id": request["id"] ^ 1, "ok": request["args"][0] + 1},
    "no id": lambda request: {"ok": request["args"][0] + 1},
    "an id as text": lambda request: {"id": str(request["id"]), "ok": request["args"][0] + 1},
    "an id as a float": raw('{"id":ID.0,"ok":OK}'),
    "white space before": raw(' {"id":ID,"ok":OK}'),
    "white space after": raw('{"id":ID,"ok":OK} '),
    "an array": raw('[ID,OK]'),
    "a frame more": lambda request: framed(right(request)) * 2,
    "bytes more": lambda request: framed(right(request)) + b"\0",
    "a byte before": lambda request: b"\0" + framed(right(request)),
    "too long": lambda request: framed(
        b'{"id":%d,"ok":%d%s}' % (request["id"], request["args"][0] + 1, b" " * MOST)
    ),
    "NaN beside": raw('{"id":ID,"ok":OK,"x":NaN}'),
    "the end": lambda request: None,
    "nothing": lambda request: b"",
    "half of it": lambda request: framed(right(request))[:-1],
}  # fmt: skip


@pytest.mark.parametrize("how", RIGHT_BUT_GARBLED)
def test_the_right_answer_in_a_wrong_frame_fails(how):
    grade = graded(RIGHT_BUT_GARBLED[how])
    assert not grade.passed
    assert grade.outcomes[0].why == ("too late" if how in ("nothing", "half of it") else "protocol")
    assert {outcome.why for outcome in grade.outcomes[1:]} == {"not run"}


def test_a_word_after_the_last_answer_fails():
    count = []

    def last(request):
        count.append(request)
        if len(count) < 4:
            return right(request)
        return framed(right(request)) + framed({"id": 0, "ok": 0})

    assert graded(last).outcomes[-1].why == "protocol"


def test_a_word_between_the_answers_fails():
    with JailedCallable(Lines(lambda r: framed(right(r))), "", "f") as jailed:
        assert jailed.call((1,)) == 2
        jailed.quiet()
        jailed._channel.theirs.sendall(framed({"id": 1, "ok": 1}))
        with pytest.raises(ProtocolError):
            jailed.quiet()
        with pytest.raises(ProtocolError):
            jailed.call((1,))


def test_a_drip_is_bounded_by_the_whole_answers_time():
    def drip(request):
        time.sleep(0.3)
        return framed(right(request))[:5]

    start = time.monotonic()
    assert graded(drip).outcomes[0].why == "too late"
    assert time.monotonic() - start < 3


def test_ids_are_not_repeated_and_large():
    seen = []

    def note(request):
        seen.append(request["id"])
        return right(request)

    assert graded(note).passed
    assert len(set(seen)) == 4
    assert all(0 <= number < 1 << 63 for number in seen)
    assert max(seen) > 1 << 53


def test_no_expected_value_goes_out():
    seen = []

    def note(request):
        seen.append(json.dumps(request))
        return right(request)

    grader = Grader([Case((40,), 41)], case_s=1)
    assert graded(note, grader).passed
    assert "40" in seen[0]
    assert "41" not in seen[0].replace(str(json.loads(seen[0])["id"]), "")


def test_fresh_cases_are_fresh_and_come_again_from_their_seed():
    def asked(seed):
        seen = []

        def note(request):
            seen.append(request["args"][0])
            return right(request)

        assert GRADER.grade(Lines(note), "", "f", seed=seed).passed
        return seen

    assert asked(5) == asked(5)
    assert asked(None) != asked(None)


def test_an_answer_known_by_heart_fails():
    grade = graded(lambda request: {"id": request["id"], "ok": 2})
    assert [outcome.why for outcome in grade.outcomes].count("wrong value") == 3
    assert not grade.passed


def test_a_reference_that_spoils_its_arguments_spoils_nothing():
    def spoil(numbers):
        numbers.append(0)
        return len(numbers)

    grader = Grader([Case(([1, 2],))], reference=spoil, case_s=1)
    assert graded(lambda r: {"id": r["id"], "ok": len(r["args"][0]) + 1}, grader).passed


def test_an_exception_may_be_expected():
    def says(name):
        return lambda request: {"id": request["id"], "raised": [name, "text"]}

    grader = Grader([Case((1,), Raises("ValueError"))], case_s=1)
    assert graded(says("ValueError"), grader).passed
    assert graded(says("KeyError"), grader).why == "raised"
    assert graded(right, grader).why == "did not raise"
    assert graded(says("ValueError")).why == "raised"
    assert graded(lambda r: {"id": r["id"], "raised": "ValueError"}, grader).why == "protocol"
    by_reference = Grader([Case(("x",))], reference=int, case_s=1)
    assert graded(says("ValueError"), by_reference).passed


def test_what_cannot_be_graded_is_refused():
    class Open(Lines):
        isolates = False

    with pytest.raises(UsageError, match="isolates nothing") as error:
        GRADER.grade(Open(right), "", "f")
    assert "doctor" in error.value.mend
    with pytest.raises(UsageError):
        JailedCallable(Open(right), "", "f")
    with pytest.raises(UsageError, match="nothing to pass"):
        Grader().grade(Lines(right), "", "f")
    with pytest.raises(UsageError, match="reference"):
        Grader([Case((1,))]).grade(Lines(right), "", "f")
    with pytest.raises(UsageError, match="can't be"):
        Grader([Case((object(),), 1)]).grade(Lines(right), "", "f")
    with pytest.raises(UsageError, match="can't be"):
        Grader([Case((1,), object())]).grade(Lines(right), "", "f")


def test_a_sandbox_that_fails_is_no_verdict():
    class Failing(Lines):
        def open(self, job):
            raise SandboxError("no jail")

    with pytest.raises(SandboxError, match="no jail"):
        GRADER.grade(Failing(right), "", "f")


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_bytes_pass(data):
    grader = Grader([Case((1,), 2)], case_s=0.05)
    assert not graded(lambda request: data or None, grader).passed


def test_the_suites_time_is_bounded():
    def slow(request):
        time.sleep(0.3)
        return right(request)

    grader = Grader(fresh=GRADER.fresh, reference=GRADER.reference, count=20, suite_s=0.7)
    grade = graded(slow, grader)
    assert not grade.passed
    assert grade.outcomes[0].passed
    assert grade.outcomes[-1].why == "not run"


# with real jails


@pytest.fixture(scope="module")
def sandbox(image):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    from earnest.sandbox.bwrap import BwrapSandbox

    return BwrapSandbox(image)


SORTING = Grader(
    [Case(([3, 1, 2],), [1, 2, 3]), Case(([],), [])],
    fresh=lambda rng: ([rng.randint(-9, 9) for _ in range(8)],),
    reference=sorted,
    count=6,
)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def f(x): return sorted(x)", ""),
        ("def f(x):\n    x.sort()\n    print('aside', flush=True)\n    return x", ""),
        ("def f(x): return x", "wrong value"),
        ("def f(x): return tuple(sorted(x))", "wrong type"),
        ("def f(x): return [float(i) for i in sorted(x)]", "wrong value"),
        ("def f(x): return sorted", "not data"),
        ("def f(x): return 1 / 0", "raised"),
        ("def f(x):\n    while True: pass", "too late"),
        ("def f(x)", "raised"),
        ("def g(x): return sorted(x)", "raised"),
        ("raise SystemExit(0)", "raised"),
        ("import os\nos._exit(0)", "protocol"),
    ],
)
def test_candidates_in_a_jail(sandbox, source, why):
    grader = Grader(SORTING.fixed, SORTING.fresh, 6, sorted, case_s=0.7, suite_s=20)
    grade = grader.grade(sandbox, source, "f")
    found = {outcome.why for outcome in grade.outcomes} - {"passed"}
    assert grade.passed is (not why)
    assert grade.strength == "strong"
    assert not why or why in found


def test_to_the_first_failure_says_the_same_sooner():
    """Same word, and nothing more is asked; with a candidate that is right, all is."""
    for wrong_from, why in ((0, "wrong value"), (2, "wrong value"), (9, "")):
        found = []
        for to_first in (False, True):
            asked = []

            def other(request, asked=asked, wrong_from=wrong_from):
                asked.append(request["args"][0])
                value = request["args"][0] + (1 if len(asked) <= wrong_from else 2)
                return {"id": request["id"], "ok": value}

            one = replace(GRADER, count=5, to_first_failure=to_first)
            found.append((one.grade(Lines(other), "", "f", seed=3), asked))
        (whole, all_asked), (short, asked) = found
        assert (short.passed, short.why, len(short.outcomes)) == (not why, why, 6)
        assert (whole.passed, whole.why) == (short.passed, short.why)
        assert all_asked[: len(asked)] == asked
        assert len(asked) == min(wrong_from + 1, 6) < len(all_asked) or not why


COUNTING = "calls = []\ndef f(x):\n    calls.append(x)\n    return len(calls)\n"


def test_a_jail_for_each_case_takes_state_away(sandbox):
    cases = [Case((n,), 1) for n in range(3)]
    assert not Grader(cases).grade(sandbox, COUNTING, "f").passed
    assert Grader(cases, fresh_jail_per_case=True).grade(sandbox, COUNTING, "f").passed
    short = Grader(cases[:1] + [Case((1,), 2)] * 2, fresh_jail_per_case=True, to_first_failure=True)
    whys = [outcome.why for outcome in short.grade(sandbox, COUNTING, "f", seed=1).outcomes]
    assert whys.count("wrong value") == 1
    assert whys[-1] == "not run"


def test_a_jailed_callable_is_called_with_data(sandbox):
    source = (
        "class Tool:\n"
        "    def both(*args, **kwargs): return args, kwargs\n"
        "def wrong(): raise KeyError('\\ud800 key')\n"
        "def odd(): return object()\n"
    )
    with JailedCallable(sandbox, source, "Tool.both") as jailed:
        assert jailed.call((1, {2}), {"a": (None, 2**70)}) == ((1, {2}), {"a": (None, 2**70)})
        with pytest.raises(UsageError):
            jailed.call((object(),))
        assert jailed.call(()) == ((), {})
    with pytest.raises(ProtocolError):
        jailed.call(())
    with JailedCallable(sandbox, source, "wrong") as jailed:
        with pytest.raises(CandidateError) as error:
            jailed.call(())
        assert error.value.name == "KeyError"
    with JailedCallable(sandbox, source, "odd") as jailed, pytest.raises(NotDataError):
        jailed.call(())


def test_a_candidate_that_reads_nothing_is_ended_in_time(sandbox):
    source = "import time\ndef f(x): time.sleep(60)\n"
    start = time.monotonic()
    limits = Limits(wall_s=30)
    with (
        JailedCallable(sandbox, source, "f", limits) as jailed,
        pytest.raises(CallTimeoutError),
    ):
        jailed.call(("x" * 900_000,), timeout_s=0.5)
    assert time.monotonic() - start < 30


def test_inputs_differ_from_grading_to_grading(sandbox):
    rng = random.Random(0)
    assert SORTING.grade(
        sandbox, "def f(x): return sorted(x)", "f", seed=rng.getrandbits(60)
    ).passed
    seeds = {SORTING.grade(sandbox, "f = sorted", "f").seed for _ in range(2)}
    assert len(seeds) == 2


def test_the_benchmark_measures_both_in_one_run(sandbox):
    from earnest.sandbox.bench_grader import bench_grader

    found = bench_grader(sandbox, cases=400, jails=2)
    assert found["name"] == "grader"
    assert {row["unit"] for row in found["rows"]} == {"ms"}
    pipe, case = found["rows"][0], found["rows"][2]
    assert pipe["n"] == case["n"] == 400
    ratio = found["ratios"]["case_over_pipe_round_trip"]
    assert 0 < ratio == pytest.approx(case["value"] / pipe["value"], abs=0.01)
