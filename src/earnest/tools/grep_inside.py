"""The program of `grep` in its jail. It runs as `python -c SOURCE PLAN`, without ours to import.

Prints `file:line: text`, `file-line- text` for lines around, and how much there was. Lines are
looked at up to `_LONGEST` characters; files that are no text are passed over.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

_LONGEST = 20_000
_SHOWN = 300


def _text(path: str) -> list[str] | None:
    """Return the lines of a text file; None: it is none."""
    data = Path(path).read_bytes()
    if b"\0" in data[:8192]:
        return None
    return data.decode("utf-8", "replace").splitlines()


def _shown(line: str) -> str:
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} [cut]"


def _file(name: str, lines: list[str], plan: dict[str, Any], pattern: Any, seen: int) -> int:
    """Print a file's matches; return how many there are with those seen before."""
    hits, last = set(), plan["offset"] + plan["limit"]
    for number, line in enumerate(lines):
        if pattern.search(line[:_LONGEST]):
            if plan["offset"] <= seen < last:
                hits.add(number)
            seen += 1
    around = {n for hit in hits for n in range(hit - plan["context"], hit + plan["context"] + 1)}
    for number in sorted(around & set(range(len(lines)))):
        mark = ":" if number in hits else "-"
        print(f"{name}{mark}{number + 1}{mark} {_shown(lines[number])}")  # noqa: T201
    sys.stdout.flush()
    return seen


def _main() -> int:
    plan = json.loads(Path(sys.argv[1]).read_bytes())
    try:
        pattern = re.compile(plan["pattern"], re.IGNORECASE if plan["ignore_case"] else 0)
    except (re.error, OverflowError, RecursionError) as error:
        print(f"the pattern can't be read: {error}")  # noqa: T201
        return 2
    seen = passed = 0
    for name in plan["names"]:
        lines = _text(name)
        if lines is None:
            passed += 1
            continue
        seen = _file(name, lines, plan, pattern, seen)
    left = max(0, seen - plan["offset"] - plan["limit"])
    more = f"; {left} more: offset={plan['offset'] + plan['limit']}" if left else ""
    skipped = f", {passed} that are no text passed over" if passed else ""
    print(f"[matching lines: {seen}, files: {len(plan['names'])}{skipped}{more}]")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(_main())
