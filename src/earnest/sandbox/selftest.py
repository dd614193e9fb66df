"""`earnest sandbox selftest`: hostile programs against a sandbox, each with its control.

The sandbox on trial runs inside an outer jail (`outer.py`): what gets out of it meets no home, no
checkout and no network. Nothing is written on this machine but the image, so nothing needs to be
removed; when this process ends, however it ends, so does all that it started.

Not covered: control groups. The outer jail does not show them, so what they would limit hard is
measured here as it is without them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.protocols import Progress
from earnest.sandbox.choose import BACKENDS
from earnest.sandbox.image import build_image
from earnest.sandbox.outer import outer_command, try_outside

BROKEN: Final = ("none", "nothing")  # the suite's own proof: it must fail them
_NEVER_ROOT: Final = (*BROKEN, "unsafe-local", "sandlock")
_LONGEST_S: Final = 900.0
_DRIVER: Final = "earnest.sandbox.attacks.driver"


def passed(report: dict[str, Any]) -> bool:
    """Say whether a sandbox held: something was tried, nothing got out, every control succeeded."""
    return report["attacks"] > 0 and not report["escaped"] and not report["controls_failed"]


def selftest(
    backend: str,
    images_dir: Path,
    *,
    as_user: bool = False,
    families: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Try every attack (or those of some families) on a backend, and return the report.

    `backend`: a name of `choose.BACKENDS`, or one of `BROKEN`. `as_user`: where this is root, run
    the sandbox as an ordinary user, inside the outer jail. Returns `version`, `backend`, `as`,
    `attacks` (how many were tried), `escaped` and `controls_failed` (names), `reasons` (by name),
    `soft` (what is only loosely limited: `what`, `limit`, `measured`, `unit`, `attack`), `skipped`
    (`attack`, `reason`), `seconds`. Raises `LackError` where the backend or the outer jail can't be
    had, `UsageError` for an unknown name, `SandboxError` where the trial itself was ended.
    """
    known = (*BACKENDS, *BROKEN)
    if backend not in known:
        raise UsageError(f"there is no sandbox {backend!r}", mend=f"choose {', or '.join(known)}")
    image = build_image(images_dir)
    root = os.geteuid() == 0 and not as_user and backend not in _NEVER_ROOT
    plan = {
        "mode": "root" if root else "user",
        "backend": backend,
        "image": str(image.resolve()),
        "families": list(families),
    }
    driver = [sys.executable, "-s", "-m", _DRIVER, json.dumps(plan)]
    command = outer_command(driver, folders=[image.resolve()])
    return try_outside(command, progress, longest_s=_LONGEST_S)
