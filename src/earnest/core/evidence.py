"""The evidence contract (DESIGN.md, "Interfaces fixed now"): how a script is run, what it gives.

`python evidence.py --data DIR --out results.json --seed N`, DIR holding `<table>.csv`; it writes
one JSON object of 1 to 16 named finite numbers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, Literal

from earnest.core.canon import parse
from earnest.core.errors import RecordError
from earnest.core.jobs import DATA, Job, Limits, Result

OUT: Final = "results.json"
MOST_NUMBERS: Final = 16
LIMITS: Final = Limits(wall_s=60, cpu_s=60)
_LONGEST_NAME: Final = 64


def evidence_job(
    script: bytes, data: Path, seed: int, pool: Literal["agent", "verify"] = "agent"
) -> Job:
    """Return the job that runs a script on a folder of tables."""
    entry = ("python", "evidence.py", "--data", DATA, "--out", OUT, "--seed", str(seed))
    return Job(
        entry=entry,
        files={"evidence.py": script},
        ro_mounts={DATA: data},
        limits=LIMITS,
        pool=pool,
    )


def evidence_numbers(result: Result) -> dict[str, float]:
    """Return what a script that ended well wrote. Raises `RecordError`, which says what is off."""
    if OUT not in result.files:
        raise RecordError(f"the script wrote no {OUT}", mend="write it to the path after --out")
    body = parse(result.files[OUT])
    if not isinstance(body, dict) or not 0 < len(body) <= MOST_NUMBERS:
        raise RecordError(f"{OUT} must hold an object of 1 to {MOST_NUMBERS} named numbers")
    for name, value in body.items():
        if len(name) > _LONGEST_NAME or not name.isidentifier():
            raise RecordError(f"{name!r} is no name: use letters, digits and _")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RecordError(f"{name} is not a number")
        if not math.isfinite(value):
            raise RecordError(f"{name} is not finite")
    return {name: float(value) for name, value in body.items()}
