"""The same forgeries against other people's graders, as they come from the package index.

`earnest sandbox peers` prints the table for those that are installed beside this package. Each
grading has an outer jail of its own (`outer.py`), in which a peer runs as an ordinary user, by its
public entry point (`forgeries/peer_run.py`). A peer must pass the honest right solutions and fail
the honest wrong ones, or its row counts for nothing.

Not covered: a peer's fixed cases are what a candidate may have seen, as is usual where they are
used: with fresh ones it would let fewer `memorised` ones through. Look-alikes (right values of a
wrong type) are right enough for a grader that means to compare by `==`.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import EarnestError, SandboxError
from earnest.core.protocols import Progress
from earnest.sandbox.forge import forge
from earnest.sandbox.forgeries.peer_run import PEERS
from earnest.sandbox.forgeries.problems import PROBLEMS
from earnest.sandbox.forgeries.repository import REPOSITORIES, RIGHT, TESTS, WRONG
from earnest.sandbox.forgeries.suite import FORGERIES
from earnest.sandbox.outer import outer_command

_LONGEST_S: Final = 120.0
_RUN: Final = "earnest.sandbox.forgeries.peer_run"


def grade_outside(asked: Mapping[str, Any]) -> bool:
    """Do one grading in an outer jail. A peer that gives no ruling has not passed anything.

    `asked`: `peer`, `problem` (its name) and `source`; or `files` of a repository. Raises
    `LackError`, `SandboxError` where the peer itself broke.
    """
    nonce = secrets.token_hex(8)
    command = outer_command([sys.executable, "-s", "-m", _RUN])
    try:
        done = subprocess.run(
            command,
            check=False,
            input=json.dumps({**asked, "nonce": nonce}),
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            cwd="/",
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return False
    if answer.get("nonce") != nonce:
        return False
    if "passed" not in answer:
        raise SandboxError(str(answer.get("lacks") or answer.get("failed")))
    return bool(answer["passed"])


def _try(asked: Mapping[str, Any]) -> str:
    try:
        return "passed" if grade_outside(asked) else "failed"
    except EarnestError as error:
        return f"broke: {error}"


def _many(asked: Sequence[Mapping[str, Any]], workers: int) -> list[str]:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(_try, asked))


def _controls(peer: str, workers: int) -> list[str]:
    wanted = [
        (f"{problem.name}: {kind}", problem.name, source, ruling)
        for problem in PROBLEMS.values()
        for kind, source, ruling in (
            ("right", problem.right, "passed"),
            ("wrong", problem.wrong, "failed"),
        )
    ]
    asked = [{"peer": peer, "problem": name, "source": source} for _, name, source, _ in wanted]
    got = _many(asked, workers)
    return [
        f"{label}: {have}"
        for (label, _, _, ruling), have in zip(wanted, got, strict=True)
        if have != ruling
    ]


def try_peer(peer: str, *, workers: int = 2) -> dict[str, Any]:
    """Return a peer's row: `peer`, `title`, `version`, `forged` by family, `controls_failed`."""
    found = PEERS[peer]
    row: dict[str, Any] = {"peer": peer, "title": found.title, "version": found.version()}
    if not row["version"]:
        return {**row, "lacks": "not installed", "mend": found.install}
    start = time.monotonic()
    row["controls_failed"] = _controls(peer, workers)
    asked = [{"peer": peer, "problem": f.problem, "source": f.source} for f in FORGERIES]
    got = _many(asked, workers)
    forged = [f for f, ruling in zip(FORGERIES, got, strict=True) if ruling == "passed"]
    row |= {
        "attacks": len(FORGERIES),
        "forged": sorted(forgery.name for forgery in forged),
        "families": dict(sorted(Counter(forgery.family for forgery in forged).items())),
        "seconds": round(time.monotonic() - start, 1),
    }
    return row


def try_repositories(*, workers: int = 2) -> dict[str, Any]:
    """Return the row of plain pytest in a repository that is the candidate's own."""
    title = "pytest in the candidate's repository, hidden tests laid over it"
    row: dict[str, Any] = {"peer": "pytest", "title": title, "version": PEERS["pytest"].version()}
    if not row["version"]:
        return {**row, "lacks": "not installed", "mend": PEERS["pytest"].install}
    own = [RIGHT, WRONG, *({**WRONG, **forgery.files} for forgery in REPOSITORIES)]
    right, wrong, *got = _many([{"files": {**files, **TESTS}} for files in own], workers)
    controls = [] if (right, wrong) == ("passed", "failed") else [f"right {right}, wrong {wrong}"]
    names = [f.name for f, ruling in zip(REPOSITORIES, got, strict=True) if ruling == "passed"]
    return {
        **row,
        "attacks": len(REPOSITORIES),
        "forged": sorted(names),
        "controls_failed": controls,
    }


def compare(
    images_dir: Path,
    *,
    backend: str = "bwrap",
    only: Sequence[str] = (),
    workers: int = 2,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Try all forgeries on our grading and on each peer's.

    Returns `version`, `rows` (ours first) and `repositories`: the same of grading by pytest.

    Raises `LackError` where there is no outer jail or no such backend here.
    """
    progress(f"ours, in {backend}")
    ours = forge(backend, images_dir)
    title = f"ours: `Grader`, split protocol, in {backend}"
    rows = [{**ours, "peer": "earnest", "title": title, "version": "", "weak": None}]
    for peer in only or PEERS:
        progress(peer)
        rows.append(try_peer(peer, workers=workers))
    weak = {"peer": "earnest", "title": "ours: `grade_repository`", "version": "", **ours["weak"]}
    return {"version": 1, "rows": rows, "repositories": [weak, try_repositories(workers=workers)]}


def table(found: Mapping[str, Any]) -> str:
    """Return the comparison as two tables of Markdown."""
    lines = []
    head = ["| grader | version | forgeries that passed | controls |", "| --- | --- | --- | --- |"]
    for part in ("rows", "repositories"):
        lines += head
        for row in found[part]:
            if "lacks" in row:
                lines.append(f"| {row['title']} | {row['lacks']}: `{row['mend']}` | | |")
                continue
            controls = "; ".join(row["controls_failed"]) or "hold"
            passed = f"{len(row['forged'])} of {row['attacks']}"
            families = ", ".join(f"{name} {n}" for name, n in row.get("families", {}).items())
            told = f"{passed} ({families})" if families else passed
            lines.append(f"| {row['title']} | {row['version']} | {told} | {controls} |")
        lines.append("")
    return "\n".join(lines)
