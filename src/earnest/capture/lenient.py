"""Reading JSON that others wrote, whatever it is: nothing here raises for what it is given."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

_MOST_DIGITS: Final = 400
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_STATUS: Final = re.compile(
    r"(?:exit(?:ed with)?(?: code| status)|returncode|exited with code)\W{0,3}(-?\d{1,6})\b",
    re.IGNORECASE,
)


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= _MOST_DIGITS else text


def _real(text: str) -> float | str:
    found = float(text)
    return found if math.isfinite(found) else text


_DECODER: Final = json.JSONDecoder(
    parse_int=_whole, parse_float=_real, parse_constant=str, strict=False
)


def read(raw: bytes) -> tuple[Any, str]:
    """Return the value that bytes of JSON stand for, and why it could not be read, if so.

    What is no UTF-8 is replaced by signs that say so. Numbers that are no finite ones, or too long,
    stay text.
    """
    text = raw.decode("utf-8", "replace")
    try:
        found = _DECODER.decode(text.strip("\ufeff \t\r\n"))
    except RecursionError:
        return None, "nested too deeply"
    except ValueError as error:
        return None, f"not JSON: {str(error)[:200]}"
    if _SURROGATE.search(raw):
        found = mapped(found, clean)
    return found, ""


def clean(text: str) -> str:
    """Return text that can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with each text in it changed, keys too; as deep as it may be."""
    root: list[Any] = [value]
    queue: list[tuple[Any, Any]] = [(root, 0)]
    while queue:
        holder, at = queue.pop()
        found = holder[at]
        if isinstance(found, str):
            holder[at] = change(found)
        elif isinstance(found, list):
            holder[at] = copy = list(found)
            queue += [(copy, number) for number in range(len(copy))]
        elif isinstance(found, dict):
            holder[at] = fresh = {change(key): one for key, one in found.items()}
            queue += [(fresh, key) for key in fresh]
    return root[0]


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    """Return a value if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def word(value: Any) -> str:
    """Return a value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def written(value: Any) -> str:
    """Return a value as text: itself, or its JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "[nested too deeply]"


def content(value: Any) -> str:
    """Return the text of a message's content: a text, blocks with texts, or nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_block, value)))
    return _block(value)


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return "" if block is None else written(block)
    if isinstance(block.get("text"), str):
        return str(block["text"])
    kind = word(block.get("type"))
    if kind in ("reasoning", "thinking", "redacted_thinking"):
        return ""
    return f"[{kind}]" if kind else written(block)


def arguments(value: Any) -> Mapping[str, Any]:
    """Return a call's arguments: an object, or JSON of one, or a text under `input`."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        found, _ = read(value.encode("utf-8", "replace"))
        return found if isinstance(found, dict) else {"input": value}
    return {} if value is None else {"input": value}


def status(text: str) -> int | None:
    """Return the exit status that a tool's output tells at its beginning or its end."""
    for part in (text[:300], text[-300:]):
        if told := _STATUS.search(part):
            return int(told[1])
    return None


def whole(value: Any) -> int | None:
    """Return a value if it is a whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
