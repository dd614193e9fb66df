"""What the HTTP API answers, typed, so that its OpenAPI document says exactly what comes.

What an answer has beyond its shape is left out of it: it can't be told before it is documented.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from earnest.core.quoted import NOTICE
from earnest.core.records import Exposure, Word
from earnest.serve.answers import Trust


class Shape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})


class Told(Shape):
    """An answer that holds what others wrote."""

    version: Literal[1] = 1
    notice: str = Field(default=NOTICE, description="What to think of the texts in it.")


class Health(Shape):
    """That the server runs, and nothing else."""

    status: Literal["ok"] = "ok"


class Table(Shape):
    """A registered table: what an agent may see of it. A finding names it by `name` or `id`."""

    id: str
    name: str
    design: str
    rows: int = Field(description="The visible ones.")
    columns: list[str]


class Tables(Told):
    """The registered tables, by name."""

    tables: list[Table]


class OfTable(Shape):
    """The table that a finding speaks of."""

    name: str
    id: str


class Row(Shape):
    """A finding as pages show it. Effect, interval and p are shown of what was confirmed only."""

    id: str
    sentence: str
    verdict: Word | Literal["queued"]
    trust: Trust = Field(description="What the verdict rests on: this ledger's verifier, or not.")
    exposure: Exposure
    effect: float | None
    interval: tuple[float, float] | None
    p: float | None
    table: OfTable | None
    retracted: bool = False


class Page(Told):
    """A page of a list. `next`: the offset of the one after it."""

    more: bool
    next: int | None


class Tested(Shape):
    """A finding of this ledger as which an import was tested here."""

    id: str
    verdict: Word | Literal["queued"]


class ImportedRow(Row):
    """What another ledger says, and what came of it here."""

    source: str = Field(description="The name that the other ledger has here.")
    tested_here: list[Tested]


class Found(Page):
    """A page of a search. `imported`, on its first: what trusted ledgers say."""

    query: str
    findings: list[Row]
    imported: list[ImportedRow] = []


class Settle(Shape):
    """What would settle a question."""

    needs: str
    how: list[str]


class Question(Row):
    """A finding that is inconclusive, or was re-opened."""

    kind: Literal["reopened", "inconclusive"]
    reason: str
    settle: Settle


class Questions(Page):
    """A page of open questions, the newest first."""

    table: str
    questions: list[Question]


class Kin(Row):
    """An earlier finding that another one is like."""

    how: Literal["known", "contradicts", "extends", "near"]


class Kindred(Told):
    """The earlier findings that one is like, the closest first."""

    id: str
    related: list[Kin]


class Origin(Shape):
    """Of what was imported: who says so, and what testing it here gave. Empty of all else."""

    source: str = Field(default="", description="The name that the other ledger has here.")
    tested_here: list[Tested] = []


class Standing(Told, Row, Origin):
    """Where a finding stands."""

    state: Literal["open", "queued", "verified", "imported"]
    reason: str


class Checked(Shape):
    """One check of a verdict, as far as it may be shown."""

    name: str
    passed: bool | None
    detail: str
    observed: dict[str, float | None]


class By(Shape):
    """Who found it: the principal, the model, its generation."""

    principal: str
    model: str
    generation: int


class Bundle(Shape):
    """The evidence: a quoted script, the numbers that it gave, what makes the claim of them."""

    script: str
    script_hash: str
    results: dict[str, float]
    supports: str
    tolerance: float
    inputs: dict[str, str]


class Rerun(Shape):
    """How anyone runs it again."""

    export: str | None = Field(default=None, description="Not of what was imported.")
    again: str
    contract: str


class Earlier(Shape):
    """One verdict of a finding's history."""

    word: Word
    kind: str
    why: str


class Withdrawn(Shape):
    """Who withdrew a finding, and why."""

    by: str
    why: str


class Whole(Told, Row, Origin):
    """All that may be shown of a finding."""

    claim: dict[str, Any]
    programs: dict[str, str]
    design: str | None = None
    reason: str
    checks: list[Checked]
    novelty: str = ""
    estimator: str = ""
    not_covered: list[str] = []
    author: By
    prose: str
    evidence: Bundle
    rerun: Rerun
    history: list[Earlier]
    retraction: Withdrawn | None


class Queued(Shape):
    """A finding was taken. Its verdict comes once its session is settled."""

    version: Literal[1] = 1
    id: str
    state: Literal["queued"] = "queued"
    session: str
    ask: str = Field(description="The path that says where it stands.")
    settle: str = Field(description="The path to POST to once the session has found all it will.")


class Settled(Shape):
    """A session's findings are frozen, and verified one after the other."""

    version: Literal[1] = 1
    session: str
    state: Literal["settled"] = "settled"
