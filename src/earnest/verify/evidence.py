"""Check 1: the author's evidence is honest. Run on the visible rows only, in a jail of its own.

The script must reproduce its numbers under three seeds, must not care about the order of rows
(except for a time series), and must lose its conclusion when the outcome is shuffled. What this
does not cover yet: a script that tells the shuffled table from the real one and answers by that
(planting and turning an effect are to close it), and numbers that the predicate does not name.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.canon import digest
from earnest.core.errors import PredicateError, RecordError
from earnest.core.evidence import evidence_job, evidence_numbers
from earnest.core.predicates import holds
from earnest.core.protocols import Sandbox
from earnest.core.records import Check, Finding

if TYPE_CHECKING:
    import pandas as pd

    Variant = Callable[[pd.DataFrame], pd.DataFrame]

SEEDS: Final = (1, 2, 3)


class EvidenceError(Exception):
    """The script did not give what the evidence contract asks for; the message says what."""


def run_script(sandbox: Sandbox, script: bytes, data: Path, seed: int) -> dict[str, float]:
    """Run an evidence script on a folder of tables. Raises `EvidenceError`, `SandboxError`."""
    result = sandbox.run(evidence_job(script, data, seed, "verify"))
    if not result.ok:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise EvidenceError(f"the script ended with {result.ended} {result.status}: {last}")
    try:
        return evidence_numbers(result)
    except RecordError as error:
        raise EvidenceError(str(error)) from error


def close(left: Mapping[str, float], right: Mapping[str, float], tolerance: float) -> str:
    """Return the first number in which two runs differ by more than the tolerance, else ''."""
    if set(left) != set(right):
        return ", ".join(sorted(set(left) ^ set(right)))
    for name, value in left.items():
        if not math.isclose(value, right[name], rel_tol=max(tolerance, 1e-9), abs_tol=1e-9):
            return f"{name}: {value:.6g} against {right[name]:.6g}"
    return ""


class Bench:
    """One finding's script on the workbench: the visible rows, and changed copies of them."""

    def __init__(self, sandbox: Sandbox, script: bytes, visible: Path, finding: Finding) -> None:
        self.sandbox, self.script, self.visible, self.finding = sandbox, script, visible, finding

    def as_handed_out(self, seed: int) -> dict[str, float]:
        """Run on the visible rows as the author saw them."""
        return run_script(self.sandbox, self.script, self.visible, seed)

    def changed(self, variant: Variant, seed: int) -> dict[str, float]:
        """Run on a changed copy of the visible rows."""
        import pandas as pd

        name = f"{self.finding.table.name}.csv"
        frame = pd.read_csv(self.visible / name, dtype=str, keep_default_na=False)
        with tempfile.TemporaryDirectory(prefix="earnest-verify-") as folder:
            Path(folder).chmod(0o755)
            variant(frame).to_csv(Path(folder) / name, index=False, lineterminator="\n")
            return run_script(self.sandbox, self.script, Path(folder), seed)


def _shuffled(column: str | None, seed: int) -> Variant:
    """Shuffle one column, or (None) the order of the rows."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        import numpy as np

        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(frame))
        if column is None:
            return frame.iloc[order]
        return frame.assign(**{column: frame[column].to_numpy()[order]})

    return change


def check_inputs(bench: Bench) -> Check:
    """The inputs hash to what the task handed out."""
    name = f"{bench.finding.table.name}.csv"
    now = digest((bench.visible / name).read_bytes())
    declared = bench.finding.evidence.inputs.get(name)
    same = now == bench.finding.table.visible == declared
    return Check(
        name="inputs",
        passed=same,
        detail="the visible rows are those handed out"
        if same
        else f"{name} is not the table that was handed out",
    )


def check_reproduces(bench: Bench, _: int) -> Check:
    """Three seeds give the declared numbers, and these satisfy the declared predicate."""
    evidence = bench.finding.evidence
    for seed in SEEDS:
        found = bench.as_handed_out(seed)
        differs = close(evidence.results, found, evidence.tolerance)
        if differs:
            return Check(
                name="reproduces", passed=False, detail=f"seed {seed}: {differs}", observed=found
            )
    held = holds(evidence.supports, evidence.results)
    detail = f"{len(SEEDS)} seeds agree" if held else f"{evidence.supports} does not hold"
    return Check(name="reproduces", passed=held, detail=detail, observed=found)


def check_permuted(bench: Bench, seed: int) -> Check:
    """With the outcome shuffled, the conclusion is gone in at least two of three draws.

    An honest script whose predicate holds by chance in 1 of 20 tables fails this in 1 of 140.
    """
    survived = drawn = 0
    found: dict[str, float] = {}
    while drawn < 3 and survived < 2 and drawn - survived < 2:
        try:
            found = bench.changed(_shuffled(bench.finding.claim.outcome, seed + drawn), SEEDS[0])
            survived += holds(bench.finding.evidence.supports, found)
        except (EvidenceError, PredicateError):
            pass  # a script that gives up on a table without the effect concludes nothing
        drawn += 1
    gone = survived < 2
    detail = f"the conclusion holds in {survived} of {drawn} tables with a shuffled outcome"
    return Check(name="permuted", passed=gone, detail=detail, observed=found)


def check_row_order(bench: Bench, seed: int) -> Check:
    """The order of the rows makes no difference to the numbers."""
    found = bench.changed(_shuffled(None, seed + 7), SEEDS[0])
    tolerance = max(bench.finding.evidence.tolerance, 1e-6)
    differs = close(bench.finding.evidence.results, found, tolerance)
    detail = f"rows in another order: {differs or 'the same numbers'}"
    return Check(name="row-order", passed=not differs, detail=detail, observed=found)


def honesty(bench: Bench, seed: int) -> Iterator[Check]:
    """Yield the checks of an author's evidence, up to the first that fails.

    Raises `SandboxError` where the sandbox failed: then nothing is concluded.
    """
    checks: list[Callable[[Bench, int], Check]] = [
        lambda bench, _: check_inputs(bench),
        check_reproduces,
        check_permuted,
    ]
    if not bench.finding.table.design.startswith("time"):
        checks.append(check_row_order)
    for check in checks:
        name = getattr(check, "__name__", "inputs").removeprefix("check_").replace("_", "-")
        try:
            outcome = check(bench, seed)
        except (EvidenceError, PredicateError) as error:
            outcome = Check(name=name, passed=False, detail=str(error))
        yield outcome
        if not outcome.passed:
            return
