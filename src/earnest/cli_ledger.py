"""The verbs of the ledger: audit, stats, sync, trust; and of its verifier."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from earnest.cli_options import common

_EXAMPLES: Final = """\
examples:
  earnest ledger audit
  earnest ledger trust add lab ed25519:…       there, `earnest verifier show` prints the key
  earnest ledger sync /mnt/shared/findings     offers what was verified here, takes what it trusts
  EARNEST_TOKEN=… earnest ledger sync https://ledger.example.org
"""


def add_ledger(verbs: Any) -> None:
    """Add `ledger` and `verifier`."""
    verb = verbs.add_parser(
        "ledger",
        help="audit the ledger, count what is in it, exchange findings with others",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES,
    )
    verb.add_argument("what", choices=("audit", "stats", "sync", "trust"))
    verb.add_argument(
        "rest",
        nargs="*",
        metavar="ARG",
        help="of sync: a FOLDER or a URL; of trust: add NAME PUBLICKEY, list, or remove NAME",
    )
    verb.add_argument(
        "--quick",
        action="store_true",
        help="hash and walk the chain, compare by SQL; without it all is derived anew",
    )
    verb.add_argument(
        "--key",
        default="",
        metavar="PUBLIC",
        help="the public key that must have signed (default: the one in the verifier's folder)",
    )
    way = verb.add_mutually_exclusive_group()
    way.add_argument("--pull", action="store_true", help="sync: take only (default: both ways)")
    way.add_argument("--push", action="store_true", help="sync: offer only")
    verb.add_argument(
        "--whole", action="store_true", help="sync with a URL: everything, not only what is new"
    )
    verb.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="sync with a URL: where the token is (default: $EARNEST_TOKEN)",
    )
    common(verb, "ledger")
    verb = verbs.add_parser(
        "verifier",
        help="show the key that signs verdicts, or verify what is queued",
        epilog="Under an account of its own, with EARNEST_VERIFIER naming a folder that only it "
        "can read, nobody else can sign: see docs/ledger.md.",
    )
    verb.add_argument("what", choices=("show", "run"))
    verb.add_argument("--once", action="store_true", help="end when nothing is queued")
    common(verb, "verifier")
