"""Invented findings for benchmarks and kill tests: many, all different, the same from a seed.

They go into a ledger by its own methods, in runs of 20 by many principals on many tables, with
prose as agents write it and a verdict each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from earnest.core.canon import digest
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Verdict, Word

RUN: Final = 20


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ROOTS: Final = _split("""
age weight height income price mileage voltage yield rain pressure speed dose score rate count area
depth width density energy cost load demand supply growth delay latency error visits clicks sales
tax rent wage hours distance duration temperature humidity wind salinity acidity glucose insulin
pulse cholesterol mass radius luminosity flux torque power thrust
""")
_FIRST: Final = _split("""
mean max min total net gross daily monthly yearly early late left right upper lower inner outer
first last base peak idle raw clean north south east west urban rural old new
""")
_PLACES: Final = _split("""
harbour orchard clinic station factory market school river forest island airport bakery library
reactor telescope vineyard quarry dairy glacier observatory
""")
_SAID: Final = _split("""
the effect holds when outliers are dropped and is stronger in the second half of the data a rank
test agrees with it the spread grows with the level so a transform may help here this was seen in
every site looked at and does not vanish within strata of the season missing values were left out
which may matter for the smallest groups the script is short
""")
_WORDS: Final[tuple[tuple[Word, float], ...]] = (
    ("confirmed", 0.3),
    ("inconclusive", 0.45),
    ("refuted", 0.1),
    ("reproduced", 0.1),
    ("invalid", 0.05),
)


def _table(number: int) -> TableRef:
    draw = random.Random(f"table {number}")  # noqa: S311 (a benchmark)
    name = f"{draw.choice(_PLACES)}_{number}"
    columns = tuple(sorted({f"{draw.choice(_FIRST)}_{draw.choice(_ROOTS)}" for _ in range(30)}))
    return TableRef(
        name=name,
        table=digest(name.encode()),
        visible=digest(b"visible " + name.encode()),
        design="iid",
        rows=600,
        columns=columns,
    )


def findings(start: int, count: int, *, principals: int = 50) -> Iterator[Finding]:
    """Yield invented findings number `start` to `start + count - 1`."""
    for number in range(start, start + count):
        run = number // RUN
        table = _table(run // 5)
        draw = random.Random(number)  # noqa: S311
        outcome, exposure = draw.sample(table.columns, 2)
        claim = Claim(
            kind="association",
            table=table.name,
            outcome=outcome,
            exposure=exposure,
            direction=draw.choice(("positive", "negative")),
            threshold=round(draw.uniform(0.01, 0.5), 4),
            subset=f"{draw.choice(table.columns)} > {draw.randrange(1000)}",
        )
        effect = round(draw.uniform(-1, 1), 6)
        yield Finding(
            claim=claim,
            evidence=Evidence(
                script=digest(b"script %d" % number),
                inputs={f"{table.name}.csv": table.visible},
                results={"effect": effect, "n": 600.0},
                supports="n > 100",
            ),
            exposure="sealed",
            author=Author(principal=f"agent-{run % principals}", model="analyst"),
            run=f"run-{run}",
            task=digest(b"task %d" % run),
            table=table,
            prose=f"note {number}: " + " ".join(draw.choices(_SAID, k=14)),
        )


def verdict(finding: Finding, number: int, alpha: float | None) -> Verdict:
    """Return an invented verdict on an invented finding."""
    draw = random.Random(f"verdict {number}")  # noqa: S311
    word = draw.choices([w for w, _ in _WORDS], [share for _, share in _WORDS])[0]
    tested = alpha is not None and word not in ("reproduced", "invalid")
    p = None
    if tested and alpha is not None:
        p = alpha * draw.random() if word == "confirmed" else min(1.0, alpha + draw.random())
    effect = round(draw.uniform(-1, 1), 6) if tested else None
    return Verdict(
        finding=finding.id,
        word=word if tested or word in ("reproduced", "invalid") else "inconclusive",
        reason="as a benchmark would have it",
        checks=(),
        effect=effect,
        interval=None if effect is None else (effect - 0.1, effect + 0.1),
        p=p,
        alpha=alpha if tested else None,
        rows=400 if tested else 0,
        seed=number,
        estimator="spearman" if tested else "",
        verifier="bench",
    )
