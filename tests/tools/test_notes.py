from __future__ import annotations

from pathlib import Path

import pytest

from earnest.core.errors import ToolError
from earnest.tools.notes import NotesTool
from earnest.tools.workspace import Workspace


def test_notes_are_kept(tmp_path: Path) -> None:
    notes = NotesTool(Workspace(tmp_path / "w"))
    assert notes.call({"action": "read"}).content == "NOTES.md is empty"
    notes.call({"action": "append", "text": "one"})
    notes.call({"action": "append", "text": "two\n"})
    notes.call({"action": "append", "file": "plan", "text": "first"})
    again = NotesTool(Workspace(tmp_path / "w"))
    assert again.call({"action": "read"}).content == "one\ntwo\n"
    assert (tmp_path / "w" / "PLAN.md").read_text() == "first\n"


def test_a_call_that_is_made_again_changes_nothing(tmp_path: Path) -> None:
    notes = NotesTool(Workspace(tmp_path / "w"))
    for _ in range(2):
        notes.call({"action": "append", "text": "one"})
    assert notes.call({"action": "read"}).content == "one\n"


def test_an_append_needs_a_text(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="text"):
        NotesTool(Workspace(tmp_path / "w")).call({"action": "append"})
