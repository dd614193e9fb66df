"""A session of Claude Code, its hooks run as Claude Code runs them, ends as a verified finding.

No command is typed in between: the hook copies the transcript and starts the import, which hands in
what the session stated; another agent's client then finds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import numpy as np
import pandas as pd
import pytest
from tests.homes import home_at

from earnest.capture.store import Store
from earnest.capture.sweep import Importer
from earnest.cli import main
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart
from earnest.recipes.connect_agents import Settings, claude_hooks
from earnest.recipes.stated import USE, hand_in
from earnest.tasks.registry import Registry

SCRIPT = """
import argparse, json, pathlib
import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "trees.csv")
rho = float(table["age"].corr(table["height"], method="spearman"))
pathlib.Path(options.out).write_text(json.dumps({"rho": rho}))
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory, sandbox):
    """A home with one sealed table, and the settings that an agent program was given."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(3)
    age = rng.uniform(5, 80, 500)
    frame = pd.DataFrame({"age": age, "height": 0.3 * age + rng.normal(0, 5, 500)}).round(2)
    frame.to_csv(folder / "trees.csv", index=False)
    home = home_at(folder / "home")
    (ref,) = apart.seal(home, [folder / "trees.csv"], design="iid")
    hooks = claude_hooks(Settings(python=sys.executable, home=home.root).command)
    yield home, ref, hooks, folder
    apart.close()


def stated(ref, direction="positive", **more):
    return {
        "kind": "association",
        "table": ref.table,
        "outcome": "height",
        "exposure": "age",
        "direction": direction,
        "supports": "rho > 0.3",
        "script_file": "/w/evidence.py",
        "prose": "Older trees are taller.",
        **more,
    }


class Session:
    """Writes a transcript as Claude Code does, line by line, and runs the hooks it would run."""

    def __init__(self, folder, hooks, name, began):
        self.path, self.hooks, self.name, self.at = folder / f"{name}.jsonl", hooks, name, began

    def line(self, role, content, **more):
        self.at += timedelta(seconds=1)
        told = {"type": role, "sessionId": self.name, "timestamp": self.at.isoformat(), **more}
        message = {"role": role, "content": content, "model": "claude-made"}
        with self.path.open("a") as file:
            file.write(json.dumps({**told, "message": message}) + "\n")

    def works(self, ref, *, hooked=True, **more):
        write = {"file_path": "/w/evidence.py", "content": SCRIPT}
        self.line("user", "Do older trees grow taller? Tell others what you find.")
        self.line(
            "assistant",
            [
                {"type": "text", "text": "I write the evidence."},
                {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": write},
            ],
        )
        done = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "written"}
        self.line("user", [done])
        if hooked:
            self.hook("Stop")
        said = f"Yes, they do.\n\n```earnest-finding\n{json.dumps(stated(ref, **more))}\n```\n"
        self.line("assistant", [{"type": "text", "text": said}])

    def hook(self, event):
        told = {
            "session_id": self.name,
            "transcript_path": str(self.path),
            "cwd": "/w",
            "hook_event_name": event,
        }
        for one in self.hooks[event]["hooks"]:
            command = shlex.split(one["command"])
            done = subprocess.run(
                command, input=json.dumps(told), capture_output=True, text=True, timeout=60
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def verdict_on(home, subset, seconds=600):
    """Wait for the verdict on the one finding about these rows; return both."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with Ledger(home.ledger) as ledger:
            found = [(f, v) for f, v in ledger.findings() if f.claim.subset == subset]
        if found and all(verdict for _, verdict in found):
            (one,) = found
            return one
        time.sleep(0.3)
    raise AssertionError(f"no verdict within {seconds} s")


def test_a_session_ends_as_a_finding_that_another_agent_finds(world):
    home, ref, hooks, folder = world
    session = Session(folder, hooks, "one", datetime.now(UTC))
    session.hook("SessionStart")  # there is no transcript yet
    session.works(ref)
    session.hook("Stop")
    session.hook("SessionEnd")
    finding, verdict = verdict_on(home, "")
    assert verdict.word == "confirmed", verdict.reason
    assert (finding.author.model, finding.exposure) == ("claude-made", "sealed")

    async def asked():
        from mcp import Client, StdioServerParameters

        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "earnest", "mcp", "--home", str(home.root)],
            env=dict(os.environ),
        )
        async with Client(server) as client:
            return await client.call_tool("search_findings", {"query": "height age"})

    answer = anyio.run(asked)
    assert not answer.is_error
    assert finding.id in json.dumps(answer.structured_content)
    assert "confirmed" in json.dumps(answer.structured_content)
    again = [*Store(home.root).all()]
    assert hand_in(home, again, lambda _: None) == []


@pytest.mark.slow
def test_who_may_have_seen_it_all_has_it_reproduced_at_most(world):
    home, ref, hooks, folder = world
    sealed = Registry(home).registered_at(ref.table)
    early = Session(folder, hooks, "early", sealed - timedelta(hours=1))
    early.works(ref, direction="negative", supports="rho < 0.9", subset="age > 10")
    assert main(["capture", "--from", str(early.path), "--json", "--home", str(home.root)]) == 0
    # The hook's import may be at it beside this one: it is one finding all the same.
    finding, _ = verdict_on(home, "age > 10")
    assert finding.exposure == "author-saw-all"


def wait_for_imports(home):
    """Wait until no import that a hook started is at work: it would hand in what waits."""
    asked, until = f"--spooled\0--home\0{home.root}\0".encode(), time.monotonic() + 300
    while time.monotonic() < until:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found.append(asked in path.read_bytes())
        if not any(found):
            return
        time.sleep(0.2)
    raise AssertionError("an import is still at work")


def test_what_can_not_be_taken_is_told_once(world, capsys):
    home, ref, hooks, folder = world
    wait_for_imports(home)
    wrong = Session(folder, hooks, "wrong", datetime.now(UTC))
    wrong.works(ref, hooked=False, outcome="width")
    command = ["capture", "--from", str(wrong.path), "--json", "--home", str(home.root)]
    assert main(command) == 0
    (handed,) = json.loads(capsys.readouterr().out)["handed_in"]
    assert "no column 'width'" in handed["problem"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["handed_in"] == []


def wrong(world, name):
    """A captured session whose finding can't be taken, kept by an import that went no further."""
    home, ref, hooks, folder = world
    wait_for_imports(home)
    session = Session(folder, hooks, name, datetime.now(UTC))
    session.works(ref, hooked=False, outcome="width")
    Importer(home.root).named(session.path, "", lambda _: None)
    return Store(home.root).of(str(session.path))


def test_what_a_killed_import_left_is_handed_in_by_the_next(world, capsys):
    home = world[0]
    one = wrong(world, "left")
    assert not one.dealt_with(USE)
    assert main(["capture", "--spooled", "--json", "--home", str(home.root)]) == 0
    told = json.loads(capsys.readouterr().out)["handed_in"]
    assert [row["session"] for row in told] == [one.id]
    assert one.dealt_with(USE)


def test_two_imports_at_once_hand_in_once(world):
    home = world[0]
    one, told = wrong(world, "twice"), []
    both = threading.Barrier(2, timeout=60)

    def hands_in():
        both.wait()
        told.extend(hand_in(home, [one], lambda _: None))

    threads = [threading.Thread(target=hands_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [handed.session for handed in told] == [one.id]
