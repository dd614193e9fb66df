"""What an honest author would claim of tables with published findings, and what must come of it.

The claims, evidence and expected outcomes for `test_facts.py`; nothing here reads a table. Facts,
figures and tables: `facts/dev.json` of the shared data. A `Said` is one submitted claim; where its
`reported` names a check, that check must leave the claim open and speak of the given column.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HEAD = '''\
"""{title}"""
import argparse
import json
import math

import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
CLAIM = {claim!r}
table = pd.read_csv(options.data + "/" + CLAIM["table"] + ".csv", dtype=str)
for name, level in CLAIM["only"].items():
    table = table[table[name] == level]


def places(name, order):
    if order:
        return table[name].map({{level: place for place, level in enumerate(order)}})
    return pd.to_numeric(table[name], errors="coerce")


def linked(y, x, by=()):
    """Return the correlation of ranks within strata, and its p by the normal law."""
    rows = pd.DataFrame({{"y": y, "x": x}})
    for name in by:
        cells = table[name]
        many = cells.nunique() > 10
        rows[name] = pd.qcut(pd.to_numeric(cells), 5, labels=False) if many else cells
    rows = rows.dropna().assign(all=0)
    strata = rows.groupby([*by] or "all")
    ranks = strata[["y", "x"]].rank() / (strata[["y"]].transform("size").to_numpy()[:, None] + 1)
    ranks["all"] = strata.ngroup()
    ranks = ranks[["y", "x"]] - ranks.groupby("all")[["y", "x"]].transform("mean")
    r = ranks["y"].corr(ranks["x"])
    return r, math.erfc(abs(r) * math.sqrt((len(rows) - strata.ngroups) / 2))


def finish(**numbers):
    with open(options.out, "w") as out:
        json.dump({{name: float(value) for name, value in numbers.items()}}, out)


y = places(CLAIM["outcome"], CLAIM.get("outcome_order"))
'''
_GROUP = """\
cells = table[CLAIM["exposure"]]
inside = cells == CLAIM["group"]
other = cells == CLAIM["versus"] if CLAIM.get("versus") else cells.notna() & ~inside
x = inside.astype(float).where(inside | other)
"""
_LINKED = 'r, p = linked(y, x, CLAIM.get("adjust_for", ()))\nfinish(r=r, p=p)\n'
_NUMBER = 'x = pd.to_numeric(table[CLAIM["exposure"]])\n'
_FIRST = """\
cells = table[CLAIM["exposure"]]
found = []
for level in sorted(set(cells.dropna()) - {CLAIM["group"]}):
    pair = cells.isin([level, CLAIM["group"]])
    found.append(linked(y, (cells == CLAIM["group"]).astype(float).where(pair)))
finish(least=min(r for r, _ in found), most=max(r for r, _ in found), p=max(p for _, p in found))
"""
_REVERSED = """\
overall, p = linked(y, x)
within, q = linked(y, x, [CLAIM["modifier"]])
finish(overall=overall, within=within, p=max(p, q))
"""
_EXTREME = """\
found = getattr(y.groupby(table[CLAIM["exposure"]]), CLAIM["statistic"])().dropna()
own = found.pop(CLAIM["group"])
finish(own=own, above=own - found.max(), below=found.min() - own)
"""
_SHARE = """\
known = table[table[CLAIM["outcome"]].notna()]
name, level = CLAIM["of"]
finish(share=(known[name] == level).mean())
"""
_CORRELATION = 'finish(r=y.corr(pd.to_numeric(table[CLAIM["exposure"]])))\n'
_SHAPE = """\
def standard(group):
    part = y[table[CLAIM["exposure"]] == group]
    return ((part - part.median()) / (part.quantile(0.75) - part.quantile(0.25))).dropna()


one, other = standard(CLAIM["group"]), standard(CLAIM["versus"])
points = pd.concat([one, other])
apart = max(abs((one <= at).mean() - (other <= at).mean()) for at in points)
n = len(one) * len(other) / len(points)
finish(apart=apart, p=min(1.0, 2 * math.exp(-2 * n * apart**2)))
"""


@dataclass(frozen=True)
class Said:
    """One claim. `only`: its subset, as equalities. `word`: the verdict, or `refused`: unsubmitted.

    `why`: what the verdict's reason, or the refusal, must say. `trap`: whether it is what misleads,
    which an author who does not know better claims, alone.
    """

    claim: dict[str, Any]
    word: str
    only: dict[str, str] = field(default_factory=dict)
    reported: tuple[str, str] = ("", "")
    why: str = ""
    supports: str = ""
    trap: bool = False

    def arguments(self, table: str) -> dict[str, Any]:
        """Return what is handed to `submit_finding`."""
        known = {"table": table, "only": self.only, **self.claim}
        body, supports = _evidence(self.claim)
        said = {name: value for name, value in known.items() if name not in ("only", "of")}
        if "of" in self.claim:
            said["where"] = "{} == '{}'".format(*self.claim["of"])
        title = f"Does {self.claim['outcome']} do as is claimed?"
        return {
            **said,
            "subset": " and ".join(f"{name} == '{level}'" for name, level in self.only.items()),
            "script": HEAD.format(title=title, claim=known) + body,
            "supports": self.supports or supports,
        }


def _evidence(claim: dict[str, Any]) -> tuple[str, str]:
    """Return the end of an evidence script, and the predicate on its numbers."""
    kind, way = claim["kind"], claim["direction"]
    if kind == "value" and way != "equal":
        return _EXTREME, "above > 0" if way == "highest" else "below > 0"
    if kind == "value":
        name = {"share": "share", "correlation": "r"}.get(claim["statistic"], "value")
        near, off = claim["value"], claim["value_tolerance"]
        body = {"share": _SHARE, "r": _CORRELATION}.get(name)
        body = body or f"finish(value=y.{claim['statistic']}())\n"
        return body, f"{name} >= {near - off:.6g} and {name} <= {near + off:.6g}"
    if way == "different":
        return _SHAPE, "apart > 0.1 and p < 0.05"
    if kind == "interaction":
        signs = "overall < 0 and within > 0" if way == "negative-overall" else ""
        start = _GROUP if "group" in claim else _NUMBER
        return start + _REVERSED, f"{signs} and p < 0.05"
    if way in ("highest", "lowest"):
        return _FIRST, f"{'least > 0' if way == 'highest' else 'most < 0'} and p < 0.05"
    up = way in ("higher", "positive")
    start = _GROUP if kind == "difference" else _NUMBER
    return start + _LINKED, f"r {'>' if up else '<'} 0 and p < 0.05"


def _said(kind: str, direction: str, outcome: str, exposure: str = "", **more: Any) -> Said:
    """Return a claim from its parts; what isn't a field of `Said` is one of the claim."""
    own = {name: more.pop(name) for name in [*more] if name in Said.__dataclass_fields__}
    claim = {"kind": kind, "direction": direction, "outcome": outcome, **more}
    return Said({**claim, "exposure": exposure} if exposure else claim, **own)


def _equal(outcome: str, statistic: str, value: float, off: float, **more: Any) -> Said:
    more = {"word": "reproduced", "statistic": statistic, "value": value, **more}
    return _said("value", "equal", outcome, value_tolerance=off, **more)


@dataclass(frozen=True)
class Known:
    """A table of `facts/dev.json`, and what is claimed of it.

    `made`: a column that was added. `split`: which of the splits of `test_facts.py` is judged.
    """

    dataset: str
    files: tuple[str, ...]
    said: tuple[Said, ...]
    made: str = ""
    split: int = 4


_BILLS = ("bill_depth_mm", "bill_length_mm")
_DRINKS = {
    "total_litres_of_pure_alcohol": "Belarus",
    "beer_servings": "Namibia",
    "wine_servings": "France",
    "spirit_servings": "Grenada",
}
_SEX = ("Male Characters", "Female Characters")

KNOWN = (
    Known(
        "seaborn_data/penguins.csv",
        ("seaborn_data/penguins.csv.gz",),
        (
            _said("interaction", "negative-overall", *_BILLS, modifier="species", word="confirmed"),
            *(
                _said("association", "positive", *_BILLS, only={"species": name}, word=word,
                      why=why)
                for name, word, why in (("Adelie", "inconclusive", "was needed"),
                                        ("Chinstrap", "confirmed", ""),
                                        ("Gentoo", "confirmed", ""))
            ),
            _said("association", "negative", *_BILLS, word="confirmed", trap=True,
                  reported=("lurking", "turns its sign with species")),
            _equal(_BILLS[0], "correlation", -0.235, 0.1, exposure=_BILLS[1]),
        ),
    ),
    Known(
        "seaborn_data/diamonds.csv",
        ("seaborn_data/diamonds.csv.gz",),
        (
            _said("interaction", "negative-overall", "price", "cut", group="Ideal", versus="Fair",
                  modifier="carat", word="confirmed"),
            _said("difference", "higher", "price", "cut", group="Ideal", versus="Fair",
                  adjust_for=("carat",), word="confirmed"),
            _said("difference", "lower", "price", "cut", group="Ideal", versus="Fair",
                  word="confirmed", trap=True, reported=("lurking", "carat")),
            _said("association", "positive", "price", "carat", word="confirmed"),
            _said("value", "lowest", "price", "cut", statistic="mean", group="Ideal",
                  word="reproduced"),
            _said("value", "highest", "price", "cut", statistic="mean", group="Premium",
                  word="reproduced"),
            _equal("price", "mean", 3457.5, 50, only={"cut": "Ideal"}),
            _equal("price", "mean", 4358.8, 150, only={"cut": "Fair"}),
        ),
    ),
    Known(
        "seaborn_data/titanic.csv",
        ("seaborn_data/titanic.csv.gz",),
        (
            _said("difference", "higher", "survived", "sex", group="female", word="confirmed"),
            _said("difference", "highest", "survived", "pclass", group="1",
                  word="inconclusive", why="was needed"),
            _said("difference", "lowest", "survived", "pclass", group="3", word="confirmed"),
            _said("association", "negative", "survived", "pclass", word="confirmed"),
            _equal("survived", "mean", 0.742, 0.05, only={"sex": "female"}),
            _equal("survived", "mean", 0.189, 0.05, only={"sex": "male"}),
            _equal("survived", "mean", 0.63, 0.05, only={"pclass": "1"}),
            _equal("survived", "mean", 0.473, 0.05, only={"pclass": "2"}),
            _equal("survived", "mean", 0.242, 0.05, only={"pclass": "3"}),
        ),
    ),
    Known(
        "seaborn_data/anscombe.csv",
        ("seaborn_data/anscombe.csv.gz",),
        (
            _said("association", "positive", "y", "x", word="inconclusive", why="was needed"),
            _said("distribution", "different", "y", "dataset", group="III", versus="I",
                  word="refused", why="numbers do not support"),
            _said("difference", "higher", "y", "dataset", group="II", versus="IV", word="refused",
                  why="numbers do not support", trap=True),
            _said("difference", "higher", "y", "dataset", group="II", versus="IV",
                  word="invalid", supports="p <= 1", why="with a shuffled outcome",
                  trap=True),
            *(_equal("y", "mean", 7.5, 1.0, only={"dataset": name}) for name in
              ("I", "II", "III", "IV")),
        ),
    ),
    Known(
        "vega_datasets/seattle-weather.csv",
        ("vega_datasets/seattle-weather.csv.gz",),
        (
            _said("value", "lowest", "precipitation", "month", statistic="mean", group="7",
                  word="reproduced"),
            _said("value", "highest", "precipitation", "month", statistic="mean", group="11",
                  word="refused", why="numbers do not support"),
            _said("value", "highest", "precipitation", "month", statistic="mean", group="11",
                  word="refuted", supports="own > 5", trap=True),
            _said("value", "highest", "precipitation", "month", statistic="mean", group="3",
                  word="reproduced", trap=True),
            _said("difference", "lower", "precipitation", "month", group="7", word="reproduced",
                  why="no valid null in a time series", trap=True),
        ),
        made="month",
    ),
    Known(
        "fivethirtyeight/candy-power-ranking",
        ("fivethirtyeight/candy-power-ranking/candy-data.csv.gz",),
        split=5,
        said=
        (
            _said("difference", "higher", "winpercent", "chocolate", group="1", word="confirmed"),
            _equal("winpercent", "mean", 60.92, 3, only={"chocolate": "1"}),
            _equal("winpercent", "mean", 42.14, 3, only={"chocolate": "0"}),
            _said("value", "highest", "winpercent", "competitorname", statistic="max",
                  group="Reese's Peanut Butter cup", word="reproduced"),
            _said("value", "lowest", "winpercent", "competitorname", statistic="min",
                  group="Nik L Nip", word="reproduced"),
            _said("difference", "higher", "winpercent", "competitorname",
                  group="Reese's Peanut Butter cup", word="refused", trap=True,
                  why="numbers do not support"),
            _said("difference", "highest", "winpercent", "competitorname", supports="p < 1",
                  group="Reese's Peanut Butter cup", word="invalid", trap=True,
                  why="with a shuffled outcome"),
        ),
    ),
    Known(
        "fivethirtyeight/alcohol-consumption",
        ("fivethirtyeight/alcohol-consumption/drinks.csv.gz",),
        tuple(
            _said("value", "highest", drink, "country", statistic="max", group=country,
                  word="reproduced")
            for drink, country in _DRINKS.items()
        ),
    ),
    Known(
        "fivethirtyeight/comic-characters",
        (
            "fivethirtyeight/comic-characters/marvel-wikia-data.csv.gz",
            "fivethirtyeight/comic-characters/dc-wikia-data.csv.gz",
        ),
        (
            _equal("SEX", "share", 0.247, 0.01, of=("SEX", _SEX[1]), only={"house": "marvel"}),
            _equal("SEX", "share", 0.291, 0.01, of=("SEX", _SEX[1]), only={"house": "dc"}),
            _said("difference", "higher", "SEX", "house", group="dc", outcome_order=_SEX,
                  word="confirmed"),
        ),
        made="house",
    ),
)  # fmt: skip
