"""Earlier findings that a finding is like, and confirmed ones that contradict it.

Both look up by index what a claim asks, and read a bounded number of findings: the newest 100
with one topic, and 20 by text. Not covered: kin further back than these.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from earnest.core.formal import alone, sides
from earnest.core.likeness import Related, contradict, like, normal
from earnest.core.records import STANDING, Claim, Finding, Verdict, Word
from earnest.ledger.derive import place, short_key, short_topic, short_topic_under
from earnest.ledger.search import search

_TOPIC: Final = 100
_NEAR: Final = 20
_TOLD: Final = 8


def related(db: sqlite3.Connection, finding: Finding) -> list[Related]:
    """Return what earlier findings of other runs a finding is like, `known` first, at most 8.

    Of a batch none knows of the others. A finding without a verdict, with bad evidence, or
    withdrawn is no kin; one that was not confirmed contradicts nothing.
    """
    before = place(db, finding.id) or 2**62
    found: dict[str, Related] = {}
    for column, key, most in (
        ("claim", short_key(finding.claim), 1),
        ("topic", short_topic(finding.claim), _TOPIC),
        ("under", short_topic_under(finding), _TOPIC),
    ):
        for other, word in _of_topic(db, column, key, before, finding.run, most):
            _relate(finding, other, word, found)
    for seq in search(db, _words(finding.claim), _NEAR):
        if seq < before:
            for other, word in _at(db, seq, finding.run):
                _relate(finding, other, word, found)
    order = ("known", "contradicts", "extends", "near")
    return sorted(found.values(), key=lambda one: order.index(one.how))[:_TOLD]


def _relate(finding: Finding, other: Finding, word: Word, found: dict[str, Related]) -> None:
    if other.id in found:
        return
    how = like(finding.claim, other.claim) if finding.claim.table == other.claim.table else ""
    if not how or (how == "contradicts" and word not in STANDING):
        if not _near(finding, other):
            return
        found[other.id] = Related("near", other.id, word, other.table.name)
    else:
        found[other.id] = Related(how, other.id, word, other.table.name)


def _near(finding: Finding, other: Finding) -> bool:
    """Say whether two claims speak of the same columns, whatever their tables are called.

    Those of no table: whether they share a program, or a side but for its variables' names.
    """
    if finding.claim.formal or other.claim.formal:
        return bool(_parts(finding.claim) & _parts(other.claim))
    named = ({one.claim.outcome, one.claim.exposure} for one in (finding, other))
    return len({frozenset(one) for one in named}) == 1


def _parts(claim: Claim) -> set[str]:
    """Return what claims of no table may share: a program, or a side that is no mere name."""
    if claim.kind == "identity":
        return {alone(side) for side in sides(claim) if side.args}
    one = normal(claim)
    return {one.program, one.reference} - {""}


def _words(claim: Claim) -> str:
    """Return the words of its sentence that `_near` asks for: the columns it is about."""
    if claim.formal:
        code = f"{claim.left} {claim.right} {claim.program} {claim.reference}"
        return " ".join(dict.fromkeys(re.findall(r"[A-Za-z]\w+", code)))
    return f"{claim.outcome} {claim.exposure}"


def _of_topic(
    db: sqlite3.Connection, column: str, key: str | int, before: int, run: str, most: int
) -> Iterator[tuple[Finding, Word]]:
    # The column's name comes from the loop above.
    rows = db.execute(
        f"SELECT seq, word FROM finding WHERE {column} = ? AND seq < ? AND run != ? "  # noqa: S608
        "AND retraction IS NULL AND word NOT IN ('', 'invalid') ORDER BY seq DESC LIMIT ?",
        (key, before, run, most),
    ).fetchall()
    for seq, word in rows:
        yield _read(db, seq), word


def _at(db: sqlite3.Connection, seq: int, run: str) -> Iterator[tuple[Finding, Word]]:
    row = db.execute(
        "SELECT word FROM finding WHERE seq = ? AND run != ? "
        "AND retraction IS NULL AND word NOT IN ('', 'invalid')",
        (seq, run),
    ).fetchone()
    if row:
        yield _read(db, seq), row[0]


def _read(db: sqlite3.Connection, seq: int) -> Finding:
    name, data = db.execute("SELECT id, data FROM record WHERE seq = ?", (seq,)).fetchone()
    return Finding.from_bytes(data, expect=name)


def contradicted(db: sqlite3.Connection, name: str) -> list[Finding]:
    """Return the confirmed findings on tables of this name that contradict a finding, by its id.

    None do where it was withdrawn.
    """
    rows = db.execute(
        "SELECT f.seq, o.seq FROM record r JOIN finding f ON f.seq = r.seq "
        "JOIN finding o ON o.topic = f.topic AND o.seq != f.seq "
        "WHERE r.id = ? AND f.retraction IS NULL AND o.retraction IS NULL "
        "AND o.word IN ('confirmed', 'replicated') ORDER BY o.seq DESC LIMIT ?",
        (name, _TOPIC),
    ).fetchall()
    if not rows:
        return []
    claim = _read(db, rows[0][0]).claim
    others = (_read(db, row[1]) for row in rows)
    return [other for other in others if contradict(claim, other.claim)]


def reopened(verdict: Verdict, other: str) -> Verdict:
    """Return a finding's verdict once another confirmed finding contradicts it."""
    reason = f"re-opened: {other} was confirmed as well and contradicts it"
    return verdict.model_copy(update={"word": "inconclusive", "reason": reason})
