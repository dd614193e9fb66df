"""The jail's side of a foreign task's tests: put its paths right, then run `test.sh`.

It runs in the jail, as `python run.py WORKDIR`, beside the folders `tests`, `logs` and that of the
workspace, and imports nothing of ours. What a container has at `/tests`, `/logs` and `/WORKDIR`
lies here in the folder it runs in: each such path that a text of `tests` names is rewritten.

`python`, `python3` and `pytest` are this interpreter's.

Not covered: paths that are put together as it runs, and those in the workspace's own files.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def _programs(folder: Path) -> Path:
    """Make a folder with the programs that a test script expects of an image with Python."""
    folder.mkdir(exist_ok=True)
    for name, words in (("python", ""), ("python3", ""), ("pytest", " -m pytest")):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        path.chmod(0o755)
    return folder


def main() -> int:
    """Rewrite the paths; run the tests in the workspace's folder; return their exit status."""
    root, workdir = Path.cwd(), sys.argv[1]
    tops = "|".join(sorted({"tests", "logs", re.escape(workdir.partition("/")[0] or "app")}))
    named = re.compile(rf"(?<![\w.$}}/-])/({tops})(?![\w.-])")
    for path in (root / "tests").rglob("*"):
        if path.is_file():
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            path.write_text(named.sub(lambda found: f"{root}/{found[1]}", text))
    at = root / workdir
    at.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PATH": f"{_programs(root / '.bin')}:{os.environ.get('PATH', '')}"}
    words = ["bash", str(root / "tests" / "test.sh")]
    return subprocess.run(words, cwd=at, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
