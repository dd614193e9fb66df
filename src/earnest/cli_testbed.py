"""The options of the verb that shows the integrity testbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earnest.cli_options import common


def add_testbed(verbs: Any) -> None:
    """Add `testbed`."""
    verb = verbs.add_parser(
        "testbed",
        help="the integrity testbed: tasks in which a cheat is within reach, families, reports",
        epilog="example: earnest testbed show --seed 1 --depth 3 --twin. `families` grades each "
        "cheat, and honest work, by both graders, and measures the detectors (about a minute). "
        "`report RUN [RUN ...] -o FILE` makes one page of runs, also of those that go on.",
    )
    verb.add_argument("what", choices=("show", "families", "report"))
    verb.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="report: a run's folder")
    verb.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="report: where the page goes (default: report.html)",
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
        "--tasks", type=int, default=3, metavar="N", help="families: tasks a way (default: 3)"
    )
    common(verb, "testbed")
