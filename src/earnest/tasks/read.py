"""Read a file as a table of text cells, or say clearly why it is none.

Cells stay text, as they stand in the file: the split hashes them, and a number that is parsed
and printed again is another text. Not covered yet: several notations of a date or number in one
column, repeated headers, several tables in one file.
"""

from __future__ import annotations

import csv
import io
import zlib
from gzip import BadGzipFile
from gzip import decompress as gunzip
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.errors import LackError, TableError

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS: Final = 30
_DELIMITERS: Final = ",;\t|"


def _bytes_of(path: Path) -> bytes:
    if not path.exists():
        raise TableError(f"there is no file {path}", mend="check the path given with --data")
    if path.is_dir():
        raise TableError(f"{path} is a folder", mend=f"name one file: --data {path / 'FILE.csv'}")
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gunzip(data)
    except (OSError, EOFError, BadGzipFile, zlib.error) as error:
        raise TableError(f"can't read {path}: {error}", mend="check the file") from error
    if not data.strip():
        raise TableError(f"{path} is empty", mend="name a file with a header and rows")
    return data


def _text_of(data: bytes, path: Path) -> str:
    if b"\0" in data[:65536]:
        raise TableError(
            f"{path} is not a table: it holds binary data",
            mend="export it as CSV or Parquet",
        )
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _delimiter(text: str) -> str:
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if lines[0].lstrip().startswith(("{", "[", "<")):
        raise TableError(
            "the file is not a table: it looks like JSON or markup", mend="export it as CSV"
        )
    counts = {mark: [len(row) for row in csv.reader(lines, delimiter=mark)] for mark in _DELIMITERS}
    steady = [mark for mark, widths in counts.items() if widths[0] > 1 and min(widths) > 1]
    return max(
        steady, key=lambda mark: (counts[mark].count(counts[mark][0]), counts[mark][0]), default=","
    )


def _read_text(text: str, path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=_delimiter(text),
            dtype=str,
            keep_default_na=False,
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
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise LackError(
            "reading Parquet needs pyarrow", mend="pip install 'earnest[data]'"
        ) from error
    except (OSError, ValueError) as error:
        raise TableError(
            f"{path} is not a Parquet table: {error}", mend="check the file"
        ) from error
    return as_text(frame)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of text cells as a CSV of it would hold them; missing values are empty."""
    import pandas as pd

    return pd.read_csv(
        io.StringIO(frame.to_csv(index=False, lineterminator="\n")),
        dtype=str,
        keep_default_na=False,
    )


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV (any common delimiter, optionally gzipped) or Parquet file as text cells.

    Raises `TableError`, which names the mend, for a file that is missing, empty, no table, one
    column wide or shorter than `LEAST_ROWS`; `LackError` where Parquet can't be read here.
    """
    if path.suffix in (".parquet", ".pq"):
        _bytes_of(path)
        frame = _read_parquet(path)
    else:
        frame = _read_text(_text_of(_bytes_of(path), path), path)
    frame.columns = [str(name).strip() for name in frame.columns]
    unnamed = frame.columns.str.match(r"^(Unnamed: \d+|)$")
    if unnamed[:1].any() and frame.iloc[:, 0].is_unique:
        frame = frame.iloc[:, 1:]  # an index that some program wrote along
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
