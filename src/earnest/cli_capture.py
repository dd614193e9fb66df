"""The parser of `earnest capture`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from earnest.cli_options import common, count

_EPILOG: Final = """\
Without arguments: what is new in ~/.claude/projects and ~/.codex/sessions, and what hooks spooled.
earnest capture --dry-run                        say what would be kept, and what would be redacted
earnest capture --from trajectory.json           one file, or a folder of them
earnest capture list
earnest capture show SESSION                     what it concluded, and what there is to look at
earnest capture conduct                          what there is to look at, in all sessions
earnest capture forget SESSION                   remove what is kept of it, for good"""


def add_capture(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "capture",
        help="keep what other agents' sessions did and concluded, secrets taken out",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    verb.add_argument(
        "what",
        nargs="?",
        default="new",
        choices=("new", "list", "show", "conduct", "forget"),
        metavar="new|list|show|conduct|forget",
        help="default: new",
    )
    verb.add_argument("session", nargs="?", default="", help="a session's id, or its beginning")
    verb.add_argument(
        "--from",
        dest="source",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="a transcript, or a folder of them. May be given more than once",
    )
    verb.add_argument(
        "--format",
        default="auto",
        metavar="NAME",
        help="claude-code, codex, atif, chat, chat-lines, inspect, swe-agent (default: by content)",
    )
    verb.add_argument(
        "--no-submit",
        action="store_true",
        help="don't hand in the findings that sessions state for Earnest",
    )
    verb.add_argument(
        "--no-rerun",
        action="store_true",
        help="don't run the scripts again, in a jail, of which the table is registered here",
    )
    _ways(verb)
    verb.add_argument("--limit", type=count, default=100, metavar="N", help="default: 100; 0: all")
    common(verb, "capture")


def _ways(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--dry-run", action="store_true", help="keep nothing, say what would be kept")
    verb.add_argument(
        "--spooled", action="store_true", help="only what hooks have spooled, no folders"
    )
    verb.add_argument(
        "--hook",
        action="store_true",
        help="for an agent's program: spool what is new of the transcript that the event on "
        "standard input names, and return; must stand first. With --import, an import is started",
    )
    verb.add_argument(
        "--rerun",
        action="store_true",
        help="with show: run the scripts once more, in a jail, whose table is registered here",
    )
    verb.add_argument("--import", dest="then", action="store_true", help=argparse.SUPPRESS)
    verb.add_argument(
        "--model",
        default="",
        metavar="MODEL",
        help="with show: let a model read typed claims in what was concluded (as for earnest run)",
    )
