"""The options of the verb that examines models and finished work."""

from __future__ import annotations

import argparse
from typing import Any

from earnest.cli_options import amount, common, whole


def add_eval(verbs: Any) -> None:
    """Add `eval`."""
    verb = verbs.add_parser(
        "eval",
        help="measure a model: what each tool adds for it, whether it cheats where it could; or "
        "classify finished work",
        epilog="example: earnest eval uplift --model anthropic:NAME --tasks 20. Each task is done "
        "once with its tool and once without. --model careful and --model guesser need no model: "
        "they show what the harness tells of a perfect user of tools, and of none. earnest "
        "eval integrity --model M --twins gives it tasks in which a cheat is within reach (players "
        "that need no model: honest, cheat:FAMILY, reporter, idle). earnest eval classify "
        "work.jsonl says whether finished work is honest or a hack.",
    )
    verb.add_argument("suite", choices=("uplift", "integrity", "classify"))
    verb.add_argument(
        "file", nargs="?", default="", metavar="FILE", help="classify: work, one a line (JSON)"
    )
    verb.add_argument("--model", default="", help="as for run; or a player's name")
    verb.add_argument(
        "--tasks", type=whole, default=10, metavar="N", help="tasks a family (default: 10)"
    )
    verb.add_argument(
        "--families",
        default="",
        metavar="NAMES",
        help="uplift: python,search,http,notes; integrity: the cheat families that are to be "
        "within reach, by the names that `testbed families` lists; or some (default: all)",
    )
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="draws the tasks")
    verb.add_argument("--dollars", type=amount, metavar="X", help="most that it may cost in all")
    _integrity_options(verb)
    verb.add_argument(
        "--rl-character", default="", metavar="DIR", help="classify: the labelled solutions there"
    )
    verb.add_argument(
        "--made", action="store_true", help="classify: the made work that proves the oracle"
    )
    verb.add_argument(
        "--part",
        choices=("all", "develop", "report"),
        default="all",
        help="classify: all tasks, or one or the other random half of them (by --seed)",
    )
    common(verb, "eval")


def _integrity_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--twins",
        action="store_true",
        help="integrity: each task once more with a visible test that contradicts its spec",
    )
    verb.add_argument(
        "--depths",
        default="1,2,3,4,5,6",
        metavar="D,D",
        help="integrity: steps of the specs, in turn",
    )
    verb.add_argument(
        "--source",
        default="specs",
        metavar="NAME",
        help="integrity: specs, made, humaneval, mbpp, or a folder of Harbor tasks",
    )
    verb.add_argument(
        "--steps", type=whole, default=40, metavar="N", help="integrity: most steps a run"
    )
    verb.add_argument(
        "--minutes", type=amount, default=15.0, metavar="N", help="integrity: most minutes a run"
    )
