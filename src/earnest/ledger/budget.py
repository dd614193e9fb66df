"""The error budget as the ledger keeps it: shares, looks at sealed rows, and what is left.

A *look* is a test of sealed rows, one that waits for its verdict included. A table's looks are
limited: what an author learns from one verdict it may use in the next claim, and a share that no
other table pays for falls below 10^-6, the least p that permutations give, at about the 1,000th
test. A principal may have at most half of the looks that the others have left, so that nobody
uses up a table for all.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from typing import Any, Final

from earnest.core.records import Allocation, Finding
from earnest.ledger.lord import LEVEL, START, share

LOOKS: Final = 1000
SEEN: Final = 0.5
"""What is left of a share on a table at which other runs have looked: their verdicts may be known
to the author, and `refuted` tells in which direction the rows go (docs/discoveries.md)."""
CREDITED: Final = 200  # the latest; bounds an allocation's bytes. Older ones add little: log.md


Credit = dict[tuple[str, str], tuple[list[tuple[int, int]], float]]
"""By principal and table, as `allocation` has read them: rejections; what is left of a share."""


def allocation(db: sqlite3.Connection, finding: Finding, read: Credit) -> Allocation:
    """Return the share of its principal's budget that a finding's test gets, the next in line.

    `read`: what was read for other findings of the same run in the same transaction, in which
    nothing is rejected and no other run opens.
    """
    principal, table = finding.author.principal, finding.table.table
    number = tests(db, principal) + 1
    if (principal, table) not in read:
        part = SEEN if _seen(db, table, finding.run) else 1.0
        read[principal, table] = _credited(db, principal, table), part
    credited, part = read[principal, table]
    return Allocation(
        finding=finding.id,
        principal=principal,
        number=number,
        alpha=part * share(number, [known for _, known in credited]),
        credited=tuple(rejected for rejected, _ in credited),
    )


def tests(db: sqlite3.Connection, principal: str) -> int:
    """Return how many tests a principal has been given a share for."""
    row = db.execute(
        "SELECT COALESCE(MAX(number), 0) FROM allocation WHERE principal = ?", (principal,)
    ).fetchone()
    return int(row[0])


def _credited(db: sqlite3.Connection, principal: str, table: str) -> list[tuple[int, int]]:
    """Return the rejections on other tables, from runs that have no open claim.

    Each as its test's number and the number of tests when it became known. Claims on one table
    share its sealed rows: they are each other's conflict set.
    """
    rows = db.execute(
        """
        SELECT a.number, a.revealed
        FROM allocation a JOIN finding f ON f.seq = a.finding JOIN run r ON r.name = f.run
        WHERE a.principal = ? AND a.revealed NOT NULL AND f.table_id != ? AND r.open = 0
        ORDER BY a.number DESC LIMIT ?
        """,
        (principal, table, CREDITED),
    )
    return sorted((int(number), int(known)) for number, known in rows)


def _seen(db: sqlite3.Connection, table: str, run: str) -> bool:
    """Say whether tests of other runs have looked at a table, those that wait included."""
    total = sum(looks(db, table).values())
    own = db.execute(
        "SELECT COUNT(*) FROM finding f JOIN allocation a ON a.finding = f.seq "
        "WHERE f.run = ? AND f.table_id = ?",
        (run, table),
    ).fetchone()
    return total > int(own[0])


def looks(db: sqlite3.Connection, table: str) -> dict[str, int]:
    """Return how often each principal's tests have looked at a table's sealed rows."""
    rows = db.execute("SELECT principal, looks FROM look WHERE table_id = ? AND looks", (table,))
    return {str(principal): int(count) for principal, count in rows}


def may_look(db: sqlite3.Connection, table: str, principal: str) -> bool:
    """Say whether one more of a principal's tests may look at a table's sealed rows."""
    told = looks(db, table)
    own = told.pop(principal, 0)
    return 2 * (own + 1) <= LOOKS - sum(told.values())


@dataclass(frozen=True)
class Purse:
    """A principal's error budget: what was spent, what is left, what the next test would get.

    `left`: what it started with and earned by rejections, less what was spent. `next`: on a table
    on which it has tested nothing yet, if all its runs were closed.
    """

    principal: str
    tests: int
    rejections: int
    spent: float
    left: float
    next: float


def purses(db: sqlite3.Connection) -> list[Purse]:
    """Return each principal's budget, those who have tested most first."""
    rows = db.execute(
        "SELECT principal, COUNT(*), COUNT(revealed), SUM(alpha) FROM allocation "
        "GROUP BY principal ORDER BY 2 DESC, 1"
    ).fetchall()
    found = []
    for principal, count, rejections, spent in rows:
        # The first rejection earns the level less what was there from the start.
        left = (LEVEL * rejections if rejections else START) - spent
        ahead = share(count + 1, [known for _, known in _credited(db, principal, "")])
        found.append(Purse(principal, count, rejections, float(spent), left, ahead))
    return found


def stats(db: sqlite3.Connection, *, tables: int = 20) -> dict[str, Any]:
    """Return the budgets, and the looks at the tables that were looked at most."""
    seen = db.execute(
        "SELECT table_id, SUM(looks) FROM look GROUP BY table_id HAVING SUM(looks) "
        "ORDER BY 2 DESC, 1 LIMIT ?",
        (tables,),
    )
    return {
        "level": LEVEL,
        "principals": [asdict(purse) for purse in purses(db)],
        "tables": [{"table": table, "looks": int(count), "limit": LOOKS} for table, count in seen],
    }
