"""The endpoints that read the ledger: what `answers` says, typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from earnest.core.errors import AbsentError
from earnest.core.quoted import plain
from earnest.core.records import TableRef, Word
from earnest.serve.access import needs
from earnest.serve.answers import DEEPEST, MOST, MOST_QUERY, Answers
from earnest.serve.shapes import (
    Found,
    Kindred,
    Questions,
    Standing,
    Table,
    Tables,
    Whole,
)
from earnest.serve.submitting import Recent
from earnest.serve.tokens import Token

Id = Annotated[
    str,
    Path(
        pattern=r"^(sha256:)?[0-9a-f]{8,64}$",
        description="A finding's id, or at least 8 of its first hex digits.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Most entries of a page.")]
Offset = Annotated[int, Query(ge=0, le=DEEPEST, description="Entries to leave out.")]


def reading(
    answers: Answers, tables: Callable[[], Sequence[TableRef]], recent: Recent
) -> APIRouter:
    """Return the endpoints that need the scope `read`. `tables`: returns the registered ones.

    `recent`: what was submitted and is not in the ledger yet.
    """
    router = APIRouter(prefix="/v1", tags=["read"], dependencies=[needs("read")])

    @router.get("/findings", response_model=Found)
    def search(
        query: Annotated[str, Query(max_length=MOST_QUERY, description="None: the newest.")] = "",
        word: Annotated[Word | None, Query(description="Only with this verdict.")] = None,
        limit: Limit = 10,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """Search findings, the best first; with no words, list the newest."""
        return answers.search(query, word=word or "", limit=limit, offset=offset)

    @router.get("/findings/{id}", response_model=Whole)
    def finding(id: Id) -> dict[str, Any]:  # noqa: A002
        """Return all that may be shown of a finding."""
        return answers.get(id)

    @router.get("/findings/{id}/status", response_model=Standing)
    def status(
        caller: Annotated[Token, needs("read")],
        id: Id,  # noqa: A002
    ) -> dict[str, Any]:
        """Say where a finding stands: open (its session is), queued, or verified."""
        try:
            return answers.status(id)
        except AbsentError:
            if told := recent.status(caller.principal, id):
                return told
            raise

    @router.get("/findings/{id}/related", response_model=Kindred)
    def related(id: Id) -> dict[str, Any]:  # noqa: A002
        """List the earlier findings that one is like."""
        return answers.related(id)

    @router.get("/open-questions", response_model=Questions)
    def open_questions(
        table: Annotated[str, Query(max_length=600, description="Its name, or its id.")] = "",
        limit: Limit = 10,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """List what is inconclusive or was re-opened, and what would settle it."""
        return answers.open_questions(table=table, limit=limit, offset=offset)

    @router.get("/tables")
    def listed() -> Tables:
        """List the registered tables."""
        return Tables(tables=[_table(ref) for ref in tables()])

    return router


def _table(ref: TableRef) -> Table:
    return Table(
        id=ref.table,
        name=plain(ref.name),
        design=plain(ref.design),
        rows=ref.rows,
        columns=[plain(name) for name in ref.columns],
    )
