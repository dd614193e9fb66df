"""The `notes` tool: a plan and notes that outlive the conversation, as files of the workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from earnest.core.acts import READ, Act, writes
from earnest.core.errors import ToolError
from earnest.core.messages import Observation, ToolSpec
from earnest.tools.arguments import Arguments
from earnest.tools.workspace import Workspace

_FILES: Final = {"plan": "PLAN.md", "notes": "NOTES.md"}


class _Notes(Arguments):
    action: Literal["append", "read"]
    file: Literal["plan", "notes"] = "notes"
    text: str | None = Field(default=None, description="For `append`.")


class NotesTool:
    """Appends to and reads PLAN.md and NOTES.md.

    What stands at the end already is not doubled, so that a call whose outcome a crash left
    unknown can be made again.
    """

    repeatable: bool = True
    spec: ToolSpec = _Notes.spec(
        "notes",
        "Keep a plan (PLAN.md) and notes (NOTES.md): append text to one of them, or read it.",
    )

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading, or adding to the notes."""
        asked = _Notes.read(arguments)
        return READ if asked.action == "read" else writes("add to the notes", _FILES[asked.file])

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`."""
        asked = _Notes.read(arguments)
        name = _FILES[asked.file]
        there = self.workspace.read(name) if name in self.workspace.sizes() else b""
        if asked.action == "read":
            return Observation(content=there.decode("utf-8", "replace") or f"{name} is empty")
        if not asked.text:
            raise ToolError("append needs a text")
        added = asked.text.rstrip("\n").encode() + b"\n"
        if not there.endswith(added):
            self.workspace.write(name, there + added)
        return Observation(content=f"appended to {name}")
