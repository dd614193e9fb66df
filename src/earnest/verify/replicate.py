"""Testing a confirmed claim again, on rows that its first test had no part in.

The same estimator, on all of the new rows, at a level of 5 % in the claimed direction: one test of
a claim that has paid for its first one. What a later verdict may say: `replicated`, where the new
rows confirm it; `inconclusive`, where their interval excludes it, since two tests then contradict;
else the claim stays `confirmed`, with a check that says that this did not replicate it.

A claim of no table is tried again on inputs drawn anew; one that all inputs were tried on is not.

Not covered: rows that stand in both tables in another notation or with another value are taken as
new ones; whether the new rows come from the same population is for the reader to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from earnest.core.inputs import count, parse_inputs
from earnest.core.protocols import Sandbox
from earnest.core.records import Check, Finding, Verdict
from earnest.verify.estimate import Estimate, estimate
from earnest.verify.formal import examined
from earnest.verify.instances import MOST_LISTED
from earnest.verify.units import NotTestableError
from earnest.verify.verifier import VERSION, judge

if TYPE_CHECKING:
    import pandas as pd

LEVEL: Final = 0.05


def unseen(rows: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that do not stand in a table already seen, by the columns of both."""
    shared = [name for name in rows.columns if name in seen.columns]
    if not shared:
        return rows
    known = seen[shared].drop_duplicates()
    marked = rows.merge(known, on=shared, how="left", indicator=True)
    return rows[(marked["_merge"] == "left_only").to_numpy()]


def fresh_rows(rows: pd.DataFrame, seen: Iterable[pd.DataFrame], name: str) -> pd.DataFrame:
    """Return the rows of a new table, called `name`, that stand in none of those already seen.

    Raises `NotTestableError` where that is less than half of them: what is left may be the same
    rows in another notation.
    """
    fresh = rows
    for table in seen:
        fresh = unseen(fresh, table)
    if len(fresh) < len(rows) / 2:
        raise NotTestableError(
            f"{len(rows) - len(fresh)} of {len(rows)} rows of {name} were looked at before"
        )
    return fresh


def replicated(
    finding: Finding, current: Verdict, fresh: pd.DataFrame, *, name: str, left_out: int, seed: int
) -> Verdict:
    """Return the later verdict on a confirmed finding.

    `fresh`: the rows of the new table, called `name`, that nobody has looked at (text cells; those
    that a rule's claim needs, prepared); `left_out`: how many others it has. Raises
    `NotTestableError`.
    """
    found = estimate(fresh, finding.claim, finding.table.design, alpha=LEVEL, seed=seed)
    word, reason = judge(finding, found, LEVEL)
    reason = f"on {found.rows} new rows or groups of {name}: {reason.replace('sealed', 'new')}"
    check = Check(
        name="replication",
        passed=word == "confirmed",
        detail=reason,
        observed={
            "effect": found.effect,
            "low": found.interval[0],
            "high": found.interval[1],
            "left_out": float(left_out),
        },
    )
    if word == "confirmed":
        return _later(finding, current, seed, "replicated", reason, check, found)
    if word == "refuted":
        contradicts = f"confirmed before, and now contradicted: {reason}"
        return _later(finding, current, seed, "inconclusive", contradicts, check, found)
    return current.model_copy(
        update={
            "checks": (*current.checks, check),
            "reason": f"{current.reason}; not replicated {reason}",
            "seed": seed,
        }
    )


def redrawn(finding: Finding, current: Verdict, sandbox: Sandbox, *, seed: int) -> Verdict:
    """Return the later verdict on a confirmed finding of no table, on inputs drawn anew.

    `refuted` where one of them fails a claim of all inputs: one is enough. Raises
    `NotTestableError`, `SandboxError`.
    """
    number = count([one.domain for one in parse_inputs(finding.claim.inputs)])
    if number is not None and number <= MOST_LISTED:
        raise NotTestableError(f"all {number} inputs were tried before: none is new")
    judged = examined(finding.claim, sandbox, alpha=LEVEL, seed=seed)
    reason = f"on inputs drawn anew: {judged.reason}"
    check = judged.checks[-1].model_copy(update={"name": "replication", "detail": reason})
    if judged.word == "confirmed" and judged.found is not None:
        return _later(finding, current, seed, "replicated", reason, check, judged.found)
    if judged.word == "refuted" and judged.found is not None:
        word = "refuted" if finding.claim.threshold is None else "inconclusive"
        contradicts = f"confirmed before, and now contradicted: {reason}"
        return _later(finding, current, seed, word, contradicts, check, judged.found)
    return current.model_copy(
        update={
            "checks": (*current.checks, check),
            "reason": f"{current.reason}; not replicated {reason}",
            "seed": seed,
        }
    )


def _later(
    finding: Finding,
    current: Verdict,
    seed: int,
    word: str,
    reason: str,
    check: Check,
    found: Estimate,
) -> Verdict:
    return Verdict.model_validate(
        {
            "finding": finding.id,
            "word": word,
            "reason": reason,
            "checks": (*current.checks, check),
            "effect": found.effect,
            "interval": found.interval,
            "p": found.p.p if found.p is not None and found.p.reached is None else None,
            "alpha": LEVEL,
            "rows": found.rows,
            "seed": seed,
            "estimator": found.name,
            "verifier": VERSION,
            "not_covered": current.not_covered,
        }
    )
