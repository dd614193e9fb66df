"""`earnest bench verify`: what all checks of a finding cost, warm beside cold; and permutations.

Warm and cold take turns on one finding, whose script takes 20 ms of its own after its imports (it
fills up what its work leaves of them). Then 100,000 permutations of 400 rows, in CPU seconds.

Not covered: scripts that import what no zygote has; large tables; a sandbox's first job.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import EarnestError
from earnest.core.machine import machine
from earnest.core.protocols import Progress, Sandbox
from earnest.sandbox.bwrap import BwrapSandbox
from earnest.sandbox.image import build_image
from earnest.sandbox.warm import WarmSandbox
from earnest.verify.bundles.bundle import Bundle, Laid, lay_out
from earnest.verify.bundles.parts import head, measure
from earnest.verify.permute import stratified

OWN_S: Final = 0.02
_ROUNDS: Final = 5
_DRAWS: Final = 100_000
_ROWS: Final = 400
_RATIO: Final = "warm_over_cold_all_checks"
_PERMUTATIONS: Final = "permutations_cpu_s"
GOALS: Final = {_RATIO: 1 / 8, _PERMUTATIONS: 1.0}
"""The most that each may be."""


class _Counting:
    """A sandbox that counts the jobs it is given."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.name, self.isolates = sandbox, sandbox.name, sandbox.isolates
        self.jobs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sandbox, name)

    def run(self, job: Any) -> Any:
        self.jobs += 1
        return self.sandbox.run(job)


def _script() -> str:
    begin = "import time\n\nbegan = time.process_time()\n"
    work = "effect, p = measure(pd.read_csv(path))\n"
    rest = f"while time.process_time() - began < {OWN_S}:\n    pass\nfinish(effect=effect, p=p)\n"
    return head("dose") + measure("dose") + begin + work + rest


def _examine(laid: Laid, sandbox: Sandbox, number: int) -> float:
    """Return the milliseconds of all checks of one finding. Raises `EarnestError`."""
    began = time.perf_counter()
    verdict = laid.examined(sandbox, b"bench %d" % number)
    took = (time.perf_counter() - began) * 1000
    if verdict.word != "confirmed":
        raise EarnestError(f"the finding of this benchmark is {verdict.word}: {verdict.reason}")
    return took


def permutations() -> tuple[float, int]:
    """Return the CPU seconds of the permutations, and how many there were."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(1))
    x = rng.normal(size=_ROWS)
    y = x + rng.normal(size=_ROWS)
    strata = np.zeros(_ROWS, dtype=np.intp)
    began = time.process_time()
    found = stratified(y - y.mean(), x, strata, 20 / _DRAWS, 1)
    return time.process_time() - began, found.draws


def bench_verify(images_dir: Path, *, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Measure; return what `bench NAME --json` prints (DESIGN.md, section 11), and `goals`.

    Raises `LackError` where there is no bubblewrap, `SandboxError`.
    """
    image = build_image(images_dir)
    cold, warm = _Counting(BwrapSandbox(image)), WarmSandbox(image)
    bundle = Bundle("bench", "dose", _script())
    times: dict[str, list[float]] = {"warm": [], "cold": []}
    try:
        with tempfile.TemporaryDirectory(prefix="earnest-bench-") as folder:
            laid = lay_out(bundle, Path(folder), warm, seed=11)
            _examine(laid, warm, 0)
            for number in range(_ROUNDS):
                progress(f"round {number + 1} of {_ROUNDS} ...")
                times["warm"].append(_examine(laid, warm, number))
                times["cold"].append(_examine(laid, cold, number))
    finally:
        warm.close()
    spent = [permutations() for _ in range(3)]
    return _told(times, cold.jobs // _ROUNDS, min(spent))


def _told(times: dict[str, list[float]], jobs: int, spent: tuple[float, int]) -> dict[str, Any]:
    middle = {way: sorted(found)[len(found) // 2] for way, found in times.items()}
    rows = [
        {"what": f"all checks, {way}, p50", "value": round(middle[way], 1), "unit": "ms",
         "n": len(times[way])}
        for way in ("warm", "cold")
    ]  # fmt: skip
    rows += [
        {"what": "jobs of all checks", "value": jobs, "unit": "jobs", "n": _ROUNDS},
        {"what": "the script's own time", "value": 1000 * OWN_S, "unit": "ms", "n": 1},
        {"what": f"permutations of {_ROWS} rows, best of 3", "value": round(spent[0], 3),
         "unit": "CPU s", "n": spent[1]},
    ]  # fmt: skip
    ratios = {_RATIO: round(middle["warm"] / middle["cold"], 4)}
    values = {**ratios, _PERMUTATIONS: spent[0]}
    goals = {
        name: {"at_most": most, "value": round(values[name], 4), "met": values[name] <= most}
        for name, most in GOALS.items()
    }
    return {
        "name": "verify",
        "machine": machine(),
        "rows": rows,
        "ratios": ratios,
        "goals": goals,
    }
