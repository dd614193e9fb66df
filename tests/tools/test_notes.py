from __future__ import annotations

from pathlib import Path

import pytest

from earnest.core.acts import READ
from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError, ToolError
from earnest.tools.notes import NotesTool, pinned
from earnest.tools.workspace import Workspace


@pytest.fixture
def notes(tmp_path: Path) -> NotesTool:
    return NotesTool(Workspace(tmp_path / "w"))


def test_notes_are_kept(notes: NotesTool, tmp_path: Path) -> None:
    assert notes.call({"action": "read"}).content == "NOTES.md is empty"
    notes.call({"action": "append", "text": "one"})
    notes.call({"action": "append", "text": "two\n"})
    notes.call({"action": "append", "file": "plan", "text": "first"})
    again = NotesTool(Workspace(tmp_path / "w"))
    assert again.call({"action": "read"}).content == "one\ntwo\n"
    assert (tmp_path / "w" / "PLAN.md").read_text() == "first\n"
    assert again.call({"action": "replace", "file": "plan", "text": "b"}).content.startswith("repl")
    assert again.call({"action": "replace", "file": "ideas", "text": "c"}).content.endswith(
        "IDEAS.md"
    )
    assert (tmp_path / "w" / "PLAN.md").read_text() == "b\n"


def test_a_call_that_is_made_again_changes_nothing(notes: NotesTool) -> None:
    for _ in range(2):
        notes.call({"action": "append", "text": "one"})
    assert notes.call({"action": "read"}).content == "one\n"
    for _ in range(2):
        notes.call({"action": "replace", "text": "two"})
    assert notes.call({"action": "read"}).content == "two\n"


def test_writing_needs_a_text_and_has_bounds(notes: NotesTool, tmp_path: Path) -> None:
    for action in ("append", "replace"):
        with pytest.raises(ToolError, match="text"):
            notes.call({"action": action})
    notes.call({"action": "append", "text": "x" * 200_000})
    with pytest.raises(ToolError, match="more than") as caught:
        notes.call({"action": "append", "text": "y" * 100_000})
    assert "replace" in caught.value.mend
    poor = NotesTool(Workspace(tmp_path / "p", Purse(Budget(bytes_written=3))))
    with pytest.raises(BudgetError):
        poor.call({"action": "append", "text": "four"})


def test_what_a_call_would_do(notes: NotesTool) -> None:
    assert notes.acts({"action": "read"}) == READ
    (act,) = notes.acts({"action": "append", "file": "ideas", "text": "x"})
    assert (act.kind, act.target) == ("write", "IDEAS.md")
    with pytest.raises(ToolError):
        notes.acts({"action": "erase"})


def test_what_is_pinned_is_bounded_and_whole_where_it_is_short(notes: NotesTool) -> None:
    assert pinned(notes.workspace) == ""
    notes.call({"action": "append", "file": "plan", "text": "1. look"})
    notes.call({"action": "append", "text": "start " + "x" * 5_000 + " end"})
    said = pinned(notes.workspace)
    assert said.startswith("PLAN.md:\n1. look\n\nNOTES.md:\n[")
    assert said.endswith("x end")
    assert "start" not in said
    assert "read NOTES.md" in said
    notes.workspace.write("IDEAS.md", b"\xff\xfe" * 9_000)
    notes.workspace.write("PLAN.md", b"p" * 99_000)
    assert len(pinned(notes.workspace)) < 13_000


def test_notes_that_are_a_link_are_not_followed(notes: NotesTool, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (notes.workspace.folder / "NOTES.md").symlink_to(tmp_path / "secret")
    assert "s3cret" not in pinned(notes.workspace)
    notes.call({"action": "append", "text": "mine"})
    assert (tmp_path / "secret").read_text() == "s3cret"
