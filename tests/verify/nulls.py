"""Tables on which a claim is false, as near to true as its null allows, and some on which it holds.

Each maker takes a generator of random numbers and returns a frame; `CASES` pairs it with a claim
and a design.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm

from earnest.core.records import Claim
from earnest.verify.rules import LEVEL, NUMBER

Maker = Callable[[np.random.Generator], pd.DataFrame]


def text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of text cells, as the verifier reads them."""
    return frame.astype(str).where(frame.notna())


def claim(kind: str, direction: str, outcome: str = "y", **more: Any) -> Claim:
    return Claim(kind=kind, table="t", outcome=outcome, direction=direction, **more)


@dataclass(frozen=True)
class Case:
    name: str
    claim: Claim
    make: Maker
    design: str = "iid"


def two(sizes: tuple[int, int], first: Maker, second: Maker) -> Maker:
    """Two groups, `a` and `b`, whose outcomes are drawn by `first` and `second`."""

    def make(rng: np.random.Generator) -> pd.DataFrame:
        y = [draw(rng)[:size] for draw, size in zip((first, second), sizes, strict=True)]
        return pd.DataFrame({"x": ["a"] * sizes[0] + ["b"] * sizes[1], "y": np.concatenate(y)})

    return make


def counts(rng):
    return rng.poisson(2, 999).astype(float)


def leaning(scale=1.0, shift=0.0):
    return lambda rng: shift + scale * rng.exponential(size=999)


def heavy(scale=1.0, shift=0.0):
    return lambda rng: shift + scale * rng.standard_t(3, 999)


def bell(scale=1.0, shift=0.0):
    return lambda rng: shift + scale * rng.normal(size=999)


def tops(rng):
    x = rng.choice(list("abcd"), 240)
    return pd.DataFrame({"x": x, "y": rng.normal(size=240) - 1.5 * np.isin(x, ["c", "d"])})


def sizes(rng):
    levels = np.array(["s", "m", "l"])
    return pd.DataFrame(
        {"x": rng.choice(levels, 90), "y": rng.choice(levels, 90, p=[0.8, 0.1, 0.1])}
    )


def rare(rng):
    x = rng.choice(list("pqrs"), 120, p=[0.7, 0.2, 0.07, 0.03])
    return pd.DataFrame({"x": x, "y": rng.choice(list("uvw"), 120, p=[0.85, 0.1, 0.05])})


def confounded(rng):
    z = rng.integers(0, 3, 300)
    x = np.where(rng.random(300) < z / 3, "p", "q")
    return pd.DataFrame({"x": x, "y": 2.0 * z + rng.normal(size=300), "z": z})


def line(slope):
    def make(rng):
        x = rng.normal(size=120)
        return pd.DataFrame({"x": x, "y": slope * x + rng.standard_t(4, 120)})

    return make


def uneven(rng):
    """No level lies higher, but the small group is spread wider."""
    x = np.repeat(["a", "b"], [20, 140])
    return pd.DataFrame({"x": x, "y": rng.normal(size=160) * np.where(x == "a", 4, 1)})


def fanning(rng):
    """Outcome and exposure depend on each other, but neither rises with the other."""
    x = rng.normal(size=150)
    return pd.DataFrame({"x": x, "y": x * rng.normal(size=150)})


def sides(sizes, slopes, scale=1.0):
    """Outcome and exposure at two levels of `m`, which differ in all else too."""

    def make(rng):
        frames = []
        for number, (size, slope) in enumerate(zip(sizes, slopes, strict=True)):
            x = rng.normal(size=size)
            y = slope * x + np.sqrt(1 - slope**2) * rng.normal(size=size)
            shift = number * 2.0
            frames.append(
                pd.DataFrame({"m": "ab"[number], "x": x + shift, "y": (1 + number * scale) * y})
            )
        return pd.concat(frames)

    return make


def reversing(between, within):
    def make(rng):
        m = rng.integers(0, 3, 240)
        x = m + rng.normal(size=240)
        y = between * m + within * (x - m) + rng.normal(size=240)
        return pd.DataFrame({"m": m, "x": x, "y": y})

    return make


def clustered(groups, rows, make):
    """Groups of rows that share a level of outcome and a noise of their own."""

    def frame(rng):
        g = np.repeat(np.arange(groups), rows)
        level = rng.normal(size=groups)[g]
        return make(rng, g, level).assign(g=g)

    return frame


def _whole(effect):
    def make(rng, g, level):
        arm = g % 3 == 0
        y = level + effect * arm + 0.3 * rng.normal(size=len(g))
        return pd.DataFrame({"x": np.where(arm, "a", "b"), "y": y})

    return clustered(24, 6, make)


def _inside(effect, levels="ab"):
    def make(rng, g, level):
        x = rng.integers(0, len(levels), len(g))
        y = level + effect * (x == 0) + rng.exponential(size=len(g))
        return pd.DataFrame({"x": np.array(list(levels))[x], "y": y})

    return clustered(16, 10, make)


def _choices(rng, g, level):
    likely = np.clip(0.3 + 0.2 * level, 0.05, 0.9)
    y = np.where(rng.random(len(g)) < likely, "u", rng.choice(list("vw"), len(g)))
    return pd.DataFrame({"x": rng.choice(list("pqr"), len(g)), "y": y})


def _spreads(rng, g, level):
    arm = g % 3 == 0
    noise = np.exp(0.3 * rng.normal(size=g.max() + 1))[g] * rng.normal(size=len(g))
    return pd.DataFrame({"x": np.where(arm, "a", "b"), "y": level + 3 * arm + noise})


def _spread_inside(rng, g, level):
    x = rng.random(len(g)) < 0.25
    noise = rng.exponential(size=len(g))
    return pd.DataFrame({"x": np.where(x, "a", "b"), "y": level + 2 * x + noise})


def _slopes(paired, slopes):
    def make(rng, g, level):
        m = rng.random(len(g)) < 0.5 if paired else g % 2 == 0
        x = rng.normal(size=len(g))
        own = np.where(m, slopes[0], slopes[1]) + 0.3 * rng.normal(size=g.max() + 1)[g]
        y = level + own * x + np.where(m, 1, 2) * rng.normal(size=len(g))
        return pd.DataFrame({"m": np.where(m, "a", "b"), "x": x, "y": y})

    return clustered(20, 16, make)


RULE = {"given": ("x",), "program": "def f(row): ..."}  # what it said stands in the frame


def given(make):
    """The same frames with the column that the rule read."""
    return lambda rng: make(rng).assign(x="1")


def _as_often(rng, levels, groups=None):
    """A rule of levels that is right in as many rows as the constant `a`, and not in the same ones.

    It is right of most that is not `a` and wrong of some that is. In groups: of whole groups.
    """
    units = groups or 150
    rest = (1 - 0.6) / (levels - 1)
    y = rng.choice(levels, units, p=[0.6, *[rest] * (levels - 1)])
    turned = rng.random(units) < np.where(y == 0, 0.3, 0.45)  # 0.6 * 0.3 = 0.4 * 0.45
    said = np.where(y == 0, np.where(turned, 1, 0), np.where(turned, y, 0))
    frame = pd.DataFrame({"y": np.array(list("abc"))[y], LEVEL: np.array(list("abc"))[said]})
    if not groups:
        return frame
    frame = frame.loc[np.repeat(np.arange(groups), 8)].assign(g=np.repeat(np.arange(groups), 8))
    noise = rng.random(len(frame)) < 0.2  # of a row alone, the same for rule and constant
    return frame.assign(y=np.where(noise, "c", frame["y"]))


def guessing(rng):
    """Two levels that are as frequent, and a rule that knows nothing."""
    return pd.DataFrame({"y": rng.choice(list("ab"), 60), LEVEL: rng.choice(list("ab"), 60)})


def overshooting(draw):
    """A rule that follows what it knows so far that its errors are those of the constant."""

    def make(rng):
        x, noise = draw(rng), draw(rng)
        # y and y - said have one distribution: the rule turns the sign of what it knows.
        return pd.DataFrame({"y": x + noise, NUMBER: 2 * x})

    return make


def lopsided(rng):
    """A rule that is a little nearer in 4 of 5 rows, and much farther off in the others.

    Of y ~ N(m, 1), with m = 0.3 in most rows and -1.2 in the others, it says 0.3 in the most, and
    in the others what makes the mean absolute errors the same.
    """
    rare = rng.random(120) < 0.2
    y = np.where(rare, -1.2, 0.3) + rng.normal(size=120)
    return pd.DataFrame({"y": y, NUMBER: np.where(rare, _said_of_the_rare(), 0.3)})


def _said_of_the_rare():
    def error(off):
        return 2 * norm.pdf(off) + off * (2 * norm.cdf(off) - 1)

    def above(c):  # the share of outcomes above c, less a half
        return 0.8 * norm.sf(c - 0.3) + 0.2 * norm.sf(c + 1.2) - 0.5

    best = brentq(above, -1, 1)
    gained = 0.8 * (error(best - 0.3) - error(0))
    return -1.2 + brentq(lambda off: 0.2 * (error(off) - error(best + 1.2)) - gained, 0, 9)


def _overshooting_groups(rng, g, level):
    x = rng.normal(size=g.max() + 1)[g]
    return pd.DataFrame({"y": level + x + 0.5 * rng.normal(size=len(g)), NUMBER: 2 * x})


def holding(share, rows):
    def make(rng):
        y = rng.integers(0, 9, rows)
        return pd.DataFrame({"y": y, NUMBER: np.where(rng.random(rows) < share, y, y + 1)})

    return make


def holding_groups(rng, g, level):
    """In a part of the groups the rule always holds, in the others mostly not: 0.8 of all rows."""
    whole = (rng.random(g.max() + 1) < 0.7)[g]
    y = rng.integers(0, 9, len(g))
    right = whole | (rng.random(len(g)) < 1 / 3)
    return pd.DataFrame({"y": y, NUMBER: np.where(right, y, y + 1)})


AB = {"exposure": "x", "group": "a"}
MODIFIED = {"exposure": "x", "modifier": "m", "group": "a"}
REVERSED = {"exposure": "x", "modifier": "m"}
ORDERED = {"order": ("s", "m", "l"), "outcome_order": ("s", "m", "l")}

NULLS = (
    Case("higher", claim("difference", "higher", **AB), two((20, 100), counts, counts)),
    Case("higher, uneven", claim("difference", "higher", **AB), uneven),
    Case("positive, fanning", claim("association", "positive", exposure="x"), fanning),
    Case("few", claim("difference", "higher", **AB), two((4, 5), bell(), bell())),
    Case("highest, two on top", claim("difference", "highest", **AB), tops),
    Case("ordinal", claim("association", "negative", exposure="x", **ORDERED), sizes),
    Case("positive", claim("association", "positive", exposure="x"), line(0)),
    Case("rising", claim("trend", "rising", exposure="x"), line(0)),
    Case("dependent levels", claim("association", "dependent", exposure="x"), rare),
    Case("dependent", claim("association", "dependent", exposure="x"), line(0)),
    Case(
        "dependent, held fixed",
        claim("association", "dependent", exposure="x", adjust_for=("z",)),
        confounded,
    ),
    Case(
        "wider, leaning",
        claim("distribution", "wider", **AB),
        two((25, 175), leaning(shift=2), leaning()),
    ),
    Case(
        "narrower, leaning",
        claim("distribution", "narrower", **AB),
        two((25, 175), leaning(shift=2), leaning()),
    ),
    Case(
        "narrower, heavy",
        claim("distribution", "narrower", **AB),
        two((20, 100), heavy(shift=1), heavy()),
    ),
    Case(
        "different, leaning",
        claim("distribution", "different", **AB),
        two((60, 240), leaning(3, 2), leaning()),
    ),
    Case(
        "different, bell",
        claim("distribution", "different", **AB),
        two((60, 90), bell(3, 2), bell()),
    ),
    Case("skewed, heavy", claim("distribution", "right-skewed"), two((30, 30), heavy(), heavy())),
    Case(
        "skewed, two humps",
        claim("distribution", "left-skewed"),
        two((40, 40), bell(1, -2), bell(1, 2)),
    ),
    Case("stronger, none", claim("interaction", "stronger", **MODIFIED), sides((40, 200), (0, 0))),
    Case(
        "stronger, same", claim("interaction", "stronger", **MODIFIED), sides((60, 200), (0.6, 0.6))
    ),
    Case(
        "stronger, opposite",
        claim("interaction", "stronger", **MODIFIED),
        sides((60, 200), (0.6, -0.6)),
    ),
    Case("weaker, same", claim("interaction", "weaker", **MODIFIED), sides((60, 200), (0.6, 0.6))),
    Case(
        "reversal, none within",
        claim("interaction", "positive-overall", **REVERSED),
        reversing(2, 0),
    ),
    Case(
        "reversal, none overall",
        claim("interaction", "positive-overall", **REVERSED),
        reversing(0.815, -0.6),
    ),
    Case("higher, groups", claim("difference", "higher", **AB), _whole(0), "grouped:g"),
    Case("higher, in groups", claim("difference", "higher", **AB), _inside(0), "grouped:g"),
    Case(
        "dependent, groups",
        claim("association", "dependent", exposure="x"),
        _whole(0),
        "grouped:g",
    ),
    Case(
        "dependent, in groups",
        claim("association", "dependent", exposure="x"),
        _inside(0, "abc"),
        "grouped:g",
    ),
    Case(
        "dependent levels, in groups",
        claim("association", "dependent", exposure="x"),
        clustered(20, 12, _choices),
        "grouped:g",
    ),
    Case(
        "wider, groups",
        claim("distribution", "wider", **AB),
        clustered(24, 8, _spreads),
        "grouped:g",
    ),
    Case(
        "narrower, in groups",
        claim("distribution", "narrower", **AB),
        clustered(24, 24, _spread_inside),
        "grouped:g",
    ),
    Case(
        "stronger, groups",
        claim("interaction", "stronger", **MODIFIED),
        _slopes(False, (0.5, 1.0)),
        "grouped:g",
    ),
    Case(
        "stronger, in groups",
        claim("interaction", "stronger", **MODIFIED),
        _slopes(True, (0.5, 1.0)),
        "grouped:g",
    ),
    *(
        Case(f"rule, {name}", claim("rule", "predicts", **RULE), given(make), design)
        for name, make, design in (
            ("guessing", guessing, "iid"),
            ("two levels", lambda rng: _as_often(rng, 2), "iid"),
            ("three levels", lambda rng: _as_often(rng, 3), "iid"),
            ("bell", overshooting(lambda rng: rng.normal(size=80)), "iid"),
            ("heavy", overshooting(lambda rng: rng.standard_t(3, 80)), "iid"),
            ("lopsided", lopsided, "iid"),
            ("levels in groups", lambda rng: _as_often(rng, 2, 30), "grouped:g"),
            ("numbers in groups", clustered(24, 8, _overshooting_groups), "grouped:g"),
        )
    ),
    Case("rule, holds", claim("rule", "holds", threshold=0.8, **RULE), given(holding(0.8, 90))),
    Case(
        "rule, holds in groups",
        claim("rule", "holds", threshold=0.8, **RULE),
        given(clustered(40, 6, holding_groups)),
        "grouped:g",
    ),
)
"""In `few` and the two `stronger` of groups rho, not the slope, is the same on both sides."""


def shifted(rng):
    x = rng.choice(list("abcd"), 400)
    return pd.DataFrame({"x": x, "y": rng.normal(size=400) + 0.8 * (x == "a")})


def curved(rng):
    x = rng.normal(size=300)
    return pd.DataFrame({"x": x, "y": x**2 + rng.normal(size=300)})


def preferring(rng):
    x = rng.choice(list("pqr"), 300)
    return pd.DataFrame(
        {"x": x, "y": np.where(rng.random(300) < 0.35, x, rng.choice(list("pqr"), 300))}
    )


def growing(rng):
    levels = np.array(["s", "m", "l"])
    x = rng.integers(0, 3, 300)
    y = np.clip(x + rng.integers(-2, 3, 300), 0, 2)
    return pd.DataFrame({"x": levels[x], "y": levels[y]})


def _dependent_inside(rng, g, level):
    x = rng.integers(0, 3, len(g))
    return pd.DataFrame({"x": x, "y": level + 0.7 * (x == 1) + rng.normal(size=len(g))})


def saying(column):
    def make(rng):
        x = rng.normal(size=150)
        y = x + rng.normal(size=150)
        if column == LEVEL:
            return pd.DataFrame({"y": y > 0, LEVEL: x > 0})
        return pd.DataFrame({"y": y, NUMBER: x})

    return make


def saying_groups(rng, g, level):
    return pd.DataFrame({"y": level + 0.5 * rng.normal(size=len(g)), NUMBER: 0.8 * level})


def _wider_groups(rng, g, level):
    arm = g % 2 == 0
    return pd.DataFrame(
        {"x": np.where(arm, "a", "b"), "y": 0.2 * level + (1 + arm) * rng.normal(size=len(g))}
    )


PLANTED = (
    Case("highest", claim("difference", "highest", **AB), shifted),
    Case("ordinal", claim("association", "positive", exposure="x", **ORDERED), growing),
    Case("dependent", claim("association", "dependent", exposure="x"), curved),
    Case("dependent levels", claim("association", "dependent", exposure="x"), preferring),
    Case("wider", claim("distribution", "wider", **AB), two((150, 150), bell(2.5, 1), bell())),
    Case(
        "narrower", claim("distribution", "narrower", **AB), two((150, 150), bell(), bell(2.5, 1))
    ),
    Case(
        "different",
        claim("distribution", "different", **AB),
        two((200, 200), leaning(), bell(3, 1)),
    ),
    Case("right-skewed", claim("distribution", "right-skewed"), two((99, 1), leaning(), leaning())),
    Case("stronger", claim("interaction", "stronger", **MODIFIED), sides((200, 200), (-0.7, 0.2))),
    Case("weaker", claim("interaction", "weaker", **MODIFIED), sides((200, 200), (0.1, 0.6))),
    Case("reversal", claim("interaction", "positive-overall", **REVERSED), reversing(3, -0.8)),
    Case(
        "dependent, in groups",
        claim("association", "dependent", exposure="x"),
        clustered(30, 15, _dependent_inside),
        "grouped:g",
    ),
    Case(
        "wider, groups",
        claim("distribution", "wider", **AB),
        clustered(30, 10, _wider_groups),
        "grouped:g",
    ),
    Case(
        "stronger, in groups",
        claim("interaction", "stronger", **MODIFIED),
        _slopes(True, (3, 0.3)),
        "grouped:g",
    ),
    Case("rule of levels", claim("rule", "predicts", **RULE), given(saying(LEVEL))),
    Case("rule of numbers", claim("rule", "predicts", **RULE), given(saying(NUMBER))),
    Case(
        "rule in groups",
        claim("rule", "predicts", **RULE),
        given(clustered(30, 8, saying_groups)),
        "grouped:g",
    ),
    Case("rule, holds", claim("rule", "holds", threshold=0.8, **RULE), given(holding(0.95, 150))),
)
