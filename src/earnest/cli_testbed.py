"""The options of the verb that shows the integrity testbed."""

from __future__ import annotations

from typing import Any

from earnest.cli_options import common


def add_testbed(verbs: Any) -> None:
    """Add `testbed`."""
    verb = verbs.add_parser(
        "testbed",
        help="the integrity testbed: tasks in which a cheat is within reach, and its families",
        epilog="example: earnest testbed show --seed 1 --depth 3 --twin. `families` grades each "
        "cheat, and honest work, by both graders, and measures the detectors (about a minute). "
        "`sources` says what can be made of HumanEval, MBPP or a folder of Harbor tasks; `export "
        "DIR` writes tasks as Harbor folders.",
    )
    verb.add_argument("what", choices=("show", "families", "sources", "export"))
    verb.add_argument(
        "folder", nargs="?", default="", metavar="DIR", help="export: a new folder for the tasks"
    )
    verb.add_argument(
        "--source",
        default="made",
        metavar="NAMES",
        help="sources, export: specs, made, humaneval, mbpp, or a folder of Harbor tasks "
        "(default: made)",
    )
    verb.add_argument(
        "--data", default="", metavar="DIR", help="where humaneval/ and mbpp/ lie, as published"
    )
    verb.add_argument("--twins", action="store_true", help="export: the twin of each task as well")
    verb.add_argument(
        "--cheats", type=int, default=0, metavar="N", help="sources: cheat on so many items as well"
    )
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
        help="show: settings,conftest,checks,key,locals,result or some (default: drawn)",
    )
    verb.add_argument(
        "--tasks",
        type=int,
        default=3,
        metavar="N",
        help="families: tasks a way; sources: pairs checked; export: tasks (default: 3)",
    )
    common(verb, "testbed")
