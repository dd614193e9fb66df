"""Claims that are true by construction: one column is made of the other.

Of a rule, each of the columns that it is given is looked at; and one that `holds` must do so in
more rows than a constant does.

Decided on visible rows alone, before any error budget is allocated. Two columns count as one where
every visible row fits: the same cells; a straight line through one of them, or through its
logarithm, square, root or reciprocal, to within the rounding of the cells; the same order of at
least 20 different values; a level for each other level (a renaming, a lookup); a level for each
interval (a binning whose cuts mostly leave no gap). Of a trend only the first two.

Price: a real association without one exception in 40 independent rows or more is taken for a
definition. Not covered: what is made of several columns; a definition that some rows break; a
single cut where values lie thin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from earnest.core.columns import numbers
from earnest.core.errors import UsageError
from earnest.core.records import Check, Claim
from earnest.verify.skill import constant_share
from earnest.verify.units import NotTestableError, chosen, membership

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_LEAST_ROWS: Final = 40
_LEAST_VALUES: Final = 8
_LEAST_RANKS: Final = 20
_OF_LEVEL: Final = 5
"""Rows that a level must have on average, and that each of two must have."""
_EXACT: Final = 1e-9
_COARSE: Final = 0.01
_GAP: Final = 5


def definitional(visible: pd.DataFrame, claim: Claim, design: str) -> str:
    """Return in what way a claim is true by construction; empty: no way that is known here.

    `visible`: text cells of the visible rows. Rows that repeat a group's pair of cells count once
    where the design is `grouped`.
    """
    if not claim.relational:
        return ""
    try:
        rows = chosen(visible, claim)
    except NotTestableError:
        return ""
    if claim.direction == "holds" and (why := _as_constant(rows, claim)):
        return why
    for other in claim.given or (claim.exposure,):
        if why := _of_pair(rows, claim, other, design):
            return why
    return ""


def _of_pair(rows: pd.DataFrame, claim: Claim, other: str, design: str) -> str:
    """Return how the outcome and another column are made of each other; empty: they are not."""
    kind, _, group = design.partition(":")
    columns = [claim.outcome, other]
    rows = rows.dropna(subset=columns)
    if kind == "grouped" and group in rows.columns:
        rows = rows.drop_duplicates(list({*columns, group}))
    if len(rows) < _LEAST_ROWS:
        return ""
    y, x = rows[claim.outcome], rows[other]
    how = made(y, x, trend=claim.kind == "trend")
    if not how and claim.kind == "difference" and claim.group is not None:
        inside = membership(x, claim.group, claim.versus).dropna().astype(str)
        how = made(y.loc[inside.index], inside) if len(inside) >= _LEAST_ROWS else ""
    about = f"`{claim.outcome}` and `{other}` {how} on all {len(rows)} visible rows"
    return f"true by construction: {about}" if how else ""


def _as_constant(rows: pd.DataFrame, claim: Claim) -> str:
    """Return that a constant holds in as many rows as is claimed of a rule; empty: it does not."""
    share = constant_share(rows, claim)
    if share < (claim.threshold or 0.0):
        return ""
    return f"a constant gives `{claim.outcome}` in {share:.4g} of the visible rows too"


def definition(visible: pd.DataFrame, claim: Claim, design: str) -> Check | None:
    """Return the check that says of a claim how it is true by construction; None: it is not."""
    why = definitional(visible, claim, design)
    return Check(name="definitional", passed=None, detail=why) if why else None


def made(y: pd.Series[str], x: pd.Series[str], *, trend: bool = False) -> str:
    """Return how one of two columns of cells is made of the other; empty: it is not.

    Both of shape (n,), with no cell missing. `trend`: ask only what a trend may not be.
    """
    if bool((y == x).all()) and y.nunique() > 1:
        return "are the same"
    try:
        pair = numbers(y).to_numpy(), numbers(x).to_numpy()
    except UsageError:
        pair = None
    if pair is not None and _rescaled(*pair, straight=trend):
        return "are computed one from the other"
    if trend:
        return ""
    if pair is not None and _same_order(*pair):
        return "rise or fall together without exception"
    if _lookup(y, x) or _lookup(x, y):
        return "have a level for each level of one another"
    if _binned(y, x) or _binned(x, y):
        return "have a level for each interval of one another"
    return ""


def _rescaled(y: np.ndarray[Any, Any], x: np.ndarray[Any, Any], *, straight: bool) -> bool:
    import numpy as np

    there = np.isfinite(y) & np.isfinite(x)
    if not there.all() or min(len(np.unique(y)), len(np.unique(x))) < _LEAST_VALUES:
        return False
    if _on_a_line(y, x):
        return True
    return not straight and (
        any(_on_a_line(y, one) for one in _bent(x)) or any(_on_a_line(x, one) for one in _bent(y))
    )


def _bent(x: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Return a column's square, and its logarithm, root and reciprocal where it is positive."""
    import numpy as np

    return [x**2, np.log(x), np.sqrt(x), 1 / x] if (x > 0).all() else [x**2]


def _on_a_line(y: np.ndarray[Any, Any], x: np.ndarray[Any, Any]) -> bool:
    """Say whether the residuals of a straight line are no more than the cells' rounding."""
    import numpy as np

    reach = float(np.ptp(y))
    if not reach or not np.ptp(x) or not np.isfinite(x).all():
        return False
    z = (x - x.mean()) / np.ptp(x)
    slope = float(z @ (y - y.mean()) / (z @ z))
    worst = float(np.abs(y - y.mean() - slope * z).max())
    rounding = _unit(y) / 2 + abs(slope) / np.ptp(x) * _unit(x) / 2
    allowed = rounding if rounding <= _COARSE * reach else 0.0
    return worst <= allowed + _EXACT * reach


def _unit(values: np.ndarray[Any, Any]) -> float:
    """Return the last decimal that all values are rounded to: 1, 0.1, ...; 0 beyond 8 of them."""
    import numpy as np

    for places in range(9):
        if np.allclose(values, np.round(values, places), rtol=0, atol=1e-12):
            return float(10.0**-places)
    return 0.0


def _same_order(y: np.ndarray[Any, Any], x: np.ndarray[Any, Any]) -> bool:
    import numpy as np

    if not (np.isfinite(y) & np.isfinite(x)).all():
        return False
    (levels, ranks), (_, others) = (np.unique(one, return_inverse=True) for one in (y, x))
    if len(levels) < _LEAST_RANKS:
        return False
    return bool((ranks == others).all() or (ranks == others.max() - others).all())


def _lookup(y: pd.Series[str], x: pd.Series[str]) -> bool:
    """Say whether each level of the one goes with one level of the other, which is no accident."""
    if x.nunique() * _OF_LEVEL > len(x):
        return False
    if int((y.value_counts() >= _OF_LEVEL).sum()) < 2:
        return False
    return int(y.groupby(x).nunique().max()) == 1


def _binned(y: pd.Series[str], x: pd.Series[str]) -> bool:
    """Say whether the levels of `x` are intervals of `y` that leave no gap at their cuts."""
    import numpy as np

    if x.nunique() * _OF_LEVEL > len(x) or int((x.value_counts() >= _OF_LEVEL).sum()) < 2:
        return False
    try:
        values = numbers(y).to_numpy()
    except UsageError:
        return False
    if not np.isfinite(values).all() or len(np.unique(values)) < _LEAST_VALUES:
        return False
    order = np.argsort(values, kind="stable")
    values, levels = values[order], x.to_numpy()[order]
    cuts = np.flatnonzero(levels[1:] != levels[:-1])
    if len(cuts) + 1 != len(set(levels)):
        return False
    usual = float(np.median(np.diff(np.unique(values))))
    gaps = values[cuts + 1] - values[cuts]
    return bool((gaps > 0).all() and np.median(gaps) <= _GAP * usual)
