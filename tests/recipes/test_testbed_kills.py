"""A run of a seed that is killed (SIGKILL) at any moment goes on to the same end.

The moments: before each change that it makes to a file or a folder of its own, as the interpreter
announces them (audit events). What is swapped for the test is the gate's word alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

RUN = """
import contextlib, os, signal, sys
from pathlib import Path

from earnest.evals.testbed_grade import Graders
from earnest.recipes.testbed_run import Plan, SeedRun
from earnest.sandbox.choose import open_sandbox

folder, zero, images, moment, word = *map(Path, sys.argv[1:4]), int(sys.argv[4]), sys.argv[5]
PLAN = Plan(arm="secure", seeds=(0,), generations=2, updates=2, zero="", prompts=1, each=2,
            tasks=1, final=1)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}
left = moment


def heard(event, args):
    global left
    opens = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if (not opens and event not in CHANGES) or isinstance(args[0], int):
        return
    if str(folder) not in os.fsdecode(args[0]) or str(args[0]).endswith(".lock"):
        return
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


class Run(SeedRun):
    def _train(self, number):
        from earnest.recipes import testbed_run
        testbed_run._SAVE_S = -1.0  # the state is saved after each update
        super()._train(number)

    def _decide(self, number):
        decision, found = super()._decide(number)
        return decision.model_copy(update={"word": word}), found


with contextlib.closing(open_sandbox(images)) as sandbox:
    sys.addaudithook(heard)
    Run(PLAN, 0, folder, zero, Graders(sandbox), lambda _: None).run()
    print(-left)
"""


@pytest.fixture(scope="module")
def zero(tmp_path_factory) -> Path:
    from earnest.recipes.testbed_run import save_policy
    from earnest.tasks.specs_talk import MARKS
    from earnest.train.nano import Shape
    from earnest.train.policy import fresh_policy

    folder = tmp_path_factory.mktemp("zero") / "policy"
    policy = fresh_policy(["def solve(given):"], MARKS, 0, Shape(16, 1, 2, 32))
    save_policy(policy, folder, parent=None, recipe={})
    return folder


def run(folder: Path, zero: Path, word: str, moment: int) -> tuple[int, str]:
    images = os.environ["EARNEST_TEST_IMAGES"]
    told = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), str(zero), images, str(moment), word],
        check=False, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return told.returncode, told.stdout if not told.returncode else told.stderr


def lines(path: Path) -> list[dict]:
    timed = ("seconds", "cpu", "grading")
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{key: value for key, value in line.items() if key not in timed} for line in found]


def state(folder: Path) -> dict[str, object]:
    """What a run has left, but for how long it took."""
    names = ("updates", "generations", "samples")
    told: dict[str, object] = {name: lines(folder / f"{name}.jsonl") for name in names}
    told["seen"] = sorted({*(folder / "seen.txt").read_text().split()})
    told["policies"] = {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")
    }
    told["files"] = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if ".draft" not in str(path)
        and not path.name.startswith(".")
    )  # fmt: skip
    told["decisions"] = {path.name: path.read_bytes() for path in folder.glob("decisions/*")}
    for number in (1, 2):
        own = folder / "quarantine" / f"generation-{number}"
        told[f"kept apart {number}"] = [lines(own / f"{name}.jsonl") for name in names]
    return told


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("word", ["promote", "refuse"])
def test_a_kill_at_any_moment_changes_nothing_of_the_end(zero, tmp_path, word) -> None:
    status, told = run(tmp_path / "whole" / "seed-0", zero, word, 0)
    assert status == 0, told
    moments, wanted = int(told), state(tmp_path / "whole" / "seed-0")
    assert moments > 60
    step = int(os.environ.get("EARNEST_TEST_KILL_STEP", "1"))
    for moment in range(1, moments + 1, step):
        folder = tmp_path / f"killed-{moment}" / "seed-0"
        assert run(folder, zero, word, moment)[0] == -signal.SIGKILL, moment
        status, told = run(folder, zero, word, 0)
        assert status == 0, (moment, told)
        found = state(folder)
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert found[name] == value, (moment, name)
