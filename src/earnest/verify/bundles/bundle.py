"""A bundle of evidence whose honesty is known, and what the verifier makes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import digest
from earnest.core.home import BlobStore
from earnest.core.protocols import Sandbox
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Verdict
from earnest.verify.bundles.tables import SUBJECTS, Subject, table
from earnest.verify.evidence_run import EvidenceError, run_script
from earnest.verify.proofs import Workbench, typed_in
from earnest.verify.verifier import Verifier

SHARE: Final = 0.01
"""The error budget that each bundle gets."""


@dataclass(frozen=True)
class Bundle:
    """A script about one of the subjects, and what its author declares.

    `kind`: the way it cheats; empty for an honest one. `script` may hold what
    `proofs.typed_in` fills in. `effect`: how strong the effects are, in visible and sealed rows
    alike; 0: there are none. `declared`: numbers put in place of the script's own; `claim`: what
    differs from the subject's claim; `swapped`: the table is not the one handed out.
    """

    name: str
    subject: str
    script: str
    kind: str = ""
    supports: str = "effect > 0 and p < 0.01"
    tolerance: float = 1e-6
    effect: float = 1.0
    declared: Mapping[str, float] = field(default_factory=dict)
    claim: Mapping[str, Any] = field(default_factory=dict)
    swapped: bool = False

    @property
    def about(self) -> Subject:
        """What it is about."""
        return SUBJECTS[self.subject]


@dataclass(frozen=True)
class Judged:
    """A bundle and its verdict."""

    bundle: Bundle
    verdict: Verdict

    @property
    def caught_by(self) -> str:
        """The check that failed, or ''."""
        failed = [check.name for check in self.verdict.checks if check.passed is False]
        return failed[-1] if failed else ""


def _finding(bundle: Bundle, file: Path, sandbox: Sandbox, script: bytes) -> Finding:
    about, data = bundle.about, file.read_bytes()
    try:
        results = run_script(sandbox, script, file.parent, 0) | dict(bundle.declared)
    except EvidenceError:
        results = dict(bundle.declared) or {"effect": 0.5, "p": 0.0001}
    handed_out = digest(b"another table") if bundle.swapped else digest(data)
    columns = tuple(data.decode().splitlines()[0].split(","))
    return Finding(
        claim=Claim(table=about.table, **{**about.claim, **bundle.claim}),
        evidence=Evidence(
            script=digest(script),
            inputs={f"{about.table}.csv": digest(data)},
            results=results,
            supports=bundle.supports,
            tolerance=bundle.tolerance,
        ),
        exposure="sealed",
        author=Author(principal="bundles", model="scripted"),
        run="bundles",
        task=digest(b"bundles"),
        table=TableRef(
            name=about.table,
            table=digest(about.table.encode()),
            visible=handed_out,
            design=about.design,
            rows=data.count(b"\n") - 1,
            columns=columns,
        ),
    )


@dataclass(frozen=True)
class Laid:
    """A bundle laid out in a folder: what a verifier is asked, and where it looks things up."""

    finding: Finding
    bench: Workbench
    blobs: BlobStore

    def examined(self, sandbox: Sandbox, key: bytes) -> Verdict:
        """Return the verdict. Raises `SandboxError`."""
        return Verifier(sandbox, self.blobs, self.bench, key).check(self.finding, self.bench)


def lay_out(bundle: Bundle, folder: Path, sandbox: Sandbox, *, seed: int) -> Laid:
    """Make a bundle's tables and its finding in an empty folder. Raises `SandboxError`."""
    bench = Workbench(folder, SHARE)
    parts = table(bundle.about.table, effect=bundle.effect, seed=seed)
    file = bench.write(bundle.about.table, *parts)
    blobs = BlobStore(folder / "blobs")
    script = typed_in(bundle.script, file)
    blobs.put(script)
    return Laid(_finding(bundle, file, sandbox, script), bench, blobs)


def judge(bundle: Bundle, sandbox: Sandbox, *, seed: int = 11) -> Judged:
    """Verify one bundle on the tables of a seed. Raises `SandboxError`."""
    with tempfile.TemporaryDirectory(prefix="earnest-bundles-") as name:
        laid = lay_out(bundle, Path(name), sandbox, seed=seed)
        return Judged(bundle, laid.examined(sandbox, b"bundles %d" % seed))
