"""The options of what a run does with the user's folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from earnest.cli_options import count

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
