"""Snapshots of a workspace, and the way back."""

import shutil
import statistics
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.acts import READ, writes
from earnest.core.errors import ToolError
from earnest.core.home import BlobStore
from earnest.core.messages import Observation, ToolSpec
from earnest.tools.files import EditTool, Files
from earnest.tools.python import PythonTool
from earnest.tools.shell import ShellTool
from earnest.tools.snapshots import SNAPSHOT, Snapped, Snapshots, read_snapshot, restore
from earnest.tools.workspace import Workspace

NAMES = st.sampled_from(["a", "b", "d/a", "d/e/b", "c"])
STATES = st.lists(st.dictionaries(NAMES, st.binary(max_size=3)), min_size=1, max_size=5)


def fill(workspace, files):
    for name in set(workspace.sizes()) - set(files):
        workspace.remove(name)
    for name, data in files.items():
        workspace.write(name, data)


@settings(deadline=None, max_examples=12)
@given(states=STATES)
def test_each_snapshot_brings_its_files_back(tmp_path_factory, states):
    folder = tmp_path_factory.mktemp("w")
    workspace, blobs = Workspace(folder / "w"), BlobStore(folder / "b")
    snapshots, names = Snapshots(workspace, blobs), []
    for files in states:
        fill(workspace, files)
        names.append(snapshots.take() or snapshots.last)
        assert snapshots.take() == ""
    assert Snapshots(workspace, blobs, snapshots.last).take() == ""  # of another process
    for name, files in zip(names, states, strict=True):
        restore(workspace, blobs, read_snapshot(blobs, name))
        assert workspace.contents() == files
    shutil.rmtree(folder)


def test_only_what_changed_is_stored(tmp_path):
    workspace, blobs = Workspace(tmp_path / "w"), BlobStore(tmp_path / "b")
    fill(workspace, {f"{number}.txt": b"x%d" % number for number in range(50)})
    snapshots = Snapshots(workspace, blobs)
    snapshots.take()
    before = sum(1 for one in (tmp_path / "b").rglob("*") if one.is_file())
    workspace.write("7.txt", b"new")
    snapshots.take()
    assert sum(1 for one in (tmp_path / "b").rglob("*") if one.is_file()) == before + 2


class HttpLike(EditTool):
    only_files = False


class Tool:
    repeatable = True
    spec = ToolSpec(name="tool", description="", parameters={})

    def __init__(self, workspace):
        self.workspace = workspace

    def acts(self, arguments):
        return READ if arguments.get("reads") else writes("write")

    def call(self, arguments):
        if "write" in arguments:
            self.workspace.write("a.txt", arguments["write"])
        if arguments.get("fails"):
            raise ToolError("it went wrong", mend="do otherwise")
        return Observation(content="done", data={"more": 1})


def test_the_call_that_changed_something_names_its_snapshot(tmp_path):
    workspace, blobs = Workspace(tmp_path / "w"), BlobStore(tmp_path / "b")
    snapshots = Snapshots(workspace, blobs)
    tool = Snapped(Tool(workspace), snapshots)
    assert tool.call({}).data == {"more": 1}
    gave = tool.call({"write": b"1"})
    assert gave.data == {"more": 1, SNAPSHOT: snapshots.last}
    assert read_snapshot(blobs, snapshots.last) == {"a.txt": blobs.put(b"1")}
    with pytest.raises(ToolError):
        tool.call({"fails": True})
    gave = tool.call({"write": b"2", "fails": True})
    assert gave.failed
    assert gave.content == "it went wrong\ndo otherwise"
    assert gave.data[SNAPSHOT] == snapshots.last
    workspace.write("b.txt", b"of someone else")
    assert tool.call({"reads": True}).data == {"more": 1}  # a reader is not looked at


def test_a_call_that_was_cut_off_is_made_again_only_where_no_file_is_changed(tmp_path):
    workspace, blobs = Workspace(tmp_path / "w"), BlobStore(tmp_path / "b")
    files = Files(workspace)
    workspace.write("a.txt", b"1")
    before = Snapshots(workspace, blobs).take()
    for tool in (EditTool(files), HttpLike(files)):
        assert not tool.repeatable
    snapshots = Snapshots(workspace, blobs, before)  # of a process that goes on
    edit, other = Snapped(EditTool(files), snapshots), Snapped(HttpLike(files), snapshots)
    assert edit.repeatable
    assert not other.repeatable  # what it changes need not be a file
    workspace.write("a.txt", b"1")
    assert edit.repeatable
    workspace.write("a.txt", b"11")
    assert not edit.repeatable
    assert snapshots.last == before  # asking takes none
    assert snapshots.take() != ""
    assert edit.repeatable
    for sandbox in (SimpleNamespace(name="", isolates=isolates) for isolates in (True, False)):
        for kind in (PythonTool, ShellTool):
            tool = kind(sandbox, workspace, tmp_path, blobs)
            assert not tool.repeatable
            assert Snapped(tool, snapshots).repeatable is sandbox.isolates


@pytest.mark.slow
def test_a_step_in_a_folder_of_2000_files_costs_little(tmp_path, capsys):
    """Prints what docs/work.md says; a step is held to a tenth of what taking all of it costs."""
    workspace, blobs = Workspace(tmp_path / "w"), BlobStore(tmp_path / "b")
    for number in range(2000):
        path = tmp_path / "w" / f"d{number % 40}" / f"f{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"line {number}\n".encode() * 500)
    snapshots = Snapshots(workspace, blobs)

    def timed(do):
        began = time.perf_counter()
        do()
        return 1000 * (time.perf_counter() - began)

    whole, nothing, one = timed(snapshots.take), [], []
    for number in range(20):
        nothing.append(timed(snapshots.take))
        workspace.write("d1/f1.txt", b"%d" % number)
        one.append(timed(snapshots.take))
    back = timed(lambda: restore(workspace, blobs, read_snapshot(blobs, snapshots.last)))
    middle = [statistics.median(times) for times in (nothing, one)]
    with capsys.disabled():
        sys.stdout.write(
            f"\n2000 files, ms: all {whole:.0f}; a step that changed nothing {middle[0]:.1f}, "
            f"one file {middle[1]:.1f}; back {back:.0f}\n"
        )
    assert middle[1] < whole / 10
