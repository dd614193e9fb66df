"""Read a file as a table of text cells, or say clearly why it is none.

Cells stay text, as they stand in the file: the split hashes them, and a number that is parsed
and printed again is another text. `earnest.tasks.tidy` unifies notations afterwards, on rows
whose side is decided.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.errors import TableError
from earnest.tasks.assume import Assumed, Reading
from earnest.tasks.formats import as_csv
from earnest.tasks.layout import Layout, lay_out
from earnest.tasks.source import source
from earnest.tasks.split import UNNAMED

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS: Final = 30
_TOTALS: Final = re.compile(
    r"(grand |sub)?-?totals?|sum|all|average|mean|summe|gesamt|insgesamt|total g[eé]n[eé]ral", re.I
)
_TAIL: Final = 3


def _parsed(text: str, layout: Layout | None, path: Path) -> pd.DataFrame:
    import pandas as pd

    part = text if layout is None else text[layout.start : layout.stop]
    try:
        frame = pd.read_csv(
            io.BytesIO(part.encode("utf-8", "surrogatepass")),
            sep=layout.mark if layout else ",",
            dtype=str,
            keep_default_na=False,
            encoding_errors="surrogatepass",
            skipinitialspace=True,
            on_bad_lines="error",
        )
        if not isinstance(frame.index, pd.RangeIndex):
            raise csv.Error("its rows have more cells than its header")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise TableError(
            f"{path} is not a table: {str(error).strip()}",
            mend="give every line as many cells as the header; quote cells that hold the delimiter",
        ) from error
    return frame.fillna("")


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of text cells as a CSV of it would hold them; missing values are empty."""
    import pandas as pd

    return pd.read_csv(io.StringIO(as_csv(frame)), dtype=str, keep_default_na=False)


def _named(frame: pd.DataFrame, layout: Layout | None, assumed: Assumed) -> pd.DataFrame:
    """Give columns names without blanks around them, and say which were made up."""
    import pandas as pd

    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    given = layout.header if layout else tuple(frame.columns)
    first: set[str] = set()
    for name, own in zip(given, frame.columns, strict=False):
        if not name:
            assumed.add("names", "columns without a name are called by their place", own, count=1)
        elif name in first:
            assumed.add("names", "columns with a name that is taken get a number", own, count=1)
        first.add(name)
    if not frame.columns.is_unique:  # names that differ in blanks only
        seen: dict[str, int] = {}
        names = []
        for name in frame.columns:
            seen[name] = seen.get(name, -1) + 1
            names.append(name if not seen[name] else f"{name}.{seen[name]}")
        frame.columns = pd.Index(names)
    return frame


def _without_index(frame: pd.DataFrame, assumed: Assumed) -> pd.DataFrame:
    """Leave out an index that some program wrote along: a first column without a name.

    Whole numbers are one even where they begin again, since rows were appended.
    """
    if len(frame.columns) < 2 or not UNNAMED.fullmatch(frame.columns[0]):
        return frame
    cells = frame.iloc[:, 0]
    if not (cells.is_unique or cells.str.fullmatch(r"\d+").all()):
        return frame
    assumed.add("index", "a first column without a name that counts or names rows is left out")
    return frame.iloc[:, 1:]


def _equal_rows(frame: pd.DataFrame, values: tuple[str, ...]) -> pd.Index:
    """Return the labels of the rows that hold these cells; narrowed column by column."""
    found = frame.index
    for place, value in enumerate(values):
        cells = frame.iloc[:, place]
        found = found[(cells.loc[found].str.strip() == value).to_numpy()]
        if not len(found):
            break
    return found


def _without_noise(frame: pd.DataFrame, layout: Layout | None, assumed: Assumed) -> pd.DataFrame:
    """Leave out rows that are no data: the header again, blank ones, totals at the end."""
    header = layout.header if layout else tuple(frame.columns)
    for what, values, said in (
        ("header-again", header, "the header stands again between rows, and is left out there"),
        ("blank-rows", ("",) * len(header), "rows without a single cell are left out"),
    ):
        found = _equal_rows(frame, values[: len(frame.columns)])
        if len(found):
            assumed.add(what, said, count=len(found))  # type: ignore[arg-type]
            frame = frame.drop(found)
    last = frame.index[-_TAIL:]
    while len(frame) and _is_total(frame, last):
        assumed.add("totals", "rows of totals at the end are left out", count=1)
        frame = frame.iloc[:-1]
    return frame.reset_index(drop=True)


def _is_total(frame: pd.DataFrame, last: pd.Index) -> bool:
    """Whether the last row begins with a word for a total that no earlier row has there."""
    for place, cell in enumerate(frame.iloc[-1]):
        if cell.strip():
            if not _TOTALS.fullmatch(cell.strip().rstrip(":")):
                return False
            earlier = frame.iloc[:, place].drop(last, errors="ignore")
            return not (earlier == cell).any()
    return False


def read_table(
    path: Path, reading: Reading | None = None, assumed: Assumed | None = None
) -> pd.DataFrame:
    """Read a file as text cells: CSV (any common delimiter), Parquet, a spreadsheet, JSON records.

    What is assumed is added to `assumed`; `reading` says what the file doesn't. Raises
    `TableError`, which names the mend, for a file that is missing, empty, no table, one column
    wide or shorter than `LEAST_ROWS`; `LackError` where a reader is missing.
    """
    reading, assumed = reading or Reading(), assumed if assumed is not None else Assumed()
    found = source(path, reading, assumed)
    layout = None if found.whole else lay_out(found.text, path, assumed)
    frame = _named(_parsed(found.text, layout, path), layout, assumed)
    frame = _without_index(_without_noise(frame, layout, assumed), assumed)
    if len(frame.columns) < 2:
        raise TableError(
            f"{path} has one column", mend="a claim needs two columns: check the delimiter"
        )
    if len(frame) < LEAST_ROWS:
        raise TableError(
            f"{path} has {len(frame)} rows: too few to seal some and verify anything on them",
            mend=f"bring at least {LEAST_ROWS} rows",
        )
    return frame
