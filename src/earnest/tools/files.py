"""The `files` tool: read, write and list the workspace's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from earnest.core.acts import READ, Act, writes
from earnest.core.errors import ToolError
from earnest.core.messages import Observation, ToolSpec
from earnest.tools.arguments import Arguments, legible
from earnest.tools.workspace import Workspace

_MOST: Final = 20_000


class _Files(Arguments):
    action: Literal["read", "write", "list"]
    path: str = Field(default="", description="Relative to the workspace; not for `list`.")
    content: str | None = Field(default=None, description="For `write`: the whole new content.")
    offset: int = Field(default=0, ge=0, description="For `read`: the first byte.")


class FilesTool:
    """Reads, writes and lists text files; never outside the workspace, never through a link."""

    repeatable: bool = True
    spec: ToolSpec = _Files.spec(
        "files",
        f"Read (up to {_MOST} bytes from an offset), write or list files of your workspace.",
    )

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading, or writing in the workspace."""
        asked = _Files.read(arguments)
        return writes("write a file", asked.path) if asked.action == "write" else READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`."""
        asked = _Files.read(arguments)
        if asked.action == "list":
            sizes = self.workspace.sizes()
            lines = [f"{name} ({size} bytes)" for name, size in sizes.items()]
            return Observation(content=legible("\n".join(lines)) or "no files yet")
        if asked.action == "read":
            return self._read(asked.path, asked.offset)
        if asked.content is None:
            raise ToolError("write needs the content")
        data = asked.content.encode()
        self.workspace.write(asked.path, data)
        return Observation(content=f"wrote {asked.path} ({len(data)} bytes)")

    def _read(self, path: str, offset: int) -> Observation:
        data = self.workspace.read(path)
        part = data[offset : offset + _MOST]
        text = part.decode("utf-8", "replace")
        rest = len(data) - offset - len(part)
        return Observation(content=f"{text}\n[{rest} bytes follow]" if rest > 0 else text)
