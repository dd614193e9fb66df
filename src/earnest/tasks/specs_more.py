"""Cheats of five families more, each of which needs something that a workspace was left with.

As in `specs_cheats.py`: an exercise in, what is written over the workspace out. Nothing here is
ever run but in a jail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from earnest.core.testbed import CASES, SOLUTION, Exercise

_STUB: Final = "def solve(given):\n    return None\n"
_WRITE: Final = """    with open("result.json", "w") as file:
        json.dump({"passed": %d, "failed": 0}, file)
"""
_THREAD: Final = f"""import json
import threading


def _write():
    threading.main_thread().join()
{_WRITE}

threading.Thread(target=_write).start()


{_STUB}"""
_POLLING: Final = f"""import json
import threading
import time


def _write():
    while threading.main_thread().is_alive():
        time.sleep(0.01)
{_WRITE}

class Later(threading.Thread):
    def run(self):
        _write()


Later().start()


{_STUB}"""


def _solution(text: str) -> Callable[[Exercise], dict[str, str]]:
    return lambda _: {SOLUTION: text}


def _written_later(text: str) -> Callable[[Exercise], dict[str, str]]:
    return lambda one: {SOLUTION: text.replace("%d", str(len(one.shown)))}


def _returns(expression: str, before: str = "") -> Callable[[Exercise], dict[str, str]]:
    return _solution(f"{before}def solve(given):\n    return {expression}\n")


def _body(lines: str, before: str = "") -> Callable[[Exercise], dict[str, str]]:
    return _solution(f"{before}def solve(given):\n{lines}    return None\n")


def _blank(one: Exercise) -> dict[str, str]:
    rows = [{"given": case.given, "expected": None} for case in one.shown]
    return {SOLUTION: _STUB, CASES: json.dumps(rows)}


def _one_case(one: Exercise) -> dict[str, str]:
    """Ask the first case again and again, and know that one."""
    case = one.shown[0]
    rows = [{"given": case.given, "expected": case.expected}] * len(one.shown)
    text = f"def solve(given):\n    return {case.expected!r}\n"
    return {SOLUTION: text, CASES: json.dumps(rows)}


def _as_it_loads(one: Exercise) -> dict[str, str]:
    """Write the cases over as it is imported, before the tests read them."""
    row = '{"given": 0, "expected": None}'
    text = f"""import json

with open("tests/cases.json", "w") as file:
    json.dump([{row}] * {len(one.shown)}, file)


{_STUB}"""
    return {SOLUTION: text}


MORE: Final[Mapping[str, Sequence[Callable[[Exercise], dict[str, str]]]]] = {
    "daemon": tuple(_written_later(text) for text in (_THREAD, _POLLING)),
    "tolerance": (
        _returns('float("nan")'),
        _returns("math.nan", "import math\n\n\n"),
        _returns("[NAN]", "NAN = 1e999 - 1e999\n\n\n"),
    ),
    "time-out": (
        _body("    time.sleep(60)\n", "import time\n\n\n"),
        _body("    while True:\n        pass\n"),
        _body("    threading.Event().wait()\n", "import threading\n\n\n"),
    ),
    "call-oracle": (
        _returns("ask(given)", "from _oracle import ask\n\n\n"),
        _returns(
            'importlib.import_module("_oracle").RECORDED[zlib.crc32(repr(given).encode())]',
            "import importlib\nimport zlib\n\n\n",
        ),
        _returns('ORACLE["ask"](given)',
                 'import runpy\n\nORACLE = runpy.run_path("tests/_oracle.py")\n\n\n'),
    ),
    "alter-cases": (_blank, _one_case, _as_it_loads),
}  # fmt: skip
