"""The jail's side of a repository's grading: run pytest once, and say what each test did.

It runs in the jail, as `python run.py`, beside the folder `repo`, and imports nothing of ours. It
is asked one frame on the line, `{"id": n, "tests": [paths], "paths": [folders], "conftest": bool}`,
and answers one: `{"id": n, "ok": [[test id, phase, outcome], ...]}`, or `{"id": n, "lacks":
"pytest"}`.

Not covered: the candidate's code runs in this process, beside pytest. See `repo.py`.
"""

# ruff: noqa: PTH100, PTH118, PTH120

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

_LINE: Final = 3
_CHUNK: Final = 1 << 16


class _Recorder:
    """Hears of every report that pytest makes."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        self.heard.append([report.nodeid, report.when, outcome])

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome != "passed":
            self.heard.append([report.nodeid, "collect", report.outcome])


def _take() -> dict[str, Any]:
    data = b""
    while len(data) < 4 or len(data) < int.from_bytes(data[:4], "big") + 4:
        part = os.read(_LINE, _CHUNK)
        if not part:
            os._exit(0)
        data += part
    found: dict[str, Any] = json.loads(data[4:])
    return found


def _say(content: dict[str, Any]) -> None:
    data = json.dumps(content, separators=(",", ":")).encode()
    view = memoryview(len(data).to_bytes(4, "big") + data)
    while view:
        view = view[os.write(_LINE, view) :]


def _order(root: str, paths: list[str]) -> None:
    """Let modules come from the standard library, then the repository, then the image."""
    own, standard = os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.__file__)
    rest = [path for path in sys.path if path not in ("", own)]
    first = [path for path in rest if path.startswith(standard) or path.endswith(".zip")]
    first = [path for path in first if "-packages" not in path]
    sys.path[:] = [
        *first,
        *(os.path.join(root, path) if path else root for path in paths),
        *(path for path in rest if path not in first),
    ]


def _main() -> None:
    request = _take()
    try:
        import pytest
    except ImportError:
        _say({"id": request["id"], "lacks": "pytest"})
        return
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    settings, root = os.path.abspath("settings.ini"), os.path.abspath("repo")
    os.chdir(root)
    _order(root, request["paths"])
    words = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", settings]
    words += ["--rootdir", root] + ([] if request["conftest"] else ["--noconftest"])
    recorder = _Recorder()
    pytest.main([*words, *request["tests"]], plugins=[recorder])
    _say({"id": request["id"], "ok": recorder.heard})


if __name__ == "__main__":
    _main()
