"""The last check of a rule's evidence: its program is a function of a row, and what it does there.

On the visible rows. Not covered: what `rules` leaves out; whether the author's numbers are the
same as ours, which measure may differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earnest.core.protocols import Sandbox
from earnest.core.records import Check, Claim
from earnest.verify.estimate import point
from earnest.verify.rules import NotAFunctionError, applied, own_column
from earnest.verify.units import NotTestableError

if TYPE_CHECKING:
    import pandas as pd


def check_function(
    sandbox: Sandbox, claim: Claim, visible: pd.DataFrame, design: str, seed: int
) -> Check:
    """Check that a rule's program gives the same answers twice, and a usable one somewhere.

    Its effect on the visible rows by our own measure is told along, where it has one. `passed` is
    None where nothing can be said: the rule is too slow, or no jail here has a line to it.
    """
    try:
        rows = applied(sandbox, claim, visible, visible, design, seed)
    except NotAFunctionError as error:
        return Check(name="function", passed=False, detail=str(error))
    except NotTestableError as error:
        return Check(name="function", passed=None, detail=str(error))
    silent = int(rows[own_column(rows)].isna().sum())
    if silent == len(rows):
        return Check(name="function", passed=False, detail="no visible row gets a usable answer")
    detail = f"two jails, two orders, two clocks: the same answers on {len(rows)} visible rows"
    detail += f", usable ones but for {silent}" if silent else ""
    observed = {"rows": float(len(rows)), "silent": float(silent)}
    try:
        observed["effect"] = point(rows, claim, design)
        detail += f"; its effect there is {observed['effect']:.2g}"
    except NotTestableError:
        pass  # there are too few units, or no test in this design
    return Check(name="function", passed=True, detail=detail, observed=observed)
