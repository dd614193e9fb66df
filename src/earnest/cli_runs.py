"""The options of the verbs that make runs, and look at them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earnest.cli_options import common, table_options
from earnest.cli_work import WORK, mcp_option, work_option, work_options


def _model_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--model",
        default="analyst",
        help="analyst (default), openai:NAME, "
        "or http://HOST:PORT/v1#NAME for any compatible server",
    )
    verb.add_argument(
        "--closed-book",
        default="",
        metavar="MODEL",
        help="the model that is asked, without table and tools, what it knows of the claims: as "
        "for --model, or nano, or hf:FOLDER (default: the run's own)",
    )


def _add_run(verbs: Any) -> None:
    verb = verbs.add_parser(
        "run",
        help="one agent run to verified findings and a report",
        epilog='example: earnest run "What is going on here?" --data my.csv --model analyst',
    )
    verb.add_argument("prompt", help="what to find out; may be vague")
    verb.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a CSV, JSON, Parquet or Excel file, also gzipped; may be given more than once",
    )
    verb.add_argument(
        "--bundled",
        action="append",
        default=[],
        metavar="NAME",
        help="a table that comes with statsmodels or scikit-learn",
    )
    work_option(verb)
    mcp_option(verb)
    _model_options(verb)
    verb.add_argument(
        "--sandbox",
        default="auto",
        metavar="NAME",
        help="warm, bwrap, sandlock, container, or unsafe-local, which isolates nothing; "
        "verification isolates in any case (default: the best this machine has)",
    )
    verb.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="HOST",
        help="let the agent's code reach a host; all that passes is recorded (default: none). "
        "May be given more than once",
    )
    verb.add_argument("--steps", type=int, default=60, help="most model turns (default: 60)")
    verb.add_argument("--minutes", type=float, default=30, help="most time (default: 30)")
    verb.add_argument(
        "--no-ledger", action="store_true", help="tell the agent nothing of what is known already"
    )
    table_options(verb)
    common(verb, "run")


def _add_looks(verbs: Any) -> None:
    verb = verbs.add_parser("resume", help="go on with an interrupted run")
    verb.add_argument("run")
    common(verb, "resume")
    verb = verbs.add_parser("runs", help="list runs, or show one")
    verb.add_argument("what", choices=("list", "show", "report", *WORK))
    verb.add_argument("run", nargs="?", default="")
    work_options(verb)
    common(verb, "runs")


def add_runs(verbs: Any) -> None:
    """Add `run`, `resume`, `runs`."""
    _add_run(verbs)
    _add_looks(verbs)
