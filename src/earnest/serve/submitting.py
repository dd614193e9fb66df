"""The endpoints that take findings, through the desk."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Response

from earnest.core.protocols import Desk
from earnest.serve.access import needs
from earnest.serve.problems import Refusal, documented, refusal
from earnest.serve.shapes import Queued, Settled
from earnest.serve.tokens import Token

_SESSION: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_WAIT_S: Final = "5"


@dataclass(frozen=True)
class Intake:
    """Where findings go. `arguments`: the JSON Schema of the tool `submit_finding`.

    `desk`: None where this machine can have none, as `lack` says, and `mend` how to put that right.
    """

    arguments: Mapping[str, Any]
    desk: Desk | None = None
    lack: str = ""
    mend: str = ""


class _Turns:
    """How many submissions are being tried. Those that are too many are sent away, not kept."""

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._now: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one(self, principal: str) -> Iterator[None]:
        """Have a turn. Raises `Refusal` (429) where there is none."""
        with self._lock:
            if self._now.total() >= self._most or self._now[principal] >= self._each:
                raise refusal(
                    429, "too many findings are being tried just now", {"Retry-After": _WAIT_S}
                )
            self._now[principal] += 1
        try:
            yield
        finally:
            with self._lock:
                self._now[principal] -= 1
                self._now += Counter()  # forgets those that have none


def submitting(intake: Intake, at_once: int, at_once_each: int) -> APIRouter:
    """Return the endpoints that need the scope `submit`."""
    router = APIRouter(prefix="/v1", tags=["submit"], responses=documented(409, 503))
    turns = _Turns(at_once, at_once_each)

    def desk() -> Desk:
        if intake.desk is None:
            raise Refusal(503, intake.lack, intake.mend)
        return intake.desk

    @router.post(
        "/findings",
        status_code=202,
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": dict(intake.arguments)}}}
        },
    )
    def submit(
        caller: Annotated[Token, needs("submit")],
        arguments: Annotated[dict[str, Any], Body()],
        response: Response,
        session: Annotated[
            str,
            Query(
                pattern=_SESSION,
                description="What one agent finds in one sitting is one session: its findings are "
                "verified together.",
            ),
        ] = "default",
    ) -> Queued:
        """Submit a finding: a typed claim and the script that re-derives it.

        The script runs in a jail, on the visible rows of the table. The verdict comes later: ask
        for the status.
        """
        with turns.one(caller.principal):
            finding = desk().submit(caller.principal, session, arguments)
        ask = f"/v1/findings/{finding.id}/status"
        response.headers["Location"] = ask
        settle = f"/v1/sessions/{session}/settle"
        return Queued(id=finding.id, session=session, ask=ask, settle=settle)

    @router.post("/sessions/{session}/settle", status_code=202)
    def settle(
        caller: Annotated[Token, needs("submit")],
        session: Annotated[str, Path(pattern=_SESSION)],
    ) -> Settled:
        """Say that a session has found all it will: what it submitted is frozen and verified."""
        desk().settle(caller.principal, session)
        return Settled(session=session)

    return router
