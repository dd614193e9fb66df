from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import ToolError
from earnest.tools.workspace import MOST_BYTES, Workspace, parts_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "secret").write_text("kept out")
    return Workspace(tmp_path / "w")


BAD = ["", ".", "/", "/etc/passwd", "..", "../secret", "a/../../secret", "a\0b", "a\nb", "x" * 300]


@pytest.mark.parametrize("name", BAD)
def test_paths_that_leave_are_refused(workspace: Workspace, name: str) -> None:
    for act in (workspace.read, workspace.remove):
        with pytest.raises(ToolError):
            act(name)
    with pytest.raises(ToolError):
        workspace.write(name, b"x")
    assert (workspace.folder.parent / "secret").read_text() == "kept out"


@given(st.text(st.sampled_from("ab./\\ ~é\0\n"), max_size=12))
def test_every_path_stays_inside_or_is_refused(name: str) -> None:
    try:
        parts = parts_of(name)
    except ToolError:
        return
    assert parts
    assert not name.startswith("/")
    assert os.path.normpath("/r/" + "/".join(parts)).startswith("/r/")


def test_what_is_written_is_read(workspace: Workspace) -> None:
    workspace.write("a/b/c.txt", b"one")
    workspace.write("a/b/c.txt", b"two")
    workspace.write("top", b"")
    assert workspace.read("a/b/c.txt") == b"two"
    assert workspace.sizes() == {"a/b/c.txt": 3, "top": 0}
    assert workspace.contents() == {"a/b/c.txt": b"two", "top": b""}
    workspace.remove("top")
    assert list(workspace.sizes()) == ["a/b/c.txt"]


def test_links_are_not_followed(workspace: Workspace) -> None:
    outside = workspace.folder.parent
    (workspace.folder / "file").symlink_to(outside / "secret")
    (workspace.folder / "dir").symlink_to(outside)
    for name in ("file", "dir/secret"):
        with pytest.raises(ToolError):
            workspace.read(name)
    with pytest.raises(ToolError):
        workspace.write("dir/new", b"x")
    with pytest.raises(ToolError):
        workspace.remove("dir/secret")
    assert workspace.sizes() == {}
    workspace.write("file", b"mine")  # takes the link's place
    assert (outside / "secret").read_text() == "kept out"
    assert workspace.read("file") == b"mine"


def test_special_files_are_not_read(workspace: Workspace) -> None:
    os.mkfifo(workspace.folder / "pipe")
    with pytest.raises(ToolError):
        workspace.read("pipe")
    workspace.write("dir/file", b"")
    with pytest.raises(ToolError):
        workspace.read("dir")
    with pytest.raises(ToolError):
        workspace.write("dir", b"x")


def test_limits(workspace: Workspace) -> None:
    with pytest.raises(ToolError, match="at most"):
        workspace.write("big", b"x" * (MOST_BYTES + 1))
    assert workspace.sizes() == {}
    (workspace.folder / "sparse").touch()
    os.truncate(workspace.folder / "sparse", MOST_BYTES + 1)
    with pytest.raises(ToolError, match="fit in the sandbox"):
        workspace.contents()


def test_a_program_s_files_are_taken_over(workspace: Workspace) -> None:
    workspace.write("same", b"1")
    workspace.write("changed", b"1")
    workspace.write("gone", b"1")
    before = workspace.contents()
    after = {"same": b"1", "changed": b"2", "new/x": b"3", "../bad": b"4", "a\nb": b"5"}
    said = workspace.take(before, after, all_=True)
    assert workspace.contents() == {"same": b"1", "changed": b"2", "new/x": b"3"}
    assert "files written: changed (1 bytes), new/x (1 bytes)" in said
    assert "removed: gone" in said
    assert "'../bad'" in said
    assert "same" not in said


def test_of_a_killed_program_nothing_is_removed(workspace: Workspace) -> None:
    workspace.write("kept", b"1")
    workspace.take(workspace.contents(), {}, all_=False)
    assert workspace.read("kept") == b"1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": b"1"}, {"a/b": b"2"}),
        ({"a/b": b"1", "a/c/d": b"1"}, {"a": b"2"}),
        ({"a": b"1", "b/c": b"1", "d": b"1"}, {"a/b/c": b"2", "a/d": b"2", "b": b"2", "d": b"1"}),
    ],
)
def test_a_file_may_take_a_folder_s_place_and_the_other_way_round(
    workspace: Workspace, before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    for name, data in before.items():
        workspace.write(name, data)
    said = workspace.take(before, after, all_=True)
    assert workspace.contents() == after
    assert "not kept" not in said
    assert said.partition("removed: ")[2] == ", ".join(sorted(set(before) - set(after)))


def test_what_has_no_place_is_told_and_nothing_is_removed_for_it(workspace: Workspace) -> None:
    workspace.write("a", b"1")
    assert "not kept, bad names: 'a/b'" in workspace.take({"a": b"1"}, {"a/b": b"2"}, all_=False)
    for name in ("../x", "/etc", "/tmp/../etc", "a/../b"):
        assert "not kept" in workspace.take({"a": b"1"}, {"a": b"1", name: b"2"}, all_=True)
    assert workspace.contents() == {"a": b"1"}
