"""Snapshots of a workspace: what its files were after each call that changed one.

A snapshot is a blob: `{"version": 1, "on": the one before or "", "files": {name: blob}, "gone":
[names]}`, what changed since the one before it. Its id goes into the observation of the call that
made it, and so into the run's log. Times and modes of files are not kept.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from earnest.core.acts import Act
from earnest.core.canon import canonical, parse
from earnest.core.errors import ToolError
from earnest.core.messages import Observation, ToolSpec
from earnest.core.protocols import Blobs, Tool
from earnest.tools.workspace import Workspace

SNAPSHOT: Final = "snapshot"
"""The key of a snapshot's id in an observation's data."""
_AT_ONCE: Final = 8  # a disk settles several files in the time of one

Files = dict[str, str]
"""Blobs by the relative names of the files that hold them."""


def read_snapshot(blobs: Blobs, name: str) -> Files:
    """Return all files of a snapshot; none for the name ''. Raises `RecordError`."""
    found: Files = {}
    gone: set[str] = set()
    while name:
        one = parse(blobs.get(name))
        for file, blob in one["files"].items():
            if file not in gone:
                found.setdefault(file, blob)
        gone |= set(one["gone"]) - set(found)
        name = one["on"]
    return found


def write_snapshot(blobs: Blobs, on: str, before: Files, after: Files) -> str:
    """Store what changed since the snapshot `on`; return the new one's id."""
    changed = {name: blob for name, blob in after.items() if before.get(name) != blob}
    gone = sorted(set(before) - set(after))
    return blobs.put(canonical({"version": 1, "on": on, "files": changed, "gone": gone}))


def put_all(blobs: Blobs, contents: Mapping[str, bytes]) -> Files:
    """Store contents, several at a time; return their blobs."""
    if len(contents) < _AT_ONCE:
        return {name: blobs.put(data) for name, data in contents.items()}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(contents, pool.map(blobs.put, contents.values()), strict=True))


class Snapshots:
    """Takes a workspace's snapshots; only what changed is read. One thread at a time."""

    def __init__(self, workspace: Workspace, blobs: Blobs, last: str = "") -> None:
        """`last`: the snapshot before, where there is one."""
        self.workspace, self.blobs, self.last = workspace, blobs, last
        self._files = read_snapshot(blobs, last)
        self._facts: dict[str, tuple[int, ...]] = {}

    def take(self) -> str:
        """Take one; return its id, '' where nothing changed since the last.

        Raises `ToolError` where a file can't be read.
        """
        self._facts, files = self._now()
        if files == self._files:
            return ""
        self.last = write_snapshot(self.blobs, self.last, self._files, files)
        self._files = files
        return self.last

    def unchanged(self) -> bool:
        """Say whether the files are those of the last snapshot. Raises `ToolError`."""
        return self._now()[1] == self._files

    def _now(self) -> tuple[dict[str, tuple[int, ...]], Files]:
        """Return what tells whether a file has changed, and all files."""
        facts = dict(self.look())
        changed = [name for name, fact in facts.items() if self._facts.get(name) != fact]
        files = {name: blob for name, blob in self._files.items() if name in facts}
        files |= put_all(self.blobs, {name: self.workspace.read(name) for name in changed})
        return facts, files

    def look(self) -> Iterable[tuple[str, tuple[int, ...]]]:
        """Yield what tells whether a file has changed: a write gives it another inode, or time."""
        root = len(str(self.workspace.folder)) + 1
        for where, folders, leaves, held in os.fwalk(self.workspace.folder):
            folders.sort()
            before = f"{where[root:]}/" if len(where) > root else ""
            for leaf in sorted(leaves):
                it = os.stat(leaf, dir_fd=held, follow_symlinks=False)
                if stat.S_ISREG(it.st_mode) and not leaf.startswith(".draft-"):
                    yield (
                        before + leaf,
                        (it.st_ino, it.st_size, it.st_mtime_ns, it.st_ctime_ns),
                    )


def restore(workspace: Workspace, blobs: Blobs, target: Files) -> list[str]:
    """Bring a workspace to a snapshot's files; return the names that changed.

    A file at a time, each whole: what a kill leaves undone, a second call does. Raises
    `ToolError`, `RecordError`.
    """
    there = put_all(blobs, {name: workspace.read(name) for name in workspace.sizes()})
    gone = sorted(set(there) - set(target))
    for name in gone:
        workspace.remove(name)
    changed = sorted(name for name, blob in target.items() if there.get(name) != blob)
    for name in changed:
        workspace.make_room(name)
        workspace.write(name, blobs.get(target[name]))
    return sorted([*gone, *changed])


class Snapped:
    """A tool whose calls leave a snapshot where they changed the workspace."""

    def __init__(self, tool: Tool, snapshots: Snapshots) -> None:
        self.tool, self._snapshots = tool, snapshots
        self.spec: ToolSpec = tool.spec
        self.concurrent: bool = getattr(tool, "concurrent", False)

    @property
    def repeatable(self) -> bool:
        """As the tool; and what changes files only, where none is changed, has had no effect."""
        only_files = getattr(self.tool, "only_files", False)
        return self.tool.repeatable or (only_files and self._snapshots.unchanged())

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """As the tool's."""
        return self.tool.acts(arguments)

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it; the snapshot's id goes with what the tool gave."""
        if all(act.kind == "read" for act in self.tool.acts(arguments)):
            return self.tool.call(arguments)
        try:
            gave = self.tool.call(arguments)
        except ToolError as error:
            if not (name := self._snapshots.take()):
                raise
            mend = f"\n{error.mend}" if error.mend else ""
            gave = Observation(content=f"{error}{mend}", failed=True)
        else:
            name = self._snapshots.take()
        return gave.model_copy(update={"data": {**gave.data, SNAPSHOT: name}}) if name else gave
