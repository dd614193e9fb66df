"""Claims about the rows at hand: whether a value or an anomaly computes as it is stated.

On the visible rows, which the author saw and which the claim is about; nothing of the sealed rows
comes out this way. Not covered: whether what is counted as an anomaly is one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from earnest.core.columns import numbers, same_level, select
from earnest.core.errors import UsageError
from earnest.core.records import Check, Claim
from earnest.verify.units import NotTestableError

if TYPE_CHECKING:
    import pandas as pd

_RELATIVE: Final = 1e-6


def described(visible: pd.DataFrame, claim: Claim) -> Check:
    """Check a descriptive claim on text cells: what its statistic or count is, and whether it is.

    Raises `NotTestableError` where that can't be computed.
    """
    for name in claim.columns:
        if name not in visible.columns:
            raise NotTestableError(f"the table has no column {name!r}")
    try:
        rows = select(visible, claim.subset)
        if claim.kind == "anomaly":
            return _counted(rows, claim)
        if claim.direction == "equal":
            return _equal(rows, claim)
        return _extreme(rows, claim)
    except UsageError as error:
        raise NotTestableError(str(error)) from error


def _check(held: bool, detail: str, **observed: float) -> Check:
    return Check(name="computes", passed=held, detail=detail, observed=observed)


def _counted(rows: pd.DataFrame, claim: Claim) -> Check:
    found = len(select(rows, claim.where))
    detail = f"{found} rows satisfy {claim.where}, {claim.count} were claimed"
    return _check(found == claim.count, detail, count=found)


def _equal(rows: pd.DataFrame, claim: Claim) -> Check:
    found = measured(rows, claim)
    claimed = claim.value or 0.0
    within = _RELATIVE * max(1.0, abs(claimed)) if claim.tolerance is None else claim.tolerance
    detail = f"the {claim.statistic} is {found:.6g}, {claimed:.6g} was claimed"
    return _check(abs(found - claimed) <= within, detail, value=found)


def _extreme(rows: pd.DataFrame, claim: Claim) -> Check:
    """Compare a level with every other one; a level that shares the first place is not first."""
    cells = rows[claim.exposure]
    inside = same_level(cells, claim.group or "")
    if not inside.any():
        raise NotTestableError(f"no row has {claim.exposure} {claim.group!r}")
    own = measured(rows[inside], claim)
    others: dict[str, float] = {}
    for level, part in rows[~inside & cells.notna()].groupby(claim.exposure, sort=True):
        try:
            others[str(level)] = measured(part, claim)
        except NotTestableError:
            continue  # a level without numbers has no statistic to be higher
    if not others:
        raise NotTestableError("there is no other level to compare with")
    sign = claim.sign
    rival = max(others, key=lambda level: sign * others[level])
    detail = f"{own:.6g} where it is {claim.group!r}; of the others {rival!r} comes nearest: "
    held = sign * own > sign * others[rival]
    return _check(held, f"{detail}{others[rival]:.6g}", value=own, nearest=others[rival])


def measured(rows: pd.DataFrame, claim: Claim) -> float:
    """Return the claim's statistic of its outcome in these rows. Raises `NotTestableError`."""
    cells = rows[claim.outcome]
    if claim.statistic == "count":
        return float(cells.notna().sum())
    if claim.statistic == "missing":
        return float(cells.isna().sum())
    if claim.statistic == "distinct":
        return float(cells.nunique())
    there = rows[cells.notna()]
    if there.empty:
        raise NotTestableError(f"no row has {claim.outcome!r}")
    if claim.statistic == "share":
        return len(select(there, claim.where)) / len(there)
    found = _of_numbers(there, claim)
    if not math.isfinite(found):
        raise NotTestableError(f"the {claim.statistic} of {len(there)} rows has no value")
    return found


def _of_numbers(rows: pd.DataFrame, claim: Claim) -> float:
    values = numbers(rows[claim.outcome])
    if claim.statistic == "correlation":
        return float(values.corr(numbers(rows[claim.exposure])))
    if claim.statistic == "sd":
        return float(values.std())
    if claim.statistic == "variance":
        return float(values.var())
    return float(values.dropna().agg(str(claim.statistic)))
