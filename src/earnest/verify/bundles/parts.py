"""The parts that bundles' scripts are put together from."""

from __future__ import annotations

from typing import Final

from earnest.verify.bundles.tables import SUBJECTS

HEAD: Final = """\
import argparse
import json
import math
import pathlib

import numpy as np
import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--out")
parser.add_argument("--seed", type=int)
args = parser.parse_args()
path = pathlib.Path(args.data) / "TABLE.csv"


def finish(**numbers):
    pathlib.Path(args.out).write_text(json.dumps({k: float(v) for k, v in numbers.items()}))


"""

_RANKS: Final = """\
def measure(table):
    x, y = table["EXPOSURE"].rank(), table["OUTCOME"].rank()
    rho = x.corr(y)
    return SIGN * rho, math.erfc(abs(rho) * math.sqrt((len(table) - 1) / 2))


"""
_GROUPS: Final = """\
def measure(table):
    means = table
    if UNIT is not None:
        means = table.groupby([UNIT, "EXPOSURE"], as_index=False)["OUTCOME"].mean()
    one = means.loc[means["EXPOSURE"] == "GROUP", "OUTCOME"]
    other = means.loc[means["EXPOSURE"] != "GROUP", "OUTCOME"]
    z = (one.mean() - other.mean()) / math.sqrt(one.var() / len(one) + other.var() / len(other))
    return SIGN * z / math.sqrt(len(means)), math.erfc(abs(z) / math.sqrt(2))


"""


def head(subject: str) -> str:
    """Return what a script about a subject begins with: `args`, `path`, `finish`."""
    return HEAD.replace("TABLE", SUBJECTS[subject].table)


def measure(subject: str) -> str:
    """Return an honest function for a subject: from a table to an effect, positive as claimed,
    and a p-value."""
    about = SUBJECTS[subject]
    claim = about.claim
    sign = 1 if claim["direction"] in ("higher", "positive", "rising") else -1
    unit = about.design.partition(":")[2] if about.design.startswith("grouped") else None
    text = _GROUPS if claim["kind"] == "difference" else _RANKS
    words = {"EXPOSURE": claim["exposure"], "OUTCOME": claim["outcome"], "SIGN": str(sign),
             "GROUP": claim.get("group", ""), "UNIT": repr(unit)}  # fmt: skip
    for word, value in words.items():
        text = text.replace(word, value)
    return text
