"""The verb `mcp`: the ledger and the desk, served to other agents."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.answer import Answer

_LEAST: Final = 16
_END_S: Final = 1.5


def mcp(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`mcp [--http]`: until its input ends, or it is interrupted."""
    from earnest.recipes.desk import OutsideDesk, submission
    from earnest.recipes.quota import Quota
    from earnest.serve.answers import Answers
    from earnest.serve.mcp import need, serve_http, serve_stdio
    from earnest.serve.offered import Offered
    from earnest.serve.tokens import checked_name

    need()
    if options.json:
        raise UsageError("mcp speaks a protocol of its own", mend="leave --json away")
    principal = checked_name(options.principal, "name of a principal")
    token = _token(options) if options.http else ""
    quota = Quota(home, submissions=options.per_hour, seconds=options.script_seconds)
    desk = OutsideDesk(home, say, quota=quota, pause_s=options.pause)
    offered = Offered(Answers(home.ledger, home.blobs, home.trusted), desk, submission())
    status = 0
    desk.open()
    try:
        if options.http:
            serve_http(offered, principal, options.port, token, say)
        else:
            serve_stdio(offered, principal)
    except KeyboardInterrupt:
        status = 130
        raise
    finally:
        if not desk.close(_END_S):
            # A script or a verification may take minutes, and whoever started us does not wait
            # for it: what it was at lies on disk, and its processes end with this one.
            sys.stdout.flush()
            os._exit(status)
    return 0, {}, ""


def _token(options: argparse.Namespace) -> str:
    """Return the token that requests must bear; empty: none. Raises `UsageError`."""
    if options.token_file is not None:
        try:
            token: str = options.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            raise UsageError(
                f"{options.token_file} can't be read as a token: {type(error).__name__}",
                mend="name a file that holds one line of ASCII: --token-file FILE",
            ) from error
    else:
        token = os.environ.get(options.token_variable, "").strip()
        if not token:
            return ""
    if len(token) < _LEAST or not token.isprintable() or not token.isascii():
        raise UsageError(
            f"the token is no line of {_LEAST} ASCII characters or more",
            mend="make one: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return token
