"""A vague prompt on three real tables, from beginning to end, with all that can go wrong.

The run is killed (SIGKILL) in the middle of a call and twice more, and goes on. It reaches
confirmed findings; nothing that was done is done twice; its trajectory is ATIF.
"""

from __future__ import annotations

import collections
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from earnest.core.events import read_events
from tests.atif import Trajectory
from tests.homes import home_at
from tests.session import CLAIMS, RUN, turns

pytest.importorskip("cryptography")
pytest.importorskip("statsmodels")
ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(
    os.environ.get("EARNEST_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
BUNDLED = ["diabetes", "wine", "anes96"]
OTHERS = [f"seaborn_data/{name}.csv.gz" for name in ("penguins", "mpg", "tips")]


class Session:
    """The run, sitting by sitting."""

    def __init__(self, folder, tables):
        self.home, self.tables, self.posted = home_at(folder / "home"), tables, []
        self.log = self.home.runs / RUN / "events.jsonl"
        session = self

        class Shop(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                session.posted.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_port}"

    def sit(self, until=None, pause_s=0.0):
        """Begin a sitting; kill it once `until` holds of the log, or return what it printed."""
        command = [
            *(sys.executable, "-m", "tests.session", str(self.home.root), self.host),
            ",".join(map(str, self.tables)),
        ]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        end = time.monotonic() + 300
        while until and process.poll() is None and time.monotonic() < end:
            if until(self.events()):
                time.sleep(pause_s)
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        printed, errors = process.communicate(timeout=300)
        if until:
            assert process.returncode == -signal.SIGKILL, errors[-2000:]
            return None
        assert process.returncode == 0, errors[-2000:]
        return json.loads(printed.splitlines()[-1])

    def events(self):
        return list(read_events(self.log)) if self.log.exists() else []

    def effects(self):
        return [event.payload for event in self.events() if event.kind == "effect"]

    def told(self, call):
        (seen,) = [one["observation"] for one in self.effects() if one["call"] == call]
        return seen


def asked(call):
    """Whether a call was begun, and has no outcome yet."""

    def holds(events):
        begun = any(
            call in {one["id"] for one in event.payload["message"]["calls"]}
            for event in events
            if event.kind == "intent"
        )
        return begun and call not in {e.payload.get("call") for e in events if e.kind == "effect"}

    return holds


def over(call):
    return lambda events: call in {e.payload.get("call") for e in events if e.kind == "effect"}


def played(folder, tables):
    session = Session(folder, tables)
    before = 0
    # In the middle of a call; the others at once: what is left then takes 0.2 s.
    kills = (
        (over("traceback"), 0),
        (asked("asleep"), 0.3),
        (over(f"submit {names(tables)[0]}"), 0),
    )
    for until, pause_s in kills:
        session.sit(until, pause_s)
        lines = session.log.read_bytes()
        assert len(lines) > before
        before = len(lines)
    session.ended = session.sit()
    session.server.shutdown()
    return session


def names(tables):
    return [Path(str(table)).name.partition(".")[0] for table in tables]


@pytest.fixture(
    scope="module",
    params=[
        "bundled",
        pytest.param(
            "shared",
            marks=pytest.mark.skipif(
                not (SHARED / OTHERS[0]).exists(),
                reason="the shared tables are not here: set EARNEST_SHARED_DATA",
            ),
        ),
    ],
)
def session(request, tmp_path_factory, sandbox):
    if sandbox.name not in ("warm", "bwrap"):
        pytest.skip(f"{sandbox.name} has no network")
    tables = BUNDLED if request.param == "bundled" else [SHARED / name for name in OTHERS]
    return played(tmp_path_factory.mktemp("session"), tables)


pytestmark = pytest.mark.slow


def test_it_reaches_confirmed_findings(session):
    assert session.ended["status"] == "done", session.ended
    assert session.ended["words"] == dict.fromkeys(names(session.tables), "confirmed")


def test_each_thing_went_wrong_that_was_to(session):
    for call, part in (
        ("traceback", "KeyError"),
        ("time-out", "longer than 1 s"),
        ("refused", "the policy auto denies it"),
        ("malformed", "not JSON"),
        ("no such tool", "there is no tool 'telepathy'"),
        ("wrong column", "no_such"),
    ):
        seen = session.told(call)
        assert seen["failed"], call
        assert part in seen["content"], seen["content"]
    assert session.posted == []


def test_it_was_killed_and_compacted_and_lost_nothing(session):
    kinds = collections.Counter(event.kind for event in session.events())
    assert kinds["resume"] == 3
    assert kinds["compact"] >= 1
    script = turns(names(session.tables), session.host)
    calls = [call.id for message in script for call in message.calls]
    assert [one["call"] for one in session.effects()] == calls
    assert "woke up" in session.told("asleep")["content"]
    assert "KeyError" in session.told("look back")["content"]
    assert "rows:" in session.told("still there")["content"]
    findings = [event for event in session.events() if event.kind == "finding"]
    assert len(findings) == len(session.tables)
    plan = (session.home.runs / RUN / "workspace" / "PLAN.md").read_text()
    assert plan.count("1. look") == 1


def test_its_trajectory_is_atif_and_whole(session):
    data = (session.log.with_name("trajectory.json")).read_bytes()
    read = Trajectory.model_validate_json(data)
    calls = [call for step in read.steps for call in step.tool_calls or []]
    seen = [
        one for step in read.steps for one in (step.observation.results if step.observation else [])
    ]
    ids = [call.tool_call_id for call in calls]
    assert ids == [one["call"] for one in session.effects()]
    assert [one.source_call_id for one in seen if one.source_call_id] == ids
    assert read.session_id == RUN
    (below,) = read.subagent_trajectories
    assert sum(step.source == "agent" for step in below.steps) == 3
    broken = json.loads(data)
    broken["steps"][3]["reward"] = 1
    with pytest.raises(ValueError, match="reward"):
        Trajectory.model_validate(broken)


def test_the_claims_are_those_of_the_script():
    assert set(names(BUNDLED)) | set(names(OTHERS)) == set(CLAIMS)
