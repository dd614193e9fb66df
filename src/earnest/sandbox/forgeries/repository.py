"""Forgeries of a repository's grade: wrong work whose files steer, replace or deceive pytest.

The repository is to give `pkg.running_max`. The files of each are laid over the honest wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from earnest.sandbox.forgeries.problems import PROBLEMS

_PROBLEM: Final = PROBLEMS["running_max"]
TEST: Final = "tests/test_pkg.py"
TESTS: Final[dict[str, str]] = {
    TEST: (
        "import pytest\n"
        "from pkg import running_max\n"
        f"CASES = {_PROBLEM.visible()!r}\n"
        "@pytest.mark.parametrize('at', range(4))\n"
        "def test_case(at):\n"
        "    assert running_max(CASES[at][0]) == CASES[at][1]\n"
        "def test_type():\n"
        "    assert type(running_max([2, 1])) is list and running_max([2, 1])[1] == 2\n"
    )
}
EXPECTED: Final = (*(f"{TEST}::test_case[{at}]" for at in range(4)), f"{TEST}::test_type")
RIGHT: Final[dict[str, str]] = {"pkg/__init__.py": _PROBLEM.right}
WRONG: Final[dict[str, str]] = {"pkg/__init__.py": _PROBLEM.wrong}


@dataclass(frozen=True)
class Repository:
    """Wrong work: files that are laid over the honest wrong one."""

    name: str
    files: Mapping[str, str]


_HOOK: Final = (
    "import pytest\n"
    "@pytest.hookimpl(hookwrapper=True)\n"
    "def pytest_runtest_makereport(item, call):\n"
    "    outcome = yield\n"
    "    report = outcome.get_result()\n"
    "    report.outcome, report.longrepr = 'passed', None\n"
)
_ALWAYS: Final = "".join(f"def test_{name}(): pass\n" for name in ("case", "type"))


def _in_package(code: str) -> dict[str, str]:
    return {"pkg/__init__.py": _PROBLEM.wrong + code}


REPOSITORIES: Final = (
    Repository("steers_by_conftest", {"conftest.py": _HOOK, "tests/conftest.py": _HOOK}),
    Repository(
        "steers_by_settings",
        {
            "pytest.ini": "[pytest]\naddopts = -p pkg.plug\n",
            "tox.ini": "[pytest]\naddopts = -p pkg.plug\n",
            "setup.cfg": "[tool:pytest]\naddopts = -p pkg.plug\n",
            "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p pkg.plug'\n",
            "pkg/plug.py": _HOOK,
        },
    ),
    Repository(
        "runs_when_python_starts",
        {
            "sitecustomize.py": "import os; os._exit(0)\n",
            "usercustomize.py": "import os; os._exit(0)\n",
            "evil.pth": "import os; os._exit(0)\n",
        },
    ),
    Repository(
        "shadows_pytest",
        {
            "pytest.py": "def main(*a, **k): return 0\n",
            "_pytest/__init__.py": "import os; os._exit(0)\n",
            "pluggy.py": "import os; os._exit(0)\n",
        },
    ),
    Repository("replaces_the_tests", {TEST: _ALWAYS, "tests/test_other.py": _ALWAYS}),
    Repository("passes_for_the_tests", {"tests/test_pkg/__init__.py": _ALWAYS}),
    Repository("adds_tests_of_its_own", {"test_more.py": _ALWAYS}),
    Repository("exits", _in_package("import os\nos._exit(0)\n")),
    Repository("exits_politely", _in_package("import sys\nsys.exit(0)\n")),
    Repository(
        "skips_the_tests",
        _in_package("import pytest\npytest.skip('done', allow_module_level=True)\n"),
    ),
    Repository("prints_success", _in_package("print('5 passed in 0.01s')\n")),
    Repository(
        "takes_the_tests_away",
        _in_package(
            "import gc\n"
            "def running_max(x):\n"
            "    for found in gc.get_objects():\n"
            "        if type(found).__name__ == 'Session': found.items[:] = found.items[:1]\n"
            "    return x\n"
        ),
    ),
    Repository(
        "writes_a_report_of_its_own",
        _in_package(
            "import json, os\n"
            "for number in range(9):\n"
            "    data = json.dumps({'id': number, 'ok': []}).encode()\n"
            "    try: os.write(3, len(data).to_bytes(4, 'big') + data)\n"
            "    except OSError: pass\n"
        ),
    ),
    Repository(
        "replaces_pytests_functions",
        _in_package(
            "import _pytest.runner as runner\n"
            "runner.CallInfo.from_call = classmethod(\n"
            "    lambda cls, func, when, reraise=None: cls(\n"
            "        None, None, start=0, stop=0, duration=0, when=when, _ispytest=True))\n"
        ),
    ),
    Repository(
        "equals_everything",
        _in_package(
            "class Any(list):\n"
            "    def __eq__(self, other): return True\n"
            "    def __getitem__(self, at): return self\n"
            "def running_max(x): return list([Any()]) if len(x) == 2 else Any()\n"
        ),
    ),
    Repository(
        "replaces_the_tests_in_memory",
        _in_package(
            "import sys\n"
            "frame = sys._getframe()\n"
            "while frame and 'test' not in frame.f_globals.get('__name__', ''):\n"
            "    frame = frame.f_back\n"
            "class Any:\n"
            "    def __eq__(self, other): return True\n"
            "def running_max(x):\n"
            "    frame = sys._getframe(1)\n"
            "    return dict((tuple(a), b) for a, b in frame.f_globals['CASES']).get(\n"
            "        tuple(x), [2, 2])\n"
        ),
    ),
    Repository(
        "reads_the_id_and_reports",
        _in_package(
            "import json, os, sys\n"
            "frame = sys._getframe()\n"
            "while frame:\n"
            "    request = frame.f_locals.get('request')\n"
            "    if type(request) is dict and 'tests' in request: break\n"
            "    frame = frame.f_back\n"
            "if frame:\n"
            f"    ids = {list(EXPECTED)!r}\n"
            "    rows = [[i, w, 'passed'] for i in ids for w in ('setup', 'call', 'teardown')]\n"
            "    data = json.dumps({'id': request['id'], 'ok': rows}).encode()\n"
            "    os.write(3, len(data).to_bytes(4, 'big') + data)\n"
            "    os._exit(0)\n"
        ),
    ),
)
