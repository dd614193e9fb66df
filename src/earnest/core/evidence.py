"""The evidence contract (DESIGN.md, "Interfaces fixed now"): how a script is run, what it gives.

`python evidence.py --data DIR --out results.json --seed N`, DIR holding `<table>.csv`; it writes
one JSON object of 1 to 16 named finite numbers. There is no network: answers of hosts that the run
recorded, and the finding names among its inputs as `http/NAME`, lie in the folder `http` where it
starts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

from earnest.core.canon import parse
from earnest.core.errors import RecordError
from earnest.core.jobs import DATA, Job, Limits, Result

OUT: Final = "results.json"
MOST_NUMBERS: Final = 16
LIMITS: Final = Limits(wall_s=60, cpu_s=60)
_LONGEST_NAME: Final = 64

ANSWERS: Final = "http/"
"""How the names of inputs begin that are recorded answers; others are tables."""
MOST_ANSWERS: Final = 16
MOST_ANSWER_BYTES: Final = 8 * 2**20
_ANSWER: Final = re.compile(re.escape(ANSWERS) + r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def recorded_answers(inputs: Mapping[str, str], get: Callable[[str], bytes]) -> dict[str, bytes]:
    """Return the recorded answers among a finding's inputs, by their names.

    `get`: bytes by their hash, re-verified. Raises `RecordError` where one is gone, oddly named, or
    they are too many or too large.
    """
    hashes = {name: hash_ for name, hash_ in inputs.items() if name.startswith(ANSWERS)}
    if len(hashes) > MOST_ANSWERS:
        raise RecordError(f"evidence has at most {MOST_ANSWERS} recorded answers")
    found: dict[str, bytes] = {}
    room = MOST_ANSWER_BYTES
    for name, hash_ in sorted(hashes.items()):
        if not _ANSWER.fullmatch(name):
            raise RecordError(f"{name!r} is no name of a recorded answer")
        found[name] = get(hash_)
        room -= len(found[name])
        if room < 0:
            raise RecordError(f"recorded answers may have {MOST_ANSWER_BYTES} bytes together")
    return found


def evidence_job(
    script: bytes,
    data: Path,
    seed: int,
    pool: Literal["agent", "verify"] = "agent",
    answers: Mapping[str, bytes] | None = None,
) -> Job:
    """Return the job that runs a script on a folder of tables, and on recorded answers."""
    entry = ("python", "evidence.py", "--data", DATA, "--out", OUT, "--seed", str(seed))
    return Job(
        entry=entry,
        files={"evidence.py": script, **(answers or {})},
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
