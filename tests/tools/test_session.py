from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earnest.core.errors import LackError
from earnest.core.jobs import DATA, Limits
from earnest.core.protocols import Sandbox
from earnest.sandbox.choose import BACKENDS
from earnest.tools import session as module
from earnest.tools.session import CellResult, Session

FORGED = (
    "import json, os\n"
    "def say(body, stray=b''):\n"
    "    os.write(3, len(body).to_bytes(4, 'big') + body + stray)\n"
    "def report(number, **more):\n"
    "    said = {'id': number, 'how': 'done', 'status': 0, **more}\n"
    "    return json.dumps(said).encode()\n"
)


@pytest.fixture(scope="module", params=["best", "cold"])
def jails(request: pytest.FixtureRequest, image: Path) -> Iterator[Sandbox]:
    """The sandbox that this machine gets, and the cold one."""
    if request.param == "best":
        yield request.getfixturevalue("sandbox")
        return
    try:
        cold = BACKENDS["bwrap"](image)
    except LackError as error:
        pytest.skip(str(error))
    yield cold
    cold.close()


@pytest.fixture
def quick(sandbox: Sandbox, visible: Path) -> Iterator[Session]:
    """A session in the jail that this machine gets: for what no jail has a part in."""
    if not getattr(sandbox, "lines", True):
        pytest.skip(f"{sandbox.name} keeps no line to its jails")
    made = Session(sandbox, visible, Limits())
    yield made
    made.close()


@pytest.fixture
def session(jails: Sandbox, visible: Path) -> Iterator[Session]:
    if not getattr(jails, "lines", True):
        pytest.skip(f"{jails.name} keeps no line to its jails")
    made = Session(jails, visible, Limits(memory_mib=1024, output_bytes=20_000))
    yield made
    made.close()


def run(session: Session, code: str, timeout_s: float = 60.0) -> CellResult:
    """A cell on the files as they are."""
    return session.run(code, session.known, timeout_s)


def test_variables_stay_from_cell_to_cell(session: Session) -> None:
    first = run(session, "x = 20")
    assert (first.how, first.fresh, first.loss, first.before) == ("done", True, None, None)
    second = run(session, "x += 1\nimport sys\nprint('e', file=sys.stderr)\nx * 2")
    assert (second.how, second.fresh) == ("done", False)
    assert (second.stdout, second.stderr) == ("42\n", "e\n")
    assert (
        run(session, f"open('{DATA}/trees.csv').readline()").stdout == "'wood,height,age,name\\n'\n"
    )
    third = run(session, "1/0")
    assert (third.how, third.status) == ("error", 1)
    assert run(session, "raise SystemExit(4)").status == 4
    assert run(session, "x").stdout == "21\n"


def test_files_go_in_and_come_back(session: Session) -> None:
    big = os.urandom(3_000_000)
    first = session.run("open('d/y', 'w').write('two')", {"d/x": b"one", "big": big}, 30)
    assert first.files == {"d/x": b"one", "d/y": b"two", "big": big}
    assert (dict(first.sent), first.removed, first.whole) == ({"d/x": b"one", "big": big}, (), True)
    second = session.run("import os\nos.listdir('d')", {"d/y": b"2", "big": big}, 30)
    assert (second.stdout, dict(second.sent), second.removed) == (
        "['y']\n",
        {"d/y": b"2"},
        ("d/x",),
    )
    third = run(session, "open('d/y').read()")
    assert (third.stdout, third.sent, third.removed) == ("'2'\n", {}, ())
    assert third.files == {"d/y": b"2", "big": big}


def test_a_slow_cell_is_interrupted_and_the_variables_stay(session: Session) -> None:
    run(session, "x = 5")
    slow = run(session, "import time\nprint('on', flush=True)\ntime.sleep(60)", 0.5)
    assert (slow.how, slow.stdout, slow.loss) == ("interrupted", "on\n", None)
    assert "KeyboardInterrupt" in slow.stderr
    assert 0.4 < slow.seconds < 3.4
    busy = run(session, "while True: x += 1", 0.5)
    assert busy.how == "interrupted"
    assert run(session, "x > 5").stdout == "True\n"


def test_a_stubborn_cell_ends_the_session(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 1.0)
    run(session, "x = 5")
    code = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('on', flush=True)\n"
    began = time.monotonic()
    stubborn = run(session, code + "time.sleep(60)", 0.5)
    assert time.monotonic() - began < 40
    assert (stubborn.how, stubborn.stdout) == ("lost", "on\n")
    assert stubborn.loss is not None
    assert stubborn.loss.cause == "late"
    after = run(session, "x")
    assert (after.how, after.fresh, after.before) == ("error", True, None)


@pytest.mark.parametrize(
    ("code", "ended", "status"),
    [
        ("import os\nprint('last', flush=True)\nos._exit(7)", "exit", 7),
        ("print('last', flush=True)\nimport ctypes\nctypes.string_at(0)", "signal", 11),
    ],
)
def test_a_cell_that_ends_the_process(session: Session, code: str, ended: str, status: int) -> None:
    run(session, "open('kept', 'w').write('1')")
    last = run(session, code)
    assert (last.how, last.stdout) == ("lost", "last\n")
    assert last.loss is not None
    assert (last.loss.cause, last.loss.result.ended, last.loss.result.status) == (
        *("ended", ended),
        status,
    )
    assert last.files == {"kept": b"1"}
    assert last.whole == (ended == "exit")
    assert session.run("open('kept').read()", last.files, 30).stdout == "'1'\n"


def test_too_much_memory_is_a_cell_s_own_trouble(session: Session) -> None:
    run(session, "x = 1")
    much = run(session, "b = bytearray(3 << 30)")
    assert much.how == "error"
    assert "MemoryError" in much.stderr
    assert run(session, "x").stdout == "1\n"


def test_too_many_files_end_it(session: Session) -> None:
    many = run(session, "for n in range(5000):\n    open(f'f{n}', 'w').close()")
    # the jail refuses the files where it can; else they are refused when they are read
    assert many.how == ("lost" if many.loss else "error")
    if many.loss:
        assert many.loss.cause == "too-much"


def test_a_session_that_ended_between_cells_is_told_of(session: Session) -> None:
    code = "import os, threading, time\nx = 1\n"
    run(session, code + "threading.Timer(1.0, lambda: os._exit(9)).start()")
    assert session._line.receive(1, 60) == b""
    after = run(session, "x")
    assert after.before is not None
    assert (after.before.cause, after.before.result.status) == ("ended", 9)
    assert (after.how, after.fresh) == ("error", True)
    assert run(session, "2").before is None


@pytest.mark.parametrize(
    "said",
    [
        "os.write(3, b'xxxx')",
        "os.write(3, b'\\xff' * 4)",
        "say(b'not json')",
        "say(b'[1]')",
        "say(report(99))",
        "say(report(1, status=-1))",
        "say(report(1, how='lost'))",
        "say(report(1, more=1))",
        "say(report(1, status='0'))",
        "say(b'[' * 400)",
        "say(report(1), b'+')",
    ],
)
def test_a_wrong_word_on_the_line_ends_the_session(quick: Session, said: str) -> None:
    wrong = run(quick, FORGED + said)
    after = run(quick, "1 + 1")
    late = said.endswith("b'+')")  # a right report, and then one byte too many
    loss = after.before if late else wrong.loss
    assert loss is not None
    assert loss.cause == "garbled"
    assert after.stdout == "2\n"
    assert after.fresh


def test_a_forged_report_gains_a_cell_only_its_own_word(quick: Session) -> None:
    forged = run(quick, FORGED + "print('a')\nsay(report(1))\nimport time\ntime.sleep(0.2)\n1/0")
    assert forged.how == "done"
    after = run(quick, "1")  # the true report is one word too many
    assert (after.before or after.loss) is not None
    assert run(quick, "2").stdout == "2\n"


def test_a_closed_line_ends_the_session(session: Session) -> None:
    closed = run(session, "import os\nos.close(3)")
    assert closed.how == "lost"
    assert closed.loss is not None
    assert closed.loss.cause == "ended"
    assert run(session, "3").stdout == "3\n"


def test_a_deaf_program_does_not_hold_us_up(
    quick: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(quick, "import socket, time\nsocket.socket.recv = lambda *_: time.sleep(100)")
    monkeypatch.setattr(module, "_READY_S", 1.0)
    began = time.monotonic()
    deaf = quick.run("1", {"large": b"x" * 5_000_000}, 30)
    assert time.monotonic() - began < 60
    assert deaf.how == "lost"
    assert deaf.loss is not None
    assert deaf.loss.cause == "deaf"
    assert run(quick, "2").stdout == "2\n"


def test_a_wrong_acknowledgement_ends_the_session(quick: Session) -> None:
    code = "import socket\nown = socket.socket.sendall\n"
    wrong = "lambda line, data: own(line, b'-' if data == b'+' else data)"
    assert run(quick, f"{code}socket.socket.sendall = {wrong}").how == "done"
    after = run(quick, "1")
    assert after.loss is not None
    assert after.loss.cause == "garbled"
    assert run(quick, "2").stdout == "2\n"


def test_a_flood_of_output_is_cut_and_stays_in_its_cell(session: Session) -> None:
    flood = run(session, "print('x' * 3_000_000)\nprint('the end')")
    assert (flood.how, flood.truncated) == ("done", True)
    assert flood.stdout.startswith("xxx")
    assert len(flood.stdout) <= 20_000
    after = run(session, "print('next')")
    assert (after.stdout, after.truncated) == ("next\n", False)


def test_files_that_do_not_fit_end_it(jails: Sandbox, visible: Path) -> None:
    session = Session(jails, visible, Limits(workspace_mib=1))
    unready = session.run("print('ran')", {"large": b"x" * (2 << 20)}, 30)
    assert unready.loss is not None
    assert (unready.loss.cause, unready.stdout) == ("unready", "")
    assert not unready.whole
    session.close()


def test_sessions_do_not_meet(jails: Sandbox, visible: Path) -> None:
    one, other = (Session(jails, visible, Limits()) for _ in range(2))
    try:
        run(one, "x = 1\nopen('f', 'w').write('1')")
        assert run(other, "x").how == "error"
        assert run(other, "import os\nos.path.exists('f')").stdout == "False\n"
        assert run(one, "x").stdout == "1\n"
    finally:
        one.close()
        other.close()
    assert run(one, "x").fresh
    one.close()
    one.close()


def test_a_session_lives_only_so_long(jails: Sandbox, visible: Path) -> None:
    session = Session(jails, visible, Limits(), life_s=1.0)
    found = run(session, "import time\ntime.sleep(30)", 20)
    assert found.loss is not None
    assert (found.loss.cause, found.loss.result.ended) == ("ended", "timeout")
    session.close()


# what a session prints is what one process prints

NAMES = ("a", "b", "c")
PLAIN = st.one_of(
    st.integers(-9, 9).map(repr),
    st.sampled_from(["'x'", "[1, 2]", "None", "a", "b", "c", "[a, b]", "(c,)"]),
)
VALUES = st.one_of(PLAIN, st.sampled_from(["f(a)", "f([b])", "f(f(c))"]))
STATEMENTS = st.one_of(
    st.tuples(st.sampled_from(NAMES), VALUES).map("{0[0]} = {0[1]}".format),
    VALUES.map("print({})".format),
    VALUES.map("print({}, end='')".format),
    PLAIN.map("def f(x):\n    global a\n    a = {}\n    return [x]".format),
    VALUES.map("for b in range(2):\n    print(b, {})".format),
    VALUES.map("print(sum(n for n in rng.choices(range(9), k=3)), {})".format),
    VALUES.map("class K:\n    at = {}\nprint(K.at, K.__module__)".format),
)
CELLS = st.lists(st.lists(STATEMENTS, min_size=1, max_size=3), min_size=1, max_size=4)
START = (
    "import random\nrng = random.Random(4)\na = b = 1\nc = []\ndef f(x):\n    return x\n"
    "__name__ = '__main__'"
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cells=CELLS, last=VALUES)
def test_cells_print_what_one_process_prints(
    session: Session, cells: list[list[str]], last: str
) -> None:
    texts = ["\n".join(statements) for statements in cells]
    whole = "\n".join(
        [START, *texts, f"shown = {last}\nif shown is not None:\n    print(repr(shown))"]
    )
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(whole, {})  # noqa: S102 - the statements above, and nothing else
    found = [run(session, text) for text in (START, *texts, last)]
    assert [cell.how for cell in found] == ["done"] * len(found)
    assert "".join(cell.stdout for cell in found) == out.getvalue()


# the jail goes with its supervisor

SUPERVISOR = """
import sys, time
from pathlib import Path
from earnest.core.jobs import Limits
from earnest.sandbox.choose import BACKENDS
from earnest.tools.session import Session

session = Session(BACKENDS[sys.argv[1]](Path(sys.argv[2])), Path(sys.argv[3]), Limits())
code = "import subprocess\\nchild = subprocess.Popen(['/bin/sh', '-c', 'while :; do read x; done'])"
assert session.run(code.replace("read x", "sleep 1"), {}, 60).how == "done"
print("ready", flush=True)
time.sleep(120)
"""


def born(process: int) -> str:
    """What tells a process from a later one with its number; nothing where it is gone."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] == "Z" else words[19]


def below(process: int) -> dict[int, str]:
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == process:
                child = int(path.parent.name)
                found |= {child: born(child), **below(child)}
    return found


def test_the_jail_dies_with_its_supervisor(jails: Sandbox, image: Path, visible: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, jails.name, str(image), str(visible)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        started = below(process.pid)
        assert len(started) >= 3
        process.send_signal(signal.SIGKILL)
        process.wait()
    end = time.monotonic() + 60
    while any(born(child) == since for child, since in started.items() if since):
        assert time.monotonic() < end, "something of the jail outlived its supervisor"
        time.sleep(0.05)
