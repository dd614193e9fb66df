"""Which rows an author saw, told to whoever has a copy of the table, and to nobody else.

A *manifest* is the sorted 8-byte keyed hashes of the rows that an author saw (key: the table's
id). Whoever has the same rows can tell which of them the author saw, and so which not: on those the
claim can be tested by somebody else. A row is known by its columns that have a name of their own,
numbers at six digits and texts without regard to case and spaces, so that another notation of a
cell hides no row.

Not covered: a source that leaves out rows which its author saw (unless `proved`, below); a copy in
which cells were changed, or that lacks rows' columns, is other rows to this; and whoever has a
manifest and the id of its table can test a guess at a whole row.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.core.columns import MISSING
from earnest.core.errors import TableError, UsageError
from earnest.tasks.split import UNNAMED, Design, times

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

BYTES: Final = 8
FEW: Final = 0.1
"""The share of common rows from which on a table counts as a copy."""
LEAST: Final = 20
"""The fewest rows on either side of a copy: below that nothing can be said."""


def known_by(columns: Sequence[str]) -> list[str]:
    """Return the columns that a row is known by: those with a name, or all where none has one."""
    return sorted(name for name in columns if not UNNAMED.fullmatch(name)) or sorted(columns)


def _cell(text: object) -> str:
    if not isinstance(text, str) or text in MISSING:
        return ""
    try:
        return format(float(text), ".6g")
    except ValueError:
        return " ".join(text.split()).casefold()


def row_hashes(cells: pd.DataFrame, columns: Sequence[str], table: str) -> npt.NDArray[np.uint64]:
    """Return each row's keyed hash. `cells`: as `read_cells` gives them; `columns`: the table's.

    Raises `UsageError` where a column is missing: which rows are the same can't be told then.
    """
    import numpy as np

    names = known_by(columns)
    lacking = [name for name in names if name not in cells.columns]
    if lacking:
        raise UsageError(
            f"it lacks {', '.join(map(repr, lacking[:5]))} of the columns that the author saw, so "
            "whether its rows are others can't be told",
            mend="take a table with the same columns",
        )
    texts = [cells[name].map({one: _cell(one) for one in cells[name].unique()}) for name in names]
    rows = zip(*(column.fillna("").tolist() for column in texts), strict=True)
    key = table.encode()
    found = (
        hmac.digest(key, "\x1f".join(row).encode("utf-8", "surrogatepass"), "sha256")[:BYTES]
        for row in rows
    )
    return np.frombuffer(b"".join(found), dtype=">u8").astype(np.uint64)


def manifest(cells: pd.DataFrame, columns: Sequence[str], table: str) -> bytes:
    """Return the manifest of a table's visible rows: as many hashes as rows, sorted."""
    import numpy as np

    return np.sort(row_hashes(cells, columns, table)).astype(">u8").tobytes()


@dataclass(frozen=True)
class Copy:
    """How a table relates to the rows that an author saw, as masks of its rows.

    `seen`: rows that the author saw. `unseen`: rows of which nothing was seen: no group, and no
    time, reaches from one side to the other. `same`: it is a copy, or a part of one.
    """

    seen: npt.NDArray[np.bool_]
    unseen: npt.NDArray[np.bool_]
    same: bool


def compare(
    cells: pd.DataFrame, columns: Sequence[str], table: str, design: str, told: bytes
) -> Copy:
    """Compare a table with a manifest. Raises `UsageError`, `TableError`.

    `columns`, `table` (its id) and `design`: of the table that the author saw.
    """
    import numpy as np

    there = np.frombuffer(told, dtype=">u8").astype(np.uint64)
    mine = row_hashes(cells, columns, table)
    seen = np.isin(mine, there)
    found = max(seen.mean() if len(mine) else 0.0, np.isin(there, mine).mean() if len(there) else 0)
    same = bool(found >= FEW)
    unseen, chosen = ~seen, Design.parse(design)
    if chosen.column and chosen.column not in cells.columns:
        raise UsageError(f"it has no column {chosen.column!r}, which its design names")
    if chosen.kind == "grouped":
        groups = cells[chosen.column].fillna("")
        unseen &= ~groups.isin(set(groups[seen])).to_numpy()
    if chosen.kind == "time" and same:
        when = times(cells[chosen.column]).to_numpy()
        unseen &= when > when[seen].max()
    return Copy(seen, unseen, same)


def require_enough(copy: Copy, name: str) -> None:
    """Raise `TableError` where a copy has too few rows on a side to run and test a claim."""
    for rows, what in ((copy.seen, "that the author saw"), (copy.unseen, "that they never saw")):
        count = int(rows.sum())
        if (copy.same or rows is copy.unseen) and count < LEAST:
            raise TableError(
                f"{name} has {count} rows {what}; it takes {LEAST}",
                mend="bring the whole table, or one with other rows",
            )
