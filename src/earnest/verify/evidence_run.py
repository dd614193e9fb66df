"""Running one finding's script: on the visible rows, on changed copies, under another clock."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.errors import PredicateError, RecordError
from earnest.core.evidence import evidence_job, evidence_numbers
from earnest.core.jobs import Job
from earnest.core.predicates import holds
from earnest.core.protocols import Sandbox
from earnest.core.records import Finding
from earnest.verify import evidence_clock
from earnest.verify.cells import cells_of, narrow, text_of
from earnest.verify.evidence_effects import InPlay, in_play
from earnest.verify.evidence_tables import renamings
from earnest.verify.evidence_text import Cut, cut

if TYPE_CHECKING:
    import pandas as pd

    from earnest.verify.evidence_tables import Variant

SEEDS: Final = (1, 2, 3)
_POWERS: Final = (-2, -1, 0, 1, 2)
_CLOCK: Final = "clock.py"


class EvidenceError(Exception):
    """The script did not give what the evidence contract asks for; the message says what."""


def run_script(
    sandbox: Sandbox,
    script: bytes,
    data: Path,
    seed: int,
    answers: Mapping[str, bytes] | None = None,
) -> dict[str, float]:
    """Run an evidence script on a folder of tables, and on the answers that the run recorded.

    Raises `EvidenceError`, `SandboxError`.
    """
    return _run(sandbox, evidence_job(script, data, seed, "verify", answers))


def _run(sandbox: Sandbox, job: Job) -> dict[str, float]:
    result = sandbox.run(job)
    if not result.ok:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise EvidenceError(f"the script ended with {result.ended} {result.status}: {last}")
    try:
        return evidence_numbers(result)
    except RecordError as error:
        raise EvidenceError(str(error)) from error


def close(
    left: Mapping[str, float],
    right: Mapping[str, float],
    tolerance: float,
    factors: Sequence[float] = (),
) -> str:
    """Return the first number in which two runs differ by more than the tolerance, else ''.

    `factors`: by which columns were multiplied between the two; a number may then also be
    multiplied by a product of their powers, from -2 to 2 each.
    """
    if set(left) != set(right):
        return ", ".join(sorted(set(left) ^ set(right)))
    powers = [math.prod(one) for one in product(*([f**p for p in _POWERS] for f in factors))]
    for name, value in left.items():
        if not any(
            math.isclose(value * power, right[name], rel_tol=max(tolerance, 1e-9), abs_tol=1e-9)
            for power in powers
        ):
            return f"{name}: {value:.6g} against {right[name]:.6g}"
    return ""


class Bench:
    """One finding's script on the workbench: the visible rows, and changed copies of them."""

    def __init__(
        self,
        sandbox: Sandbox,
        script: bytes,
        visible: Path,
        finding: Finding,
        answers: Mapping[str, bytes] | None = None,
    ) -> None:
        """`answers`: what hosts answered its run, as its script finds it; never changed."""
        self.sandbox, self.script, self.visible, self.finding = sandbox, script, visible, finding
        self.answers = answers or {}
        self.first: dict[str, float] = {}  # its numbers with the first seed, once it has run
        self.disguises: list[Variant] = []  # changes that were seen to leave its numbers alone
        self.scales: dict[str, float] = {}  # by what they multiply those that have units

    @property
    def file(self) -> str:
        """The name of the table's file in the folder of visible rows."""
        return f"{self.finding.table.name}.csv"

    @property
    def frame(self) -> pd.DataFrame:
        """The visible rows as they stand in the file: text cells, rows counted from 0."""
        return text_of(self.visible / self.file)

    @cached_property
    def labels(self) -> dict[str, dict[str, str]]:
        """The labels that may be renamed, by column: none that script or answers speak of."""
        claim, design = self.finding.claim, self.finding.table.design
        spoken = b"\n".join((self.script, *self.answers.values()))
        return renamings(self.frame, claim, design, spoken)

    @cached_property
    def play(self) -> InPlay:
        """The rows that the claim speaks of. Raises `NoEffectError`."""
        claim, design = self.finding.claim, self.finding.table.design
        cells = narrow(cells_of(self.visible / self.file), claim, design)
        return in_play(cells, claim, design)

    @cached_property
    def _changing(self) -> list[str]:
        """The columns that a changed copy may have other cells in, or is ordered by."""
        claim, group = self.finding.claim, self.finding.table.design.partition(":")[2]
        names = {claim.outcome, claim.exposure, group, *self.labels}
        return [name for name in self.frame.columns if name in names]

    @cached_property
    def _cut(self) -> Cut | None:
        text = (self.visible / self.file).read_text("utf-8")
        return cut(text, self._changing, len(self.frame))

    def as_handed_out(self, seed: int) -> dict[str, float]:
        """Run on the visible rows as the author saw them."""
        return run_script(self.sandbox, self.script, self.visible, seed, self.answers)

    def under_another_clock(self, seed: int) -> dict[str, float]:
        """Run on the visible rows more than a year later, in another time zone."""
        job = evidence_job(self.script, self.visible, seed, "verify", self.answers)
        text = Path(evidence_clock.__file__).read_bytes()
        entry = (job.entry[0], _CLOCK, *job.entry[1:])
        return _run(self.sandbox, replace(job, entry=entry, files={**job.files, _CLOCK: text}))

    def changed(self, variant: Variant, seed: int = SEEDS[0]) -> dict[str, float]:
        """Run on a changed copy of the visible rows."""
        with _folder() as folder:
            self._write(variant, folder / self.file)
            return run_script(self.sandbox, self.script, folder, seed, self.answers)

    def _write(self, variant: Variant, file: Path) -> None:
        if self._cut is None:
            variant(self.frame).to_csv(file, index=False, lineterminator="\n")
            return
        changed = variant(self.frame[self._changing])
        file.write_text(self._cut.written(changed), "utf-8", newline="\n")

    def concludes(
        self, variant: Variant, *, disguised: bool = False
    ) -> tuple[bool, dict[str, float]]:
        """Say whether the author's predicate holds on a changed copy, and return the numbers.

        A script that gives up on a table concludes nothing from it. `disguised`: the table has the
        other units of `disguises`, and the numbers are brought back to the first ones.
        """
        found: dict[str, float] = {}
        try:
            found = self.changed(variant)
            if disguised:
                found = {name: value / self.scales.get(name, 1.0) for name, value in found.items()}
            return holds(self.finding.evidence.supports, found), found
        except (EvidenceError, PredicateError):
            return False, found


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="earnest-verify-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
