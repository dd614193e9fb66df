"""Every forgery and every control against a way of grading.

Two ways of grading that must fail the suite ship with it (`GRADINGS`): `exit-code` trusts an exit
status, `nothing` passes nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from earnest.core.errors import EarnestError, LackError
from earnest.core.jobs import Job, Limits
from earnest.core.protocols import Progress, Sandbox
from earnest.sandbox.forgeries.kinds import Forgery, Problem
from earnest.sandbox.forgeries.problems import PROBLEMS
from earnest.sandbox.forgeries.repository import EXPECTED, REPOSITORIES, RIGHT, TESTS, WRONG
from earnest.sandbox.grade import Case, Grader
from earnest.sandbox.repo import grade_repository

Grading = Callable[[Problem, str], str]
"""Takes a problem and a source; returns `passed`, or why not."""

_CASE_S: Final = 1.5
_SUITE_S: Final = 8.0
_FRESH: Final = 12
_LIMITS: Final = Limits(
    wall_s=30.0, cpu_s=20, memory_mib=512, processes=16, workspace_mib=8, output_bytes=4096
)
_REPOSITORY_LIMITS: Final = Limits(wall_s=60.0, cpu_s=50, memory_mib=1024, workspace_mib=16)


@dataclass
class Trial:
    """What came of it, by name: why a forgery passed, why a control failed."""

    attacks: int = 0
    forged: dict[str, str] = field(default_factory=dict)
    controls_failed: dict[str, str] = field(default_factory=dict)


def split_grading(sandbox: Sandbox, *, fresh_jail_per_case: bool = False) -> Grading:
    """Return our grading of a function: the split protocol, fixed and fresh cases."""

    def grading(problem: Problem, source: str) -> str:
        grader = Grader(
            [Case((argument,)) for argument in problem.fixed],
            fresh=lambda rng: (problem.fresh(rng),),
            count=3 if fresh_jail_per_case else _FRESH,
            reference=problem.reference,
            case_s=_CASE_S,
            suite_s=_SUITE_S,
            limits=_LIMITS,
            fresh_jail_per_case=fresh_jail_per_case,
        )
        grade = grader.grade(sandbox, source, problem.name)
        return "passed" if grade.passed else grade.why

    return grading


def script(problem: Problem, source: str) -> str:
    """Return a source with assertions of its visible cases after it."""
    asserts = [f"assert {problem.name}({a!r}) == {value!r}" for a, value in problem.visible()]
    return "\n".join([source, *asserts, ""])


def exit_code_grading(sandbox: Sandbox) -> Grading:
    """Return the grading by the exit status of a script in a jail. Forgeable, however good that is.

    The suite must fail it.
    """

    def grading(problem: Problem, source: str) -> str:
        files = {"script.py": script(problem, source).encode()}
        limits = replace(_LIMITS, wall_s=5.0)
        result = sandbox.run(Job(("python", "script.py"), files, limits=limits, collect=False))
        return "passed" if result.ok else result.ended

    return grading


def no_grading(_: Sandbox) -> Grading:
    """Return the grading that passes nobody. The suite must fail it."""
    return lambda _problem, _source: "refused"


GRADINGS: Final[dict[str, Callable[[Sandbox], Grading]]] = {
    "split": split_grading,
    "exit-code": exit_code_grading,
    "nothing": no_grading,
}


def _ruling(grading: Grading, problem: Problem, source: str) -> str:
    try:
        return grading(problem, source)
    except EarnestError as error:  # a grading that fails is no pass
        return f"{type(error).__name__}: {error}"


def try_controls(grading: Grading, trial: Trial, label: str = "") -> None:
    """Hold a way of grading to the honest solutions: the right must pass, the wrong must not."""
    for problem in PROBLEMS.values():
        if (why := _ruling(grading, problem, problem.right)) != "passed":
            trial.controls_failed[f"{problem.name}: right{label}"] = why
        if (why := _ruling(grading, problem, problem.wrong)) == "passed":
            trial.controls_failed[f"{problem.name}: wrong{label}"] = why


def try_all(grading: Grading, say: Progress, forgeries: Sequence[Forgery]) -> Trial:
    """Try the controls, then every forgery, then the controls once more."""
    trial = Trial(len(forgeries))
    try_controls(grading, trial)
    for number, forgery in enumerate(forgeries, 1):
        why = _ruling(grading, PROBLEMS[forgery.problem], forgery.source)
        say(f"{number}/{len(forgeries)} {forgery.family}: {forgery.name}: {why}")
        if why == "passed":
            trial.forged[forgery.name] = forgery.family
    try_controls(grading, trial, " afterwards")
    return trial


def _bytes(*parts: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for part in parts for name, text in part.items()}


def try_repositories(sandbox: Sandbox, say: Progress) -> Trial:
    """Try the forgeries of a repository's grade, which is weak.

    Raises `LackError` where the image has no pytest.
    """

    def ruling(files: dict[str, bytes]) -> str:
        try:
            grade = grade_repository(
                sandbox, files, _bytes(TESTS), EXPECTED, limits=_REPOSITORY_LIMITS
            )
        except LackError:
            raise
        except EarnestError as error:
            return f"{type(error).__name__}: {error}"
        return "passed" if grade.passed else grade.why

    trial = Trial(len(REPOSITORIES))
    if (why := ruling(_bytes(RIGHT))) != "passed":
        trial.controls_failed["repository: right"] = why
    if (why := ruling(_bytes(WRONG))) == "passed":
        trial.controls_failed["repository: wrong"] = why
    for forgery in REPOSITORIES:
        why = ruling(_bytes(WRONG, dict(forgery.files)))
        say(f"weak: {forgery.name}: {why}")
        if why == "passed":
            trial.forged[forgery.name] = "repository"
    return trial
