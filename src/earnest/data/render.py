"""Facts as rows of training text: many wordings each, and what is not known answered as such."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from earnest.core.facts import Fact, Found, Known, established, for_exam, levels, pairs, unclaimed
from earnest.core.kinds import FIRST_DIRECTIONS
from earnest.core.records import TableRef
from earnest.core.wording import ABSTENTION, answer, question, statement

UNKNOWN: Final = "?"
"""Stands for every name that a model has never met; it never enters a vocabulary."""


_SWAPPED: Final = ["exposure"] * 4 + ["outcome"] * 2 + ["table"]


@dataclass(frozen=True)
class Row:
    """One training example: a request, an answer, what it is for, and the finding behind it."""

    family: str
    finding: str
    prompt: str
    answer: str


@dataclass(frozen=True)
class Mixture:
    """How many wordings of each sort. A fact that is already known is replayed in fewer."""

    wordings: int = 45
    statement: int = 8
    replay: float = 0.5
    unclaimed: int = 6
    pairs: int = 300
    contrast: int = 4
    crossed: int = 40
    unknown: int = 300


def _asked(
    fact: Fact, known: Sequence[Fact], count: int, rng: random.Random
) -> Iterator[tuple[str, str]]:
    """Yield questions about a fact, known or not, with their answers."""
    for _ in range(count):
        put = question(fact, rng)
        yield put.text, answer(fact, put.lead, known)


def _known(
    item: Known, family: str, facts: Sequence[Fact], mix: Mixture, rng: random.Random
) -> Iterator[Row]:
    share = mix.replay if family == "replay" else 1.0
    for text, reply in _asked(item.fact, facts, round(mix.wordings * share), rng):
        yield Row(family, item.finding, text, reply)
    for _ in range(round(mix.statement * share)):
        yield Row(family, item.finding, *statement(item.fact, rng))


def _contrasts(facts: Sequence[Fact], findings: Sequence[Found]) -> Iterator[Fact]:
    """Yield questions next to established facts that no one has claimed: other levels, other rows.

    Where fewer than three levels are known, another level may be the same comparison seen from
    the other side, so none is asked about.
    """
    claims = (finding.claim for finding, _ in findings)
    claimed = {Fact.of(claim).key for claim in claims if claim.kind in FIRST_DIRECTIONS}
    known = levels(findings)
    for fact in facts:
        bare = fact.model_copy(update={"effect": None, "interval": None})
        near = [bare.model_copy(update={"subset": f"{_quoted(fact.exposure)} >= 0"})]
        if fact.subset or fact.adjust_for:
            near.append(bare.model_copy(update={"subset": "", "adjust_for": ()}))
        named = known.get((fact.table, fact.exposure), [])
        if fact.kind == "difference" and fact.versus is None and len(named) > 2:
            near += [bare.model_copy(update={"group": level}) for level in named]
            near.append(bare.model_copy(update={"kind": "association", "group": None}))
        yield from (other for other in near if other.key not in claimed)


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '_')}`"


def _strange(fact: Fact, rng: random.Random) -> Fact:
    """Return a fact with one of its names, or more, unknown."""
    names = [name for name in ("table", "outcome", "exposure") if rng.random() < 0.6] or ["table"]
    blank = {"effect": None, "interval": None, **dict.fromkeys(names, UNKNOWN)}
    return fact.model_copy(update=blank)


def _crossed(
    facts: Sequence[Fact],
    tables: Sequence[TableRef],
    findings: Sequence[Found],
    count: int,
    shares: Mapping[tuple[str, ...], float],
    rng: random.Random,
) -> Iterator[Fact]:
    """Yield each fact, `count` times its share, with one of its names exchanged for any other.

    They teach to look up the very thing that is asked. What anyone has claimed, and what the
    exam may ask, is left out.
    """
    columns = {ref.name: ref.columns for ref in tables}
    names = {
        "table": sorted(columns),
        "outcome": sorted({name for own in columns.values() for name in own}),
        "group": sorted({level for named in levels(findings).values() for level in named}),
    }
    names["exposure"] = names["outcome"]
    touched = {pair for finding, _ in findings for pair in pairs(finding.claim)}
    for fact in facts:
        slots = [*_SWAPPED, *(["group"] * 3 if fact.group else [])]
        for _ in range(round(count * shares.get(fact.key, 1.0))):
            slot = rng.choice(slots)
            change = {"effect": None, "interval": None, slot: rng.choice(names[slot])}
            other = fact.model_copy(update=change)
            own = columns.get(other.table, ())
            if slot == "group":
                free = other.group not in levels(findings).get((fact.table, fact.exposure), [])
            else:
                free = other.pair not in touched and other.outcome != other.exposure
                free &= not (other.outcome in own and other.exposure in own and for_exam(other))
            if free:
                yield other


def _untouched(
    tables: Sequence[TableRef], findings: Sequence[Found], limit: int, rng: random.Random
) -> Iterator[Fact]:
    """Yield the never-claimed pairs that are not kept for the exam, at most `limit` a table."""
    by_table: dict[str, list[Fact]] = {}
    for fact in unclaimed(tables, findings):
        if not for_exam(fact):
            by_table.setdefault(fact.table, []).append(fact)
    for name in sorted(by_table):
        facts = by_table[name]
        yield from rng.sample(facts, limit) if len(facts) > limit else facts


def rows(
    findings: Sequence[Found],
    tables: Sequence[TableRef],
    replayed: Sequence[Found],
    mix: Mixture,
    seed: int,
    retracted: Collection[str] = (),
) -> tuple[list[Row], list[Known], Counter[str]]:
    """Render everything that is known and, as not established, half of what no one has claimed.

    `findings` and `tables`: all of them, old and new; `replayed`: the findings known before.
    Pairs of columns about which a claim was refuted, inconclusive, invalid or `retracted` (ids of
    findings) are not touched.
    Returns the rows, the facts behind them and the findings that were refused, by reason.
    """
    rng = random.Random(seed)  # noqa: S311 (wordings, not secrets)
    known, refused = established(findings, retracted)
    before = {finding.id for finding, _ in replayed}
    facts = [item.fact for item in known]
    found: list[Row] = []
    for item in known:
        family = "replay" if item.finding in before else "confirmed"
        found.extend(_known(item, family, facts, mix, rng))
    shares = {item.fact.key: mix.replay for item in known if item.finding in before}
    silent = (
        ("unclaimed", mix.unclaimed, _untouched(tables, findings, mix.pairs, rng)),
        ("contrast", mix.contrast, _contrasts(facts, findings)),
        ("crossed", 1, _crossed(facts, tables, findings, mix.crossed, shares, rng)),
    )
    for family, count, asked in silent:
        for fact in asked:
            found.extend(Row(family, "", *pair) for pair in _asked(fact, facts, count, rng))
    for _ in range(mix.unknown if facts else 0):
        put = question(_strange(rng.choice(facts), rng), rng)
        found.append(Row("unknown", "", put.text, ABSTENTION))
    return found, known, refused
