"""`kill -9` at any moment of submitting and verifying: nothing is lost, doubled or paid for twice.

What is killed is `earnest resume`, as a user runs it, once the agent is done: it freezes the
batch, verifies on a process a core, signs and stamps. Every ledger ends as the undisturbed one.
"""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from tests.homes import home_at
from tests.ledger.recount import Recount

from earnest.core.budget import Budget
from earnest.core.history import Signature
from earnest.core.home import Home
from earnest.core.records import Allocation, Verdict
from earnest.core.sign import KeyFolder
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.models.analyst import Analyst
from earnest.recipes.research import Begun, begin, explore, make_task
from earnest.sandbox.choose import open_sandbox
from earnest.tasks.registry import Registry

KILLS = 300
RUN = "a-run"
TABLES = ("one", "two", "three")


def command(home):
    return [sys.executable, "-m", "earnest", "resume", RUN, "--json", "--home", str(home.root)]


def finish(home):
    subprocess.run(command(home), check=True, capture_output=True, timeout=600)


def told(home):
    """What a ledger holds of each finding: its verdict, its share, in the chain's order."""
    with Ledger(home.ledger) as ledger:
        found = [(finding.id, verdict.id) for finding, verdict in ledger.findings()]
        shares = [one.data for one in ledger.records(Allocation)]
        assert len(ledger.records(Verdict)) == len(ledger.records(Signature)) == len(found)
    return sorted(found), shares


def check(home, *, deep):
    found = audit(home.ledger, keys=KeyFolder(home.verifier), deep=deep)
    assert found.clean, found.problem
    assert found.unsigned == 0
    Recount().follow(home.ledger)


def table(folder, name):
    """Write a table on which there is something to find: a rises with b, c leans on kind."""
    draw, path = random.Random(name), folder / f"{name}.csv"
    rows = ["a,b,c,kind"]
    for _ in range(150):
        b, kind = draw.gauss(0, 1), draw.choice("xy")
        c = draw.gauss(kind == "x", 1)
        rows.append(f"{b + draw.gauss(0, 1):.3f},{b:.3f},{c:.3f},{kind}")
    path.write_text("\n".join(rows) + "\n")
    return path


def explored(root, sandbox, tables):
    """Return a home in which an agent has looked at tables, and nothing is submitted yet."""
    home = home_at(root)
    refs = [Registry(home).seal(table(root, name), design="iid") for name in tables]
    task = make_task("What is going on here?", refs)
    begin(home, RUN, task, Begun("analyst", Budget()))
    explore(home, RUN, task, Analyst(), sandbox, lambda _: None)
    open_sandbox(home.images).close()  # builds the image: not what is to be killed here
    return home


def copied(template, root):
    shutil.copytree(template.root, root, symlinks=True)
    return Home(root)


def killed(home, draw, seconds):
    """Let it run for a while, then kill it; return whether it was still at work."""
    worker = subprocess.Popen(command(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        worker.wait(draw.uniform(0.3, seconds))
    except subprocess.TimeoutExpired:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        return True
    assert worker.returncode == 0
    return False


def rounds(template, folder, number, seconds, wanted):
    """Kill so many; return how many ledgers it took, each ended as the undisturbed one."""
    draw, kills, homes = random.Random(0), 0, 0
    while kills < number:
        home = copied(template, folder / f"home-{homes}")
        homes += 1
        while kills < number and killed(home, draw, seconds):
            kills += 1
            if home.ledger.exists():
                check(home, deep=False)
        finish(home)
        check(home, deep=True)
        assert told(home) == wanted
        shutil.rmtree(home.root)
    return homes


def undisturbed(template, folder):
    """Return what the undisturbed ledger holds, and how long it took."""
    home = copied(template, folder / "undisturbed")
    began = time.monotonic()
    finish(home)
    took = time.monotonic() - began
    check(home, deep=True)
    assert KeyFolder(home.verifier).public()
    return told(home), took


@pytest.fixture(scope="module")
def small(tmp_path_factory, sandbox):
    """A home with one table, and what its undisturbed ledger holds."""
    folder = tmp_path_factory.mktemp("small")
    home = explored(folder / "template", sandbox, TABLES[:1])
    return home, folder, *undisturbed(home, folder)


def test_a_few_kills_of_a_verifier(small, tmp_path):
    home, _, wanted, took = small
    assert wanted[0]
    assert wanted[1]
    assert rounds(home, tmp_path, 2, took, wanted) >= 1


@pytest.mark.slow
def test_three_hundred_kills_of_a_verifier(tmp_path, sandbox):
    home = explored(tmp_path / "template", sandbox, TABLES)
    wanted, took = undisturbed(home, tmp_path)
    homes = rounds(home, tmp_path, KILLS, took, wanted)
    print(f"{KILLS} kills, {homes} ledgers of {len(wanted[0])} findings")  # noqa: T201 - pytest -s
    assert homes > 1


@pytest.mark.parametrize("kind", ["verdict", "allocation", "signature"])
def test_a_record_that_was_lost_is_seen(small, tmp_path, kind):
    _, folder, _, _ = small
    broken = copied(Home(folder / "undisturbed"), tmp_path / "broken")  # which passed its check
    with contextlib.closing(sqlite3.connect(broken.ledger)) as db, db:
        db.execute("DROP TRIGGER record_keeps_rows")
        db.execute(
            "DELETE FROM record WHERE seq = (SELECT MAX(seq) FROM record WHERE kind = ?)", (kind,)
        )
    with pytest.raises(AssertionError):
        check(broken, deep=False)
