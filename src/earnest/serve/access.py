"""How an endpoint says which scope it needs, and learns who asks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import HTTPBearer, SecurityScopes

from earnest.serve.door import CALLER
from earnest.serve.problems import refusal
from earnest.serve.tokens import Scope, Token

_BEARER = HTTPBearer(
    scheme_name="token",
    description="A token that `earnest token create` printed; its scopes say what it may do.",
    auto_error=False,
)


async def _checked(
    request: Request, asked: SecurityScopes, _: Annotated[Any, Security(_BEARER)]
) -> Token:
    """Return whose token it is. Raises a `Refusal` where it has not got the scopes."""
    token: Token | None = request.scope.get(CALLER)
    if token is None:
        raise refusal(401, headers={"WWW-Authenticate": 'Bearer realm="earnest"'})
    missing = [scope for scope in asked.scopes if scope not in token.scopes]
    if missing:
        raise refusal(403, f"this token has not got the scope {' and '.join(missing)}")
    return token


def needs(scope: Scope) -> Any:
    """Return what lets in who has this scope: `caller: Annotated[Token, needs("read")]`."""
    return Security(_checked, scopes=[scope])
