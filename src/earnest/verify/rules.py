"""Applying a claimed rule: its program runs in a jail, which is shown the columns it is given.

One call for each distinct row, in an order drawn at random; then all again in a second jail, under
another clock and in another order. A rule that answers differently depends on more than its row
(what it was asked before, the clock, a generator), and is no rule. What it says stands as one more
column of the rows, under a name that no table's column can have, so that estimators, `fragility`
and `replicate` see a frame like any other. Of more than 10,000 rows a random part is taken: where
they come in groups, so many of each.

What is told of sealed rows holds no count of them: an author chooses where a rule fails, and would
learn how many rows are of that sort.

Not covered: one bit of what a rule is given in sealed rows, which it can tell by breaking off or
being slow; what a rule keeps from one call to the next without ever answering by it; a dependence
on the clock that 400 days don't show, or on a generator in fewer rows than these.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import LackError
from earnest.core.protocols import Sandbox
from earnest.core.records import Claim
from earnest.core.rules import RuleColumns
from earnest.sandbox.grade_call import CallTimeoutError, CandidateError, ProtocolError
from earnest.sandbox.grade_many import Answer, answers, differing
from earnest.verify import evidence_clock
from earnest.verify.units import NotTestableError, chosen

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NUMBER: Final = "\x1frule, a number"
LEVEL: Final = "\x1frule, a level"
OWN: Final = frozenset((NUMBER, LEVEL))
"""Columns of what a rule says. Names in tables are stripped: none begins with white space."""

_MOST_ROWS: Final = 10_000
_CALL_S: Final = 2.0
_TOTAL_S: Final = 60.0
_SHOWN: Final = 200


class NotAFunctionError(NotTestableError):
    """The program is no function of a row alone; the message says what it did."""


def own_column(rows: pd.DataFrame) -> str:
    """Return which column holds what a rule said. Raises `NotTestableError`."""
    for name in OWN:
        if name in rows.columns:
            return name
    raise NotTestableError("the rule was not applied to these rows")


def applied(
    sandbox: Sandbox,
    claim: Claim,
    visible: pd.DataFrame,
    frame: pd.DataFrame,
    design: str,
    seed: int,
) -> pd.DataFrame:
    """Return the rows that a rule speaks of, at most 10,000, with what it says in one more column.

    `visible`: text cells, which settle how columns are read; `frame`: those it is applied to. Where
    it says nothing usable, the cell is missing. Raises `NotAFunctionError`, and `NotTestableError`
    where it is too slow.
    """
    import pandas as pd

    rows = _part(chosen(frame, claim), design, seed)
    columns = RuleColumns.of(visible, claim)
    places, inputs = _distinct(rows, columns)
    said = [columns.answer(one.value) for one in _asked(sandbox, claim.program, inputs, seed)]
    cells = [None if said[place] is None else str(said[place]) for place in places]
    name = NUMBER if columns.number else LEVEL
    return rows.assign(**{name: pd.Series(cells, index=rows.index, dtype=object)})


def _part(rows: pd.DataFrame, design: str, seed: int) -> pd.DataFrame:
    """Return at most so many rows, drawn at random; where they come in groups, some of each."""
    if len(rows) <= _MOST_ROWS:
        return rows
    column = design.partition(":")[2]
    if not design.startswith("grouped"):
        return rows.sample(_MOST_ROWS, random_state=seed % 2**32)
    mixed = rows.sample(frac=1, random_state=seed % 2**32)
    of_each = max(1, _MOST_ROWS // mixed[column].nunique())
    return mixed.groupby(column).head(of_each).iloc[:_MOST_ROWS]


def _distinct(
    rows: pd.DataFrame, columns: RuleColumns
) -> tuple[np.ndarray[Any, Any], list[dict[str, Any]]]:
    """Return each row's place among the distinct ones, and these as the rule is given them."""
    import numpy as np

    given = rows[list(columns.given)]
    codes = given.groupby(list(columns.given), sort=False, dropna=False).ngroup().to_numpy()
    first = np.unique(codes, return_index=True)[1]
    return codes, columns.rows(given.iloc[first])


def _asked(
    sandbox: Sandbox, program: str, inputs: Sequence[dict[str, Any]], seed: int
) -> list[Answer]:
    """Ask twice; return the answers where they agree."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(seed))
    try:
        first, again = (
            answers(
                sandbox,
                source,
                "f",
                inputs,
                rng.permutation(len(inputs)).tolist(),
                call_s=_CALL_S,
                total_s=_TOTAL_S,
            )
            for source in (program, _under_another_clock(program))
        )
    except CandidateError as error:
        told = f"its program can't be loaded: {error.name}: {error.text}"
        raise NotAFunctionError(told[:_SHOWN]) from error
    except ProtocolError as error:
        raise NotAFunctionError(f"the rule broke off: {error}") from error
    except CallTimeoutError as error:
        raise NotTestableError(f"the rule is too slow: {error}") from error
    except LackError as error:
        raise NotTestableError(f"{error} ({error.mend})") from error
    if differing(first, again):
        raise NotAFunctionError(
            "asked again, in another order, another jail and at another date, it differs"
        )
    return first


def _under_another_clock(program: str) -> str:
    """Return a program that gives the same function, a year later and in another time zone."""
    shift = Path(evidence_clock.__file__).read_text(encoding="utf-8")
    pandas = "pandas" in program
    return (
        f"{shift}\nshift(pandas={pandas})\n_space = {{'__name__': 'candidate'}}\n"
        f"exec(compile({program!r}, 'candidate.py', 'exec'), _space)\nf = _space['f']\n"
    )
