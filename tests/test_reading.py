"""What a newcomer must read to understand a plain run (scripts/reading.py)."""

from __future__ import annotations

import runpy
from pathlib import Path

from earnest.core.home import Home
from earnest.core.protocols import Sandbox

READING = runpy.run_path(str(Path(__file__).resolve().parents[1] / "scripts" / "reading.py"))


def test_a_plain_run_can_be_read_in_one_sitting(home: Home, sandbox: Sandbox) -> None:
    lines, standing = READING["executed"](home, sandbox)
    found = READING["rooms"](lines)
    # It is a whole run: the loop, the guard, the tools and the sandbox have had a part in it.
    assert {"agent/loop.py", "agent/guard.py", "tools/python.py", "tools/findings.py"} <= set(lines)
    assert found["all"] == sum(found[room] for room in found if room != "all")
    assert READING["over"](found) == []
    assert found["agent"] > 100
    assert standing >= found["all"]


def test_the_limit_can_fail() -> None:
    assert READING["over"]({"agent": 601, "tools": 899, "all": 1500}) == ["agent"]
    assert READING["over"]({"agent": 600, "tools": 901, "all": 1501}) == ["all"]
