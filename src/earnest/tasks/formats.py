"""Parquet, spreadsheets and JSON records as the text of a CSV. Numbers of JSON stay as they stand.

Nothing in a file is computed: of a formula in a spreadsheet, the value that was stored is read.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import LackError, TableError
from earnest.tasks.assume import Assumed

if TYPE_CHECKING:
    import pandas as pd

_MOST_SHEET_BYTES: Final = 2**30
_AS_CSV: Final = "export it as CSV"


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame as the text of a CSV; missing values are empty."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def parquet(data: bytes, path: Path) -> str:
    """Return a Parquet file as CSV. Raises `TableError`, `LackError`."""
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except ImportError as error:
        raise LackError(
            "reading Parquet needs pyarrow", mend="pip install 'earnest[data]'"
        ) from error
    except (OSError, ValueError) as error:
        raise TableError(
            f"{path} is not a Parquet table: {error}", mend="check the file"
        ) from error
    return as_csv(frame)


def spreadsheet(data: bytes, path: Path, wanted: str, assumed: Assumed) -> str:
    """Return one sheet of a workbook as CSV: the one that is named, else the only one filled.

    Raises `TableError`, `LackError`.
    """
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise LackError(
            "reading a spreadsheet needs python-calamine", mend="pip install 'earnest[excel]'"
        ) from error
    _bounded(data, path)
    try:
        with calamine.load_workbook(io.BytesIO(data)) as book:
            names = book.sheet_names
            if wanted and wanted not in names:
                raise TableError(
                    f"{path} has no sheet {wanted!r}", mend=f"choose from {', '.join(names)}"
                )
            sheets = {
                name: book.get_sheet_by_name(name).to_python(skip_empty_area=True)
                for name in ([wanted] if wanted else names)
            }
    except calamine.CalamineError as error:
        raise TableError(f"can't read {path}: {error}", mend=_AS_CSV) from error
    filled = {name: rows for name, rows in sheets.items() if len(rows) > 1}
    if len(filled) > 1:
        raise TableError(
            f"{path} has {len(filled)} sheets that hold something: {', '.join(filled)}",
            mend=f"name one: --read sheet={next(iter(filled))!r}",
        )
    if not filled:
        raise TableError(f"{path} is empty", mend="name a file with a header and rows")
    ((name, rows),) = filled.items()
    assumed.add("source", f"the sheet {name!r}; a formula counts as its stored value")
    return _csv([_cell(value) for value in row] for row in rows)


def _bounded(data: bytes, path: Path) -> None:
    """Refuse a workbook that unpacks to more than a bound, whatever it says of its own size."""
    if not data.startswith(b"PK"):
        return
    size = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            for item in book.infolist():
                with book.open(item) as part:
                    while chunk := part.read(2**20):
                        size += len(chunk)
                        if size > min(_MOST_SHEET_BYTES, max(2**28, 200 * len(data))):
                            raise TableError(
                                f"{path} unpacks to more than {size:,} bytes", mend=_AS_CSV
                            )
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise TableError(f"can't read {path}: {error}", mend=_AS_CSV) from error


def _cell(value: Any) -> str:
    """Return a cell of a workbook as text: whole numbers without a point, dates as ISO 8601."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime):
        midnight = value.time() == time(0)
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    return str(value)


def records(text: str, path: Path, assumed: Assumed) -> str:
    """Return JSON (a list of objects, an object a line, or columns) as CSV. Raises `TableError`."""
    rows = _rows(text, path, assumed)
    names = list(dict.fromkeys(name for row in rows for name in row))
    nested = [
        name for name in names if any(isinstance(row.get(name), (dict, list)) for row in rows)
    ]
    if nested:
        assumed.add("source", "a cell that holds an object or a list is its JSON text", *nested)
    return _csv([names, *([_json_cell(row.get(name)) for name in names] for row in rows)])


def _rows(text: str, path: Path, assumed: Assumed) -> list[Mapping[str, Any]]:
    try:
        try:
            found = _parsed(text)
        except ValueError:
            found = [_parsed(line) for line in text.splitlines() if line.strip()]
            assumed.add("source", "JSON, one object a line")
    except ValueError as error:
        raise TableError(f"{path} is not JSON: {error}", mend=_AS_CSV) from error
    except RecursionError as error:
        raise TableError(f"{path} is nested too deeply for a table", mend=_AS_CSV) from error
    if isinstance(found, dict):
        found = _inside(found, path, assumed)
    if not found or not all(isinstance(row, dict) for row in found):
        raise TableError(
            f"{path} is JSON, but not a list of objects",
            mend="write it as [{...}, {...}], one object a row, or " + _AS_CSV,
        )
    return list(found)


def _parsed(text: str) -> Any:
    """Read JSON, numbers as the text that stands there."""
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def _inside(found: dict[str, Any], path: Path, assumed: Assumed) -> list[Any]:
    """Return the rows of an object: its only list of objects, or its columns."""
    lists = {name: value for name, value in found.items() if isinstance(value, list) and value}
    rows = {name: value for name, value in lists.items() if isinstance(value[0], dict)}
    if len(rows) == 1:
        ((name, value),) = rows.items()
        assumed.add("source", f"the table is the list {name!r} of the file's object")
        return list(value)
    if len(rows) > 1:
        raise TableError(
            f"{path} holds several tables: {', '.join(rows)}", mend="write each to its own file"
        )
    if lists and len(lists) == len(found) and len({len(value) for value in lists.values()}) == 1:
        assumed.add("source", "the file's object holds one list a column")
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    return [found]


def _json_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
