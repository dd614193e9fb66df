"""The endpoints that take findings, through the desk."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Response

from earnest.core.protocols import Desk
from earnest.core.quoted import plain
from earnest.core.records import Finding
from earnest.core.shown import brief, row
from earnest.serve.access import needs
from earnest.serve.answers import cut
from earnest.serve.problems import documented, refusal
from earnest.serve.shapes import Queued, Settled
from earnest.serve.tokens import Token

_SESSION: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_SESSION_OR_NONE: Final = r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$"
_WAIT_S: Final = "5"
_REMEMBERED: Final = 2000


@dataclass(frozen=True)
class Intake:
    """Where findings go. `arguments`: the JSON Schema of what the desk takes."""

    desk: Desk
    arguments: Mapping[str, Any]


class Recent:
    """The findings that were taken here lately, so that their authors may ask for them at once.

    The ledger has them once their session is settled; until then nobody else is told of them. They
    are kept by the process: after a restart, only the ledger is asked.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, Finding]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, principal: str, finding: Finding) -> None:
        """Remember a finding."""
        with self._lock:
            self._kept[finding.id] = (principal, finding)
            while len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)

    def status(self, principal: str, name: str) -> dict[str, Any] | None:
        """Return where a finding of this principal stands that is not in the ledger yet."""
        with self._lock:
            whose, finding = self._kept.get(f"sha256:{name.removeprefix('sha256:')}", ("", None))
        if finding is None or whose != principal:
            return None
        return _open(finding)


def _open(finding: Finding) -> dict[str, Any]:
    """Return where a finding stands whose session is open, as `Answers.status` would."""
    one = row(finding, None)
    del one["claim"]
    ref = finding.table
    return {
        **one,
        "sentence": cut(brief(one["sentence"])),
        "trust": "unverified",
        "exposure": finding.exposure,
        "table": None if finding.claim.formal else {"name": plain(ref.name), "id": ref.table},
        "state": "open",
        "reason": "its session is not settled: more may be submitted",
    }


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


def submitting(intake: Intake, recent: Recent, at_once: int, at_once_each: int) -> APIRouter:
    """Return the endpoints that need the scope `submit`."""
    router = APIRouter(prefix="/v1", tags=["submit"], responses=documented(409, 503))
    turns = _Turns(at_once, at_once_each)

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
                pattern=_SESSION_OR_NONE,
                description="What one agent finds in one sitting is one session: its findings are "
                "verified together. Leave it away the first time: the answer names one.",
            ),
        ] = "",
    ) -> Queued:
        """Submit a finding: a typed claim and the script that re-derives it.

        The script runs in a jail, on the visible rows of the table. The verdict comes later: ask
        for the status.
        """
        # One that agents chose, such as `analysis`, would be shared by all of a principal's.
        session = session or f"s-{secrets.token_hex(8)}"
        with turns.one(caller.principal):
            finding = intake.desk.submit(caller.principal, session, arguments)
        recent.add(caller.principal, finding)
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
        intake.desk.settle(caller.principal, session)
        return Settled(session=session)

    return router
