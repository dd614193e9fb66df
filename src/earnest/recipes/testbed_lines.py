"""Files of JSON lines: appended whole, read again, and cut back to what still counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from earnest.core.errors import UsageError
from earnest.core.home import write_whole


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(json.dumps(line, sort_keys=True).encode() + b"\n")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines; a last one that a kill has cut is left out.

    Raises `UsageError` for a damaged line before it.
    """
    if not path.exists():
        return
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            found = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f"{path.name}, line {number}: no JSON", mend="run it anew in another folder"
            ) from error
        if not isinstance(found, dict):
            raise UsageError(f"{path.name}, line {number}: no object", mend="run it anew")
        yield found


def rewrite(path: Path, keeps: Callable[[Mapping[str, Any]], bool]) -> None:
    """Keep the lines that still count."""
    kept = [line for line in lines(path) if keeps(line)]
    if path.exists():
        write_whole(
            path, b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in kept)
        )
