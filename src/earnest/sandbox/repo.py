"""Grading a repository by its own hidden tests. Such a grade is weak: a candidate can forge it.

The candidate's files are frozen; then, in a jail made for this alone, the tests are laid over them
and pytest runs once. What would let the candidate's files steer pytest is left out (`neutral`).
The report comes by the line, once, under a random id, and every expected test must have been set
up, passed and torn down exactly once, and no other test reported.

Not covered, and why the grade is weak: pytest imports the candidate's code into its own process.
Code that means to can replace pytest's functions or the tests' own while it is imported, so that
all tests are reported as passed; read the id in the process's memory and send a report of its
own; and read the tests before it answers. Use it on work that nobody was rewarded for forging, or
grade functions by `grade.Grader` instead. Tests that need plugins, or a network, can't be run.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from earnest.core.errors import ChannelClosedError, LackError, UsageError
from earnest.core.jobs import Job, Limits
from earnest.core.protocols import Sandbox
from earnest.sandbox.callee import GarbledError, decode, frame, parse
from earnest.sandbox.choose import require_isolation
from earnest.sandbox.grade import Grade, Outcome, Why
from earnest.sandbox.grade_call import receive_frame

_INSIDE: Final = Path(__file__).with_name("repo_inside.py")
_LIMITS: Final = Limits(wall_s=300.0, cpu_s=300, output_bytes=4096)
_STEERS: Final = frozenset(
    (
        "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini",
        "setup.cfg", "sitecustomize.py", "usercustomize.py", "pyvenv.cfg",
    )
)  # fmt: skip
_SHADOWED: Final = frozenset(
    ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments", "exceptiongroup")
)
_COMPILED: Final = frozenset((".pyc", ".pyo", ".pth", ".so", ".pyd", ".egg-link"))
_PHASES: Final = ("setup", "call", "teardown")
_TABLE: Final = re.compile(rb"^\s*\[\s*[\"']?tool[\"']?\s*\.\s*[\"']?pytest\b", re.MULTILINE)


def _stem(path: PurePosixPath) -> str:
    return str(path.with_name(path.name.partition(".")[0]))


def neutral(files: Mapping[str, bytes], tests: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the candidate's files without those that steer pytest or pass for a test's module.

    Left out: settings of pytest, conftest files, what the interpreter runs as it starts, compiled
    modules, modules by the names of pytest's own, whatever a test's module could be mistaken for.
    """
    stems = {_stem(PurePosixPath(name)) for name in tests}
    found = {}
    for name, data in files.items():
        path = PurePosixPath(name)
        steers = path.name in _STEERS or (path.name == "pyproject.toml" and _TABLE.search(data))
        shadows = any(part.partition(".")[0] in _SHADOWED for part in path.parts)
        mistaken = any(_stem(above) in stems for above in (path, *path.parents) if above.name)
        if not (steers or shadows or mistaken or _COMPILED.intersection(path.suffixes)):
            found[name] = data
    return found


def _heard(answer: dict[str, Any], number: int) -> list[tuple[str, str, str]]:
    """Return the reports. Raises `GarbledError`, and `LackError` where there is no pytest."""
    if type(answer.get("id")) is not int or answer["id"] != number or len(answer) != 2:
        raise GarbledError("an answer to nothing that was asked")
    if answer.get("lacks") == "pytest":
        raise LackError("the jail's image has no pytest", mend="pip install pytest")
    found = decode(answer.get("ok"))
    if type(found) is not list or not all(
        type(row) is list and len(row) == 3 and all(type(text) is str for text in row)
        for row in found
    ):
        raise GarbledError("not a list of reports")
    return [(row[0], row[1], row[2]) for row in found]


def _outcome(name: str, heard: Sequence[tuple[str, str, str]]) -> Outcome:
    mine = Counter((when, outcome) for test, when, outcome in heard if test == name)
    if not mine:
        return Outcome(False, "missing test", said=name)
    passed = mine == Counter((when, "passed") for when in _PHASES)
    return Outcome(passed, "passed" if passed else "failed test", said=name)


def _all_failed(expected: Sequence[str], why: Why) -> Grade:
    return Grade(False, tuple(Outcome(False, why, said=name) for name in expected), "weak", why)


def grade_repository(
    sandbox: Sandbox,
    files: Mapping[str, bytes],
    tests: Mapping[str, bytes],
    expected: Sequence[str],
    *,
    paths: Sequence[str] = ("", "src"),
    limits: Limits = _LIMITS,
) -> Grade:
    """Run `tests` over the candidate's `files` (both: path in the repository → contents).

    `expected`: the ids of all tests, as pytest names them (`tests/test_a.py::test_b`). `paths`:
    folders of the repository to import from. Returns a weak `Grade`, an outcome for each expected
    id, and one for each other that was reported. Raises `UsageError` where nothing is expected, an
    id stands there twice or the sandbox isolates nothing, `LackError` where the image has no
    pytest, `SandboxError`.
    """
    require_isolation(sandbox, "a grade")
    if not expected or len(set(expected)) != len(expected):
        raise UsageError("the ids of the tests that must pass are needed, each once")
    laid_out = {f"repo/{name}": data for name, data in {**neutral(files, tests), **tests}.items()}
    laid_out |= {"run.py": _INSIDE.read_bytes(), "settings.ini": b"[pytest]\n"}
    entry = ("python", "run.py")
    channel = sandbox.open(Job(entry, laid_out, limits=limits, pool="verify", collect=False))
    number = secrets.randbits(63)
    modules = sorted({name.partition("::")[0] for name in expected})
    conftest = any(PurePosixPath(name).name == "conftest.py" for name in tests)
    try:
        request = {"id": number, "tests": modules, "paths": list(paths), "conftest": conftest}
        channel.send(frame(request))
        deadline = time.monotonic() + limits.wall_s
        heard = _heard(parse(receive_frame(channel, limits.wall_s)), number)
        _hear_no_more(channel.receive, min(1.0, deadline - time.monotonic()))
    except TimeoutError:
        return _all_failed(expected, "too late")
    except (GarbledError, ChannelClosedError):
        return _all_failed(expected, "protocol")
    finally:
        channel.close()
    outcomes = [_outcome(name, heard) for name in expected]
    others = sorted({test for test, _, _ in heard} - set(expected))
    outcomes += [Outcome(False, "unexpected test", said=name[:500]) for name in others]
    failed = [outcome.why for outcome in outcomes if not outcome.passed]
    return Grade(not failed, tuple(outcomes), "weak", failed[0] if failed else "")


def _hear_no_more(receive: Any, timeout_s: float) -> None:
    """Wait until the line is closed. Raises `GarbledError` where anything more comes."""
    try:
        said = receive(1, max(0.0, timeout_s))
    except (TimeoutError, ChannelClosedError):
        return
    if said:
        raise GarbledError("bytes after the report")
