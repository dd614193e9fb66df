"""`earnest sandbox forge`: wrong solutions that try to pass, against a sandbox's grading.

All of it runs inside an outer jail (`outer.py`): the sandbox on trial, its trusted side, and the
forgeries in the sandbox. Nothing is written on this machine but the image, so nothing needs to be
removed; when this process ends, so does all that it started.

Not covered: families that nobody has thought of yet; what `grade.py` and `repo.py` name.
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

_REFUSED: Final = ("unsafe-local",)
_NEVER_ROOT: Final = ("sandlock",)
_LONGEST_S: Final = 1800.0
_DRIVER: Final = "earnest.sandbox.forgeries.driver"


def passed(report: dict[str, Any]) -> bool:
    """Say whether a grading held: something was tried, nothing forged, every control went right.

    The weak grading of repositories is held to its controls only.
    """
    controls = (*report["controls_failed"], *report["weak"]["controls_failed"])
    return report["attacks"] > 0 and not report["forged"] and not controls


def forge(
    backend: str,
    images_dir: Path,
    *,
    as_user: bool = False,
    grading: str = "split",
    families: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Try every forgery (or some families) on the grading a backend gives; return the report.

    `backend`: a name of `choose.BACKENDS`. `as_user`: where this is root, run the sandbox as an
    ordinary user, inside the outer jail. `grading`: `split`, or one that must fail, as the suite's
    own proof: `exit-code`, `nothing`. Returns `version`, `backend`, `as`, `grading`, `attacks` (how
    many), `forged` and `controls_failed` (names), `reasons` (by name), `seconds`, and `weak`: the
    same of the grading of repositories, which stays forgeable (with `lacks` and `mend`, and without
    attacks, where the image has no pytest). Raises `LackError` where the backend
    or the outer jail can't be had, `UsageError` for a name that can't grade, `SandboxError` where
    the trial itself was ended.
    """
    known = [name for name in BACKENDS if name not in _REFUSED]
    if backend not in known:
        raise UsageError(
            f"{backend!r} is no sandbox to grade in", mend=f"one of {', '.join(known)}"
        )
    image = build_image(images_dir).resolve()
    root = os.geteuid() == 0 and not as_user and backend not in _NEVER_ROOT
    plan = {
        "mode": "root" if root else "user",
        "backend": backend,
        "image": str(image),
        "grading": grading,
        "families": list(families),
    }
    driver = [sys.executable, "-s", "-m", _DRIVER, json.dumps(plan)]
    command = outer_command(driver, folders=[image])
    return try_outside(command, progress, longest_s=_LONGEST_S)
