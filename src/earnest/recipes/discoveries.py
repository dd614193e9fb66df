"""`earnest bench discoveries`: how many false findings are confirmed, and how many true ones.

Ledgers of simulated tables with known truth. Each table is split, authors claim things about it,
and each claim goes through the error budget in order. Beside it, on the same claims: the sealed
rows without a budget (p <= 0.05), and what a careless agent would do, Benjamini-Hochberg at 5 %
on the visible rows of each table, every row counted as independent. All in one run, table by
table. What is not covered is in docs/discoveries.md.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from earnest.core.records import Claim
from earnest.recipes.discoveries_judge import Court, Fate, Stream
from earnest.recipes.discoveries_tables import Laid, adversary, analyst, beside, lay_out, seen
from earnest.tasks.truth import Truth
from earnest.tasks.worlds import make_world

AUTHORS: Final = ("analyst", "adversary", "adversary, trivial unpaid", "beside")
WAYS: Final = ("budget", "sealed alone", "visible BH")
LEVEL: Final = 0.05
_NULLS_BESIDE: Final = 3


@dataclass
class Tally:
    """What one table came to for one author: for each way, what was declared and what was false.

    Trivial claims are counted apart. `planted`: size, and by which ways it was found.
    """

    place: int
    kind: str
    made: list[int] = field(default_factory=lambda: [0] * len(WAYS))
    false: list[int] = field(default_factory=lambda: [0] * len(WAYS))
    claims: int = 0
    tested: int = 0
    trivial: int = 0
    shares: list[float] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    planted: list[tuple[float, tuple[bool, ...]]] = field(default_factory=list)


@dataclass
class Ledger:
    """One simulated ledger: a tally for each author and table, and how claims were judged."""

    tallies: dict[str, list[Tally]]
    counts: Counter[str]


def careless(laid: Laid, claims: Sequence[Claim]) -> list[bool]:
    """Return which claims Benjamini-Hochberg keeps at 5 % on a table's visible rows."""
    from scipy.special import ndtr

    ps = [2 * float(ndtr(-abs(seen(laid.visible, claim)[1]))) for claim in claims]
    kept, order = 0, sorted(range(len(ps)), key=lambda i: ps[i])
    for rank, i in enumerate(order, 1):
        if ps[i] <= LEVEL * rank / len(ps):
            kept = rank
    chosen = set(order[:kept])
    return [i in chosen for i in range(len(ps))]


def _reason(laid: Laid, claim: Claim, truth: Truth) -> str:
    parts = [laid.world.kind, truth.word]
    for name in claim.adjust_for:
        kind = "levels" if laid.world.node[name].levels else "numeric column"
        parts.append(f"{kind} held fixed")
    return ", ".join(parts + ["in a subset"] * bool(claim.subset))


def _found(laid: Laid, tally: Tally, told: Sequence[tuple[Claim, tuple[bool, ...]]]) -> None:
    """Note which of the planted differences were found, by which ways."""
    for planted in laid.world.planted:
        ways = [False] * len(WAYS)
        for claim, declared in told:
            same = (claim.outcome, claim.exposure) == (planted.outcome, planted.exposure)
            turn = 1 if claim.group == planted.group else -1
            if (
                same
                and claim.sign * turn * planted.d > 0
                and not (claim.subset or claim.adjust_for)
            ):
                ways = [one or other for one, other in zip(ways, declared, strict=True)]
        tally.planted.append((abs(planted.d), tuple(ways)))


def judged(
    court: Court, stream: Stream, laid: Laid, claims: Sequence[Claim], place: int, *, pay: bool
) -> Tally:
    """Send one table's claims through all ways, and count. `pay`: also for trivial claims."""
    tested = [claim for claim in claims if court.testable(laid, claim)]
    if not pay:
        tested = [claim for claim in tested if not laid.oracle.trivial(claim)]
    numbers, shares = stream.freeze(laid.name, len(tested))
    fates: dict[int, Fate] = {}
    for claim, alpha in zip(tested, shares, strict=True):
        fates[id(claim)] = court.fate(laid, claim, alpha)
    stream.settle(
        laid.name,
        [n for n, claim in zip(numbers, tested, strict=True) if fates[id(claim)].rejected],
    )
    tally = Tally(place, laid.world.kind, claims=len(claims), tested=len(tested), shares=shares)
    told = []
    for claim, visible in zip(claims, careless(laid, claims), strict=True):
        fate = fates.get(id(claim))
        alone = fate is not None and court.alone(laid, claim) <= LEVEL
        declared = (fate is not None and fate.confirmed, alone, visible)
        told.append((claim, declared))
        if any(declared):
            _count(laid, claim, declared, tally)
    _found(laid, tally, told)
    return tally


def _count(laid: Laid, claim: Claim, declared: Sequence[bool], tally: Tally) -> None:
    truth = laid.oracle.truth(claim)
    if truth.word == "trivial":
        tally.trivial += declared[0]
        return
    for way, one in enumerate(declared):
        tally.made[way] += one
        tally.false[way] += one and truth.word != "true"
    if declared[0] and truth.word != "true":
        tally.reasons[_reason(laid, claim, truth)] += 1


def one_ledger(
    seed: int,
    number: int,
    tables: int,
    court: Court | None = None,
    authors: Sequence[str] = AUTHORS,
) -> Ledger:
    """Simulate one ledger: every author on the same tables, in order, with a stream each."""
    court = court or Court()
    streams = {author: Stream() for author in authors}
    found = Ledger({author: [] for author in authors}, court.counts)
    with tempfile.TemporaryDirectory(prefix="earnest-discoveries-") as folder:
        for place in range(1, tables + 1):
            key = [seed, number, place]
            name = f"table{place}"
            laid = lay_out(make_world(name, key), (seed * 1000 + number) * 10_000 + place)
            for author in authors:
                if author == "beside":
                    # A table of its own kind, under its own seed.
                    world = make_world(name, [*key, 1], "beside")
                    table = lay_out(world, (seed * 1000 + number) * 10_000 + 5000 + place)
                    claims = beside(table, place % (_NULLS_BESIDE + 1))
                else:
                    table = laid
                    claims = _claims(author, laid, Path(folder))
                pay = author != "adversary, trivial unpaid"
                tally = judged(court, streams[author], table, claims, place, pay=pay)
                found.tallies[author].append(tally)
            court.forget()
    return found


def _claims(author: str, laid: Laid, folder: Path) -> list[Claim]:
    return analyst(laid, folder) if author == "analyst" else adversary(laid)
