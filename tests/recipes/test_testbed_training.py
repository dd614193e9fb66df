from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earnest.cli import main
from earnest.core.errors import EarnestError, UsageError
from earnest.core.home import Home
from earnest.recipes.testbed_folder import alone
from earnest.recipes.testbed_run import Plan, chance
from earnest.recipes.testbed_training import folder_of, run_all

PLAN = Plan(arm="secure", seeds=(0,), generations=1, updates=1, zero="", prompts=1, each=2, tasks=1)


def ignore(_: str) -> None:
    """Say nothing."""


def test_names_of_runs_are_plain(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert folder_of(home, "secure-2.b_1").parent == tmp_path / "testbed" / "runs"
    for name in ("", ".", "..", "a/b", "a b", "x" * 65, "\u00b2", ".lock"):
        with pytest.raises(UsageError, match="no name"):
            folder_of(home, name)


def test_numbers_that_make_no_run_are_told(capsys) -> None:
    for option, value in (("--final", "-1"), ("--seeds", "0"), ("--jobs", "0"), ("--tasks", "x")):
        with pytest.raises(SystemExit) as ended:
            main(["testbed", "run", option, value])
        assert ended.value.code == 2
        assert "is no number from" in capsys.readouterr().err


def test_two_runs_of_a_name_do_not_meet_and_another_plan_is_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    home = Home(tmp_path)
    folder = folder_of(home, "x")
    folder.mkdir(parents=True)
    with alone(folder), pytest.raises(EarnestError, match="another process works in"):
        run_all(home, {"x": PLAN}, ignore)
    assert not (folder / "plan.json").exists()
    (folder / "plan.json").write_text("{}")
    with pytest.raises(UsageError, match="another plan"):
        run_all(home, {"x": PLAN}, ignore)


def test_training_and_evaluation_never_draw_by_the_same_chance() -> None:
    drawn = [
        chance(f"{what} 0 {number} {at}")
        for what in ("training", "fresh")
        for number in range(1, 13)
        for at in range(1, 41)
    ]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_seeds_end_with_their_run(tmp_path: Path, sent) -> None:
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "earnest", "testbed", "run", "--quick", "--name", "x"]
    process = subprocess.Popen(
        [*command, "--home", str(tmp_path)],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    assert process.stderr
    for line in process.stderr:
        if b"asks" in line:
            break
    whole = os.getpgid(process.pid)
    (os.killpg(whole, sent) if sent == signal.SIGINT else process.send_signal(sent))
    told = process.communicate(timeout=120)[1].decode()  # its end: no seed holds the pipe any more
    assert process.returncode == (130 if sent == signal.SIGINT else -sent)
    assert "Traceback" not in told
    with alone(tmp_path / "testbed" / "runs" / "x" / "seed-0", 1.0):
        time.sleep(0)
