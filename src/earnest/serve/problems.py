"""Errors over HTTP: one form for all, with the mend, and never a traceback or a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from earnest.core.errors import (
    AbsentError,
    ArgumentsError,
    EarnestError,
    LackError,
    QuotaError,
    SandboxError,
    ToolError,
    UsageError,
)
from earnest.core.quoted import plain

_LONGEST: Final = 4000


class Problem(BaseModel):
    """What is wrong with a request, and what would put it right."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="What is wrong.")
    mend: str = Field(description="What would put it right; empty where nothing is known to.")


class Refusal(Exception):  # noqa: N818
    """Ends a request with a status and a problem."""

    def __init__(
        self, status: int, error: str, mend: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.mend, self.headers = status, error, mend, dict(headers or {})

    def answer(self) -> JSONResponse:
        """Return the answer that says so."""
        body = {"error": self.error, "mend": self.mend}
        return JSONResponse(body, self.status, headers=self.headers)


_SAID: Final[Mapping[int, tuple[str, str]]] = {
    400: ("the request can't be read", "send one JSON document, as the OpenAPI document says"),
    401: ("a token is needed", "send the header Authorization: Bearer TOKEN; make one by: "
          "earnest token create NAME --scope read"),
    403: ("this token has not got the scope", "make one that has: earnest token create NAME "
          "--scope SCOPE"),
    404: ("there is nothing here by that name", "the paths are in /openapi.json"),
    405: ("this can't be done here", "the header Allow says what can"),
    408: ("the request came too slowly", "send it again"),
    409: ("it does not go with what is there: the table, the numbers, what is queued",
          "the error says how"),
    413: ("the request is too large", "send less"),
    415: ("a body is sent as application/json", "send the header Content-Type: application/json"),
    422: ("the request is wrong", "see /openapi.json"),
    429: ("too much was asked for in a short time", "wait as long as the header Retry-After says"),
    500: ("something went wrong in this server", "its own log says what"),
    503: ("this server can't do that now", "see the error; reading still works"),
}  # fmt: skip


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the errors with these statuses."""
    return {
        status: {"model": Problem, "description": _SAID[status][0].capitalize() + "."}
        for status in sorted(statuses)
    }


def refusal(status: int, error: str = "", headers: Mapping[str, str] | None = None) -> Refusal:
    """Return the refusal that goes with a status; `error` says it more exactly."""
    said, mend = _SAID.get(status, ("the request failed", ""))
    return Refusal(status, error or said, mend, headers)


def _legible(text: str) -> str:
    """Return text, as long as a person would read, line by line without what does not show."""
    return "\n".join(plain(line) for line in text[:_LONGEST].splitlines())


def _answer(error: EarnestError) -> JSONResponse:
    """Answer an error of ours; one that is about this server's own state says no more than that."""
    status = _status(error)
    if status == 500:
        return refusal(status).answer()
    headers = {"Retry-After": "60"} if status == 429 else {}
    return Refusal(status, _legible(str(error)), _legible(error.mend), headers).answer()


def _status(error: EarnestError) -> int:
    if isinstance(error, QuotaError):
        return 429
    if isinstance(error, AbsentError):
        return 404
    if isinstance(error, LackError | SandboxError):
        return 503
    if isinstance(error, ToolError) and not isinstance(error, ArgumentsError):
        # Of the right form, but it does not go with what is there.
        return 409
    return 422 if isinstance(error, ArgumentsError | UsageError) else 500


def _allowed(app: FastAPI, path: str) -> list[str]:
    """Return what may be done at a path, by all routers together: each knows its own only."""
    paths = app.openapi()["paths"]
    found = [methods for known, methods in paths.items() if compile_path(known)[0].match(path)]
    return sorted(method.upper() for methods in found for method in methods)


def handle(app: FastAPI) -> None:
    """Have an app answer every error in this form."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return error.answer()

    @app.exception_handler(EarnestError)
    async def ours(_: Request, error: EarnestError) -> JSONResponse:
        return _answer(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # Which argument is wrong, and how; its value is not repeated.
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
        )
        return refusal(422, _legible(wrong)).answer()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_allowed(app, request.url.path))
        return refusal(error.status_code, headers=headers).answer()

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, __: Exception) -> JSONResponse:
        return refusal(500).answer()
