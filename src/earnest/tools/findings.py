"""The `submit_finding` tool: a typed claim with a script that re-derives it, put in the queue.

It checks that the claim fits the table, that the script runs on the visible rows as the contract
of evidence says, and that the author's own predicate holds. A claim of no table is tried on a few
inputs, and its script runs on an empty folder. It gives no verdict.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from earnest.core.acts import Act, writes
from earnest.core.canon import digest
from earnest.core.claims import sentence
from earnest.core.errors import (
    EarnestError,
    PredicateError,
    RecordError,
    ToolError,
    UnsupportedError,
)
from earnest.core.evidence import (
    LIMITS,
    MOST_ANSWERS,
    MOST_NUMBERS,
    OUT,
    evidence_job,
    evidence_numbers,
    recorded_answers,
)
from earnest.core.jobs import DATA
from earnest.core.kinds import MOST_CODE, MOST_EXPRESSION, Direction, Kind, Statistic
from earnest.core.likeness import claim_key
from earnest.core.messages import Observation, ToolSpec
from earnest.core.predicates import holds
from earnest.core.protocols import Blobs, Sandbox
from earnest.core.records import (
    FRESH,
    Author,
    Claim,
    Evidence,
    Exposure,
    Finding,
    TableRef,
    Task,
)
from earnest.tools.answers import Answers, names_of, no_answers
from earnest.tools.arguments import Arguments, legible
from earnest.tools.formal import check_formal_claim, check_readable
from earnest.tools.python import tail, told
from earnest.tools.rules import try_rule
from earnest.tools.table import check_claim

MOST_FINDINGS: Final = 24
_SEED: Final = 1


class _Submission(Arguments):
    kind: Kind = Field(
        description="anomaly and value say something of the visible rows only: they are checked, "
        "but never confirmed."
    )
    table: str = Field(default="", description="The table's name. None for program, identity.")
    outcome: str = Field(
        default="",
        description="A column: numeric, or with outcome_order; for dependent or a rule, any.",
    )
    exposure: str = Field(
        default="",
        description="Another column; for a trend, the time. Not for a skewed column or an anomaly.",
    )
    direction: Direction = Field(
        description="difference: higher, lower; highest or lowest of all values of the exposure. "
        "association: positive, negative; dependent (columns of any type). trend: rising, falling. "
        "distribution: the outcome is wider or narrower in the group, of different shape there, "
        "or by itself right-skewed or left-skewed. interaction: outcome and exposure go together "
        "stronger or weaker where the modifier is the group; or positive-overall (negative within "
        "the modifier's values), negative-overall. anomaly: present. value: equal; highest or "
        "lowest in the group. rule: predicts (better than a constant); holds (in at least the "
        "share threshold of the rows). program: equivalent. identity: equal."
    )
    group: str | None = Field(
        default=None,
        description="The value of the exposure (stronger, weaker: of the modifier) that is "
        "compared, written as in the table.",
    )
    versus: str | None = Field(
        default=None, description="The value that the group is compared with; else all others."
    )
    order: tuple[str, ...] = Field(
        default=(), description="Values of an exposure that is no number, lowest first."
    )
    outcome_order: tuple[str, ...] = Field(
        default=(), description="Values of an outcome that is no number, lowest first."
    )
    modifier: str = Field(default="", description="For an interaction: a third column.")
    statistic: Statistic | None = Field(default=None, description="For a value: of the outcome.")
    value: float | None = Field(default=None, description="For a value that is equal.")
    value_tolerance: float | None = Field(
        default=None,
        ge=0,
        description="How far the value, or what a rule that holds gives, may be off, in its units.",
    )
    where: str = Field(
        default="", description="For an anomaly, or a share: which rows, such as: age > 120"
    )
    count: int | None = Field(
        default=None, ge=0, lt=2**53, description="For an anomaly: how many rows."
    )
    given: tuple[str, ...] = Field(
        default=(), description="For a rule: the columns that it reads, the outcome not among them."
    )
    program: str = Field(
        default="",
        max_length=MOST_CODE,
        description="Python that defines f. For a rule f(row): row maps the columns in given to a "
        "number, a text or None; it returns the outcome, a number where the column holds numbers, "
        "else a text; of nothing but its row. For a program: of its arguments (inputs) alone; it "
        "may import pure modules of the standard library.",
    )
    reference: str = Field(
        default="", max_length=MOST_CODE, description="For a program: another one that defines f."
    )
    inputs: tuple[str, ...] = Field(
        default=(),
        description="For a program, its arguments in their order; for an identity, its variables: "
        "what each is drawn from: n: integer 1..40; x: rational. Of a program also: x: number "
        "-1..1; b: boolean; s: text 0..20; s: text 0..9 of 'ab'; v: list 0..8 of integer -9..9",
    )
    left: str = Field(
        default="",
        max_length=MOST_EXPRESSION,
        description="For an identity: one side, of + - * / **, n!, binomial, fibonacci, gcd, lcm, "
        "mod, floor, ceil, abs, min, max, sum(k**2, k, 1, n), product(k, k, 1, n).",
    )
    right: str = Field(default="", max_length=MOST_EXPRESSION, description="The other side.")
    subset: str | None = Field(
        default=None, description="Only these rows, such as: age >= 40 and sex == 'f'"
    )
    adjust_for: tuple[str, ...] = Field(default=(), description="Columns that are held fixed.")
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The least absolute effect that you claim: rank-biserial correlation for a "
        "difference, Spearman's rho for an association or trend; the share of a constant's error "
        "that a rule takes away. Leave it out to claim a direction only. For a rule that holds: in "
        "at least which share of the rows.",
    )
    script: str = Field(min_length=1, description="The whole text of evidence.py.")
    supports: str = Field(
        min_length=1, description="Predicate on the script's numbers: effect > 0 and p < 0.01"
    )
    tolerance: float = Field(
        default=1e-6, ge=0, le=0.1, description="Relative, between runs with other seeds."
    )
    answers: tuple[str, ...] = Field(
        default=(),
        max_length=MOST_ANSWERS - 1,
        description="Files that `http` saved and that the script needs: it finds each, unchanged, "
        "as http/NAME in the folder where it starts, and http/index.json with URLs and times.",
    )
    prose: str = Field(default="", description="Your own words, for readers.")

    def claim(self) -> Claim:
        """Return the claim. Raises `ToolError`."""
        check_readable(self.kind, self.inputs, self.left, self.right)
        try:
            said = self.model_dump(include=set(Claim.model_fields) - {"tolerance"})
            return Claim(**{**said, "subset": self.subset or "", "tolerance": self.value_tolerance})
        except ValidationError as error:
            wrong = "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors())
            raise ToolError(f"the claim does not hold together: {wrong}") from error


def arguments_of(finding: Finding, script: bytes) -> dict[str, Any]:
    """Return the arguments with which `submit_finding` takes a finding's claim and evidence."""
    claim = finding.claim.model_dump(mode="json")
    return {
        **{name: value for name, value in claim.items() if name in _Submission.model_fields},
        "value_tolerance": claim["tolerance"],
        "tolerance": finding.evidence.tolerance,
        "script": script.decode(),
        "answers": names_of(finding),
        "supports": finding.evidence.supports,
        "prose": finding.prose,
    }


@dataclass(frozen=True)
class Submitter:
    """What goes on every finding of a run: its task, who found it, what they could see."""

    task: Task
    run: str
    author: Author
    exposure: Exposure


class SubmitFinding:
    """Queues findings. The loop writes what is in an observation's `data["finding"]` to the log.

    So the effect on record is what makes a finding count: a call that a crash left without an
    outcome has left nothing behind and can be made again.
    """

    repeatable: bool = True
    spec: ToolSpec = _Submission.spec(
        "submit_finding",
        "Submit one finding: a claim about a table and the script that re-derives it. The script "
        f"is run as: python evidence.py --data {DATA} --out {OUT} --seed {_SEED}. It reads the "
        f"table and writes {OUT}, a JSON object of 1 to {MOST_NUMBERS} named finite numbers; "
        "`supports` must hold of them. A program or an identity is about no table: its script "
        f"finds an empty folder. At most {MOST_FINDINGS} findings a run.",
    )

    def __init__(
        self,
        submitter: Submitter,
        sandbox: Sandbox,
        blobs: Blobs,
        data: Path,
        earlier: Iterable[Finding] = (),
        answers: Answers = no_answers,
    ) -> None:
        """`data`: the folder with the visible rows; `earlier`: what the run submitted before.

        `answers`: gives what hosts answered, for a script that asks for it.
        """
        self.submitter, self.sandbox, self.blobs, self.data = submitter, sandbox, blobs, data
        self._answers = answers
        self.queued = {claim_key(finding.claim): finding.id for finding in earlier}

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Running the evidence in a jail, and queueing the finding. Raises `ToolError`."""
        _Submission.read(arguments)
        if not self.sandbox.isolates:
            what = "run an evidence script, which nothing isolates"
            return (Act(kind="irreversible", what=what, reach="everything"),)
        return writes("run an evidence script without network, and queue a finding")

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Check and queue a finding. Raises `ToolError`, `SandboxError`."""
        asked = _Submission.read(arguments)
        claim = asked.claim()
        if claim_key(claim) in self.queued:
            raise ToolError(f"this claim is queued already, as {self.queued[claim_key(claim)]}")
        if len(self.queued) >= MOST_FINDINGS:
            raise ToolError(
                f"{MOST_FINDINGS} findings are queued, the most a run may submit",
                mend="end the run with your summary",
            )
        ref, inputs, results, note = self._tried(claim, asked.script, asked.answers)
        self._supported(asked.supports, results)
        evidence = Evidence(
            script=self.blobs.put(asked.script.encode()),
            inputs=inputs,
            results=results,
            supports=asked.supports,
            tolerance=asked.tolerance,
        )
        finding = Finding(
            claim=claim,
            evidence=evidence,
            exposure=self.submitter.exposure,
            author=self.submitter.author,
            run=self.submitter.run,
            task=self.submitter.task.id,
            table=ref,
            prose=asked.prose,
        )
        self.queued[claim_key(claim)] = finding.id
        return Observation(
            content=f"queued {finding.id}" + (f"; {note}" if note else ""),
            data={"finding": finding.body, "sentence": sentence(claim)},
        )

    def _tried(
        self, claim: Claim, script: str, names: Sequence[str]
    ) -> tuple[TableRef, dict[str, str], dict[str, float], str]:
        """Check a claim and run its script: its table, its inputs by hash, its numbers, a note."""
        if claim.formal:
            if names:
                raise ToolError(f"a {claim.kind} rests on no answers", mend="leave answers out")
            check_formal_claim(claim, self.sandbox)
            with tempfile.TemporaryDirectory(prefix="earnest-evidence-") as empty:
                Path(empty).chmod(0o755)
                return FRESH, {}, self._results(script, Path(empty)), ""
        ref = self._ref(claim.table)
        kept = {name: self.blobs.put(data) for name, data in self._answers(names).items()}
        inputs = {f"{ref.name}.csv": self._handed_out(ref), **kept}
        check_claim(claim, ref, self._file(ref))
        note = try_rule(claim, self._file(ref), self.sandbox) if claim.kind == "rule" else ""
        return ref, inputs, self._results(script, self.data, inputs), note

    def _ref(self, name: str) -> TableRef:
        for ref in self.submitter.task.tables:
            if ref.name == name:
                return ref
        names = ", ".join(ref.name for ref in self.submitter.task.tables)
        raise ToolError(f"the task has no table {name!r}", mend=f"its tables are {names}")

    def _file(self, ref: TableRef) -> Path:
        return self.data / f"{ref.name}.csv"

    def _handed_out(self, ref: TableRef) -> str:
        """Return the hash of the visible rows, which must be the task's."""
        found = digest(self._file(ref).read_bytes())
        if found != ref.visible:
            raise EarnestError(
                f"{self._file(ref)} is not what the task handed out",
                mend="restore it, or start a new run on the changed table",
            )
        return found

    def _results(
        self, script: str, data: Path, inputs: Mapping[str, str] | None = None
    ) -> dict[str, float]:
        """Run the script on a folder of tables. Raises `ToolError`, `SandboxError`."""
        try:
            answers = recorded_answers(inputs or {}, self.blobs.get)
        except RecordError as error:
            raise ToolError(str(error), mend="save fewer answers, by plain names") from error
        job = evidence_job(script.encode(), data, _SEED, answers=answers)
        result = self.sandbox.run(job)
        if not result.ok:
            said = tail(result.stderr or result.stdout, 2000)
            raise ToolError(
                f"the script: {told(result, LIMITS)}\n{said}",
                mend="mend the script and submit again",
            )
        try:
            return evidence_numbers(result)
        except RecordError as error:
            raise ToolError(legible(str(error)), mend=error.mend) from error

    def _supported(self, supports: str, results: Mapping[str, float]) -> None:
        try:
            held = holds(supports, results)
        except PredicateError as error:
            raise ToolError(f"supports: {error}", mend=error.mend) from error
        if not held:
            numbers = ", ".join(f"{name} = {value:.6g}" for name, value in results.items())
            raise UnsupportedError(
                f"the script's numbers do not support the claim: {supports!r} with {numbers}",
                mend="claim what they do support, or leave it",
            )
