"""Runs inside the outer jail: opens a sandbox there, and lets the forgeries loose on its grading.

`python -m earnest.sandbox.forgeries.driver PLAN`; PLAN is JSON: `mode` (`root` or `user`),
`backend`, `image`, `grading` (one of `trial.GRADINGS`), `families` (none: all). Answers in lines
of JSON on standard output: `ready`, `says` (progress), `lacks` with its `mend`, or at last
`report`.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from earnest.core.errors import LackError
from earnest.core.protocols import Progress, Sandbox
from earnest.sandbox.attacks.driver import open_backend, settle
from earnest.sandbox.forgeries.suite import FORGERIES
from earnest.sandbox.forgeries.trial import (
    GRADINGS,
    Trial,
    split_grading,
    try_all,
    try_controls,
    try_repositories,
)
from earnest.sandbox.outer import answering


def _as_json(trial: Trial) -> dict[str, Any]:
    return {
        "attacks": trial.attacks,
        "forged": sorted(trial.forged),
        "controls_failed": sorted(trial.controls_failed),
        "reasons": trial.controls_failed | trial.forged,
    }


def _weak(sandbox: Sandbox, say: Progress) -> dict[str, Any]:
    try:
        return _as_json(try_repositories(sandbox, say))
    except LackError as error:
        return {**_as_json(Trial()), "lacks": str(error), "mend": error.mend}


def _carry_out(plan: dict[str, Any], say: Progress) -> dict[str, Any]:
    start, grading, weak = time.monotonic(), plan["grading"], _as_json(Trial())
    sandbox = open_backend(plan["backend"], Path(plan["image"]))
    try:
        wanted = [f for f in FORGERIES if f.family in (plan["families"] or (f.family,))]
        trial = try_all(GRADINGS[grading](sandbox), say, wanted)
        if grading == "split" and not plan["families"]:
            try_controls(split_grading(sandbox, fresh_jail_per_case=True), trial, ", a jail a case")
            weak = _weak(sandbox, say)
    finally:
        sandbox.close()
    seconds = round(time.monotonic() - start, 1)
    head = {"version": 1, "backend": sandbox.name, "as": plan["mode"], "grading": grading}
    return {**head, **_as_json(trial), "weak": weak, "seconds": seconds}


def main() -> None:
    """Carry out the plan given on the command line."""
    plan = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with answering() as answer:
        settle(plan["mode"])
        answer(ready=True)
        answer(report=_carry_out(plan, lambda line: answer(says=line)))


if __name__ == "__main__":
    main()
