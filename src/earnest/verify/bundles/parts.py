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
_STRONGER: Final = """\
def measure(table):
    rhos = []
    for inside in (True, False):
        part = table[(table["MODIFIER"] == "GROUP") == inside]
        rho = part["EXPOSURE"].rank().corr(part["OUTCOME"].rank())
        rhos.append((abs(rho), (1 - rho**2) ** 2 / (len(part) - 3)))
    gap = rhos[0][0] - rhos[1][0]
    return SIGN * gap, math.erfc(abs(gap) / math.sqrt(2 * (rhos[0][1] + rhos[1][1])))


"""
_REVERSED: Final = """\
def measure(table):
    ranks = table[["EXPOSURE", "OUTCOME"]].rank()
    inner = ranks - ranks.groupby(table["MODIFIER"]).transform("mean")
    least = min(ranks.corr().iloc[0, 1], -inner.corr().iloc[0, 1])
    return least, math.erfc(abs(least) * math.sqrt(len(table) / 2))


"""
_SHAPE: Final = """\
def measure(table):
    sides = []
    for inside in (True, False):
        y = table.loc[(table["EXPOSURE"] == "GROUP") == inside, "OUTCOME"].to_numpy()
        low, middle, high = np.quantile(y, [0.25, 0.5, 0.75])
        sides.append(np.sort((y - middle) / (high - low)))
    spots = np.concatenate(sides)
    shares = [np.searchsorted(side, spots, side="right") / len(side) for side in sides]
    gap = abs(shares[0] - shares[1]).max()
    return gap, min(1.0, 2 * math.exp(-2 * gap**2 * len(sides[0]) * len(sides[1]) / len(table)))


"""
_LEANS: Final = """\
def measure(table):
    y = table["OUTCOME"]
    apart = (y.mean() - y.median()) / y.std()
    return SIGN * apart, math.erfc(abs(apart) * math.sqrt(len(y) / 2) / 0.756)


"""
_BY_DIRECTION: Final = {
    "stronger": _STRONGER,
    "weaker": _STRONGER,
    "positive-overall": _REVERSED,
    "different": _SHAPE,
    "right-skewed": _LEANS,
    "left-skewed": _LEANS,
}
_UP: Final = ("higher", "positive", "rising", "stronger", "right-skewed")


def head(subject: str) -> str:
    """Return what a script about a subject begins with: `args`, `path`, `finish`."""
    return HEAD.replace("TABLE", SUBJECTS[subject].table)


def measure(subject: str) -> str:
    """Return an honest function for a subject: from a table to an effect, positive as claimed,
    and a p-value."""
    about = SUBJECTS[subject]
    claim = about.claim
    sign = 1 if claim["direction"] in _UP else -1
    unit = about.design.partition(":")[2] if about.design.startswith("grouped") else None
    text = _GROUPS if claim["kind"] == "difference" else _RANKS
    text = _BY_DIRECTION.get(claim["direction"], text)
    words = {"EXPOSURE": claim.get("exposure", ""), "MODIFIER": claim.get("modifier", ""),
             "OUTCOME": claim["outcome"], "SIGN": str(sign),
             "GROUP": claim.get("group", ""), "UNIT": repr(unit)}  # fmt: skip
    for word, value in words.items():
        text = text.replace(word, value)
    return text
