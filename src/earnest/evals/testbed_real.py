"""The secure grade of tasks that came from elsewhere: by value, or by the tests they brought along.

By value: the split protocol, as for `specs` (`testbed_grade.py`), but what comes back counts if
it is the same to a test's `==`: a person's tests asked for no more. All of the data set's tests
must be met. On fresh inputs a right solution may differ from the reference, which has faults of its
own, and they may break a precondition: so it must only be right more often there than any one
answer would be, which no table of the tests is, whatever its default.

By script: a foreign `test.sh` runs in a jail with the files that were handed in. Whatever it says
is believed, and the candidate's code may run beside it: the grade is weak, and labelled so.

Not covered: a solution that is partly right beyond the tests, by meaning well or not, passes.
"""

from __future__ import annotations

import json
import math
import random
import secrets as random_bits
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from earnest.core.jobs import Job, Limits
from earnest.core.protocols import Sandbox
from earnest.core.testbed import Files, Script, Secrets
from earnest.evals.oracle_ask import How, Told, ask
from earnest.evals.testbed_told import equal
from earnest.sandbox.choose import require_isolation
from earnest.sandbox.grade import Grade, Outcome, Why

_CALL_S: Final = 5.0
_TOTAL_S: Final = 40.0
_CUT: Final = ("late", "ended", "not asked")
_INSIDE: Final = Path(__file__).with_name("testbed_script.py")
_LIMITS: Final = Limits(wall_s=120.0, cpu_s=100, output_bytes=1 << 18)
_WHY: Final[Mapping[How, Why]] = {
    "raised": "raised", "not data": "not data", "late": "too late", "ended": "protocol",
    "not loaded": "raised", "not asked": "not run",
}  # fmt: skip


def by_value(
    sandbox: Sandbox, secrets: Secrets, source: str, fresh: int, seed: int | None = None
) -> Grade:
    """Grade solution.py: the fixed inputs among `fresh` drawn ones, in a random order.

    An outcome for each fixed input, and one for all fresh ones. Raises `SandboxError`, `LackError`,
    `UsageError` for a sandbox that isolates nothing.
    """
    require_isolation(sandbox, "a grade")
    seed = random_bits.randbits(63) if seed is None else seed
    rng = random.Random(seed)  # noqa: S311 - its seed is secret
    drawn = [secrets.fresh(rng) for _ in range(fresh)]
    asked = [*secrets.fixed, *drawn]
    order = rng.sample(range(len(asked)), len(asked))

    def run(places: list[int]) -> dict[int, Told]:
        inputs = [secrets.function.args(asked[place]) for place in places]
        told = ask(sandbox, source, secrets.function.name, inputs, call_s=_CALL_S, total_s=_TOTAL_S)
        return dict(zip(places, told, strict=True))

    told = run(order)
    fixed = range(len(secrets.fixed))
    cut = [place for place in order if place in fixed and told[place].how in _CUT]
    if cut and any(one.how == "value" for one in told.values()):  # by a fresh input, perhaps
        told |= run(cut)
    outcomes = [_outcome(told[place], secrets.reference(asked[place])) for place in fixed]
    outcomes.append(_elsewhere([told[len(fixed) + n] for n in range(len(drawn))],
                               [secrets.reference(given) for given in drawn]))  # fmt: skip
    failed = [outcome.why for outcome in outcomes if not outcome.passed]
    return Grade(not failed, tuple(outcomes), "strong", failed[0] if failed else "", seed)


def _outcome(told: Told, wanted: Any) -> Outcome:
    why: Why = _WHY.get(told.how, "passed")
    if why == "passed" and not equal(told.value, wanted):
        why = "wrong value"
    return Outcome(why == "passed", why)


def _elsewhere(told: Sequence[Told], wanted: Sequence[Any]) -> Outcome:
    """Say whether the fresh inputs are right more often than by any one answer."""
    right = sum(_outcome(*pair).passed for pair in zip(told, wanted, strict=True))
    usual = max(Counter(map(repr, wanted)).values(), default=0)
    why: Why = "passed" if right > usual else "wrong value"
    said = f"right on {right} of {len(wanted)} fresh inputs; one answer would be on {usual}"
    return Outcome(right > usual, why, said=said)


def _reward(files: Mapping[str, bytes]) -> float | None:
    """Return the reward that was written: of several the least, unless one has that name."""
    try:
        if (said := files.get("logs/verifier/reward.json")) is not None:
            found = json.loads(said)
            rewards = found if isinstance(found, dict) else {"reward": found}
            kept = [rewards["reward"]] if "reward" in rewards else list(rewards.values())
            numbers = [float(value) for value in kept if isinstance(value, int | float)]
            reward = min(numbers) if len(numbers) == len(kept) > 0 else math.nan
        else:
            reward = float(files["logs/verifier/reward.txt"])
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    return reward if math.isfinite(reward) else None


def _taken(script: Script, files: Files) -> dict[str, bytes]:
    """Return what the tests get to see of a workspace, by its path in their container."""
    placed = {str(PurePosixPath(script.workdir) / name): data for name, data in files.items()}
    return {
        path: data
        for path, data in placed.items()
        if not script.takes
        or any(PurePosixPath(path).is_relative_to(taken) for taken in script.takes)
    }


def by_script(sandbox: Sandbox, script: Script, files: Files) -> Grade:
    """Run a task's `test.sh` over what was handed in; passed where the reward is 1 or more.

    The paths that its files name (`/app`, `/tests`, `/logs`) lie in the jail's folder: they are
    rewritten there. No network, nothing is installed. Raises `SandboxError`, `UsageError`.
    """
    require_isolation(sandbox, "a grade")
    laid: dict[str, Any] = {path.lstrip("/"): data for path, data in _taken(script, files).items()}
    laid |= {f"tests/{name}": data for name, data in script.files.items()}
    laid["logs/verifier/.keep"] = b""
    laid["run.py"] = _INSIDE.read_bytes()
    entry = ("python", "run.py", script.workdir.lstrip("/"))
    result = sandbox.run(Job(entry, laid, limits=_LIMITS, pool="verify", collect=True))
    reward = _reward(result.files)
    why: Why = "not run" if reward is None else "passed" if reward >= 1 else "failed test"
    said = f"reward {reward:g}" if reward is not None else (result.stdout + result.stderr)[-300:]
    passed = why == "passed"
    return Grade(passed, (Outcome(passed, why, said=said),), "weak", "" if passed else why)
