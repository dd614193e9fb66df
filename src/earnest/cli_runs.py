"""The options of the verbs that make runs, and look at them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earnest.cli_options import amount, common, count, table_options, whole
from earnest.cli_work import WORK, finding_options, mcp_option, work_option, work_options


def _model_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--model",
        default="analyst",
        help="analyst (default, no language model), anthropic:NAME, openai:NAME, "
        "http://HOST:PORT/v1#NAME for any server compatible with OpenAI's (#NAME?sees: it takes "
        "pictures), or hf:FOLDER for a checkpoint that can call tools",
    )
    verb.add_argument(
        "--closed-book",
        default="",
        metavar="MODEL",
        help="the model that is asked, without table and tools, what it knows of the claims: as "
        "for --model, or nano (default: the run's own)",
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
    finding_options(verb)
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
    _limits(verb)
    verb.add_argument(
        "--no-ledger", action="store_true", help="tell the agent nothing of what is known already"
    )
    table_options(verb)
    common(verb, "run")


def _limits(verb: argparse.ArgumentParser) -> None:
    """Add what a run may do and use, which is kept with it, and how it is watched."""
    verb.add_argument(
        "--policy",
        choices=("ask", "auto", "plan"),
        default="auto",
        help="ask: you are asked before it reaches a host, or touches anything outside the run "
        "(without a terminal: no); auto: that is refused, but for reading from allowed hosts; "
        "plan: it only reads (default: auto)",
    )
    verb.add_argument("--steps", type=whole, default=60, help="most model turns (default: 60)")
    verb.add_argument("--minutes", type=amount, default=30, help="most time (default: 30)")
    verb.add_argument(
        "--tokens", type=whole, metavar="N", help="most tokens, in and out (default: no limit)"
    )
    verb.add_argument(
        "--dollars", type=amount, metavar="X", help="most money, in US dollars (default: no limit)"
    )
    _quiet(verb)


def _quiet(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--quiet", action="store_true", help="say nothing while it goes on, but what is asked"
    )


def _add_looks(verbs: Any) -> None:
    verb = verbs.add_parser(
        "resume",
        help="go on with an interrupted run",
        epilog="example: earnest resume RUN. It goes on with the model, the policy and the budget "
        "it was begun with.",
    )
    verb.add_argument("run")
    _quiet(verb)
    common(verb, "resume")
    verb = verbs.add_parser(
        "runs",
        help="list runs; show, report, export one; what it changed in your folder",
        epilog="examples: earnest runs list; earnest runs show RUN --step 3; earnest runs accept "
        "RUN; earnest runs export RUN --as html. Exports are ATIF v1.7 (Harbor's format), chat "
        "messages as JSON lines, or a page to read.",
    )
    verb.add_argument("what", choices=("list", "show", "report", "export", *WORK))
    verb.add_argument("run", nargs="?", default="")
    verb.add_argument(
        "--step",
        type=count,
        metavar="N",
        help="show: one step, whole; diff: as it was after that step",
    )
    verb.add_argument(
        "--as",
        dest="form",
        choices=("atif", "chat", "html"),
        default="atif",
        help="export: as what (default: atif)",
    )
    verb.add_argument("--out", type=Path, metavar="FILE", help="export: where to (default: here)")
    work_options(verb)
    common(verb, "runs")


def add_runs(verbs: Any) -> None:
    """Add `run`, `resume`, `runs`."""
    _add_run(verbs)
    _add_looks(verbs)
