"""A table's cells, parsed once for all findings about it, and no more columns than are needed.

Of a table with 3,000 columns, parsing, copying and writing are nearly all of a verification.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.columns import read_cells
from earnest.core.predicates import parse_conjunction
from earnest.core.records import Claim

if TYPE_CHECKING:
    import pandas as pd

_FILES: Final = 2  # the visible and the sealed rows of one table


def cells_of(path: Path) -> pd.DataFrame:
    """Return a file's cells as text, missing ones as NaN; not to be changed.

    A file that has changed is read again. Raises `OSError`.
    """
    return _cells(path, *_state(path))


def text_of(path: Path) -> pd.DataFrame:
    """Return a file's cells as they stand in it, missing ones too; not to be changed."""
    return _text(path, *_state(path))


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=_FILES)
def _cells(path: Path, *_: int) -> pd.DataFrame:
    return read_cells(path)


@lru_cache(maxsize=1)
def _text(path: Path, *_: int) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path, dtype=str, keep_default_na=False)


def named(claim: Claim) -> set[str]:
    """Return the columns that a claim names, those of its predicates among them."""
    text = parse_conjunction(claim.subset) + parse_conjunction(claim.where)
    return {*claim.columns, *(comparison.name for comparison in text)}


def narrow(cells: pd.DataFrame, claim: Claim, design: str, *, others: int = 0) -> pd.DataFrame:
    """Return the columns that a claim and its design name, and the first of the others.

    All of them where one that is named is not there: what is said of that lists them.
    """
    wanted = named(claim) | ({design.partition(":")[2]} - {""})
    if not wanted <= set(cells.columns):
        return cells
    rest = [name for name in cells.columns if name not in wanted][:others]
    kept = wanted | set(rest)
    return cells[[name for name in cells.columns if name in kept]]
