"""A dishonest author, to show what becomes of its work: it hard-codes what it "found"."""

from __future__ import annotations

from typing import Final

from earnest.models.scripted import ScriptedModel, say, use

_SCRIPT: Final = """\
import argparse
import json

parser = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    parser.add_argument(name)
options = parser.parse_args()
with open(options.out, "w") as out:
    json.dump({"effect": 0.71, "p": 0.0003}, out)
"""


def forger(table: str, outcome: str, exposure: str) -> ScriptedModel:
    """Return an author that claims an association on a table without looking at it."""
    arguments = {
        "table": table,
        "kind": "association",
        "outcome": outcome,
        "exposure": exposure,
        "direction": "positive",
        "script": _SCRIPT,
        "supports": "effect > 0.5 and p < 0.05",
        "prose": "A strong effect, highly significant.",
    }
    told = use("submit_finding", arguments, text="I know already what this table says.")
    return ScriptedModel([told, say("Done: a strong effect.")])
