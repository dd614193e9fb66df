"""The tools `read`, `write` and `edit`: text files of the workspace, and of the data to read.

A path is what it is to the code of `python` and `shell`: relative to the workspace, or below
`DATA` (read-only). Nothing leads anywhere else (`workspace.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from pydantic import Field

from earnest.core.acts import READ, Act, writes
from earnest.core.errors import ToolError
from earnest.core.jobs import DATA, WORK
from earnest.core.messages import Observation, Picture, ToolSpec
from earnest.tools.arguments import Arguments, legible
from earnest.tools.pictures import is_picture
from earnest.tools.workspace import MOST_BYTES, Workspace

_MOST: Final = 20_000
_LONGEST_LINE: Final = 2_000
_SHORTEST: Final = 40
_PEEKED: Final = 8_192
_MOST_EDITED: Final = 8 * 2**20
_MOST_COMPARED: Final = 20_000  # lines that the nearest to a text is looked for in
_ALIKE: Final = 0.6
_MOST_ALIKE: Final = 200  # characters of a line
_MOST_TRIES: Final = 300
_HELD: Final = "A path of your workspace (relative), or below {}, which is read-only."


Figure = Callable[[str, bytes], Picture]
"""Makes a picture to show of a figure's name and bytes. Raises `ToolError`."""


class Files:
    """The run's own files, and the data that it was handed: one kind of name for both."""

    def __init__(self, workspace: Workspace, data: Path | None = None) -> None:
        """`data`: the folder that jails see as `DATA`."""
        self.workspace = workspace
        self._data = Workspace(data) if data else None

    def find(self, name: str) -> tuple[Workspace, str]:
        """Return the folder that a path is in, and its name there. Raises `ToolError`."""
        for start, folder in ((WORK, self.workspace), (DATA, self._data)):
            if folder is not None and name.startswith(f"{start}/"):
                return folder, name.removeprefix(f"{start}/")
        return self.workspace, name

    def own(self, name: str) -> str:
        """Return the name of a path in the workspace. Raises `ToolError` for one of the data."""
        folder, inner = self.find(name)
        if folder is not self.workspace:
            raise ToolError(f"{name} is read-only", mend="write to a path of your workspace")
        return inner

    def sizes(self) -> dict[str, int]:
        """Return the sizes of all plain files, the workspace's first."""
        return {name: size for name, (size, _, _) in self.states().items()}

    def states(self) -> dict[str, tuple[int, int, int]]:
        """Return what changes with a file, as `Workspace.states`, for all plain files."""
        data = self._data.states() if self._data else {}
        found = {**self.workspace.states(), **{f"{DATA}/{name}": s for name, s in data.items()}}
        return {name: state for name, state in found.items() if name.isprintable()}


class _Read(Arguments):
    path: str = Field(description=_HELD.format(DATA))
    offset: int = Field(default=1, ge=1, description="The first line, counted from 1.")
    limit: int = Field(default=400, ge=1, le=5000, description="How many lines.")
    numbers: bool = Field(default=False, description="Put its number before each line.")


def _binary(name: str, start: bytes, size: int) -> str | None:
    """Return what is told of a file that is no text; None: it is text."""
    try:
        start.decode() if len(start) < _PEEKED else start[: _PEEKED - 4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return f"{name} is no text ({size} bytes, beginning {start[:16].hex(' ')})"
    if b"\0" in start:
        return f"{name} is no text ({size} bytes, beginning {start[:16].hex(' ')})"
    return None


def _lines(stream: IO[bytes], offset: int, limit: int, *, numbers: bool) -> tuple[list[str], int]:
    """Return some lines of a text, and the number of the line after them; 0: there is none."""
    said: list[str] = []
    number, room = 0, _MOST
    while raw := stream.readline(_LONGEST_LINE + 1):
        number += 1
        length = len(raw)
        while not raw.endswith(b"\n") and (more := stream.readline(1 << 16)):
            length += len(more)
            raw = raw[:_LONGEST_LINE] + (b"\n" if more.endswith(b"\n") else b"")
        if number < offset:
            continue
        line = raw.decode("utf-8", "replace").removesuffix("\n")
        if length > _LONGEST_LINE + 1:
            line += f" [a line of {length} bytes, cut]"
        shown = f"{number:>6}  {line}" if numbers else line
        if len(said) >= limit or (said and len(shown) > room):
            return said, number
        said.append(shown)
        room -= len(shown) + 1
    return said, 0


class ReadTool:
    """Reads lines of a text file, however large it is; shows a figure. Safe for several threads."""

    repeatable: bool = True
    concurrent: bool = True
    spec: ToolSpec = _Read.spec(
        "read",
        f"Read lines of a text file: up to {_MOST} characters; what follows is told. A PNG or JPEG "
        "is shown to you, if you can see.",
    )

    def __init__(self, files: Files, figure: Figure | None = None) -> None:
        """`figure`: makes a picture of a figure's name and bytes."""
        self.files, self._figure = files, figure

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading only. Raises `ToolError`."""
        _Read.read(arguments)
        return READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`."""
        asked = _Read.read(arguments)
        folder, name = self.files.find(asked.path)
        if self._figure and is_picture(name) and not name.lower().endswith(".svg"):
            shown = self._figure(asked.path, folder.read(name))
            return Observation(content=f"{asked.path} is shown", pictures=(shown,))
        with folder.opened(name) as stream:
            start = stream.read(_PEEKED)
            size = stream.seek(0, 2)
            if (told := _binary(asked.path, start, size)) is not None:
                raise ToolError(told, mend="read it with python")
            if not size:
                return Observation(content=f"{asked.path} is empty")
            stream.seek(0)
            said, after = _lines(stream, asked.offset, asked.limit, numbers=asked.numbers)
        if not said:
            raise ToolError(f"{asked.path} has no line {asked.offset}", mend="give a lower offset")
        more = [f"[more follows: offset={after}]"] if after else []
        return Observation(content=legible("\n".join([*said, *more])))


class _Write(Arguments):
    path: str = Field(description="A path of your workspace; folders are made.")
    content: str = Field(description="The whole new content.")


class WriteTool:
    """Writes a file of the workspace, whole or not at all."""

    repeatable: bool = True
    spec: ToolSpec = _Write.spec(
        "write", "Write a text file of your workspace; one that is there already is replaced."
    )

    def __init__(self, files: Files) -> None:
        self.files = files

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Writing in the workspace. Raises `ToolError`."""
        return writes("write a file", _Write.read(arguments).path)

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`, `BudgetError`."""
        asked = _Write.read(arguments)
        data = legible(asked.content).encode()
        self.files.workspace.write(self.files.own(asked.path), data)
        return Observation(content=f"wrote {asked.path} ({len(data)} bytes)")


class _Edit(Arguments):
    path: str = Field(description="A file of your workspace.")
    old: str = Field(min_length=1, description="The text to replace, exactly as it stands there.")
    new: str = Field(description="What stands there afterwards.")
    replace_all: bool = Field(
        default=False, description="Every place; else `old` must stand in one place only."
    )


def _nearest(text: str, old: str) -> str:
    """Say where a text has what is most like another one; nothing where nothing is."""
    lines, wanted = text.split("\n"), old.strip("\n").split("\n")
    first = next((line.strip() for line in wanted if line.strip()), "")[:_MOST_ALIKE]
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(first)
    best, at, tries = _ALIKE, -1, _MOST_TRIES
    for number, line in enumerate(lines[:_MOST_COMPARED]):
        matcher.set_seq1(line.strip()[: 2 * len(first) + _SHORTEST])
        if tries and matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            tries -= 1
            ratio = matcher.ratio()
            best, at = (ratio, number) if ratio > best else (best, at)
    if at < 0:
        return "nothing in it is like its first line: read the file"
    there = "\n".join(lines[at : at + min(len(wanted), 12)])[:_LONGEST_LINE]
    return f"the nearest is line {at + 1}:\n{there}"


class EditTool:
    """Replaces text of a file of the workspace, exactly.

    Not repeatable: what it leaves may have the old text in it again.
    """

    repeatable: bool = False
    only_files: bool = True
    spec: ToolSpec = _Edit.spec(
        "edit",
        "Replace text in a file of your workspace. `old` must match exactly, spaces and line ends "
        "too, and in one place, unless replace_all is true.",
    )

    def __init__(self, files: Files) -> None:
        self.files = files

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Writing in the workspace. Raises `ToolError`."""
        return writes("change a file", _Edit.read(arguments).path)

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`, `BudgetError`."""
        asked = _Edit.read(arguments)
        name = self.files.own(asked.path)
        data = self.files.workspace.read(name, _MOST_EDITED + 1)
        if len(data) > _MOST_EDITED:
            raise ToolError(f"{asked.path} has more than {_MOST_EDITED} bytes", mend="use python")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise ToolError(f"{asked.path} is no text", mend="change it with python") from error
        count = text.count(asked.old)
        if not count:
            raise ToolError(f"`old` does not stand in {asked.path}", mend=_nearest(text, asked.old))
        if count > 1 and not asked.replace_all:
            raise ToolError(
                f"`old` stands in {count} places of {asked.path}",
                mend="add lines around it until it is one, or set replace_all",
            )
        if len(text) + count * (len(asked.new) - len(asked.old)) > MOST_BYTES:  # before it is made
            raise ToolError(f"{asked.path} would have more than {MOST_BYTES} bytes")
        changed = legible(text.replace(asked.old, asked.new)).encode()
        self.files.workspace.write(name, changed)
        at = text[: text.index(asked.old)].count("\n") + 1
        places = f"{count} places" if count > 1 else f"line {at}"
        return Observation(content=f"changed {asked.path} ({places}, now {len(changed)} bytes)")
