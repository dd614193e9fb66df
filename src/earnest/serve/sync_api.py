"""The endpoints by which other ledgers take what this one offers, and offer what they have.

What comes in is checked item by item (`earnest.serve.exchange`), whoever's token it came with: a
token lets its holder speak, the trusted key of a source makes what it signed worth keeping.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from earnest.core.protocols import Blobs
from earnest.core.sign import Signer
from earnest.ledger.ledger import Ledger
from earnest.serve.access import needs
from earnest.serve.api import Part
from earnest.serve.door import Bodies
from earnest.serve.exchange import (
    MOST_ITEMS,
    MOST_PAGE,
    Manifest,
    files_of,
    offered,
    take,
)
from earnest.serve.problems import documented, refusal
from earnest.serve.shapes import Shape

_AT_ONCE: Final = 2  # pages are large
_WAIT_S: Final = 20.0
_KEY: Final = r"^ed25519:[A-Za-z0-9+/]{43}=$"


class Page(Shape):
    """Some of what a ledger offers. It is data from others, and checked by who takes it."""

    version: Literal[1] = 1
    source: str = Field(description="The key that signed all of it; empty: nothing was signed yet.")
    next: int | None = Field(description="Where the next page begins; null: there is none.")
    items: list[dict[str, Any]]
    blobs: dict[str, str] = Field(description="Scripts and manifests in base64, by hash.")
    left_out: list[dict[str, str]] = Field(description="What can't be offered, and why.")


class Offered(BaseModel):
    """Items of a page that another ledger offers here."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    items: list[Any] = Field(max_length=MOST_ITEMS)
    blobs: dict[str, str] = Field(default_factory=dict, max_length=4 * MOST_ITEMS)


class Became(Shape):
    """What became of an item, and why."""

    id: str
    outcome: Literal["taken", "known", "withdrawn", "own", "refused"]
    reason: str
    mend: str


class Answered(Shape):
    """What became of the items, in their order."""

    version: Literal[1] = 1
    items: list[Became]


class Heard(Shape):
    """The last place in a source's chain of which this ledger has taken anything; 0: none."""

    version: Literal[1] = 1
    position: int


@dataclass(frozen=True)
class Exchange:
    """What is exchanged. `signer` and `trusted` are asked at every request: both may change."""

    ledger: Path
    blobs: Blobs
    signer: Callable[[], Signer | None]
    manifest: Manifest
    trusted: Callable[[], Mapping[str, str]]


def sync_part(exchange: Exchange) -> Part:
    """Return the endpoints, for `create_app(..., parts=[...])`."""
    router = APIRouter(prefix="/v1/sync", tags=["sync"], dependencies=[needs("sync")])
    turns = threading.BoundedSemaphore(_AT_ONCE)

    @contextlib.contextmanager
    def turn() -> Iterator[None]:
        if not turns.acquire(timeout=_WAIT_S):
            raise refusal(503, headers={"Retry-After": "5"})
        try:
            yield
        finally:
            turns.release()

    @router.get("", responses=documented(503))
    def give(
        after: Annotated[int, Query(ge=0, lt=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = MOST_ITEMS,
    ) -> Page:
        """Return what this ledger offers from a place in its chain on."""
        with turn(), Ledger(exchange.ledger) as ledger:
            signer = exchange.signer()
            page = offered(
                ledger, exchange.blobs, signer, exchange.manifest, after=after, limit=limit
            )
            return Page(**page)

    @router.get("/heard")
    def heard(source: Annotated[str, Query(pattern=_KEY)]) -> Heard:
        """Return up to which place in its chain a source was heard here."""
        with Ledger(exchange.ledger) as ledger:
            return Heard(position=ledger.heard(source))

    @router.post("", responses=documented(503))
    def receive(page: Offered) -> Answered:
        """Take what holds of some items; say what became of each."""
        with turn(), Ledger(exchange.ledger) as ledger:
            fetch = files_of({"blobs": page.blobs})
            found = take(ledger, exchange.blobs, page.items, exchange.trusted(), fetch)
        return Answered(items=[Became.model_validate(one.told()) for one in found])

    return Part(router, Bodies(most=MOST_PAGE))
