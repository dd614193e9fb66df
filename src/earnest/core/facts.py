"""What findings amount to: facts, what no one has claimed, and what is kept for the exam."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal, Self

from earnest.core.errors import RecordError
from earnest.core.kinds import FIRST_DIRECTIONS
from earnest.core.records import STANDING, Claim, Finding, Finite, TableRef, Value, Verdict

Found = tuple[Finding, Verdict]

_UNSETTLED: Final = ("refuted", "inconclusive", "invalid")


class Fact(Value):
    """One thing that may be known of a table.

    `effect` (-1 to 1) and `interval` are the sealed estimate, None where nothing is established.
    """

    kind: Literal["difference", "association", "trend"]
    table: str
    outcome: str
    exposure: str
    group: str | None = None
    versus: str | None = None
    subset: str = ""
    adjust_for: tuple[str, ...] = ()
    effect: Finite | None = None
    interval: tuple[Finite, Finite] | None = None

    @classmethod
    def of(cls, claim: Claim, verdict: Verdict | None = None) -> Self:
        """Return what a claim asks about, with the verdict's estimate if one is given."""
        asked = claim.model_dump(include=set(cls.model_fields))
        if verdict is None:
            return cls(**asked)
        return cls(**asked, effect=verdict.effect, interval=verdict.interval)

    @property
    def pair(self) -> tuple[str, str, str]:
        """The table and the two columns, whichever is the outcome."""
        first, second = sorted((self.outcome, self.exposure))
        return self.table, first, second

    @property
    def key(self) -> tuple[str, ...]:
        """What a question about it pins: two facts with one key have one answer.

        An association is the same seen from either column.
        """
        columns = self.pair[1:] if self.kind == "association" else (self.outcome, self.exposure)
        levels = (repr(self.group), repr(self.versus))
        return (self.kind, self.table, *columns, *levels, self.subset, *sorted(self.adjust_for))


@dataclass(frozen=True)
class Known:
    """A fact with the finding and the verdict that establish it, by hash."""

    fact: Fact
    finding: str
    verdict: str


def spoken(claim: Claim) -> bool:
    """Say whether the grammar of `earnest.core.wording` has words for all that a claim says."""
    return claim.direction in FIRST_DIRECTIONS.get(claim.kind, ()) and not (
        claim.order or claim.outcome_order
    )


def _flaw(finding: Finding, verdict: Verdict) -> str:
    """Say why a finding is no fact; empty: it is one."""
    if not spoken(finding.claim):
        return f"no wording for a claim of this form: {finding.claim.kind}"
    if verdict.word == "reproduced":
        return "reproduced, without a sealed estimate"
    if verdict.word not in STANDING:
        return verdict.word
    if verdict.effect is None or verdict.interval is None:
        return "without a sealed estimate"
    if verdict.effect * finding.claim.sign <= 0:
        return "the estimate contradicts the claim"
    return ""


def established(
    findings: Sequence[Found], retracted: Collection[str] = ()
) -> tuple[list[Known], Counter[str]]:
    """Return what the findings establish, in their order, and the others counted by reason.

    `retracted`: the ids of those that were withdrawn: they establish and contest nothing.

    Of several that answer one question the last counts. A fact whose claim, in its direction, was
    refuted in another finding is contested and left out. Raises `RecordError` where a verdict is
    on another finding.
    """
    known: dict[tuple[str, ...], Known] = {}
    refused: Counter[str] = Counter()
    refuted: set[tuple[tuple[str, ...], int]] = set()
    signs: dict[tuple[str, ...], int] = {}
    for finding, verdict in findings:
        if verdict.finding != finding.id:
            raise RecordError(f"the verdict {verdict.id} is not on the finding {finding.id}")
        if finding.id in retracted:
            refused["retracted"] += 1
            continue
        flaw = _flaw(finding, verdict)
        if flaw:
            refused[flaw] += 1
            if verdict.word == "refuted" and spoken(finding.claim):
                refuted.add((Fact.of(finding.claim).key, finding.claim.sign))
            continue
        fact = Fact.of(finding.claim, verdict)
        refused["duplicate"] += fact.key in known
        known[fact.key] = Known(fact, finding.id, verdict.id)
        signs[fact.key] = finding.claim.sign
    contested = {key for key in known if (key, signs[key]) in refuted}
    refused["contested"] += len(contested)
    return [known[key] for key in known if key not in contested], +refused


def unsettled(findings: Sequence[Found]) -> list[Fact]:
    """Return, without an answer, what was claimed and not established, each question once."""
    answered = {known.fact.key for known in established(findings)[0]}
    found: dict[tuple[str, ...], Fact] = {}
    for finding, verdict in findings:
        if verdict.word in _UNSETTLED and spoken(finding.claim):
            fact = Fact.of(finding.claim)
            if fact.key not in answered:
                found[fact.key] = fact
    return list(found.values())


def levels(findings: Sequence[Found]) -> dict[tuple[str, str], list[str]]:
    """Return the levels that any claim has named, sorted, by table and exposure."""
    named: dict[tuple[str, str], set[str]] = {}
    for finding, _ in findings:
        claim = finding.claim
        if claim.kind == "interaction" or not claim.exposure:
            continue  # its group may be a level of the modifier
        seen = {level for level in (claim.group, claim.versus) if level is not None}
        if seen:
            named.setdefault((claim.table, claim.exposure), set()).update(seen)
    return {place: sorted(names) for place, names in named.items()}


def pairs(claim: Claim) -> Iterator[tuple[str, str, str]]:
    """Yield each pair of columns that a claim of any form relates, with its table."""
    related = (claim.outcome, claim.exposure, claim.modifier)
    of_rule = [(claim.outcome, name) for name in claim.given]
    for one, other in (*combinations(filter(None, related), 2), *of_rule):
        first, second = sorted((one, other))
        yield claim.table, first, second


def unclaimed(tables: Sequence[TableRef], findings: Sequence[Found]) -> Iterator[Fact]:
    """Yield a question for each pair of a table's columns that no finding has touched.

    It is a difference where levels of one column are known, a trend where one is the table's
    time, and an association elsewhere.
    """
    touched = {pair for finding, _ in findings for pair in pairs(finding.claim)}
    known = levels(findings)
    for table in {ref.name: ref for ref in tables}.values():
        time = table.design.removeprefix("time:") if table.design.startswith("time:") else None
        for one, other in combinations(table.columns, 2):
            exposure = next(
                (name for name in (one, other) if name == time or (table.name, name) in known),
                other,
            )
            outcome = one if exposure == other else other
            base = Fact(kind="association", table=table.name, outcome=outcome, exposure=exposure)
            if base.pair in touched:
                continue
            if exposure == time:
                yield base.model_copy(update={"kind": "trend"})
            elif named := known.get((table.name, exposure)):
                group = named[_number(base.pair) % len(named)]
                yield base.model_copy(update={"kind": "difference", "group": group})
            else:
                yield base


def _number(pair: tuple[str, str, str]) -> int:
    text = "\x1f".join(pair).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def for_exam(fact: Fact) -> bool:
    """Say whether a pair that no claim has touched is kept for the exam; half of them are.

    Settled by the names alone, so that it stays so from one generation to the next.
    """
    return _number(fact.pair) >> 32 & 1 == 0
