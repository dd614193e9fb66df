"""Stopping what is at work: within two seconds, with nothing left of it, and nothing lost."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.homes import images

from earnest.cli import main
from earnest.core import running
from earnest.core.errors import EarnestError
from earnest.core.events import read_events
from earnest.core.running import RUN_FILE, at_work, began, below, kill, read_worker
from earnest.models.scripted import ScriptedModel, say
from earnest.recipes import apart, research, stop_verbs
from earnest.recipes.stop_verbs import working

WITHIN_S = 2.0
LOADED_S = 60.0  # where other tests run beside this one; the slow ones hold it to WITHIN_S
PROGRAM = '''
import sys
from pathlib import Path
from earnest.core.budget import Budget
from earnest.core.home import Home
from earnest.models.openai import OpenAIModel
from earnest.models.scripted import ScriptedModel, use, say
from earnest.recipes import apart, research
from earnest.recipes.stop_verbs import stoppable
from earnest.sandbox.choose import open_sandbox

EVIDENCE = """
import argparse, json, pathlib
import pandas as pd
options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "t.csv")
pathlib.Path(options.out).write_text(json.dumps({"rho": float(table["x"].corr(table["y"]))}))
"""
CLAIM = {"kind": "association", "table": "t", "outcome": "y", "exposure": "x", "script": EVIDENCE,
         "direction": "positive", "supports": "rho > 0.3"}

if __name__ == "__main__":
    home, phase, port = Home(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
    spin = "print('spinning', flush=True)\\nwhile True: pass"
    models = {
        "jail": lambda: ScriptedModel([use("python", {"code": spin, "timeout_s": 10})]),
        "model": lambda: OpenAIModel("m", base_url=f"http://127.0.0.1:{port}/v1"),
        "delegate": lambda: ScriptedModel(
            [
                lambda told: use("python", {"code": spin, "timeout_s": 10})
                if "sub?" in told[1].content
                else use("delegate", {"question": "sub?"})
            ]
        ),
        "verify": lambda: ScriptedModel([use("submit_finding", CLAIM), say("done")]),
    }
    with stoppable(home, "run", process=True):
        tables = [Path(sys.argv[4])] if phase == "verify" else []
        task = research.make_task("Look.", apart.seal(home, tables, design="iid"))
        model = models[phase]()
        research.begin(home, "r1", task, research.Begun("scripted", Budget()))
        sandbox = open_sandbox(Path(sys.argv[5]))
        say = lambda line: print(line, flush=True)
        research.research(home, "r1", task, model, sandbox, say)
'''


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


@pytest.fixture
def deaf():
    """A server on loopback that takes a request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def begin(home, sandbox, deaf, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    rows = ["x,y,z", *(f"{n % 17},{n % 17 + n % 3},{n % 5}" for n in range(400))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    begun = []

    def started(phase, **more):
        words = [home.root, phase, deaf.getsockname()[1], tmp_path / "t.csv", images()]
        environment = {**os.environ, "OPENAI_API_KEY": "none"}
        begun.append(
            subprocess.Popen(
                [sys.executable, str(tmp_path / "program.py"), *map(str, words)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
                **more,
            )
        )
        return begun[-1]

    yield started
    for one in begun:
        one.kill()
        one.wait()
        one.stdout.close()


def _ended(home):
    path = home.runs / "r1" / "events.jsonl"
    return path.exists() and b'"kind":"end"' in path.read_bytes()


def _none_left(there, at, within_s=WITHIN_S):
    """Say whether none of the processes is left, so many seconds after `at` at the latest."""
    while [pid for pid, when in there if began(pid) == when]:
        if time.monotonic() - at > within_s:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def unhurried(monkeypatch):
    """Have `stop` wait as long as it takes for what it has killed."""
    monkeypatch.setattr(stop_verbs, "_END_S", LOADED_S)


def _of(pid, what):
    """Return a file of /proc on a process; what a process has that is no more is nothing."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def _reached(phase, process, deaf, home):
    """Wait until a program is in the phase that it is to be stopped in."""
    if phase == "model":
        deaf.settimeout(120)
        connection, _ = deaf.accept()
        connection.recv(1 << 16)
        return connection
    end = time.monotonic() + 120
    while phase == "verify" and time.monotonic() < end:
        told = [_of(pid, "cmdline") for pid, _ in below(process.pid)]
        if _ended(home) and any(b"spawn_main" in one for one in told):
            return None
        time.sleep(0.05)
    while time.monotonic() < end:
        assert process.poll() is None, process.stdout.read()
        for pid, _ in below(process.pid):
            fields = _of(pid, "stat").rpartition(b")")[2].split()
            if fields and int(fields[11]) > 30:  # CPU time: it spins
                return None
        time.sleep(0.05)
    raise AssertionError("it never got there")


def _stopped(home, capsys, *words):
    status = main(["stop", *words, "--home", str(home.root), "--json"])
    return status, json.loads(capsys.readouterr().out)


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("phase", "again"),
    [
        ("jail", False),  # what a jail spins at is done again on resume, until its time is up
        *(pytest.param(one, True, marks=slow) for one in ("jail", "model", "delegate", "verify")),
    ],
)
def test_a_run_is_stopped_in_any_phase_and_goes_on(
    home, begin, deaf, capsys, sandbox, phase, again, request
):
    if not again:
        request.getfixturevalue("unhurried")
    process = begin(phase)
    held = _reached(phase, process, deaf, home)
    there = below(process.pid)
    assert there or phase == "model"
    status, told = _stopped(home, capsys, "r1")
    assert status == 0
    with capsys.disabled():
        sys.stdout.write(f"\n{phase}: {told['stopped'][0]['seconds']} s\n")
    assert told["stopped"][0]["seconds"] <= (WITHIN_S if again else LOADED_S)
    assert told["stopped"][0]["runs"] == ["r1"]
    assert not [pid for pid, when in there if began(pid) == when]
    process.wait(timeout=LOADED_S)
    ends = [e for e in read_events(home.runs / "r1" / "events.jsonl") if e.kind == "end"]
    assert ends[-1].payload["status"] == ("done" if phase == "verify" else "stopped")
    assert not working(home, servers=True)
    if not again:
        return
    task, _ = research.begun(home, "r1")
    model = ScriptedModel([say("done")] * 3)
    outcome = research.research(home, "r1", task, model, sandbox, lambda _: None)
    assert outcome.result.status == "done"
    assert all(verdict.word for _, verdict in outcome.findings)
    assert bool(outcome.findings) == (phase == "verify")
    if phase == "delegate":
        kinds = [e.kind for e in read_events(home.runs / "r1" / "sub" / "1" / "events.jsonl")]
        assert kinds.count("resume") == 1
        assert kinds.count("effect") == 1
    if held:
        held.close()


@pytest.mark.slow
def test_a_sub_agent_goes_on_after_a_kill(home, begin, deaf, sandbox):
    process = begin("delegate")
    _reached("delegate", process, deaf, home)
    there = below(process.pid)
    at = time.monotonic()
    process.kill()
    process.wait()
    assert _none_left(there, at)
    task, _ = research.begun(home, "r1")
    model = ScriptedModel([say("done")] * 3)
    outcome = research.research(home, "r1", task, model, sandbox, lambda _: None)
    assert outcome.result.status == "done"
    assert [path.name for path in (home.runs / "r1" / "sub").iterdir()] == ["1"]
    used = [
        e.payload["used"]
        for e in read_events(home.runs / "r1" / "events.jsonl")
        if "used" in e.payload
    ]
    assert used[-1]["steps"] == 4  # two of the run's agent, two of its sub-agent


@pytest.mark.slow
@pytest.mark.parametrize("ignored", [False, True], ids=["as ever", "SIGINT ignored"])
def test_an_interrupt_ends_it_in_time(home, begin, deaf, ignored):
    more = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)} if ignored else {}
    process = begin("jail", **more)
    _reached("jail", process, deaf, home)
    there = below(process.pid)
    at = time.monotonic()
    process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
    process.wait(timeout=5)
    assert _none_left(there, at)


STUBBORN = """
import subprocess, sys, time
from pathlib import Path
from earnest.core.home import Home
from earnest.recipes.stop_verbs import stoppable
with stoppable(Home(Path(sys.argv[1])), sys.argv[2], process=True):
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    while True:
        try:
            print("ready", flush=True)
            time.sleep(1000)
        except KeyboardInterrupt:
            pass
"""


def _stubborn(home, verb="demo"):
    words = [sys.executable, "-c", STUBBORN, str(home.root), verb]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


TIMED = pytest.mark.parametrize("within_s", [LOADED_S, pytest.param(WITHIN_S, marks=slow)])


@TIMED
def test_what_does_not_heed_an_interrupt_is_killed_and_what_it_began_too(
    home, capsys, request, within_s
):
    if within_s == LOADED_S:
        request.getfixturevalue("unhurried")
    process = _stubborn(home)
    there = below(process.pid)
    assert len(there) == 1
    status, told = _stopped(home, capsys, "--all")
    assert status == 0
    assert [(row["verb"], row["how"]) for row in told["stopped"]] == [("demo", "kill")]
    assert told["stopped"][0]["seconds"] <= within_s
    process.wait(timeout=LOADED_S)
    assert not [pid for pid, when in there if began(pid) == when]
    process.stdout.close()


@TIMED
def test_ctrl_c_ends_what_does_not_heed_it(home, within_s):
    process = _stubborn(home)
    there = below(process.pid)
    at = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LOADED_S) == 130
    assert _none_left(there, at, within_s)
    process.stdout.close()


@pytest.mark.usefixtures("unhurried")
def test_servers_are_left_unless_they_are_named(home, capsys):
    process = _stubborn(home, "serve")
    assert _stopped(home, capsys, "--all")[1]["stopped"] == []
    assert process.poll() is None
    assert _stopped(home, capsys, "--all", "--servers")[1]["stopped"][0]["verb"] == "serve"
    process.wait(timeout=LOADED_S)
    process.stdout.close()


def test_an_id_that_another_process_has_by_now_is_left_alone(home, tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    try:
        assert not kill(process.pid, began(process.pid) - 1)
        path = tmp_path / RUN_FILE
        note = {"pid": process.pid, "began": began(process.pid) - 1, "verb": "run"}
        path.write_text(json.dumps(note))
        assert read_worker(path) is None  # nobody holds it
        assert process.poll() is None
        assert kill(process.pid, began(process.pid))
    finally:
        process.kill()
        process.wait()
    assert began(process.pid) == 0


def test_who_is_at_work_is_told_while_it_is(tmp_path):
    path = tmp_path / RUN_FILE
    with at_work(path, "run", run="r1"):
        found = read_worker(path)
        assert (found.pid, found.run) == (os.getpid(), "r1")
    assert read_worker(path) is None
    assert not path.exists()


HOLDS = """
import sys, time
from pathlib import Path
from earnest.core.running import at_work
with at_work(Path(sys.argv[1]), "run", run="r1"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_has_one_worker_and_who_comes_second_leaves_the_note_of_the_first(home):
    path = home.runs / "r1" / RUN_FILE
    words = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        said = f"process {process.pid} works on r1"
        with pytest.raises(EarnestError, match=said) as caught, at_work(path, "run", run="r1"):
            pass
        assert "earnest stop r1" in caught.value.mend
        assert read_worker(path).pid == process.pid  # `stop r1` still finds it
        process.kill()


def test_who_begins_work_is_found_however_often_one_looks(tmp_path):
    path, end = tmp_path / RUN_FILE, threading.Event()

    def look():
        while not end.is_set():
            read_worker(path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for one in lookers:
        one.start()
    try:
        for _ in range(100):
            with at_work(path, "run", run="r1"):
                with at_work(path, "run", run="r1"):  # in the same process once is enough
                    pass
                assert read_worker(path).run == "r1"
    finally:
        end.set()
        for one in lookers:
            one.join()


PATIENT = """
import sys
from earnest.core import running
running._CHILDREN_S, running._END_S = 60.0, 90.0
from earnest.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.usefixtures("unhurried")
def test_a_run_whose_name_was_just_told_is_stopped(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stop_verbs, "_GRACE_S", LOADED_S)
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{n % 17},{n % 5}\n" for n in range(200)))
    words = [sys.executable, "-c", PATIENT, "run", "Look.", "--data", str(tmp_path / "t.csv")]
    words += ["--home", str(home.root)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        run = next(one for one in process.stderr if one.startswith("run ")).split()[1]
        told = _stopped(home, capsys, run)[1]
        assert [one["pid"] for one in told["stopped"]] == [process.pid]
        assert f"interrupted; to go on: earnest resume {run}\n" in process.stderr.read()
        process.kill()


def test_who_begins_while_another_looks_is_found(tmp_path, monkeypatch):
    """What a killed process left is being looked at, and removed, as the next one begins."""
    monkeypatch.setattr(running, "_LOCK_S", LOADED_S)
    path = tmp_path / RUN_FILE
    path.write_text("{}")
    with path.open("r+b") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        timer = threading.Timer(0.05, lambda: (path.unlink(), looking.close()))
        timer.start()
        with at_work(path, "run", run="next"):
            timer.join()
            assert read_worker(path).run == "next"


def test_stopping_loads_little(home):
    code = (
        "import sys; from earnest.cli import main; main(['stop', '--all', '--home', sys.argv[1]]); "
        "print([m for m in ('numpy', 'pandas', 'pydantic') if m in sys.modules])"
    )
    words = [sys.executable, "-c", code, str(home.root)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert told == "nothing is at work\n[]\n"


def test_what_to_stop_has_to_be_said(home, capsys):
    assert main(["stop", "--home", str(home.root)]) == 2
    assert main(["stop", "r9", "--home", str(home.root)]) == 2
    assert main(["stop", "--all", "--home", str(home.root)]) == 0
    assert "nothing is at work" in capsys.readouterr().out
