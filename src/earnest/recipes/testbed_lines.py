"""Files of JSON lines: appended whole, read again, and cut back to what still counts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.home import write_whole

_TAIL: Final = 1 << 16


def _line(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, sort_keys=True, allow_nan=False).encode() + b"\n"


def _whole(descriptor: int) -> int:
    """Return the size of a file without a last line that has no end."""
    size = os.fstat(descriptor).st_size
    while size:
        first = max(0, size - _TAIL)
        end = os.pread(descriptor, size - first, first).rfind(b"\n")
        if end >= 0:
            return first + end + 1
        size = first
    return 0


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line, for good. What a kill has left of one before it is taken out."""
    append_bytes(path, _line(line))


def append_bytes(path: Path, data: bytes) -> None:
    """Add whole lines, for good. What a kill has left of one before them is taken out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        file.truncate(_whole(descriptor))
        file.seek(0, os.SEEK_END)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def numbered(data: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """Return a file's whole lines that are not blank, numbered from 1, and whether one is cut."""
    *whole, rest = data.split(b"\n")
    found = [(number, line) for number, line in enumerate(whole, 1) if line.strip()]
    return found, bool(rest.strip())


def damaged(path: Path, number: int, why: str) -> UsageError:
    """Return the error of a line that is none of its file's."""
    return UsageError(
        f"line {number} of {path} is damaged ({why})",
        mend=f"sed -i '{number}d' {quote(str(path))}   # takes it out",
    )


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines; a last one that a kill has cut is left out.

    Raises `UsageError` for a damaged line before it.
    """
    if not path.exists():
        return
    for number, line in numbered(path.read_bytes())[0]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise damaged(path, number, "no JSON") from error
        if not isinstance(found, dict):
            raise damaged(path, number, "no object")
        yield found


def rewrite(
    path: Path,
    keeps: Callable[[Mapping[str, Any]], bool],
    more: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Keep the lines that still count, and add more: all of it, or nothing."""
    kept = [line for line in lines(path) if keeps(line)]
    if path.exists() or (more := list(more)):
        write_whole(path, b"".join(map(_line, [*kept, *more])))


def files_of(folder: Path, name: str) -> list[Path]:
    """Return a run's files of a name: each seed's own, or one for all of them."""
    return [*sorted(folder.glob(f"seed-*/{name}")), folder / name]
