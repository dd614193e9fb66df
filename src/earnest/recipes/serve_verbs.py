"""The verbs `serve` and `token`: the HTTP API, and who may ask it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import LackError, UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.answer import Answer

if TYPE_CHECKING:
    from earnest.recipes.desk import OutsideDesk
    from earnest.serve.api import Part
    from earnest.serve.door import Door, Limits

_END_S: Final = 3.0
_TERMINATED: Final = 128 + signal.SIGTERM
_CONNECTIONS: Final = 256
_IDLE_S: Final = 15
_LAST_PORT: Final = 65535


def token(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`token create|list|revoke`."""
    from earnest.serve.tokens import TokenStore

    store, now = TokenStore(home.tokens), datetime.now(UTC)
    if options.what == "list":
        told = [one.told(now) for one in store.tokens()]
        words = "\n".join(_line(one) for one in told) or "  no tokens"
        return 0, {"version": 1, "tokens": told}, words
    if not options.name:
        raise UsageError(f"{options.what} which token?", mend=f"earnest token {options.what} NAME")
    if options.what == "revoke":
        gone = store.revoke(options.name).told(now)
        return 0, {"version": 1, **gone}, f"revoked {gone['name']}: it is worth nothing from now on"
    secret, made = store.create(
        options.name, options.scope, principal=options.principal, days=options.days
    )
    say(f"{made.name}: {', '.join(made.scopes)}. It is shown this once, and kept as a hash:")
    return 0, {"version": 1, "token": secret, **made.told(now)}, secret


def _line(told: dict[str, Any]) -> str:
    until = f", until {told['expires'][:10]}" if told["expires"] else ""
    scopes = ",".join(told["scopes"])
    return f"  {told['state']:<8} {told['name']:<20} {scopes:<16} as {told['principal']}{until}"


def serve(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`serve`: until it is interrupted or told to end."""
    for package in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise LackError(f"{package} is not installed", mend="pip install 'earnest[serve]'")
    if options.json:
        raise UsageError("serve answers over HTTP", mend="leave --json away")
    from earnest.recipes.desk import OutsideDesk
    from earnest.recipes.quota import Quota
    from earnest.serve.tokens import TokenStore

    _safe(options.host, options.behind_proxy)
    tokens = TokenStore(home.tokens)
    with _listening(options.host, options.port) as listener:
        quota = Quota(home, submissions=options.per_hour, seconds=options.script_seconds)
        desk = OutsideDesk(home, say, quota=quota)
        app = app_of(home, desk, hosts=options.host_name)
        desk.open()
        status = 0
        try:
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            say(f"serving {home.ledger} at http://{shown}:{port}")
            if not any(one.state(datetime.now(UTC)) == "active" for one in tokens.tokens()):
                say("make a token: earnest token create NAME --scope read --scope submit")
            with _terminable():
                _run(app, listener, options.behind_proxy)
        except KeyboardInterrupt:
            status = 130
            raise
        except SystemExit:
            status = _TERMINATED
            raise
        finally:
            if not desk.close(_END_S):
                # A verification may take minutes. What it was at lies on disk, and is taken up
                # when a desk of this home is opened again.
                sys.stderr.flush()
                os._exit(status)
    return 0, {}, ""


def app_of(
    home: Home,
    desk: OutsideDesk,
    *,
    hosts: Sequence[str] = (),
    limits: Limits | None = None,
    parts: Sequence[Part] = (),
) -> Door:
    """Return what is served: the ledger, the tables, the desk, the exchange with other ledgers.

    `parts`: further endpoints.
    """
    from earnest.recipes.desk import submission
    from earnest.recipes.sync_http import sync_of
    from earnest.serve.answers import Answers
    from earnest.serve.api import Served, create_app
    from earnest.serve.submitting import Intake
    from earnest.serve.tokens import TokenStore

    answers = Answers(home.ledger, home.blobs, home.trusted)
    served = Served(answers, desk.tables, Intake(desk, submission().parameters))
    parts = (sync_of(home), *parts)
    return create_app(TokenStore(home.tokens), served, hosts=hosts, limits=limits, parts=parts)


def _safe(host: str, proxy: str) -> None:
    """Raise `UsageError` where tokens would cross a network in the clear."""
    if proxy:
        try:
            ip_network(proxy)
        except ValueError:
            raise UsageError(
                f"{proxy!r} is no address of a proxy", mend="--behind-proxy 10.0.0.2, or a network"
            ) from None
        return
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise UsageError(
            f"at {host} tokens would cross the network in the clear: Earnest speaks no TLS itself",
            mend="put a reverse proxy in front that does, and say so: --behind-proxy ADDRESS "
            "(docs/api.md has an example)",
        )


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises `UsageError`."""
    if not 0 <= port <= _LAST_PORT:
        raise UsageError(f"there is no port {port}", mend="--port 0 takes a free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"can't listen at {host}: {error}", mend="--host 127.0.0.1") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_CONNECTIONS)  # whoever reads the address below may connect at once
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} at {host} can't be had: {error}", mend="--port 0 takes a free one"
        ) from error
    return listener


@contextmanager
def _terminable() -> Iterator[None]:
    """End by SIGTERM as by Ctrl-C: what was submitted is put away first."""

    def end(*_: object) -> None:
        raise SystemExit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(app: Door, listener: socket.socket, proxy: str) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxy),
        forwarded_allow_ips=proxy or None,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[listener])
