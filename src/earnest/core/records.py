"""The records (DESIGN.md, section 4): frozen, versioned, named by the hash of their own bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from earnest.core.errors import RecordError
from earnest.core.frozen import Body, Finite, Hash, Record, Value
from earnest.core.kinds import FIRST_DIRECTIONS, FIRST_FIELDS, SECOND_FIELDS, Claim
from earnest.core.predicates import parse_conjunction

__all__ = [
    "FRESH",
    "RECORDS",
    "STANDING",
    "WORDS",
    "Allocation",
    "Author",
    "Bound",
    "Check",
    "Checkpoint",
    "Claim",
    "Dataset",
    "Decision",
    "EvalReport",
    "Evidence",
    "Exposure",
    "Finding",
    "Finite",
    "Generation",
    "Hash",
    "Item",
    "Record",
    "TableRef",
    "Task",
    "Value",
    "Verdict",
    "Word",
]

Word = Literal["confirmed", "replicated", "reproduced", "inconclusive", "refuted", "invalid"]
Exposure = Literal["sealed", "author-saw-all", "public"]

WORDS: tuple[Word, ...] = (
    "confirmed",
    "replicated",
    "reproduced",
    "inconclusive",
    "refuted",
    "invalid",
)

STANDING: Final[tuple[Word, ...]] = ("confirmed", "replicated")
"""The words that say that rows which the author never saw bear a claim out."""


def _finding_2(body: Body) -> Body:
    """From version 1: a claim had ten fields and three kinds; the new fields have defaults."""
    claim = body.get("claim")
    if not isinstance(claim, dict) or set(claim) != set(FIRST_FIELDS):
        raise RecordError("not a finding of version 1: its claim has other fields")
    if claim["direction"] not in FIRST_DIRECTIONS.get(claim["kind"], ()):
        raise RecordError("not a finding of version 1: its claim is of a later kind")
    return body


def _finding_3(body: Body) -> Body:
    """From version 2: a claim had 18 fields, and spoke of a table; the new ones have defaults."""
    claim = body.get("claim")
    if not isinstance(claim, dict) or set(claim) not in (set(FIRST_FIELDS), set(SECOND_FIELDS)):
        raise RecordError("not a finding of version 2: its claim has other fields")
    return body


class TableRef(Value):
    """A registered table as a task or a finding names it: never by path."""

    name: str
    table: Hash
    visible: Hash
    design: str
    rows: int
    columns: tuple[str, ...]


FRESH: Final = TableRef(
    name="",
    table="sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    visible="sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    design="fresh",
    rows=0,
    columns=(),
)
"""Stands for the table where a claim speaks of none: its hash is that of no bytes."""


class Task(Record):
    """What an agent is asked, and what it may see. Its secrets live elsewhere."""

    record: ClassVar[str] = "task"
    kind: Literal["research", "code", "qa"]
    prompt: str
    tables: tuple[TableRef, ...]
    public: bool = False
    metadata: Mapping[str, str] = Field(default_factory=dict)


class Evidence(Value):
    """How to re-derive a claim: a script, its inputs by hash, and the numbers that it gave.

    `supports` is the predicate on `results` that makes the claim; `tolerance` is relative.
    """

    script: Hash
    inputs: Mapping[str, Hash]
    results: Annotated[Mapping[str, Finite], Field(min_length=1, max_length=16)]
    supports: str = Field(min_length=1)
    tolerance: Annotated[float, Field(ge=0, le=0.1)] = 1e-6

    @model_validator(mode="after")
    def _readable(self) -> Self:
        parse_conjunction(self.supports)
        return self


class Author(Value):
    """Who found it: the principal whose error budget pays, the model, its generation."""

    principal: str
    model: str
    generation: int = 0


class Finding(Record):
    """A claim with its evidence, before anyone else has looked at it."""

    record: ClassVar[str] = "finding"
    version: ClassVar[int] = 3
    upgrades: ClassVar[Mapping[int, Callable[[Body], Body]]] = {1: _finding_2, 2: _finding_3}
    claim: Claim
    evidence: Evidence
    exposure: Exposure
    author: Author
    run: str
    task: Hash
    table: TableRef
    prose: str = ""

    @model_validator(mode="after")
    def _of_its_table(self) -> Self:
        if self.claim.formal != (self.table == FRESH):
            raise ValueError("a claim of a table stands with it, one of none with `FRESH`")
        return self


class Check(Value):
    """One check of a verdict: what was looked at, what was seen, whether it passed."""

    name: str
    passed: bool | None
    detail: str
    observed: Mapping[str, Finite] = Field(default_factory=dict)


class Verdict(Record):
    """What the verifier concluded of a finding, with everything it rests on.

    `p` and `alpha` are None where nothing was tested; `interval` is a 95 % interval of `effect`.
    """

    record: ClassVar[str] = "verdict"
    finding: Hash
    word: Word
    reason: str
    checks: tuple[Check, ...]
    effect: Finite | None = None
    interval: tuple[Finite, Finite] | None = None
    p: Finite | None = None
    alpha: Finite | None = None
    rows: int = 0
    seed: int
    estimator: str = ""
    verifier: str
    not_covered: tuple[str, ...] = ()


class Allocation(Record):
    """The share of a principal's error budget that a finding's one test may use.

    `number` counts the principal's tests from 1; `credited` are the numbers of the earlier
    rejections that the share was computed from.
    """

    record: ClassVar[str] = "allocation"
    finding: Hash
    principal: str
    number: Annotated[int, Field(ge=1)]
    alpha: Finite
    credited: tuple[int, ...] = ()


class Dataset(Record):
    """The manifest of a data set: parents, filters, mixture, and the hashes of its files."""

    record: ClassVar[str] = "dataset"
    parents: tuple[Hash, ...]
    verdicts: tuple[Hash, ...]
    files: Mapping[str, Hash]
    rows: Mapping[str, int]
    recipe: Mapping[str, Any]
    refused: Mapping[str, int] = Field(default_factory=dict)
    licences: Mapping[str, str] = Field(default_factory=dict)


class Checkpoint(Record):
    """A Hugging Face model folder, by the hashes of its files, and where it came from."""

    record: ClassVar[str] = "checkpoint"
    parent: Hash | None
    dataset: Hash
    files: Mapping[str, Hash]
    parameters: int
    recipe: Mapping[str, Any]


class Item(Value):
    """One question of a suite for one checkpoint: what was asked, answered, and right."""

    item: str
    family: str
    cluster: str
    question: str
    answer: str
    expected: str
    passed: bool


class EvalReport(Record):
    """Item-level outcomes of one suite for one checkpoint."""

    record: ClassVar[str] = "eval-report"
    suite: str
    checkpoint: Hash
    seed: int
    items: tuple[Item, ...]

    def rate(self, family: str) -> float:
        """Return the share of a family's items that passed (0 to 1). Raises `KeyError` if none."""
        outcomes = [item.passed for item in self.items if item.family == family]
        if not outcomes:
            raise KeyError(family)
        return sum(outcomes) / len(outcomes)


class Bound(Value):
    """One clause of the gate: what was observed, the limit it was held to, and whether it held."""

    clause: str
    observed: Finite
    limit: Finite
    held: bool
    detail: str


class Decision(Record):
    """Promote, refuse or roll back, with each bound that decided it."""

    record: ClassVar[str] = "decision"
    word: Literal["promote", "refuse", "roll-back"]
    candidate: Hash
    incumbent: Hash
    anchor: Hash
    reports: tuple[Hash, ...]
    bounds: tuple[Bound, ...]


class Generation(Record):
    """One turn of the loop: number, checkpoint, data set, decision."""

    record: ClassVar[str] = "generation"
    number: int
    parent: Hash | None
    checkpoint: Hash
    dataset: Hash
    decision: Hash | None


RECORDS: Mapping[str, type[Record]] = {
    kind.record: kind
    for kind in (
        Task,
        Finding,
        Allocation,
        Verdict,
        Dataset,
        Checkpoint,
        EvalReport,
        Decision,
        Generation,
    )
}
