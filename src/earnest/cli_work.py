"""The options of what a run does with the user's folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from earnest.cli_options import common, count

WORK: Final = ("diff", "undo", "accept")


def work_option(verb: argparse.ArgumentParser) -> None:
    """Add `--work`."""
    verb.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="hand the agent a copy of a folder of yours; yours changes only when you accept: "
        "earnest runs diff RUN, runs accept RUN",
    )


def mcp_option(verb: argparse.ArgumentParser) -> None:
    """Add `--mcp`."""
    verb.add_argument(
        "--mcp",
        type=Path,
        metavar="FILE",
        help="MCP servers that the agent may use, in the mcpServers form of other agents; beside "
        "those in mcp.json of Earnest's own folder. What they do is classed there (docs/tools.md)",
    )


def finding_options(verb: argparse.ArgumentParser) -> None:
    """Add `--web`, `--embeddings`."""
    verb.add_argument(
        "--web",
        default="",
        metavar="NAME",
        help="let the agent search the web by a service: brave, tavily, or one described in "
        "search.json of Earnest's own folder (default: none; docs/tools.md)",
    )
    verb.add_argument(
        "--embeddings",
        default="",
        metavar="MODEL",
        help="let `search` find by meaning as well: hf:FOLDER, a checkpoint for sentence "
        "embeddings, or http://HOST:PORT/v1#NAME, a server compatible with OpenAI's (default: by "
        "words alone)",
    )


def work_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of `runs diff|undo|accept`."""
    verb.add_argument(
        "--to",
        type=count,
        metavar="STEP",
        help="undo: to what it was after that step; 0: what was handed in (default: the step "
        "before the last that changed a file)",
    )
    verb.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="PATH",
        help="accept: these files and folders alone, named as the diff has them",
    )
    verb.add_argument("--yes", action="store_true", help="accept: without being asked")


def add_stop(verbs: Any) -> None:
    """Add `stop`."""
    verb = verbs.add_parser(
        "stop",
        help="end a run, or all that is at work, within two seconds; nothing recorded is lost",
        epilog="examples: earnest stop RUN; earnest stop --all. A stopped run goes on with: "
        "earnest resume RUN",
    )
    verb.add_argument("run", nargs="?", default="")
    verb.add_argument("--all", action="store_true", help="runs, demos, benchmarks: all that works")
    verb.add_argument("--servers", action="store_true", help="all: and `serve`, `mcp`, `verifier`")
    common(verb, "stop")
