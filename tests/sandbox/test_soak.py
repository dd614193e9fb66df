"""The soak counts what leaks, and what grows; on the real pool nothing does."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from earnest.sandbox import soak as soak_module
from earnest.sandbox.outer import outer_command
from earnest.sandbox.soak import State, leaked, rise, soak


@pytest.fixture(scope="module")
def images(image):
    return image.parent.parent


def test_a_short_soak_holds(images, monkeypatch):
    monkeypatch.setattr("earnest.sandbox.soak._QUICK_S", 1.0)
    lines = []
    report = soak(images, 200, progress=lines.append)
    assert report["held"], report
    assert (report["executions"], report["wrong"], report["interrupted"]) == (200, {}, False)
    assert report["hostile"] > 5
    assert report["honest"] > 100
    assert report["attacks"] > 10
    assert not any(report["leaked"].values())
    assert lines


@pytest.mark.slow
@pytest.mark.parametrize("as_user", [False, True] if os.geteuid() == 0 else [True])
def test_a_longer_soak_holds(images, as_user):
    report = soak(images, 2000, as_user=as_user)
    assert report["held"], report
    assert report["as"] == ("user" if as_user else "root")
    assert report["memory"]["supervisor"]["flat"]


def test_an_interrupt_gives_what_was_done(tmp_path):
    words = [sys.executable, "-m", "earnest", "sandbox", "soak", "--executions", "999"]
    with subprocess.Popen(
        [*words, "--json", "--home", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stderr.readline()  # the first batch is through
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert "24 of 999" in said
    assert process.returncode == 130
    report = json.loads(out)
    assert (report["interrupted"], report["left_at_the_end"]) == (True, None)
    assert 24 <= report["executions"] < 999


def test_the_rise_of_a_line():
    assert rise([(0, 5.0), (10, 5.0), (20, 5.0)]) == 0
    assert rise([(0, 0.0), (10, 30.0), (20, 60.0)]) == pytest.approx(60)
    assert rise([(0, 1.0)]) == 0
    draw = random.Random(1)
    noisy = [(x, 100.0 + draw.random()) for x in range(100)]
    assert abs(rise(noisy)) < 1


def test_growth_is_not_flat():
    flat = soak_module._memory([(x, 20_000.0 + x % 3) for x in range(20)])
    grown = soak_module._memory([(x, 20_000.0 + x * 1000) for x in range(20)])
    assert (flat["flat"], grown["flat"]) == (True, False)
    assert grown["rise_kib"] == 19_000


def test_what_has_grown_since_is_a_leak():
    before = State.now()
    assert not any(leaked(before, before).values())
    worse = replace(before, processes=before.processes + 2, files=before.files + 1)
    assert leaked(before, worse) == {"processes": 2, "mounts": 0, "descriptors": 0, "files": 1}


LEAKY = """
import json, os, subprocess, sys
from dataclasses import replace
from pathlib import Path
from earnest.core.jobs import Result
from earnest.sandbox import soak
from earnest.sandbox.attacks.driver import settle
from earnest.sandbox.attacks.world import plant
from earnest.sandbox.soak_programs import kinds
from earnest.sandbox.unsafe import UnsafeLocal

KEEP = {
    "descriptors": lambda: os.open("/dev/null", os.O_RDONLY),
    "memory": lambda: bytearray(b"x") * (1 << 20),
    "processes": lambda: subprocess.Popen(["/bin/sleep", "60"]),
    "files": lambda: open(f"/tmp/left-{os.urandom(8).hex()}", "w").close(),
}

class Leaky:
    name = "leaky"
    def run(self, job):
        kept.append(KEEP.get(way, int)())
        if "sleep" in str(job.entry):
            return Result("exit", 0, "", "", {}, 0.0)
        result = real.run(job)
        return replace(result, stdout="BREACH") if way == "wrong" else result
    def close(self):
        pass

settle("user")
image, way, kept = Path(sys.argv[1]), sys.argv[2], []
soak._GRACE_S = 0.1
real = UnsafeLocal(image)
wanted = ("adds", "does nothing", "exits with a code")
own = [kind for kind in kinds(plant(), image)[0] if kind.name in wanted]
report = soak.run_soak(Leaky(), 60, own, [])
print(json.dumps(report))
for held in kept:
    if isinstance(held, subprocess.Popen): held.kill(); held.wait()
"""


@pytest.mark.parametrize("way", ["nothing", "descriptors", "memory", "processes", "files", "wrong"])
def test_a_sandbox_that_leaks_does_not_hold(image, way):
    words = [sys.executable, "-s", "-c", LEAKY, str(image), way]
    done = subprocess.run(
        outer_command(words, folders=[image]), capture_output=True, text=True, timeout=120
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["held"] is (way == "nothing"), report
    if way in ("descriptors", "processes", "files"):
        assert report["leaked"][way] >= 40
    else:
        assert not any(report["leaked"].values())
    assert bool(report["wrong"]) is (way == "wrong")
    assert report["memory"]["supervisor"]["flat"] is (way != "memory")


def test_each_program_comes_to_what_it_should_in_a_cold_jail(image):
    """The judges are right about another backend as well. Run within the outer jail."""
    source = """
import random, sys
from pathlib import Path
from earnest.sandbox.attacks.driver import settle
from earnest.sandbox.attacks.world import plant
from earnest.sandbox.bwrap import BwrapSandbox
from earnest.sandbox.soak_programs import kinds
settle("user")
image = Path(sys.argv[1])
own, attacks = kinds(plant(), image)
sandbox = BwrapSandbox(image)
for kind in own:
    job, judge = kind.make(random.Random(5))
    print(kind.name, "|", judge(sandbox.run(job)))
"""
    words = [sys.executable, "-s", "-c", source, str(image)]
    done = subprocess.run(
        outer_command(words, folders=[image]), capture_output=True, text=True, timeout=120
    )
    said = dict(line.split(" | ", 1) for line in done.stdout.replace("|\n", "| \n").splitlines())
    assert len(said) > 20, done.stderr
    wrong = {name: why for name, why in said.items() if why}
    # cold jails limit inodes only when files are collected
    assert set(wrong) <= {"fills the workspace"}, wrong
