"""The verifier: from a finding to a verdict, by checks that its author can't influence.

An author reaches a verdict only through the evidence bundle; sealed rows are read here, by the
verifier's own estimators, and never by the author's script.
"""

from __future__ import annotations

import hashlib
import hmac
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.catalogue import Catalogue
from earnest.core.errors import RecordError, UsageError
from earnest.core.evidence import recorded_answers
from earnest.core.protocols import Blobs, LedgerView, Sandbox, Tables
from earnest.core.records import Check, Finding, Verdict, Word
from earnest.sandbox.choose import require_isolation
from earnest.verify.cells import cells_of, narrow
from earnest.verify.describe import described
from earnest.verify.estimate import Estimate, estimate
from earnest.verify.evidence import honesty
from earnest.verify.evidence_batch import near_copy
from earnest.verify.evidence_rule import check_function
from earnest.verify.evidence_run import Bench
from earnest.verify.formal import NOT_COVERED, examined
from earnest.verify.fragility import fragility
from earnest.verify.lurking import MOST_COLUMNS
from earnest.verify.novelty import novelty
from earnest.verify.proofs import CASES, Proof, prove
from earnest.verify.proofs_cases import Case
from earnest.verify.rules import NotAFunctionError, applied
from earnest.verify.sameness import built
from earnest.verify.trivial import definition
from earnest.verify.units import NotTestableError, testable, untestable

if TYPE_CHECKING:
    import pandas as pd

VERSION: Final = "earnest-verify/4"
_NOT_COVERED: Final = (
    "causes: an association in this population is not one",
    "another population, or another time",
    "lurking columns that the claim does not hold fixed",
)
_USED_UP: Final = (
    "the table's sealed rows have been looked at too often; fresh rows are needed: "
    "seal newer data under the same columns, and claim it there"
)


@dataclass(frozen=True)
class Verifier:
    """Checks findings. `key` makes its seeds: who doesn't have it can't foresee a draw.

    `catalogue`: what is known elsewhere, as far as the user says.
    Raises `UsageError` for a sandbox that isolates nothing.
    """

    sandbox: Sandbox
    blobs: Blobs
    tables: Tables
    key: bytes
    catalogue: Catalogue = field(default_factory=Catalogue)

    def __post_init__(self) -> None:
        require_isolation(self.sandbox, "verification")

    def check(self, finding: Finding, ledger: LedgerView) -> Verdict:
        """Return the verdict on a finding. Raises `SandboxError` where the sandbox failed.

        Its first check says how new the claim is, and decides nothing.
        """
        verdict = self._checked(finding, ledger)
        new = novelty(finding, ledger, self.catalogue)
        return verdict.model_copy(update={"checks": (new, *verdict.checks)})

    def _checked(self, finding: Finding, ledger: LedgerView) -> Verdict:
        seed = int.from_bytes(hmac.new(self.key, finding.id.encode(), hashlib.sha256).digest()[:6])
        earlier = ledger.earlier(finding)
        if earlier is not None:
            return _same_again(finding, *earlier, seed)
        for untested in (self._definition(finding), self._near_copy(finding, ledger)):
            if untested is not None:
                return _verdict(finding, seed, "inconclusive", untested.detail, [untested])
        checks = self._honesty(finding, seed)
        if stopped := _stopped(finding, seed, checks):
            return stopped
        if finding.claim.descriptive:
            return self._described(finding, seed, checks)
        if not testable(finding):
            return _verdict(finding, seed, "reproduced", _capped(finding), checks)
        alpha = ledger.alpha(finding.id)
        if alpha is None:
            reason = _USED_UP if ledger.used_up(finding) else "no error budget was allocated to it"
            return _verdict(finding, seed, "inconclusive", reason, checks)
        if finding.claim.formal:
            judged = examined(finding.claim, self.sandbox, alpha=alpha, seed=seed)
            checks += judged.checks
            return _verdict(finding, seed, judged.word, judged.reason, checks, judged.found, alpha)
        return self._on_sealed_rows(finding, seed, checks, alpha)

    def _on_sealed_rows(
        self, finding: Finding, seed: int, checks: list[Check], alpha: float
    ) -> Verdict:
        try:
            cells = cells_of(self.tables.sealed(finding.table.table))
            cells = narrow(cells, finding.claim, finding.table.design, others=MOST_COLUMNS)
            cells = self.prepared(finding, cells, seed)
            found = estimate(cells, finding.claim, finding.table.design, alpha=alpha, seed=seed)
        except NotAFunctionError as error:
            checks.append(Check(name="function", passed=False, detail=str(error)))
            return _verdict(finding, seed, "invalid", str(error), checks, alpha=alpha)
        except NotTestableError as error:
            checks.append(Check(name="sealed", passed=None, detail=str(error)))
            return _verdict(finding, seed, "inconclusive", str(error), checks, alpha=alpha)
        word, reason = judge(finding, found, alpha)
        decides = _sealed_check(found, word, reason)
        if word == "confirmed":
            reported = fragility(cells, finding.claim, finding.table.design, seed)
            checks += reported
            reason = "; ".join([reason, *(check.detail for check in reported if not check.passed)])
        checks.append(decides)
        return _verdict(finding, seed, word, reason, checks, found, alpha)

    def prepared(self, finding: Finding, cells: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Return rows as the estimator of a finding's claim takes them: a rule is applied to them.

        Raises `NotTestableError`.
        """
        claim, design = finding.claim, finding.table.design
        if not claim.given:
            return cells
        return applied(self.sandbox, claim, self._visible(finding), cells, design, seed)

    def _visible(self, finding: Finding) -> pd.DataFrame:
        folder = self.tables.visible(finding.table.table)
        return cells_of(folder / f"{finding.table.name}.csv")

    def proofs(self, cases: tuple[Case, ...] = CASES) -> Iterator[Proof]:
        """Run this verifier on every case of the proofs. Raises `SandboxError`."""

        def examine(
            blobs: Blobs,
            tables: Tables,
            finding: Finding,
            ledger: LedgerView,
            catalogue: Catalogue,
        ) -> Verdict:
            one = replace(self, blobs=blobs, tables=tables, catalogue=catalogue)
            return one.check(finding, ledger)

        return prove(examine, self.sandbox, cases)

    def _definition(self, finding: Finding) -> Check | None:
        if finding.claim.formal:
            return built(finding.claim)
        if not finding.claim.relational:
            return None
        try:
            cells = self._visible(finding)
        except (UsageError, OSError):
            return None  # without its table there is no evidence either: what is asked next
        cells = narrow(cells, finding.claim, finding.table.design)
        return definition(cells, finding.claim, finding.table.design)

    def _near_copy(self, finding: Finding, ledger: LedgerView) -> Check | None:
        if not testable(finding) or ledger.alpha(finding.id) is not None:
            return None  # there is no test, or it was paid for
        return near_copy(finding, ledger.batch(finding), self.blobs.get)

    def _described(self, finding: Finding, seed: int, checks: list[Check]) -> Verdict:
        """Return the verdict on a claim about the visible rows, computed on them once more."""
        try:
            check = described(self._visible(finding), finding.claim)
        except NotTestableError as error:
            checks.append(Check(name="computes", passed=None, detail=str(error)))
            return _verdict(finding, seed, "inconclusive", str(error), checks)
        checks.append(check)
        word: Word = "reproduced" if check.passed else "refuted"
        return _verdict(finding, seed, word, check.detail, checks)

    def _honesty(self, finding: Finding, seed: int) -> list[Check]:
        try:
            script = self.blobs.get(finding.evidence.script)
            answers = recorded_answers(finding.evidence.inputs, self.blobs.get)
        except RecordError as error:
            return [Check(name="script", passed=False, detail=str(error))]
        if finding.claim.formal:
            with tempfile.TemporaryDirectory(prefix="earnest-verify-") as name:
                empty = Path(name)
                empty.chmod(0o755)
                return list(honesty(Bench(self.sandbox, script, empty, finding), seed))
        claim, design = finding.claim, finding.table.design
        visible = self.tables.visible(finding.table.table)
        checks = list(honesty(Bench(self.sandbox, script, visible, finding, answers), seed))
        if claim.given and checks[-1].passed is not False:
            checks.append(check_function(self.sandbox, claim, self._visible(finding), design, seed))
        return checks


def judge(finding: Finding, found: Estimate, alpha: float) -> tuple[Word, str]:
    """Return the word for an honest claim with this estimate on sealed rows, and why."""
    sign, least = finding.claim.sign, finding.claim.threshold or 0.0
    low, high = sorted(sign * bound for bound in found.interval)
    if high < least:
        return "refuted", f"the sealed interval lies below {least:g} in the claimed direction"
    if found.p is not None and found.p.reached is not None:
        return "inconclusive", f"{found.p.method}, {alpha:.2g} was needed"
    if found.p is None or found.p.p > alpha:
        p = "none" if found.p is None else f"{found.p.p:.2g}"
        return "inconclusive", f"p = {p} on the sealed rows, {alpha:.2g} was needed"
    if finding.claim.threshold is not None and low < least:
        return "inconclusive", f"the sealed interval reaches below the threshold {least:g}"
    return "confirmed", f"p = {found.p.p:.2g} on the sealed rows, within the budget of {alpha:.2g}"


def _stopped(finding: Finding, seed: int, checks: list[Check]) -> Verdict | None:
    """Return the verdict where evidence ends the matter: it failed, or a rule can't be applied."""
    last = checks[-1]
    if last.passed is False:
        return _verdict(finding, seed, "invalid", last.detail, checks)
    if last.name == "function" and last.passed is None:
        return _verdict(finding, seed, "inconclusive", last.detail, checks)
    return None


def _capped(finding: Finding) -> str:
    if finding.exposure == "sealed":
        return f"it computes as stated; {untestable(finding.claim, finding.table.design)}"
    return f"it computes as stated; its author had seen the rows ({finding.exposure})"


def _sealed_check(found: Estimate, word: Word, reason: str) -> Check:
    observed = {"effect": found.effect, "low": found.interval[0], "high": found.interval[1]}
    if found.p is not None and found.p.reached is not None:
        observed["reached"] = found.p.reached
    elif found.p is not None:
        observed |= {"p": found.p.p, "draws": float(found.p.draws)}
    method = f" ({found.p.method})" if found.p else ""
    return Check(
        name="sealed", passed=word == "confirmed", detail=reason + method, observed=observed
    )


def _same_again(finding: Finding, name: str, earlier: Verdict, seed: int) -> Verdict:
    check = Check(name="known", passed=None, detail=f"the same claim as {name}, not tested again")
    return Verdict(
        finding=finding.id,
        word=earlier.word,
        reason=check.detail,
        checks=(check,),
        effect=earlier.effect,
        interval=earlier.interval,
        rows=earlier.rows,
        seed=seed,
        estimator=earlier.estimator,
        verifier=VERSION,
        not_covered=earlier.not_covered,
    )


def _verdict(
    finding: Finding,
    seed: int,
    word: Word,
    reason: str,
    checks: list[Check],
    found: Estimate | None = None,
    alpha: float | None = None,
) -> Verdict:
    p = found.p if found and (found.p is None or found.p.reached is None) else None
    return Verdict(
        finding=finding.id,
        word=word,
        reason=reason,
        checks=tuple(checks),
        seed=seed,
        effect=found.effect if found else None,
        interval=found.interval if found else None,
        p=p.p if p else None,
        alpha=alpha,
        rows=found.rows if found else 0,
        estimator=found.name if found else "",
        verifier=VERSION,
        not_covered=NOT_COVERED.get(finding.claim.kind, _NOT_COVERED) if found else (),
    )
