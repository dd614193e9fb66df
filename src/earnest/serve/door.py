"""What every request passes before any of our endpoints sees it.

In this order: the Host header (so that a web page can't reach us under a name of its own), the
token (every path but /health), the rate of its name and of its principal, the body's type, its
size and the time it takes. So an endpoint that forgets to ask for a scope is still closed to
whoever has no token, and who has none makes us keep nothing.

Not covered: connections that send no request, or an endless header. That is the reverse proxy's
part; without one we listen on this machine only.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address
from typing import Final, NoReturn

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earnest.core.errors import EarnestError
from earnest.serve.buckets import Buckets, Rate, seconds
from earnest.serve.problems import Refusal, refusal
from earnest.serve.tokens import Token, TokenStore

OPEN: Final = ("/health",)
"""The paths that need no token."""

CALLER: Final = "earnest.caller"
"""Where the token that was shown is kept, in the scope of a request."""

MIB: Final = 1024 * 1024
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


_HOST: Final = re.compile(r"(\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[^\[\]:/@?#\s]+))(:[0-9]{1,5})?")
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_TOKEN: Final = Rate(burst=300, a_minute=1200)
_PRINCIPAL: Final = Rate(burst=600, a_minute=2400)
_FAILURES: Final = Rate(burst=100, a_minute=60)


@dataclass(frozen=True)
class Limits:
    """How much may be asked, by each token, by each principal, by each address without a token.

    `body`: bytes of a request; `held`: of all that are being taken or answered, together;
    `body_s`: seconds in which a body must have come; `at_once`, `at_once_each`: submissions that
    are tried at the same time, of all and of one principal.
    """

    token: Rate = _TOKEN
    principal: Rate = _PRINCIPAL
    failures: Rate = _FAILURES
    body: int = MIB
    held: int = 128 * MIB
    body_s: float = 30.0
    at_once: int = 16
    at_once_each: int = 4


@dataclass(frozen=True)
class Bodies:
    """What a body below some path may be: how long (0: as any other), and of which media type."""

    most: int = 0
    media: tuple[str, ...] = ("application/json",)


@dataclass
class Door:
    """An ASGI app around another one. `hosts`: the names under which this server may be asked."""

    app: ASGIApp
    tokens: TokenStore
    hosts: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    bodies: Mapping[str, Bodies] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._each = Buckets(self.limits.token)
        self._principals = Buckets(self.limits.principal)
        self._failures = Buckets(self.limits.failures)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return None

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            self._admit(scope)
            allowed, room = self._room(scope)
        except (Refusal, EarnestError) as error:
            return await _turned_away(error, scope, receive, sealed)
        self._held += room
        try:
            body = await self._body(scope, receive, allowed)
            if body is not None:
                await self.app(scope, _replayed(body, receive), sealed)
        except Refusal as error:
            await _turned_away(error, scope, receive, sealed)
        finally:
            self._held -= room
        return None

    def _admit(self, scope: Scope) -> None:
        """Check host, token and rate. Raises `Refusal`."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _bare(hosts[0]) not in self.hosts:
            raise Refusal(
                400, "this server is not asked by that name", "earnest serve --host-name NAME"
            )
        if scope["path"] in OPEN:
            return
        token = self._token(headers.getlist("authorization"))
        if token is None:
            self._strange(scope)
        for buckets, name in ((self._each, token.name), (self._principals, token.principal)):
            if wait := buckets.take(name):
                raise refusal(429, headers={"Retry-After": str(seconds(wait))})
        scope[CALLER] = token

    def _token(self, shown: list[str]) -> Token | None:
        if len(shown) != 1:
            return None
        scheme, _, secret = shown[0].partition(" ")
        return self.tokens.find(secret.strip()) if scheme.lower() == "bearer" else None

    def _strange(self, scope: Scope) -> NoReturn:
        """Count a try without a good token against its address; raise the `Refusal`.

        A good token is looked at first: nobody is kept out for what others at its address do.
        """
        if wait := self._failures.take(_address(scope)):
            raise refusal(429, headers={"Retry-After": str(seconds(wait))})
        raise refusal(401, headers={"WWW-Authenticate": 'Bearer realm="earnest"'})

    def _room(self, scope: Scope) -> tuple[Bodies, int]:
        """Return what a request's body may be, and how much memory it may take. Raises `Refusal`.

        So that many large bodies at once, of who has not got the scope either, can't take all.
        """
        found = (one for path, one in self.bodies.items() if _below(scope["path"], path))
        allowed = next(found, Bodies())
        allowed = replace(allowed, most=allowed.most or self.limits.body)
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(declared):
            raise refusal(400)
        if int(declared) > allowed.most:
            raise _too_long(allowed.most)
        room = allowed.most if "transfer-encoding" in headers else int(declared)
        if room and self._held + room > self.limits.held:
            said = "too much is being sent here just now"
            raise refusal(429, said, headers={"Retry-After": "5"})
        return allowed, room

    async def _body(self, scope: Scope, receive: Receive, allowed: Bodies) -> bytes | None:
        """Return a request's body; None: who sent it has gone before its end.

        Raises `Refusal` as soon as it is too long, or too slow.
        """
        try:
            async with asyncio.timeout(self.limits.body_s):
                body = await _received(receive, allowed.most)
        except TimeoutError:
            raise refusal(408) from None
        if body is None:
            return None
        if len(body) > allowed.most:
            raise _too_long(allowed.most)
        media = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if body and media not in allowed.media:
            said = " or ".join(allowed.media)
            raise Refusal(415, f"a body is sent as {said}", f"send the header Content-Type: {said}")
        return body


def _too_long(most: int) -> Refusal:
    return refusal(413, f"a request's body has at most {most:,} bytes")


async def _turned_away(
    error: Refusal | EarnestError, scope: Scope, receive: Receive, send: Send
) -> None:
    answer = error.answer() if isinstance(error, Refusal) else refusal(500).answer()
    # What was not read of the body would be taken for the next request.
    answer.headers["Connection"] = "close"
    await answer(scope, receive, send)


async def _received(receive: Receive, most: int) -> bytes | None:
    """Return a body, or a beginning of it that is longer than `most`; None: it broke off."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


def _bare(host: str) -> str:
    """Return a host's name without its port, in lower case; empty where it is no host."""
    found = _HOST.fullmatch(host.strip().lower())
    return (found["six"] or found["name"]) if found else ""


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _address(scope: Scope) -> str:
    """Return whom a try is counted against: an address, or an IPv6 one's network (/64)."""
    client = scope.get("client")
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        address = None
    if isinstance(address, IPv6Address):
        return address.exploded[:19]
    return str(address)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a way to receive a body that was read already; afterwards what comes then."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
