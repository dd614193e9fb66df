"""The options of the verb `mcp`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from earnest.cli_options import common, count, quota_options

TOKEN: Final = "EARNEST_MCP_TOKEN"  # noqa: S105 (the variable's name, no token)
_EPILOG: Final = f"""\
earnest mcp                     for an agent that starts it itself (standard input and output)
earnest mcp --http --port 8765  at http://127.0.0.1:8765/mcp, for agents on this machine

The token that HTTP requests must bear comes from the file of --token-file, or else from the
environment variable {TOKEN}; with neither, none is asked for. See docs/serve.md."""


def add_mcp(verbs: Any) -> None:
    """Add the verb `mcp`."""
    verb = verbs.add_parser(
        "mcp",
        help="serve the ledger to other agents: search, submit, verify (MCP)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    verb.add_argument("--http", action="store_true", help="over HTTP on 127.0.0.1, at /mcp")
    verb.add_argument(
        "--port", type=int, default=8765, metavar="N", help="default: 8765; 0: a free one"
    )
    verb.add_argument("--token-file", type=Path, metavar="FILE", help="holds the bearer token")
    verb.add_argument(
        "--principal",
        default="local",
        metavar="NAME",
        help="whose error budget and quotas its callers use, such as: claude-code (default: local)",
    )
    quota_options(verb)
    verb.add_argument(
        "--pause",
        type=count,
        default=30,
        metavar="SECONDS",
        help="after how long without another submission a session's batch is verified "
        "(default: 30)",
    )
    verb.set_defaults(token_variable=TOKEN)
    common(verb, "mcp")
