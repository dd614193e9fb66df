"""The options of the verbs `serve` and `token`."""

from __future__ import annotations

import argparse
from typing import Any, Final

from earnest.cli_options import common, quota_options

PORT: Final = 8766
_SERVE: Final = """\
earnest token create laptop --scope read --scope submit   prints a token, once
earnest serve                                             at http://127.0.0.1:8766
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8766/v1/findings?query=weight

For other machines: a reverse proxy that speaks TLS in front, --host-name with the name by which it
is asked, and --behind-proxy. See docs/api.md."""
_TOKENS: Final = """\
earnest token create laptop --scope read --scope submit --days 90
earnest token list
earnest token revoke laptop     holds at once, on a running server too

A token is printed once and kept as a hash. Scopes: read (search, findings, tables), submit
(findings, which spend the principal's error budget and this machine's time), sync (exchange with
another ledger)."""


def add_serve(verbs: Any) -> None:
    """Add the verbs `serve` and `token`."""
    verb = verbs.add_parser(
        "serve",
        help="serve the ledger to other agents and machines: an HTTP API with tokens",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_SERVE,
    )
    verb.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen at (default: 127.0.0.1); another than this machine's own "
        "needs --behind-proxy",
    )
    verb.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}; 0: a free one"
    )
    verb.add_argument(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which it may be asked, beside localhost. May be given more than once",
    )
    verb.add_argument(
        "--behind-proxy",
        nargs="?",
        const="127.0.0.1",
        default="",
        metavar="ADDRESS",
        help="a reverse proxy at this address (default: 127.0.0.1) speaks TLS for it: what it says "
        "of its clients' addresses is believed",
    )
    quota_options(verb)
    common(verb, "serve")
    _add_token(verbs)


def _add_token(verbs: Any) -> None:
    verb = verbs.add_parser(
        "token",
        help="make, list or revoke the tokens with which `serve` is asked",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_TOKENS,
    )
    verb.add_argument("what", choices=("create", "list", "revoke"))
    verb.add_argument("name", nargs="?", default="", help="what the token is called")
    verb.add_argument(
        "--scope",
        action="append",
        default=[],
        metavar="SCOPE",
        help="read, submit or sync. May be given more than once",
    )
    verb.add_argument(
        "--principal",
        default="",
        metavar="NAME",
        help="whose quotas and error budget it uses (default: one of its own, by its name)",
    )
    verb.add_argument(
        "--days", type=float, metavar="N", help="how long it is good (default: until revoked)"
    )
    common(verb, "token")
