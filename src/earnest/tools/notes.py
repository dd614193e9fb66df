"""The `notes` tool: plan, notes and ideas that outlive the conversation, as files of the workspace.

The loop shows them again (`pinned`) after a compaction and when a run is resumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from earnest.core.acts import READ, Act, writes
from earnest.core.errors import ToolError
from earnest.core.messages import Observation, ToolSpec
from earnest.tools.arguments import Arguments, legible
from earnest.tools.workspace import Workspace

FILES: Final = {"plan": "PLAN.md", "notes": "NOTES.md", "ideas": "IDEAS.md"}
_MOST: Final = 256 * 1024
_PINNED: Final = 4_000  # characters of each


class _Notes(Arguments):
    action: Literal["append", "replace", "read"]
    file: Literal["plan", "notes", "ideas"] = "notes"
    text: str | None = Field(
        default=None, description="For append: what is added; for replace: the whole new text."
    )


class NotesTool:
    """Reads, adds to and replaces PLAN.md, NOTES.md and IDEAS.md.

    What stands at the end already is not doubled, so that a call whose outcome a crash left
    unknown can be made again.
    """

    repeatable: bool = True
    spec: ToolSpec = _Notes.spec(
        "notes",
        "Keep a plan (PLAN.md), notes (NOTES.md) and ideas (IDEAS.md): append, replace or read. "
        "You are shown them again when the conversation is shortened or goes on after a break: "
        "write down what you would need then.",
    )

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading, or writing the notes. Raises `ToolError`."""
        asked = _Notes.read(arguments)
        return READ if asked.action == "read" else writes("write the notes", FILES[asked.file])

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`, `BudgetError`."""
        asked = _Notes.read(arguments)
        name = FILES[asked.file]
        there = _there(self.workspace, name)
        if asked.action == "read":
            return Observation(content=there.decode("utf-8", "replace") or f"{name} is empty")
        if not asked.text:
            raise ToolError(f"{asked.action} needs a text")
        added = legible(asked.text).rstrip("\n").encode() + b"\n"
        if asked.action == "replace":
            there = b""
        elif there.endswith(added):
            added = b""
        if len(there) + len(added) > _MOST:
            raise ToolError(
                f"{name} would have more than {_MOST} bytes", mend="replace it by what matters"
            )
        if added:
            self.workspace.write(name, there + added)
        done = "appended to" if asked.action == "append" else "replaced"
        return Observation(content=f"{done} {name}")


def _there(workspace: Workspace, name: str) -> bytes:
    return workspace.read(name) if name in workspace.sizes() else b""


def pinned(workspace: Workspace) -> str:
    """Return plan, notes and ideas as they are, to be shown again; of a long one its end.

    It is a model's own text, or whatever its code wrote there: to be quoted as data.
    """
    said = []
    for name in FILES.values():
        text = _there(workspace, name).decode("utf-8", "replace").strip()
        if len(text) > _PINNED:
            cut = len(text) - _PINNED
            text = f"[{cut} characters before this: read {name}]\n{text[-_PINNED:]}"
        if text:
            said.append(f"{name}:\n{text}")
    return "\n\n".join(said)
