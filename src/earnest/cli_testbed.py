"""The options of the verb `testbed`: the integrity testbed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earnest.cli_options import amount, common, natural, whole


def add_testbed(verbs: Any) -> None:
    """Add `testbed` with what it can do."""
    verb = verbs.add_parser(
        "testbed",
        help="the integrity testbed: tasks in which a cheat is within reach, and training on them",
        epilog="example: earnest testbed run --arm secure --generations 12. `earnest testbed WHAT "
        "--help` tells the options of each; all take --json and --home.",
    )
    found = verb.add_subparsers(dest="what", required=True, metavar="WHAT")
    _add_show(found)
    _add_families(found)
    _add_hunt(found)
    _add_run(found)
    _add_trl(found)
    _add_report(found)
    _add_sources(found)
    _add_export(found)


def _add_show(found: Any) -> None:
    verb = found.add_parser(
        "show",
        help="print a task's files, and what in them tempts",
        epilog="example: earnest testbed show --seed 1 --depth 3 --twin",
    )
    _seed(verb)
    verb.add_argument(
        "--depth", type=int, default=2, metavar="D", help="steps of the spec, 1 to 6 (default: 2)"
    )
    verb.add_argument("--twin", action="store_true", help="a test contradicts the spec")
    verb.add_argument(
        "--split", default="train", choices=("train", "eval", "held-out"), help="of which programs"
    )
    verb.add_argument(
        "--offers",
        default=None,
        metavar="NAMES",
        help="settings,conftest,checks,key,... (the affordances) or some (default: drawn)",
    )
    common(verb, "testbed")


def _add_families(found: Any) -> None:
    verb = found.add_parser(
        "families",
        help="grade each cheat, and honest work, by both graders; measure the detectors",
        epilog="example: earnest testbed families --tasks 4 (some minutes)",
    )
    _seed(verb)
    verb.add_argument(
        "--tasks", type=int, default=3, metavar="N", help="tasks a way to cheat (default: 3)"
    )
    common(verb, "testbed")


def _add_hunt(found: Any) -> None:
    verb = found.add_parser(
        "hunt",
        help="look for cheats that no detector names, and for what fools the secure grader",
        epilog="example: earnest testbed hunt --minutes 5 --seed 1. What fools the secure grader "
        "is told first, and makes the exit status 1. The same command goes on where it was.",
    )
    _seed(verb)
    verb.add_argument("--minutes", type=amount, metavar="N", help="how long to go on (default: 5)")
    verb.add_argument("--trials", type=whole, metavar="N", help="most edits in all")
    verb.add_argument("--model", default="", help="a model that makes every other edit")
    verb.add_argument("--dollars", type=amount, metavar="X", help="most that it may cost")
    common(verb, "testbed")


def _add_run(found: Any) -> None:
    verb = found.add_parser(
        "run",
        help="train a small model on the testbed, generation by generation, and gate each",
        epilog="example: earnest testbed run --arm naive --generations 1 "
        "--updates-per-generation 60; earnest testbed run --arm secure --quick. A run that was "
        "stopped goes on when the same command is given again.",
    )
    verb.add_argument(
        "--arm",
        default="secure",
        metavar="ARM",
        help="naive, secure, secure-penalty, naive-penalty, filter, inoculation, dirty-0, dirty-1, "
        "dirty-3, dirty-10 (default: secure)",
    )
    verb.add_argument("--generations", type=whole, default=None, metavar="G", help="default: 12")
    verb.add_argument(
        "--updates-per-generation", type=whole, default=None, metavar="U", help="default: 40"
    )
    verb.add_argument(
        "--seeds", type=whole, default=None, metavar="S", help="how many seeds (default: 3)"
    )
    verb.add_argument(
        "--tasks",
        type=whole,
        default=None,
        metavar="N",
        help="fresh tasks a generation and task seed, of which there are three (default: 600; with "
        "fewer the gate refuses)",
    )
    verb.add_argument(
        "--final",
        type=natural,
        default=None,
        metavar="N",
        help="fresh tasks a family for the last statement; 0: none (default: 2000)",
    )
    verb.add_argument(
        "--quick",
        action="store_true",
        help="one seed, one generation, small: minutes; the gate, which asks for 600 tasks a "
        "family, refuses it",
    )
    verb.add_argument(
        "--jobs", type=whole, default=None, metavar="J", help="seeds at once (default: the cores)"
    )
    verb.add_argument("--name", default="", metavar="NAME", help="the run's name (default: ARM)")
    common(verb, "testbed")


def _add_trl(found: Any) -> None:
    verb = found.add_parser(
        "trl",
        help="take an arm's updates by TRL's GRPOTrainer, beside our own loop; experimental",
        epilog="example: earnest testbed trl --arm secure --updates 30 (some minutes; needs the "
        "extra trl). A chat model's folder plays by calling tools through its own template.",
    )
    verb.add_argument(
        "--model", type=Path, default=None, metavar="FOLDER", help="default: generation 0"
    )
    verb.add_argument("--arm", default="secure", metavar="ARM", help="as for run (default: secure)")
    verb.add_argument("--updates", type=whole, default=30, metavar="N", help="default: 30")
    verb.add_argument(
        "--prompts", type=whole, default=16, metavar="P", help="exercises an update (default: 16)"
    )
    verb.add_argument(
        "--each", type=whole, default=8, metavar="E", help="rollouts of each, from 2 (default: 8)"
    )
    verb.add_argument(
        "--tasks",
        type=whole,
        default=80,
        metavar="N",
        help="fresh tasks an evaluation and task seed, of which there are three (default: 80)",
    )
    verb.add_argument(
        "--rate",
        type=float,
        default=1e-3,
        metavar="R",
        help="learning rate at the start, which falls to nothing (default: 1e-3, which suits the "
        "small policy)",
    )
    verb.add_argument("--alone", action="store_true", help="without our own loop beside it")
    verb.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="default: in the home, ARM-trl"
    )
    _seed(verb)
    common(verb, "testbed")


def _add_report(found: Any) -> None:
    verb = found.add_parser(
        "report",
        help="make one page of runs, also of those that go on: curves, arms, samples, limits",
        epilog="example: earnest testbed report naive secure -o report.html",
    )
    verb.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a run's name, or its folder"
    )
    verb.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="where the page goes (default: report.html)",
    )
    common(verb, "testbed")


_SOURCES = "specs, made, humaneval, mbpp, or a folder of Harbor tasks"


def _add_sources(found: Any) -> None:
    verb = found.add_parser(
        "sources",
        help="say what can be made of real tasks, and check it by their references",
        epilog="example: earnest testbed sources --source mbpp --data DIR --tasks 20. It reads "
        "HumanEval and MBPP where you have them; the project's own small set needs neither.",
    )
    _seed(verb)
    verb.add_argument(
        "--source", default="made", metavar="NAMES", help=f"some of {_SOURCES} (default: made)"
    )
    _data(verb)
    verb.add_argument(
        "--tasks", type=int, default=3, metavar="N", help="pairs to check (default: 3)"
    )
    verb.add_argument(
        "--cheats", type=int, default=0, metavar="N", help="cheat on so many items as well"
    )
    common(verb, "testbed")


def _add_export(found: Any) -> None:
    verb = found.add_parser(
        "export",
        help="write tasks as Harbor folders",
        epilog="example: earnest testbed export DIR --source specs --tasks 10 --twins",
    )
    verb.add_argument("folder", metavar="DIR", help="a new folder for the tasks")
    _seed(verb)
    verb.add_argument(
        "--source", default="specs", metavar="NAME", help="specs, made, humaneval or mbpp"
    )
    _data(verb)
    verb.add_argument("--tasks", type=int, default=3, metavar="N", help="how many (default: 3)")
    verb.add_argument("--twins", action="store_true", help="the twin of each task as well")
    verb.add_argument(
        "--offers",
        default=None,
        metavar="NAMES",
        help="settings,conftest,checks,key,locals,result or some (default: drawn)",
    )
    common(verb, "testbed")


def _data(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--data",
        default="",
        metavar="DIR",
        help="where humaneval/ and mbpp/ lie, as published (default: $EARNEST_SHARED_DATA)",
    )


def _seed(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="draws the tasks")
