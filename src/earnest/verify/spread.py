"""Whether one group is spread wider than another, wherever each of them lies.

Spread is read from distances of two rows, which need no centre: distances from a median that is
estimated are no exchangeable units where outcomes lean to one side (docs/log.md). Rows are paired
at random, each once, so that the distances are independent; the effect is the rank-biserial
correlation of the groups' distances, from -1 to 1. Not covered: what pairing costs in power.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earnest.core.records import Claim
from earnest.verify.monotone import from_units
from earnest.verify.results import Ask, Estimate
from earnest.verify.units import NotTestableError, units

if TYPE_CHECKING:
    import pandas as pd

_LEAST_PAIRED: Final = 4


def spread(sealed: pd.DataFrame, claim: Claim, design: str, ask: Ask) -> Estimate:
    """Estimate how much wider a group is spread than what it is compared with.

    Where each group of the design has one level of the exposure, its unit is the mean distance of
    two of its rows. Raises `NotTestableError`.
    """

    def change(table: pd.DataFrame) -> pd.DataFrame:
        varies = table.groupby("group")["x"].nunique() > 1
        whole = design.startswith("grouped") and not varies.any()
        if whole:
            return _inside(table)
        pairs = _pairs(table, ask.seed)
        return _balanced(pairs) if design.startswith("grouped") else pairs

    found = units(sealed, claim, design, change)
    return from_units(found, claim, ask, "rank-biserial correlation of distances of two rows")


def _inside(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a group, its `y` the mean distance of two of the group's rows."""
    table = table[table.groupby("group")["y"].transform("size") > 1].sort_values("y")
    by = table.groupby("group")
    place, size = by.cumcount(), by["y"].transform("size")
    # In order of size, a row is the larger of `place` pairs and the smaller of the others.
    weight = (2 * place - (size - 1)) / (size * (size - 1) / 2)
    return (
        table.assign(y=weight * table["y"])
        .groupby("group", as_index=False)
        .agg({"y": "sum", "x": "first", "stratum": "first"})
    )


def _balanced(pairs: pd.DataFrame) -> pd.DataFrame:
    """Keep as many pairs of each level in a group: then its effect is symmetric under the null."""
    place = pairs.groupby(["group", "stratum", "x"]).cumcount()
    sizes = pairs.groupby(["group", "stratum", "x"])["y"].transform("size")
    least = sizes.groupby([pairs["group"], pairs["stratum"]]).transform("min")
    return pairs[place < least]


def _pairs(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Pair the rows of each cell at random; each pair is a row whose `y` is their distance."""
    table = table.sample(frac=1, random_state=seed % 2**32)
    cells = table.groupby(["group", "stratum", "x"])
    table = table.assign(place=cells.cumcount(), size=cells["y"].transform("size"))
    table = table[(table["size"] >= _LEAST_PAIRED) & (table["place"] < table["size"] // 2 * 2)]
    table = table.assign(pair=table["place"] // 2)
    pairs = table.groupby(["group", "stratum", "x", "pair"])["y"]
    found = (pairs.max() - pairs.min()).reset_index()
    if found["x"].nunique() < 2:
        raise NotTestableError(f"fewer than {_LEAST_PAIRED} rows of a level: no spread to compare")
    return found
