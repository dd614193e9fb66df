"""Options that several verbs take."""

from __future__ import annotations

import argparse
from pathlib import Path


def count(text: str) -> int:
    """Read a number of findings."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of findings")
    return int(text)


def whole(text: str) -> int:
    """Read a whole number that is a limit."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def natural(text: str) -> int:
    """Read a number that may be 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)


def amount(text: str) -> float:
    """Read an amount that is a limit."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount above 0")
    return found


def table_options(verb: argparse.ArgumentParser) -> None:
    """Add the options that say how a file becomes a table."""
    verb.add_argument(
        "--design",
        default="",
        metavar="DESIGN",
        help="iid, grouped:COL or time:COL (default: guessed, and said)",
    )
    verb.add_argument(
        "--seal",
        type=float,
        default=0.4,
        metavar="SHARE",
        help="share of rows kept sealed for verification (default: 0.4)",
    )
    verb.add_argument("--key", default="", metavar="COL", help="column that names a row")
    verb.add_argument(
        "--read",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="say of a file what it doesn't: dates=day-first or month-first, decimal=point or "
        "comma, encoding=NAME, sheet=NAME. May be given more than once",
    )


def common(verb: argparse.ArgumentParser, name: str) -> None:
    """Add what every verb takes, and say which verb it is."""
    verb.set_defaults(verb=name)
    verb.add_argument(
        "--home",
        type=Path,
        default=None,
        metavar="DIR",
        help="where ledger, runs and models lie (default: $EARNEST_HOME)",
    )
    verb.add_argument("--json", action="store_true", help="print one JSON document")


def quota_options(verb: argparse.ArgumentParser) -> None:
    """Add the limits of what agents outside may submit."""
    verb.add_argument(
        "--per-hour",
        type=count,
        default=240,
        metavar="N",
        help="most submissions of a principal in an hour (default: 240)",
    )
    verb.add_argument(
        "--script-seconds",
        type=count,
        default=1800,
        metavar="N",
        help="seconds, of CPU or by the clock, that a principal's scripts may take in an hour "
        "(default: 1800)",
    )
