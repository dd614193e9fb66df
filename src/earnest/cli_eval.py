"""The options of the verb that examines models."""

from __future__ import annotations

from typing import Any

from earnest.cli_options import amount, common, whole


def add_eval(verbs: Any) -> None:
    """Add `eval`."""
    verb = verbs.add_parser(
        "eval",
        help="measure a model: what each tool adds for it",
        epilog="example: earnest eval uplift --model anthropic:NAME --tasks 20. Each task is done "
        "once with its tool and once without. --model careful and --model guesser need no model: "
        "they show what the harness tells of a perfect user of tools, and of none.",
    )
    verb.add_argument("suite", choices=("uplift",))
    verb.add_argument("--model", required=True, help="as for run; or careful, or guesser")
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
    common(verb, "eval")
