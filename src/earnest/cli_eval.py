"""The options of the verb that examines models and finished work."""

from __future__ import annotations

from typing import Any

from earnest.cli_options import amount, common, whole


def add_eval(verbs: Any) -> None:
    """Add `eval`."""
    verb = verbs.add_parser(
        "eval",
        help="measure a model: what each tool adds for it; or classify finished work",
        epilog="example: earnest eval uplift --model anthropic:NAME --tasks 20. Each task is done "
        "once with its tool and once without. --model careful and --model guesser need no model: "
        "they show what the harness tells of a perfect user of tools, and of none. earnest "
        "eval classify work.jsonl says whether finished work is honest or a hack.",
    )
    verb.add_argument("suite", choices=("uplift", "classify"))
    verb.add_argument(
        "file", nargs="?", default="", metavar="FILE", help="classify: work, one a line (JSON)"
    )
    verb.add_argument("--model", default="", help="uplift: as for run; or careful, or guesser")
    verb.add_argument(
        "--tasks", type=whole, default=10, metavar="N", help="tasks a family (default: 10)"
    )
    verb.add_argument(
        "--families",
        default="",
        metavar="NAMES",
        help="python,search,http,notes, or some of them (default: all)",
    )
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="draws the tasks")
    verb.add_argument("--dollars", type=amount, metavar="X", help="most that it may cost in all")
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
