"""From a file's bytes to text: unpacked within a bound, decoded, other formats made into CSV.

A text that is not UTF-8 throughout is decoded line by line, each line by itself: UTF-8 where it is
that, else Windows-1252. So what a line says doesn't depend on the others, and a file that grows
keeps the text of its rows, which the split rests on. An encoding is never guessed from statistics;
where the bytes look like no Western text, the error names what they look like.

Not covered: a Central European or other single-byte text whose accents stand alone reads as
Windows-1252 (said); name its encoding.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import Final

from earnest.core.errors import TableError
from earnest.tasks.assume import Assumed, Reading

MOST_BYTES: Final = 2**30
_MOST_RATIO: Final = 200  # a table of text shrinks to a tenth, rarely to a fiftieth
_FREE_BYTES: Final = 2**26  # up to here the ratio is not looked at
_CHUNK: Final = 2**20
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHEETS: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_TWICE: Final = re.compile(
    "Ã[\u0080-\u00bf\u0152-\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|Â[\u00a0-\u00bf]|â€."
)


@dataclass(frozen=True)
class Source:
    """A file as text. `whole`: it came from a format that has no lines above or below a table."""

    text: str
    whole: bool = False


def _unpacked(path: Path, most: int) -> Iterator[bytes]:
    """Yield the bytes of a gzipped file, up to a bound. Raises `TableError` beyond it."""
    packed, size = path.stat().st_size, 0
    with path.open("rb") as raw, GzipFile(fileobj=raw) as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            if size > min(most, max(_FREE_BYTES, _MOST_RATIO * packed)):
                raise TableError(
                    f"{path} unpacks to more than {size - len(chunk):,} bytes "
                    f"from {packed:,}: that is no table",
                    mend=f"unpack it yourself and look at it; a table must be under {most:,} bytes",
                )
            yield chunk


def bytes_of(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return a file's content, unpacked where its name ends in `.gz`. Raises `TableError`."""
    if not path.exists():
        raise TableError(f"there is no file {path}", mend="check the path given with --data")
    if path.is_dir():
        raise TableError(f"{path} is a folder", mend=f"name one file: --data {path / 'FILE.csv'}")
    try:
        if path.stat().st_size > most:
            raise TableError(
                f"{path} has {path.stat().st_size:,} bytes, more than {most:,}",
                mend="keep the columns you need, or draw a sample of the rows",
            )
        data = b"".join(_unpacked(path, most)) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, BadGzipFile, zlib.error) as error:
        raise TableError(f"can't read {path}: {error}", mend="check the file") from error
    if not data.strip():
        raise TableError(f"{path} is empty", mend="name a file with a header and rows")
    return data


def source(path: Path, reading: Reading, assumed: Assumed) -> Source:
    """Return a file as text; Parquet, spreadsheets and JSON become CSV.

    Raises `TableError`, which names the mend, or `LackError` where a reader is missing.
    """
    from earnest.tasks import formats

    data = bytes_of(path)
    kind = next((end for end in reversed(path.suffixes) if end != ".gz"), "").lower()
    if kind in (".parquet", ".pq"):
        return Source(formats.parquet(data, path), whole=True)
    if kind in _SHEETS or _is_sheet(data):
        return Source(formats.spreadsheet(data, path, reading.sheet, assumed))
    if data.startswith((b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")):
        raise TableError(f"{path} is packed", mend="unpack it, and name the table in it")
    text = decoded(data, path, reading, assumed)
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return Source(formats.records(text, path, assumed), whole=True)
    if start == "<":
        raise TableError(f"{path} is not a table: it is markup", mend="export it as CSV")
    return Source(text)


def _is_sheet(data: bytes) -> bool:
    return data.startswith(b"PK\x03\x04") and b"xl/" in data[:4096] + data[-65536:]


def decoded(data: bytes, path: Path, reading: Reading, assumed: Assumed) -> str:
    """Return a text file's text. Raises `TableError`."""
    text = _decoded(data, path, reading, assumed)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        binary = sum(char < " " and char not in "\t\r\n" for char in text[:4096]) > 8
        raise TableError(
            f"{path} is not a table: it holds binary data (a NUL in line {line})",
            mend="export it as CSV or Parquet"
            if binary
            else f"take the NULs out: tr -d '\\000' < {path.name} > clean.csv",
        )
    if found := _TWICE.findall(text):
        said = f"text such as {found[0]!r} looks like UTF-8 that was once read as something else"
        assumed.add("mojibake", f"{said}; it is left as it stands", count=len(found))
    if lost := text.count("\ufffd"):
        assumed.add("mojibake", "characters were lost before the file came here", count=lost)
    return text


def _decoded(data: bytes, path: Path, reading: Reading, assumed: Assumed) -> str:
    if reading.encoding:
        try:
            return data.decode(reading.encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise TableError(
                f"{path} is not {reading.encoding}: {error.reason} at byte {error.start:,}",
                mend="name another encoding, or none",
            ) from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    encoding = encoding or _unmarked_utf16(data)
    if encoding:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            raise TableError(
                f"{path} begins like {encoding} and is not: {error.reason}",
                mend="save it as UTF-8",
            ) from error
        assumed.add("encoding", f"read as {encoding.upper()}")
        return text.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _line_by_line(data, path, assumed)


def _unmarked_utf16(data: bytes) -> str:
    """Say which UTF-16 a text without a mark is: every other byte of a Western one is zero."""
    head = data[:4096]
    half = len(head) // 2
    if half < 8 or head.count(0) < half * 0.7:
        return ""
    odd = head[1::2].count(0)
    if odd > half * 0.7 and head[::2].count(0) < half * 0.1:
        return "utf-16-le"
    if head[::2].count(0) > half * 0.7 and odd < half * 0.1:
        return "utf-16-be"
    return ""


def _line_by_line(data: bytes, path: Path, assumed: Assumed) -> str:
    _refuse_other_scripts(data, path)
    lines, other = [], 0
    for line in data.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            other += 1
            lines.append(_western(line))
    assumed.add("encoding", "lines that are no UTF-8 are read as Windows-1252", count=other)
    return "".join(lines)


def _western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _refuse_other_scripts(data: bytes, path: Path) -> None:
    """Raise `TableError` where most bytes beyond ASCII stand in runs, as no Western text has."""
    sample = data[: 2**20]
    if b"\0" in sample:
        return
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", sample)]
    if sum(run for run in runs if run > 2) <= 0.3 * sum(runs):
        return
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    name = best.encoding if best else "NAME"
    raise TableError(
        f"{path} is neither UTF-8 nor a Western text" + (f": it may be {name}" if best else ""),
        mend=f"name its encoding: --read encoding={name}, or save it as UTF-8",
    )
