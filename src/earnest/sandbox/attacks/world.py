"""What is planted around a sandbox for hostile programs to find.

A token: in a folder that no jail is shown, in this process's environment, in the memory, command
line and open files of a process beside it. That process listens on a TCP port, on an abstract
socket and on a socket file. All of it is made inside the outer jail (`outer.py`), on a file system
in memory that ends with it: nothing has to be deleted.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PLANTED: Final = "EARNEST_PLANTED"
_BESIDE: Final = """
import os, socket, sys, time
folder, token = sys.argv[1:]
held = [token * 3, open(folder + "/secret", "r+b")]
listening = [socket.create_server(("127.0.0.1", 45678))]
for name in (chr(0) + "earnest-planted", folder + "/socket"):
    listening.append(socket.socket(socket.AF_UNIX))
    listening[-1].bind(name)
    listening[-1].listen()
print("ready", flush=True)
while True:
    time.sleep(60)
"""


@dataclass(frozen=True)
class World:
    """Where things lie: folders, each readable by anyone; the token; the process beside."""

    outside: Path
    visible: Path
    sealed: Path
    other: Path
    token: str
    beside: subprocess.Popen[str]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)


def plant() -> World:
    """Lay everything out, and return where it is."""
    token = os.environ.get(PLANTED) or f"planted-{secrets.token_hex(16)}"
    base = Path(tempfile.mkdtemp(prefix="world-"))
    base.chmod(0o755)
    outside = base / "outside"
    for name in ("secret", "home/ledger/ledger.sqlite", "home/sealed/rows.csv", "other/rows"):
        _write(outside / name, token)
    _write(outside / "home/keys/verifier.pem", token)
    _write(outside / ".ssh/id", token)
    _write(base / "visible/visible", "seen")
    _write(base / "visible/module.py", "kept = 1\n" * 500)
    _write(base / "sealed/sealed", token)
    _write(base / "sealed/visible", "seen")
    os.environ[PLANTED] = token
    beside = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BESIDE, str(outside), token],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert beside.stdout  # noqa: S101 - it was started with a pipe
    if beside.stdout.readline() != "ready\n":
        raise OSError("what attacks are to find could not be planted")
    return World(outside, base / "visible", base / "sealed", outside / "other", token, beside)


def unchanged(world: World) -> bool:
    """Say whether the folder that jobs are shown is as it was laid out."""
    try:
        names = sorted(path.name for path in world.visible.iterdir())
        same = (world.visible / "visible").read_text() == "seen"
        return same and names == ["module.py", "visible"]
    except OSError:
        return False
