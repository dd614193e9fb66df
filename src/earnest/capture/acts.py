"""What an agent's calls do, whatever its tools are called: commands it runs, files it changes.

Not covered: files that a program of its own writes; commands that it builds up from parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from earnest.capture.lenient import mapping, sequence, word
from earnest.capture.turns import Call

_MOST: Final = 50_000
_PATHS: Final = ("file_path", "path", "notebook_path", "filename", "file")
_PATCHED: Final = re.compile(
    r"^\*\*\* (Update|Add|Delete) File: (.+)$|^\+\+\+ (?:b/)?(\S+)", re.MULTILINE
)
_HEREDOC: Final = re.compile(r"<<-?\s{0,4}['\"]?(\w{1,64})['\"]?")
_WRITES: Final = re.compile(r"(?:>>?|\btee (?:-a )?)\s{0,4}([^\s<>|&;]{1,1000})")
# Repeats are bounded: a command of 50,000 signs is not to take minutes, whoever wrote it.
_IN_PLACE: Final = re.compile(
    r"(?:^|[\s;&|(/`'\"])(?:sed|perl)\s{1,20}(?:-\S{1,200}\s{1,20}){0,20}?-\w{0,20}i\S{0,200}\s{1,20}(.+)"
)
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Change:
    """A file that an agent changes: text that goes, text that comes.

    `old` is None where the call doesn't say what was there. `gone`: the file is removed.
    """

    path: str
    old: str | None
    new: str
    gone: bool = False


def commands(call: Call) -> list[str]:
    """Return the shell commands of a call, each up to 50,000 signs of it."""
    given = call.arguments
    found = given.get("command", given.get("cmd", given.get("commands")))
    if call.name in _EDITORS and word(found) in ("view", "create", "str_replace", "insert"):
        return []
    if isinstance(found, str):
        return [found[:_MOST]]
    parts = [word(one) for one in sequence(found)]
    if len(parts) == 3 and parts[0].rpartition("/")[2] in ("bash", "sh", "zsh"):
        return [parts[2][:_MOST]]
    return [" ".join(parts)[:_MOST]] if parts else []


_EDITORS: Final = ("str_replace_based_edit_tool", "str_replace_editor", "edit_file")


def changes(call: Call) -> Iterator[Change]:
    """Yield the files that a call changes."""
    given = call.arguments
    path = next((word(given[one]) for one in _PATHS if word(given.get(one))), "")
    if path:
        yield from _edits(path, given)
    for text in (word(given.get("input")), word(given.get("patch")), *commands(call)):
        if "*** " in text or "\n+++ " in text or text.startswith("--- "):
            yield from patched(text)
    for command in commands(call):
        yield from _shell(command)


def _edits(path: str, given: Mapping[str, Any]) -> Iterator[Change]:
    for one in (given, *map(mapping, sequence(given.get("edits")))):
        old = one.get("old_string", one.get("old_str"))
        new = one.get(
            "new_string", one.get("new_str", one.get("insert_text", one.get("new_source")))
        )
        if isinstance(old, str) or isinstance(new, str):
            yield Change(path, word(old), word(new))
    for name in ("content", "file_text", "contents"):
        if isinstance(given.get(name), str):
            yield Change(path, None, word(given[name]))


def patched(text: str) -> Iterator[Change]:
    """Yield the changes of a patch, as `apply_patch` or `diff -u` write them."""
    marks = list(_PATCHED.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : after.start() if after else len(text)].splitlines()
        old = "\n".join(
            one[1:] for one in body if one.startswith("-") and not one.startswith("---")
        )
        new = "\n".join(
            one[1:] for one in body if one.startswith("+") and not one.startswith("+++")
        )
        path = (mark[2] or mark[3]).strip()
        yield Change(path, None if mark[1] == "Add" else old, new, gone=mark[1] == "Delete")


def _shell(command: str) -> Iterator[Change]:
    documents, rest = heredocs(command)
    for line, text in documents:
        if target := _WRITES.search(line):
            yield Change(target[1].strip("'\""), None, text)
    for line in rest.splitlines():
        if edited := _IN_PLACE.search(line):
            quoted = _QUOTED.search(edited[1])
            script = (quoted[1] or quoted[2] or "") if quoted else ""
            rest = edited[1][quoted.end() :] if quoted else edited[1]
            old, new = _substituted(script)
            for name in re.split(r"[;&|]", rest)[0].split():
                if not name.startswith("-"):
                    yield Change(name.strip("'\""), old, new)


def heredocs(command: str) -> tuple[list[tuple[str, str]], str]:
    """Return a command's documents, each with the line that it is for, and the rest of it."""
    found: list[tuple[str, str]] = []
    rest: list[str] = []
    body: list[str] = []
    end = ""
    for line in command.split("\n"):
        if end and line.strip() == end:
            found.append((rest[-1], "\n".join(body)))
            end = ""
        elif end:
            body.append(line)
        else:
            rest.append(line)
            opens = _HEREDOC.search(line[:10_000])
            end, body = (opens[1], []) if opens else ("", [])
    return found, "\n".join(rest)


def _substituted(script: str) -> tuple[str, str]:
    """Return what a sed script takes out and puts in."""
    if len(script) > 3 and script.lstrip("0123456789,$ ").startswith("s"):
        body = script.lstrip("0123456789,$ ")
        parts = body[2:].split(body[1])
        if len(parts) >= 2:
            return parts[0], parts[1]
    if script.rstrip("; ").endswith("d"):
        return script.rstrip("; ").removesuffix("d").strip("/"), ""
    return "", script
