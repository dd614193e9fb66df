"""The command line: verbs that call recipes (DESIGN.md, section 11).

Nothing heavy is imported before a verb needs it. With `--json`, standard output is exactly one
JSON document; everything for a person who waits goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from earnest import __version__
from earnest.cli_capture import add_capture
from earnest.cli_connect import add_connect
from earnest.cli_eval import add_eval
from earnest.cli_ledger import add_ledger
from earnest.cli_mcp import add_mcp
from earnest.cli_options import common, count, table_options
from earnest.cli_runs import add_runs
from earnest.cli_serve import add_serve
from earnest.cli_testbed import add_testbed
from earnest.cli_work import add_stop

if TYPE_CHECKING:
    from earnest.core.home import Home

_EXAMPLES: Final = """examples:
  earnest demo                                        the whole loop, no key needed
  earnest run "What is going on here?" --data my.csv  verified findings and a report
  earnest findings list --word confirmed
  earnest findings search "bill length"
  earnest ledger audit

exit status: 0 done; 1 the work ended without its goal; 2 wrong usage; 3 the machine lacks
something (the message names the command that mends it); 130 interrupted, resumable."""

_CATALOGUE: Final = """\
FILE is CSV with a header, or JSON lines. Columns: outcome, exposure, direction, and where they are
needed kind, group, versus, table, subset, modifier; or text; and always source. Examples:
  {"outcome": "mpg", "exposure": "weight", "direction": "negative", "source": "Smith 2020"}
  {"outcome": "wage", "exposure": "sex", "group": "f", "direction": "lower", "source": "Doe 1999"}
  {"text": "Heavier cars use more fuel.", "source": "https://example.org/cars"}
earnest catalogue add known.csv
earnest catalogue list"""
_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"earnest: {message}\nTry: {self.prog} --help\n")


def say(line: str) -> None:
    """Tell a person who waits something, on standard error."""
    print(line, file=sys.stderr, flush=True)


def _add_demo(verbs: Any) -> None:
    verb = verbs.add_parser(
        "demo",
        help="the whole loop on embedded models and bundled real tables",
        epilog="An interrupted demo goes on where it was; a finished one makes room for a new one.",
    )
    verb.add_argument("--seed", type=int, default=0, help="seed of the training (default: 0)")
    common(verb, "demo")


def _add_small(verbs: Any) -> None:
    verb = verbs.add_parser("seal", help="split a table once and for all, before anyone looks")
    verb.add_argument("file", type=Path)
    table_options(verb)
    common(verb, "seal")
    verb = verbs.add_parser("doctor", help="the state of this machine, and what would mend it")
    common(verb, "doctor")


def _add_findings(verbs: Any) -> None:
    verb = verbs.add_parser(
        "findings",
        help="list, search, show, verify, export or retract findings",
        epilog="verify ID --on FILE tries any finding again on new rows (one that is not confirmed "
        "becomes a finding of its own there), verify ID a confirmed one of no table on inputs "
        "drawn anew; export writes an RO-Crate that a stranger can check and run again without "
        "Earnest",
    )
    verb.add_argument("what", choices=("list", "search", "show", "verify", "export", "retract"))
    verb.add_argument("query", nargs="?", default="", help="words to search, or an id")
    verb.add_argument("--on", type=Path, metavar="FILE", help="a table with new rows, to verify on")
    verb.add_argument("--why", default="", metavar="TEXT", help="why it is retracted")
    verb.add_argument(
        "--by", default="", metavar="NAME", help="who retracts it (default: this account's name)"
    )
    verb.add_argument("--out", type=Path, metavar="DIR", help="new folder for the export")
    verb.add_argument(
        "--most-mib",
        type=float,
        default=32,
        help="larger files stay out of an export and are named (default: 32)",
    )
    verb.add_argument("--imported", action="store_true", help="list: what came from other ledgers")
    verb.add_argument("--word", default="", help="only with this verdict")
    verb.add_argument("--run", default="", help="only of this run")
    verb.add_argument(
        "--limit",
        type=count,
        metavar="N",
        help="the newest N of a list (default: 100), the best N of a search (20); 0: all",
    )
    common(verb, "findings")


def _add_catalogue(verbs: Any) -> None:
    verb = verbs.add_parser(
        "catalogue",
        help="say what is known elsewhere, so that verdicts tell what is new",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_CATALOGUE,
    )
    verb.add_argument("what", choices=("add", "list", "remove"))
    verb.add_argument("subject", nargs="?", default="", help="the FILE to add, the NAME to remove")
    verb.add_argument(
        "--name", default="", metavar="NAME", help="what it is called here (default: the file's)"
    )
    common(verb, "catalogue")


def _add_proofs(verbs: Any) -> None:
    verb = verbs.add_parser(
        "sandbox",
        help="prove the sandbox: hostile programs, forged grades, peers' graders, a soak",
        epilog="example: earnest sandbox selftest --backend warm. Hostile programs run in an outer "
        "jail, which sees neither your home nor this folder.",
    )
    verb.add_argument("what", choices=("selftest", "forge", "peers", "soak"))
    verb.add_argument(
        "--backend", default="", metavar="NAME", help="default: what this machine gets"
    )
    verb.add_argument(
        "--as-user", action="store_true", help="where you are root: run it as an ordinary user"
    )
    verb.add_argument(
        "--executions", type=int, default=2000, help="how many the soak makes (default: 2000)"
    )
    common(verb, "sandbox")


def _add_bench(verbs: Any) -> None:
    verb = verbs.add_parser("bench", help="measure something beside its peers, in one run")
    verb.add_argument(
        "name",
        choices=(
            *("sandbox", "grader", "ledger", "verify", "honesty", "discoveries", "shared"),
            *("search", "agent", "gate", "grades", "rollouts"),
        ),
    )
    verb.add_argument(
        "--seconds",
        type=float,
        default=60,
        help="how long `sandbox` measures, and `ledger` its searches (default: 60)",
    )
    verb.add_argument(
        "--findings",
        type=int,
        default=1_000_000,
        metavar="N",
        help="how many `ledger` writes first (default: a million)",
    )
    verb.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help="what `grader`, `honesty` and `shared` run in (default: what this machine gets)",
    )
    for name, default, what in (
        ("weak", 4, "tables of each kind on which `honesty` tries weak effects"),
        ("ledgers", 20, "simulated ledgers of `discoveries`"),
        ("tables", 100, "tables a ledger"),
        ("composites", 200, "tables of noise with 100 composite claims each"),
        ("turns", 3, "agents of each kind that `shared` lets look at a table, in turn"),
        ("series", 200, "simulated series of `gate`, of 12 generations"),
        ("tasks", 1, "exercises for each way to cheat, and to be honest, of `grades`"),
        ("rounds", 3, "times that `rollouts` measures each way, in turns"),
        ("seed", 0, "seed of `discoveries`, `shared`, `gate` and `grades`"),
    ):
        told = f"{what} (default: {default})"
        verb.add_argument(f"--{name}", type=int, default=default, metavar="N", help=told)
    common(verb, "bench")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="earnest",
        description="Agents that find things out, prove it, and learn from it, without cheating.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"earnest {__version__}")
    verbs = parser.add_subparsers(
        title="verbs", metavar="VERB", required=True, parser_class=_Parser
    )
    _add_demo(verbs)
    add_runs(verbs)
    add_stop(verbs)
    _add_small(verbs)
    _add_findings(verbs)
    _add_catalogue(verbs)
    add_ledger(verbs)
    add_mcp(verbs)
    add_capture(verbs)
    add_serve(verbs)
    _add_proofs(verbs)
    _add_bench(verbs)
    add_connect(verbs)
    add_eval(verbs)
    add_testbed(verbs)
    return parser


def _act(
    options: argparse.Namespace, home: Home, *, process: bool
) -> tuple[int, dict[str, Any], str]:
    """Do what a verb asks; return the exit status, the document, and the words for a person."""
    from earnest.recipes.stop_verbs import stop, stoppable

    if options.verb == "stop":  # in a hurry: the other verbs take longer to load
        return stop(options, home, say)
    from earnest.recipes import verbs

    act: Callable[..., tuple[int, dict[str, Any], str]] = getattr(verbs, options.verb)
    with stoppable(home, options.verb, process=process):
        return act(options, home, say)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:  # agents start us in their projects: no worker imports what lies there
        os.environ["PYTHONSAFEPATH"] = "1"
    if given[:2] == ["capture", "--hook"]:  # an agent waits for it: nothing else is loaded
        from earnest.capture.hook import main as hook

        return hook(given[2:])
    options = _parser().parse_args(given)
    from earnest.core.errors import EarnestError
    from earnest.core.home import Home, default_home

    try:
        home = Home(options.home.absolute() if options.home else default_home())
        status, document, words = _act(options, home, process=arguments is None)
    except KeyboardInterrupt as interrupt:
        say(f"earnest: interrupted; to go on: {str(interrupt) or 'type the same command again'}")
        return _INTERRUPTED
    except EarnestError as error:
        say(f"earnest: {error}")
        if error.mend:
            say(f"  to mend it: {error.mend}")
        return error.exit_status
    except BrokenPipeError:
        return 1
    try:
        if options.json:
            print(json.dumps(document, ensure_ascii=False, allow_nan=False))
        elif words:
            print(words)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough; nor may the interpreter's own flush fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
