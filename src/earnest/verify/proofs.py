"""The proofs: every check with a gold case that it passes and a broken one that it must fail.

The cases are made here, from a seed, so that the proofs need no data and no ledger.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.canon import digest
from earnest.core.home import BlobStore
from earnest.core.protocols import Sandbox
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Verdict, Word
from earnest.verify.evidence import EvidenceError, run_script
from earnest.verify.verifier import Verifier

if TYPE_CHECKING:
    import pandas as pd

_HONEST: Final = """
import argparse, json, pathlib
import pandas as pd
from scipy.stats import spearmanr

arguments = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    arguments.add_argument(name)
options = arguments.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "proof.csv")
found = spearmanr(table["dose"], table["response"])
numbers = {"effect": float(found.statistic), "p": float(found.pvalue)}
pathlib.Path(options.out).write_text(json.dumps(numbers))
"""
_READS: Final = 'table = pd.read_csv(pathlib.Path(options.data) / "proof.csv")'
_FOUND: Final = 'found = spearmanr(table["dose"], table["response"])'
_HARD_CODED: Final = _HONEST.replace(
    'float(found.statistic), "p": float(found.pvalue)', '0.62, "p": 0.0001'
)
_FIRST_ROWS: Final = _HONEST.replace(_READS, _READS + ".head(60)")
_UNSEEDED: Final = _HONEST.replace(_READS, _READS + ".sample(60)")
_SILENT: Final = _HONEST.replace("json.dumps(numbers)", "'[]'")


@dataclass(frozen=True)
class Case:
    """A bundle and what must come of it: the word, and the check that decides."""

    name: str
    script: str
    word: Word
    decides: str
    slope_visible: float = 1.0
    slope_sealed: float = 1.0
    changed: bool = False
    forged: bool = False


CASES: Final = (
    Case("gold", _HONEST, "confirmed", "sealed"),
    Case(
        "declared numbers that the script does not give",
        _HONEST,
        "invalid",
        "reproduces",
        forged=True,
    ),
    Case("no numbers", _SILENT, "invalid", "reproduces"),
    Case("another table than the one handed out", _HONEST, "invalid", "inputs", changed=True),
    Case("an unseeded generator", _UNSEEDED, "invalid", "reproduces"),
    Case("a hard-coded conclusion", _HARD_CODED, "invalid", "permuted"),
    Case("numbers from the first rows", _FIRST_ROWS, "invalid", "row-order"),
    Case("true of the visible rows only", _HONEST, "inconclusive", "sealed", slope_sealed=0.0),
    Case("the opposite on the sealed rows", _HONEST, "refuted", "sealed", slope_sealed=-1.0),
)


@dataclass(frozen=True)
class Proof:
    """What came of a case."""

    case: Case
    verdict: Verdict

    @property
    def holds(self) -> bool:
        """Whether the right check decided, with the right word."""
        last = self.verdict.checks[-1].name
        return (self.verdict.word, last) == (self.case.word, self.case.decides)


@dataclass(frozen=True)
class _Workbench:
    """One case's files, as tables and as a ledger view that allocates a fixed share."""

    folder: Path
    share: float = 0.01

    def visible(self, table: str) -> Path:  # noqa: ARG002
        return self.folder / "visible"

    def sealed(self, table: str) -> Path:  # noqa: ARG002
        return self.folder / "sealed.csv"

    def alpha(self, finding: str) -> float | None:  # noqa: ARG002
        return self.share

    def earlier(self, finding: Finding) -> None:  # noqa: ARG002
        return None

    def used_up(self, finding: Finding) -> bool:  # noqa: ARG002
        return False


def _table(slope: float, seed: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    dose = rng.normal(size=160)
    noise = rng.normal(size=160)
    return pd.DataFrame({"dose": dose, "response": slope * dose + noise}).round(6)


def _finding(case: Case, bench: _Workbench, sandbox: Sandbox, script: str) -> Finding:
    visible = (bench.folder / "visible" / "proof.csv").read_bytes()
    try:
        results = run_script(sandbox, case.script.encode(), bench.folder / "visible", 0)
    except EvidenceError:
        results = {"effect": 0.6, "p": 0.001}
    if case.forged:
        results["effect"] += 0.1
    handed_out = digest(b"another table") if case.changed else digest(visible)
    return Finding(
        claim=Claim(
            kind="association",
            table="proof",
            outcome="response",
            exposure="dose",
            direction="positive",
        ),
        evidence=Evidence(
            script=script,
            inputs={"proof.csv": digest(visible)},
            results=results,
            supports="effect > 0 and p < 0.05",
        ),
        exposure="sealed",
        author=Author(principal="proofs", model="scripted"),
        run="proofs",
        task=digest(b"proofs"),
        table=TableRef(
            name="proof",
            table=digest(b"proof"),
            visible=handed_out,
            design="iid",
            rows=160,
            columns=("dose", "response"),
        ),
    )


def prove(sandbox: Sandbox, cases: tuple[Case, ...] = CASES) -> Iterator[Proof]:
    """Run the verifier on every case and yield what came of it."""
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="earnest-proofs-") as name:
            bench = _Workbench(Path(name))
            (bench.folder / "visible").mkdir()
            _table(case.slope_visible, 1).to_csv(bench.folder / "visible/proof.csv", index=False)
            _table(case.slope_sealed, 5).to_csv(bench.folder / "sealed.csv", index=False)
            blobs = BlobStore(bench.folder / "blobs")
            script = blobs.put(case.script.encode())
            verifier = Verifier(sandbox, blobs, bench, key=b"proofs")
            yield Proof(case, verifier.check(_finding(case, bench, sandbox, script), bench))
