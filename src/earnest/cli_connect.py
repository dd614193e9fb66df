"""The verb by which agent programs get to know of Earnest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from earnest.cli_options import common

_EXAMPLES: Final = """\
Writes the MCP server, a skill and hooks that capture sessions into the agent's own configuration.
Shows what changes first; the same command again changes nothing.
  earnest connect claude-code                     for you, in every project
  earnest connect codex --scope project           for everyone in this folder's project
  earnest connect cursor --dry-run                only show it
  earnest connect claude-code --remove            take it out again
  earnest connect claude-code --plugin DIR        a plugin folder, to give away or to try"""


def add_connect(verbs: Any) -> None:
    """Add `connect`."""
    verb = verbs.add_parser(
        "connect",
        help="let Claude Code, Codex or Cursor search findings, submit them, and be captured",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES,
    )
    verb.add_argument("agent", choices=("claude-code", "codex", "cursor"))
    verb.add_argument(
        "--scope",
        choices=("user", "project"),
        default="user",
        help="your own settings (default), or the project in this folder",
    )
    verb.add_argument("--remove", action="store_true", help="take out what this command put in")
    verb.add_argument("--dry-run", action="store_true", help="show it, and write nothing")
    verb.add_argument("--yes", action="store_true", help="write it without asking")
    verb.add_argument(
        "--plugin", type=Path, metavar="DIR", help="write a plugin to a new folder instead"
    )
    common(verb, "connect")
