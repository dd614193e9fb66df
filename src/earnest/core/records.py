"""The records (DESIGN.md, section 4): frozen, versioned, named by the hash of their own bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import RecordError
from earnest.core.predicates import parse_conjunction

Word = Literal["confirmed", "replicated", "reproduced", "inconclusive", "refuted", "invalid"]
Exposure = Literal["sealed", "author-saw-all", "public"]
Hash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Direction = Literal["higher", "lower", "positive", "negative", "rising", "falling"]

WORDS: tuple[Word, ...] = (
    "confirmed",
    "replicated",
    "reproduced",
    "inconclusive",
    "refuted",
    "invalid",
)
_DIRECTIONS: Mapping[str, tuple[str, str]] = {
    "difference": ("higher", "lower"),
    "association": ("positive", "negative"),
    "trend": ("rising", "falling"),
}


class Value(BaseModel):
    """A frozen value without a name of its own; parts of records are made of these."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Record(Value):
    """A value that is stored: its `id` is the hash of its canonical bytes."""

    record: ClassVar[str]
    version: ClassVar[int] = 1

    @cached_property
    def data(self) -> bytes:
        """The canonical bytes, as they are stored."""
        body = self.model_dump(mode="json")
        return canonical({**body, "record": self.record, "version": self.version})

    @cached_property
    def id(self) -> str:
        """`sha256:` of the canonical bytes."""
        return digest(self.data)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; a changed record has bytes and an id of its own."""
        copied = super().model_copy(update=update, deep=deep)
        for cached in ("data", "id"):
            copied.__dict__.pop(cached, None)
        return copied

    @classmethod
    def from_bytes(cls, data: bytes, *, expect: str = "") -> Self:
        """Read a record back; with `expect`, re-verify its hash first. Raises `RecordError`."""
        if expect and digest(data) != expect:
            raise RecordError(f"the bytes of {expect} have changed: they hash to {digest(data)}")
        body = parse(data)
        if not isinstance(body, dict):
            raise RecordError(f"not a {cls.record}")
        name, version = body.pop("record", None), body.pop("version", None)
        if (name, version) != (cls.record, cls.version):
            raise RecordError(f"expected {cls.record} {cls.version}, got {name} {version}")
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise RecordError(f"not a {cls.record}: {error}") from error


class Claim(Value):
    """What is claimed of a table, typed; its sentence is rendered by `earnest.core.claims`.

    `difference`: the outcome is `higher` or `lower` in `group` (a level of the exposure) than in
    `versus` (another level, or None for all the others). `association`: outcome and exposure go
    `positive`ly or `negative`ly together in rank. `trend`: the outcome is `rising` or `falling`
    along the exposure, a time. `threshold`: the least absolute effect that is claimed, on the
    scale of the kind's trusted estimator (-1 to 1); None claims a direction only. `subset` and
    `adjust_for` restrict the rows and name the columns that are held fixed.
    """

    kind: Literal["difference", "association", "trend"]
    table: str
    outcome: str
    exposure: str
    direction: Direction
    group: str | None = None
    versus: str | None = None
    subset: str = ""
    adjust_for: tuple[str, ...] = ()
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.direction not in _DIRECTIONS[self.kind]:
            raise ValueError(f"a {self.kind} is {' or '.join(_DIRECTIONS[self.kind])}")
        if (self.group is not None) != (self.kind == "difference"):
            raise ValueError("a difference names a group, and nothing else does")
        if self.versus is not None and self.versus == self.group:
            raise ValueError("a group can't differ from itself")
        if self.versus is not None and self.group is None:
            raise ValueError("versus needs a group")
        if self.outcome == self.exposure or {self.outcome, self.exposure} & set(self.adjust_for):
            raise ValueError("outcome, exposure and adjust_for must be different columns")
        parse_conjunction(self.subset)
        return self

    @property
    def sign(self) -> int:
        """+1 where the claimed direction is higher, positive or rising, else -1."""
        return 1 if self.direction == _DIRECTIONS[self.kind][0] else -1


class TableRef(Value):
    """A registered table as a task or a finding names it: never by path."""

    name: str
    table: Hash
    visible: Hash
    design: str
    rows: int
    columns: tuple[str, ...]


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
    claim: Claim
    evidence: Evidence
    exposure: Exposure
    author: Author
    run: str
    task: Hash
    table: TableRef
    prose: str = ""


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
