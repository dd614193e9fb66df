"""Sandlock's side of a run: the process that confines a program and reports how it ended.

Run as `python -I confine.py FD PLAN`, in the workspace, unconfined; it imports nothing of ours
but `inside.py`, whose place it takes where there is no process namespace: it says the same to the
supervisor. PLAN is JSON: the arguments of `sandlock.Sandbox`, and the workspace's inner path.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import marshal
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

_SUBREAPER = 36
_STARTER = (
    "import os, sys\n"
    "os.chdir(sys.argv[1])\n"
    "try: os.execve(sys.argv[2], sys.argv[2:], dict(os.environ))\n"
    "except OSError as error: os.write(2, f'{sys.argv[2]}: {error.strerror}\\n'.encode())\n"
    "os._exit(127)\n"
)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit():
            continue
        try:
            state, parent = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found.setdefault(int(parent), []).append(int(name))
    return found


def end_descendants(root: int) -> None:
    """Kill everything below a process until nothing is left; it must be a subreaper.

    Descendants are stopped first, so that none can start another while they are counted.
    """
    for _ in range(200):
        tree, line = _children(), [root]
        for process in line:
            line += tree.get(process, [])
        if len(line) == 1:
            return
        for number in (19, 9):
            for process in line[1:]:
                try:
                    os.kill(process, number)
                except OSError:
                    continue
        time.sleep(0.01)


def _run(words: list[str], wall: float, arguments: dict[str, Any]) -> tuple[bool, int]:
    """Run a confined program to its end: whether it was late, and its exit code or -signal."""
    sandlock = importlib.import_module(
        "sandlock"
    )  # an extra: it may be absent when types are checked
    confined = sandlock.Sandbox(**arguments)
    process = confined.popen(words, stdin=sandlock.StdioMode.NULL)
    result = process.wait(timeout=wall)
    end_descendants(os.getpid())
    reason = result.reason.name if result.reason is not None else ""
    if "TIMEOUT" in reason:
        return True, 0
    return False, -result.signal if result.signal > 0 else result.exit_code


def _inside() -> Any:
    """Load `inside.py` by its place: its folder, on the path, would offer a sandlock.py as well."""
    spec = importlib.util.spec_from_file_location("inside", Path(__file__).with_name("inside.py"))
    assert spec  # noqa: S101 - it lies beside this file
    assert spec.loader  # noqa: S101
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _main() -> None:
    fd, plan = int(sys.argv[1]), json.loads(sys.argv[2])
    inside = _inside()
    os.set_inheritable(fd, False)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    os.chdir(plan["workspace"])
    inside._hello(fd)
    job = marshal.loads(inside._take(fd, int.from_bytes(inside._take(fd, 8), "big")))  # noqa: S302
    try:
        inside._lay_out(fd, job)
    except OSError as error:
        os.write(fd, inside.complaint(error) + inside.told(0, 125))
        return
    for limit, soft, hard in job["limits"]:  # handed down: the program may not set any itself
        resource.setrlimit(limit, (soft, hard))
    words = [plan["python"], "-I", "-S", "-c", _STARTER, plan["work"]]
    arguments = {**plan["arguments"], "env": job["environment"]}
    late, code = _run([*words, *job["entry"]], job["wall"], arguments)
    os.write(fd, inside.told(3 if late else 0, code))


if __name__ == "__main__":
    _main()
