"""The desk: what agents outside submit is tried, queued once, frozen once, verified once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.homes import home_at
from tests.ledger.recount import Recount

from earnest.core.errors import QuotaError, ToolError
from earnest.core.evidence import evidence_job
from earnest.core.records import Finding, TableRef, Task
from earnest.core.sign import KeyFolder
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart
from earnest.recipes.desk import OutsideDesk, submission
from earnest.recipes.desk_asked import find_table
from earnest.recipes.desk_batches import Batches, Sitting
from earnest.recipes.quota import Meter, Quota
from earnest.recipes.research import to_test
from earnest.tasks.registry import Registry

SCRIPT = """
import argparse, json, pathlib
import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
(path,) = pathlib.Path(options.data).glob("*.csv")
table = pd.read_csv(path)
rho = float(table["x"].rank().corr(table["COLUMN"].rank()))
pathlib.Path(options.out).write_text(json.dumps({"rho": rho}))
"""

REACHES = """
import argparse, json, os, pathlib, socket

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()

def refused(act):
    try:
        act()
    except OSError:
        return 1
    return 0

home = "HOME"
told = {
    "secret": refused(lambda: open(home + "/secret.key").read()),
    "sealed": refused(lambda: os.listdir(home + "/sealed")),
    "ledger": refused(lambda: open(home + "/ledger.sqlite", "rb").read()),
    "writes": refused(lambda: open(options.data + "/new.csv", "w")),
    "network": refused(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
}
pathlib.Path(options.out).write_text(json.dumps(told))
"""


def arguments(column="y", **more):
    return {
        "kind": "association",
        "table": "first",
        "outcome": column,
        "exposure": "x",
        "direction": "positive",
        "script": SCRIPT.replace("COLUMN", column),
        "supports": "rho > 0.2",
        **more,
    }


def frame(seed, rows=300, columns="yzuvw"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame({"x": x, **{c: x + rng.normal(size=rows) for c in columns}}).round(5)


def text_cells(table):
    return table.astype(str)


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = home_at(tmp_path_factory.mktemp("world") / "home")
    registry = Registry(home)
    registry.seal_frame(text_cells(frame(1)), "first", design="iid")
    registry.seal_frame(text_cells(frame(2)), "twice", design="iid")
    registry.seal_frame(text_cells(frame(3)), "twice", design="iid")
    registry.seal_frame(text_cells(frame(4)), "iris", design="iid")
    return home


@pytest.fixture
def desk(home, sandbox):
    """A desk whose threads don't run."""
    desk = OutsideDesk(home, lambda _: None, sandbox=sandbox)
    yield desk
    desk.close()


def verdict_of(home, finding, most_s=300):
    """Wait for a finding's verdict."""
    until = time.monotonic() + most_s
    while time.monotonic() < until:
        with Ledger(home.ledger) as ledger:
            found = ledger.verdict(finding)
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{finding} has no verdict after {most_s} s")


def holds_together(home):
    found = audit(home.ledger, keys=KeyFolder(home.verifier))
    assert found.clean, found.problem
    return Recount().follow(home.ledger)


KILLED = """
import sys, time
from earnest.core.home import Home
from earnest.recipes.desk import OutsideDesk
from tests.recipes.test_desk import arguments

if __name__ == "__main__":
    home = Home(__import__("pathlib").Path(sys.argv[1]))
    desk = OutsideDesk(home, lambda line: print(line, file=sys.stderr, flush=True), pause_s=60)
    desk.open()
    session, settled = sys.argv[2], sys.argv[3] == "settled"
    print(desk.submit("local", session, arguments()).id, flush=True)
    if settled:
        desk.settle("local", session)
        print("settled", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize(
    ("state", "after_s"),
    [
        ("open", 0.0),
        pytest.param("settled", 0.0, marks=pytest.mark.slow),
        pytest.param("settled", 1.0, marks=pytest.mark.slow),
        pytest.param("settled", 2.5, marks=pytest.mark.slow),
    ],
)
def test_kill_9_between_submission_and_verdict_loses_and_doubles_nothing(
    home, sandbox, tmp_path, state, after_s
):
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    session = f"s-killed-{state}-{after_s}"
    command = [sys.executable, str(program), str(home.root), session, state]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "src:."}
    ) as killed:
        name = killed.stdout.readline().strip()
        if state == "settled":
            assert killed.stdout.readline() == "settled\n"
        time.sleep(after_s)
        killed.send_signal(signal.SIGKILL)
    desk = OutsideDesk(home, lambda _: None, sandbox=sandbox, pause_s=0)
    desk.open()
    assert verdict_of(home, name).word in ("confirmed", "inconclusive")
    with Ledger(home.ledger) as ledger:
        run = ledger.get(name, Finding).run
    end = time.monotonic() + 60  # it may have been killed between the verdict and the note of it
    while run in Batches(home).frozen() and time.monotonic() < end:
        time.sleep(0.05)
    assert desk.close(120)
    with Ledger(home.ledger) as ledger:
        assert [found.id for found, _ in ledger.findings(run=run)] == [name]
        assert len(ledger.history(name)) == 1
    assert run not in Batches(home).frozen()
    holds_together(home)


@pytest.mark.slow
def test_one_damaged_batch_does_not_stop_the_others(home, sandbox):
    said = []
    for folder in ("open", "frozen"):
        (home.root / "desk" / folder / "broken.json").write_text("{")
    frozen = home.root / "desk" / "frozen" / "0-absent.json"  # first, and never verified
    frozen.write_text(json.dumps({"findings": ["sha256:" + "0" * 64]}))
    one = Sitting("local", "s-gone")
    lost = home.root / "desk" / "open" / f"{one.key}.json"
    note = {"principal": "local", "session": "s-gone", "touched": 0, "part": 0}
    lost.write_text(json.dumps(note))
    desk = OutsideDesk(home, said.append, sandbox=sandbox, pause_s=0)
    made = desk.submit("local", "s-beside", arguments())
    desk.open()
    assert verdict_of(home, made.id)
    desk.close()
    assert len([line for line in said if line.startswith(f"desk: {one.key}: ")]) == 1
    assert len([line for line in said if line.startswith("desk: 0-absent: ")]) == 1
    lost.unlink()
    frozen.unlink()


def test_a_table_that_was_seen_whole_is_marked_so_for_the_session(desk):
    first = desk.submit("local", "s-saw", arguments(saw_all=True))
    second = desk.submit("local", "s-saw", arguments("z"))
    other = desk.submit("local", "s-not", arguments())
    told = [each.exposure for each in (first, second, other)]
    assert told == ["author-saw-all", "author-saw-all", "sealed"]


def test_a_published_table_is_public_to_agents_outside(desk):
    assert desk.submit("local", "s-iris", arguments(table="iris")).exposure == "public"


def test_the_same_submission_again_is_the_same_finding(desk):
    one = desk.submit("local", "s-again", arguments())
    assert desk.submit("local", "s-again", arguments()).id == one.id
    with pytest.raises(ToolError, match="queued already"):
        desk.submit("local", "s-again", arguments(supports="rho > 0.1"))
    assert desk.submit("local", "s-elsewhere", arguments()).id != one.id
    assert desk.submit("other", "s-again", arguments()).author.principal == "other"


def test_the_same_submission_twice_at_once_is_one_finding(desk, home):
    made = []
    threads = [
        threading.Thread(
            target=lambda: made.append(desk.submit("local", "s-at-once", arguments()).id)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1
    assert len(Batches(home).sitting("local", "s-at-once").findings) == 1


def test_of_two_tables_with_one_name_the_id_decides(desk):
    refs = [ref for ref in desk.tables() if ref.name == "twice"]
    assert len(refs) == 2
    with pytest.raises(ToolError, match="2 tables are 'twice'") as told:
        desk.submit("local", "s-twice", arguments(table="twice"))
    assert all(ref.table[:19] in str(told.value) for ref in refs)
    made = [
        desk.submit("local", "s-twice", arguments(table=name))
        for name in (refs[0].table, refs[1].table[7:19])
    ]
    assert [one.table.table for one in made] == [ref.table for ref in refs]


@pytest.mark.parametrize(
    "said",
    [
        "/etc/passwd",
        "../first",
        "first.csv",
        "sha256:12",
        "sha256:" + "0" * 64,
        "tables/first",
        "first\u200b",
        "FIRST",
        "x" * 5000,
        7,
        None,
        ["first"],
    ],
)
def test_what_names_no_registered_table_is_refused(desk, said):
    with pytest.raises(ToolError) as told:
        desk.submit("local", "s-none", arguments(table=said))
    assert told.value.mend
    assert len(str(told.value)) < 400


def ref(name, number):
    table = f"sha256:{number:064x}"
    return TableRef(name=name, table=table, visible=table, design="iid", rows=1, columns=("x", "y"))


@given(st.lists(st.integers(0, 2**200), unique=True, max_size=6), st.text(max_size=30))
def test_a_table_is_found_by_what_is_its_own_or_not_at_all(numbers, said):
    refs = [ref("one", number) for number in numbers]
    for each in refs:
        assert find_table(refs, each.table) == each
    try:
        found = find_table(refs, said)
    except ToolError:
        return
    assert said == found.name or found.table.removeprefix("sha256:").startswith(said)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"script": "x" * 300_000}, "300"),
        ({"script": "raise SystemExit('no')"}, "no"),
        ({"supports": "rho > 2"}, "do not support"),
        ({"supports": "__import__('os')"}, "supports"),
        ({"outcome": "nothing"}, "no column"),
        ({"kind": "miracle"}, "kind"),
        ({"path": "/etc"}, "path"),
        ({"saw_all": "yes"}, "saw_all"),
        ({"model": 5}, "model"),
        ({"threshold": float("nan")}, "can't be read"),
        ({"outcome": "\ud800"}, "can't be read"),
        ({"script": "", "supports": ""}, "script"),
    ],
)
def test_a_wrong_call_is_told_and_queues_nothing(desk, home, more, said):
    with pytest.raises(ToolError, match=said):
        desk.submit("local", "s-wrong", arguments(**more))
    assert not Batches(home).sitting("local", "s-wrong").findings


def test_a_hostile_script_reaches_nothing_of_this_machine(desk, home):
    script = REACHES.replace("HOME", str(home.root))
    five = "secret > 0 and sealed > 0 and ledger > 0 and writes > 0 and network > 0"
    made = desk.submit("local", "s-reach", arguments(script=script, supports=five))
    assert set(made.evidence.results.values()) == {1.0}


def test_a_full_batch_is_told_and_goes_on_once_it_is_settled(desk, home, monkeypatch):
    monkeypatch.setattr("earnest.tools.findings.MOST_FINDINGS", 1)
    one = desk.submit("local", "s-full", arguments())
    with pytest.raises(ToolError, match="the most of one batch"):
        desk.submit("local", "s-full", arguments("z"))
    desk.settle("local", "s-full")
    later = desk.submit("local", "s-full", arguments("z"))
    assert later.run != one.run


def test_quotas_hold_across_restarts_and_say_until_when(home, sandbox):
    def desk(**quota):
        return OutsideDesk(home, lambda _: None, sandbox=sandbox, quota=Quota(home, **quota))

    desk(submissions=2).submit("busy", "s-1", arguments())
    with pytest.raises(ToolError):
        desk(submissions=2).submit("busy", "s-1", arguments(supports="rho > 2"))
    with pytest.raises(QuotaError, match=r"2 submissions an hour .* until \d\d:\d\d:\d\d UTC"):
        desk(submissions=2).submit("busy", "s-1", arguments("z"))
    with pytest.raises(QuotaError, match="seconds an hour"):
        desk(seconds=0.001).submit("busy", "s-1", arguments("z"))
    desk(submissions=2).submit("idle", "s-1", arguments())
    # What is known already costs nothing.
    assert desk(submissions=2).submit("busy", "s-1", arguments()).author.principal == "busy"


def test_an_hour_later_a_principal_may_go_on(home, monkeypatch):
    quota, now = Quota(home, submissions=1, seconds=10), time.time()
    attempt = quota.begin("patient")
    quota.end("patient", attempt, 11.0)
    with pytest.raises(QuotaError):
        quota.begin("patient")
    monkeypatch.setattr("time.time", lambda: now + 7200.0)
    quota.begin("patient")


def crashed(batches, one, step):
    """Leave a batch as a crash leaves it after so many of the steps of `close`."""
    before = (batches.root / "open" / f"{one.key}.json").read_bytes()
    if step > 0:
        batches.close(one)
        (batches.root / "open" / f"{one.key}.json").write_bytes(before)
    if step == 1:
        (batches.root / "done" / f"{one.key}.json").unlink()


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_crash_while_a_batch_is_frozen_neither_loses_nor_doubles(desk, home, step):
    session = f"s-crash-{step}"
    made = desk.submit("local", session, arguments())
    batches = Batches(home)
    one = batches.sitting("local", session)
    with Ledger(home.ledger) as ledger:
        ledger.add(Task.from_bytes(home.blobs.get(made.task)))
        ledger.submit(one.findings, testable=to_test(home, one.findings))
    crashed(batches, one, step)
    again = OutsideDesk(home, lambda _: None, sandbox=desk._sandbox)
    again.settle("local", session)
    with Ledger(home.ledger) as ledger:
        assert [found.id for found, _ in ledger.findings(run=made.run)] == [made.id]
    assert not batches.sitting("local", session).findings
    assert made.run in batches.frozen()
    assert again.submit("local", session, arguments()).id == made.id
    holds_together(home)


def test_where_another_account_keeps_the_key_it_stays_queued(home, sandbox, monkeypatch):
    desk = OutsideDesk(home, lambda _: None, sandbox=sandbox)
    made = desk.submit("local", "s-key", arguments())
    desk.settle("local", "s-key")
    monkeypatch.setattr(KeyFolder, "elsewhere", lambda _: True)
    desk._verify()
    with Ledger(home.ledger) as ledger:
        assert ledger.verdict(made.id) is None
    assert made.run in Batches(home).frozen()
    desk.close()


@pytest.mark.slow
def test_a_session_is_one_batch_that_is_verified_once_it_is_settled(home, sandbox):
    said = []
    desk = OutsideDesk(home, said.append, sandbox=sandbox)
    desk.open()
    one = desk.submit("local", "s-1", arguments(model="an agent\n2"))
    other = desk.submit("local", "s-1", arguments("z"))
    assert (one.exposure, one.author.principal) == ("sealed", "local")
    assert one.author.model == "an agent\\u{a}2"
    assert one.run == other.run
    with Ledger(home.ledger) as ledger:
        assert not ledger.findings(run=one.run)
    desk.settle("local", "s-1")
    with Ledger(home.ledger) as ledger:
        assert [found.id for found, _ in ledger.findings(run=one.run)] == [one.id, other.id]
    assert [verdict_of(home, each.id).word for each in (one, other)] == ["confirmed"] * 2
    later = desk.submit("local", "s-1", arguments("u"))
    assert later.run != one.run
    assert desk.submit("local", "s-1", arguments("z")).id == other.id
    assert desk.close()
    assert [line for line in said if one.run in line] == [f"verified 2 findings of {one.run}"]
    with Ledger(home.ledger) as ledger:
        assert ledger.findings(run=later.run)  # what closes freezes
    holds_together(home)


def test_what_is_offered_says_what_the_tool_takes():
    offered = submission().parameters
    assert {"table", "script", "supports", "saw_all", "model"} <= set(offered["properties"])
    assert "Never a path" in offered["properties"]["table"]["description"]
    assert "saw_all" not in json.dumps(offered["required"])


SPINS = """
import os, sys, time
children = [os.fork() for _ in range(2)]
if 0 in children:
    until = time.process_time() + 1.0
    while time.process_time() < until:
        pass
    os._exit(0)
for child in children:
    os.waitpid(child, 0)
"""


def test_a_script_pays_for_the_cpu_of_its_children(sandbox, tmp_path):
    meter = Meter()
    result = meter.watch(sandbox).run(evidence_job(SPINS.encode(), tmp_path, 1))
    assert result.cpu_s == meter.cpu_s == meter.seconds
    assert 0.9 < meter.seconds < 20


def test_by_the_clock_where_that_is_more(home):
    quota = Quota(home, seconds=0.05)
    with quota.charged("p") as meter, meter.running():
        time.sleep(0.1)
    with pytest.raises(QuotaError, match="seconds an hour"):
        quota.begin("p")
