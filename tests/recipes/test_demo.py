"""The whole loop, as a user runs it. Slow: a demo takes minutes."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from tests.homes import home_at

from earnest.core.home import Home
from earnest.core.records import Verdict
from earnest.data.build import build
from earnest.evals.exam import exam_items, run_exam
from earnest.gate.decide import decide
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.models.local import LocalModel
from earnest.recipes.zero import ZERO
from earnest.tasks.registry import Registry
from earnest.train.sft import sft

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sandbox")]

KILLS = 20


def begin(home):
    command = [sys.executable, "-m", "earnest", "demo", "--json", "--home", str(home)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(home):
    demo = begin(home)
    out, told = demo.communicate(timeout=1800)
    assert demo.returncode == 0, told[-2000:]
    return json.loads(out)


def plant_secret(home):
    """The same secret splits and draws alike, so that two demos can be compared."""
    home_at(home / "demo" / "1")
    return home


def in_ledger(home):
    path = home / "demo" / "1" / "ledger.sqlite"
    assert audit(path).clean
    with Ledger(path) as ledger:
        verdicts = ledger.records(Verdict)
        return [(finding.id, verdict.id) for finding, verdict in ledger.findings()], len(verdicts)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    home = plant_secret(tmp_path_factory.mktemp("undisturbed"))
    return home, finish(home)


def test_the_demo_shows_what_it_promises(undisturbed):
    _, told = undisturbed
    assert told["findings"]["confirmed"] >= 8
    assert sum(count > 0 for word, count in told["findings"].items() if word != "confirmed") >= 2
    assert told["findings"]["invalid"] >= 1
    assert told["exam"]["confirmed_before"] <= 0.10
    assert told["exam"]["confirmed_after"] >= 0.90
    assert told["exam"]["refuted_asserted"] <= 0.05
    assert told["exam"]["kept"] >= 0.95
    assert told["decision"] == "promote"
    assert [step["record"] for step in told["lineage"]][-2:] == ["script", "table"]


@pytest.mark.parametrize("seed", [1, 2])
def test_other_seeds_learn_as_well(undisturbed, tmp_path, seed):
    """With the demo's own, three seeds: of the wordings, the exam and the training."""
    home = Home(undisturbed[0] / "demo" / "1")
    with Ledger(home.ledger) as ledger:
        found = ledger.findings()
    refs = Registry(home).list()
    before = ZERO.knowledge()
    taught = [finding.id for finding, _ in before.findings]
    items = exam_items([*before.findings, *found], [*before.tables, *refs], taught, seed)
    asked = [item.question for item in items]
    build(found, refs, ZERO.folder, tmp_path / "dataset", seed, exam=asked)
    made = sft(tmp_path / "dataset", ZERO.folder, tmp_path / "model", seed)
    after = run_exam(made.id, LocalModel(tmp_path / "model").answers, items)
    incumbent = run_exam(ZERO.checkpoint().id, LocalModel(ZERO.folder).answers, items)
    rates = [after.rate(family) for family in ("confirmed", "unasserted", "kept")]
    assert len(items) >= 200
    assert incumbent.rate("confirmed") <= 0.10
    assert rates[0] >= 0.90
    assert rates[1] >= 0.95
    assert rates[2] >= 0.95
    assert decide(after, incumbent, incumbent).word == "promote", rates


def test_killed_at_random_moments_it_ends_the_same(undisturbed, tmp_path):
    reference, told = undisturbed
    home, draw, killed = plant_secret(tmp_path), random.Random(0), 0
    while killed < KILLS:
        demo = begin(home)
        try:
            demo.wait(draw.uniform(2, 1.2 * told["seconds"] / KILLS + 4))
        except subprocess.TimeoutExpired:
            os.kill(demo.pid, signal.SIGKILL)
            demo.communicate()
            killed += 1
            continue
        pytest.fail(f"it was done after {killed} kills: {demo.communicate()[1][-2000:]}")
    time.sleep(1)
    again = finish(home)
    assert in_ledger(home) == in_ledger(reference)
    for field in ("findings", "exam", "decision", "lineage"):
        assert again[field] == told[field]
