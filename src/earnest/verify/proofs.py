"""The proofs: every check with a gold case that it passes and a broken one that it must fail.

The cases are made here, from a seed, so that the proofs need no data and no ledger. What is proved
is handed in as a function, so that a verifier can run its own proofs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.canon import digest
from earnest.core.catalogue import Catalogue
from earnest.core.history import ClosedBook
from earnest.core.home import BlobStore
from earnest.core.protocols import Blobs, LedgerView, Sandbox, Tables
from earnest.core.records import FRESH, Author, Claim, Evidence, Finding, TableRef, Verdict
from earnest.verify.evidence_batch import near_copies
from earnest.verify.evidence_run import EvidenceError, run_script
from earnest.verify.proofs_cases import Case
from earnest.verify.proofs_evidence import EVIDENCE
from earnest.verify.proofs_formal import FORMAL
from earnest.verify.proofs_novelty import NOVELTY
from earnest.verify.proofs_rules import RULES
from earnest.verify.proofs_sealed import SEALED

if TYPE_CHECKING:
    import pandas as pd

CASES: Final = (*EVIDENCE, *SEALED, *RULES, *FORMAL, *NOVELTY)
Examine = Callable[[Blobs, Tables, Finding, LedgerView, Catalogue], Verdict]
_COLUMNS: Final = ("id", "site", "dose", "response")
_CLAIM: Final = Claim(
    kind="association", table="proof", outcome="response", exposure="dose", direction="positive"
)


@dataclass(frozen=True)
class Proof:
    """What came of a case."""

    case: Case
    verdict: Verdict

    @property
    def holds(self) -> bool:
        """Whether the right check decided, with the right word, and the grade is right."""
        first, last = self.verdict.checks[0], self.verdict.checks[-1].name
        new = first.detail.startswith(f"{self.case.grade}:") or not self.case.grade
        decided = (self.verdict.word, last) == (self.case.word, self.case.decides)
        return decided and new and self.case.names in first.detail


@dataclass(frozen=True)
class Workbench:
    """One case's files, as tables and as a ledger view that allocates a fixed share, or none."""

    folder: Path
    share: float | None = 0.01
    told: ClosedBook | None = None
    before: tuple[Finding, ...] = ()

    def visible(self, table: str) -> Path:  # noqa: ARG002
        """Return the folder of the visible rows."""
        return self.folder / "visible"

    def sealed(self, table: str) -> Path:  # noqa: ARG002
        """Return the file of the sealed rows."""
        return self.folder / "sealed.csv"

    def alpha(self, finding: str) -> float | None:  # noqa: ARG002
        """Return the share."""
        return self.share

    def earlier(self, finding: Finding) -> None:  # noqa: ARG002
        """There is none."""
        return

    def batch(self, finding: Finding) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return what was frozen before it."""
        return self.before

    def related(self, finding: Finding) -> tuple[()]:  # noqa: ARG002
        """None is like it."""
        return ()

    def closed_book(self, finding: str) -> ClosedBook | None:  # noqa: ARG002
        """Return what a model was asked."""
        return self.told

    def used_up(self, finding: Finding) -> bool:  # noqa: ARG002
        """Nobody has looked too often."""
        return False

    def write(self, table: str, visible: pd.DataFrame, sealed: pd.DataFrame) -> Path:
        """Lay a table's parts out; return the file of the visible rows."""
        folder = self.folder / "visible"
        folder.mkdir()
        folder.chmod(0o755)
        file = folder / f"{table}.csv"
        visible.to_csv(file, index=False, lineterminator="\n")
        sealed.to_csv(self.folder / "sealed.csv", index=False, lineterminator="\n")
        return file


def typed_in(script: str, file: Path) -> bytes:
    """Return a script with what it knows of the visible rows typed in, as an author could do.

    `VISIBLE_TABLE` becomes a literal of the rows, `VISIBLE_HASH` their file's SHA-256.
    """
    import pandas as pd

    columns = repr(pd.read_csv(file).to_dict("list")).replace("nan", "float('nan')")
    script = script.replace("VISIBLE_TABLE", f"pd.DataFrame({columns})")
    name = digest(file.read_bytes()).removeprefix("sha256:")
    return script.replace("VISIBLE_HASH", repr(name)).encode()


def _table(slope: float, seed: int, *, defined: bool) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    dose = rng.normal(size=160)
    noise = rng.normal(size=160)
    site = rng.choice(["north", "south", "east"], 160)
    frame = pd.DataFrame({"dose": dose, "response": slope * dose + (not defined) * noise}).round(6)
    return frame.assign(id=range(500, 660), site=site)[list(_COLUMNS)]


def _frames(case: Case) -> tuple[pd.DataFrame, pd.DataFrame]:
    if case.setting is not None:
        return case.setting.frames()
    return (
        _table(case.slope_visible, 1, defined=case.defined),
        _table(case.slope_sealed, 5, defined=case.defined),
    )


def _finding(
    case: Case, visible_rows: pd.DataFrame, file: Path, sandbox: Sandbox, script: bytes
) -> Finding:
    visible = digest(file.read_bytes())
    try:
        results = run_script(sandbox, script, file.parent, 0)
    except EvidenceError:
        results = {"effect": 0.6, "p": 0.001}
    if case.forged:
        results["effect"] += 0.1
    return Finding(
        claim=case.setting.claim(visible_rows) if case.setting else _CLAIM,
        evidence=Evidence(
            script=digest(script),
            inputs={"proof.csv": visible},
            results=results,
            supports=case.supports,
            tolerance=case.tolerance,
        ),
        exposure="sealed",
        author=Author(principal="proofs", model="scripted"),
        run="proofs",
        task=digest(b"proofs"),
        table=TableRef(
            name="proof",
            table=digest(b"proof"),
            visible=digest(b"another table") if case.changed else visible,
            design=case.setting.design if case.setting else "iid",
            rows=len(visible_rows),
            columns=tuple(visible_rows.columns),
        ),
    )


def _of_no_table(finding: Finding, claim: Claim) -> Finding:
    """Return a finding with another claim, which speaks of no table."""
    evidence = finding.evidence.model_copy(update={"inputs": {}})
    return finding.model_copy(update={"claim": claim, "evidence": evidence, "table": FRESH})


def _after(finding: Finding, script: bytes, bench: Workbench, blobs: BlobStore) -> Workbench:
    """Return the view with a finding frozen before one; of near copies one is paid for."""
    evidence = finding.evidence.model_copy(update={"script": blobs.put(script)})
    claim = finding.claim.model_copy(update={"threshold": 0.05})
    first = finding.model_copy(update={"claim": claim, "evidence": evidence})
    copies = near_copies((first, finding), blobs.get)
    return replace(bench, before=(first,), share=None if finding.id in copies else bench.share)


def prove(examine: Examine, sandbox: Sandbox, cases: tuple[Case, ...] = CASES) -> Iterator[Proof]:
    """Run a verifier on every case and yield what came of it. Raises `SandboxError`."""
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="earnest-proofs-") as name:
            bench = Workbench(Path(name))
            visible, sealed = _frames(case)
            file = bench.write("proof", visible, sealed)
            blobs = BlobStore(bench.folder / "blobs")
            script = typed_in(case.script, file)
            blobs.put(script)
            finding = _finding(case, visible, file, sandbox, script)
            if case.claim is not None:
                finding = _of_no_table(finding, case.claim)
            view = replace(bench, told=case.told(finding) if case.told else None)
            if case.before:
                view = _after(finding, typed_in(case.before, file), view, blobs)
            listed = {f"proofs, entry {n}": one for n, one in enumerate(case.listed, start=1)}
            yield Proof(case, examine(blobs, bench, finding, view, Catalogue(listed)))
