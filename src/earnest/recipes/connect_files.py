"""Other programs' configuration files, changed by as little as possible: pure functions on text.

Each takes a file's text (None: there is no file) and returns what it is to be (None: no file).
What is ours is told by its name, `earnest`, or by the hook's file; all else stays, in its order.
JSON is written again with the indent it had. Not covered: JSON with comments is refused; a value
that was written over several lines in a way of its own may be laid out anew.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from earnest.core.errors import UsageError

NAME: Final = "earnest"
HOOK: Final = "earnest/capture/hook.py"
_BEGIN, _END = "# >>> earnest >>>", "# <<< earnest <<<"
_BLOCK: Final = re.compile(rf"\n?^{_BEGIN}$.*?^{_END}$\n?", re.M | re.S)


def _read(text: str | None, path: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text and text.strip() else {}
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}", mend="mend it, and try again") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no JSON object", mend="mend it, and try again")
    return found


def _write(found: Mapping[str, Any], before: str | None) -> str | None:
    if not found:
        return None
    indent = re.search(r"^([ \t]+)\S", before or "", re.M)
    step = indent[1] if indent else 2
    text = json.dumps(found, indent=step, ensure_ascii=False)
    if not _encodable(text):  # halves of a character, which JSON can escape and UTF-8 can't hold
        text = json.dumps(found, indent=step)
    return text + "\n" * (before is None or before.endswith("\n") or not before.strip())


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _inner(found: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    inner = found.setdefault(key, {})
    if not isinstance(inner, dict):
        raise UsageError(f"{path}: {key!r} holds no object", mend="mend it, and try again")
    return inner


def servers(text: str | None, entry: Mapping[str, Any] | None, path: str) -> str | None:
    """Put our MCP server's entry into `mcpServers`, or take it out (`entry` None)."""
    found = _read(text, path)
    if entry is None and "mcpServers" not in found:
        return text
    inner = _inner(found, "mcpServers", path)
    if inner.get(NAME) == entry:
        return text
    if entry is None:
        del inner[NAME]
        if not inner:
            del found["mcpServers"]
    else:
        inner[NAME] = dict(entry)
    return _write(found, text)


def _ours(value: object) -> bool:
    """Say whether a hook, or a group of hooks, runs our hook and nothing else."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("hooks"), list):
        return bool(value["hooks"]) and all(_ours(one) for one in value["hooks"])
    return HOOK in str(value.get("command", ""))


def hooks(
    text: str | None,
    events: Mapping[str, Mapping[str, Any]] | None,
    path: str,
    *,
    version: int | None = None,
) -> str | None:
    """Put our hook's entry into each event's list, in the place of an earlier one of ours.

    `events`: by event, the entry; None takes all of ours out. `version`: what the file's format
    asks for.
    """
    found = _read(text, path)
    if events is None and "hooks" not in found:
        return text
    before = json.dumps(found)
    inner = _inner(found, "hooks", path)
    for event in [*inner, *(name for name in events or () if name not in inner)]:
        listed = inner.get(event, [])
        if not isinstance(listed, list):
            raise UsageError(f"{path}: {event!r} holds no list", mend="mend it, and try again")
        inner[event] = [one for one in listed if not _ours(one)]
        if events and event in events:
            inner[event].append(dict(events[event]))
        if not inner[event]:
            del inner[event]
    if not inner:
        del found["hooks"]
    if version is not None and inner:
        found.setdefault("version", version)
    elif version is not None and set(found) == {"version"}:
        found = {}
    return text if json.dumps(found) == before else _write(found, text)


def block(text: str | None, lines: str | None, path: str) -> str | None:
    """Put lines into a TOML file between two marks, or take them out (`lines` None)."""
    rest = _BLOCK.sub("", text or "")
    _toml(text or "", path)
    if lines is None:
        return text if text is None or rest == text else rest or None
    if NAME in _toml(rest, path).get("mcp_servers", {}):
        raise UsageError(
            f"{path} has an MCP server {NAME!r} that was not put there by this command",
            mend="take it out, and try again",
        )
    gap = "" if not rest else "\n" if rest.endswith("\n") else "\n\n"
    made = f"{rest}{gap}{_BEGIN}\n{lines.rstrip()}\n{_END}\n"
    _toml(made, path)
    return made


def _toml(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}", mend="mend it, and try again") from error


def whole(text: str | None, ours: str | None, path: str, *, mark: str) -> str | None:
    """Put a file there that is all ours, or take it away; `mark` tells ours from another's."""
    if text is not None and mark not in text:
        if ours is None:
            return text
        raise UsageError(f"{path} is there already, and not ours", mend="move it, and try again")
    return ours
