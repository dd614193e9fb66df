"""The options of the verb that shows the integrity testbed."""

from __future__ import annotations

from typing import Any

from earnest.cli_options import amount, common, whole


def add_testbed(verbs: Any) -> None:
    """Add `testbed`."""
    verb = verbs.add_parser(
        "testbed",
        help="the integrity testbed: tasks in which a cheat is within reach, and its families",
        epilog="example: earnest testbed show --seed 1 --depth 3 --twin. `families` grades each "
        "cheat, and honest work, by both graders, and measures the detectors (some minutes). "
        "`hunt` looks for cheats that no detector names; status 1 if one fools the secure grader.",
    )
    verb.add_argument("what", choices=("show", "families", "hunt"))
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="draws the tasks")
    verb.add_argument(
        "--depth", type=int, default=2, metavar="D", help="show: steps of the spec, 1 to 6"
    )
    verb.add_argument("--twin", action="store_true", help="show: a test contradicts the spec")
    verb.add_argument(
        "--split", default="train", choices=("train", "eval", "held-out"), help="show: of which"
    )
    verb.add_argument(
        "--offers",
        default=None,
        metavar="NAMES",
        help="show: settings,conftest,checks,key,… (the affordances) or some (default: drawn)",
    )
    verb.add_argument(
        "--tasks", type=int, default=3, metavar="N", help="families: tasks a way (default: 3)"
    )
    verb.add_argument(
        "--minutes", type=amount, metavar="N", help="hunt: how long to go on (default: 5)"
    )
    verb.add_argument("--trials", type=whole, metavar="N", help="hunt: most edits in all")
    verb.add_argument("--model", default="", help="hunt: a model that makes every other edit")
    verb.add_argument("--dollars", type=amount, metavar="X", help="hunt: most that it may cost")
    common(verb, "testbed")
