"""The notes that earlier runs left, as a run may search them.

Not told: notes of a run whose code, or an MCP server of whose, nothing isolated, since it could
read what is sealed; nor of one on a table like this run's but split otherwise, whose visible rows
may be sealed here; nor a file of the user's own, of a name that notes have, that a run worked on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from earnest.core.canon import parse
from earnest.core.errors import EarnestError, ToolError
from earnest.core.home import Home
from earnest.core.known import near
from earnest.core.records import Task
from earnest.recipes.known import KNEW
from earnest.recipes.work import own_notes, work_of
from earnest.sandbox.choose import UNSAFE
from earnest.tools.notes import FILES
from earnest.tools.workspace import Workspace

SAW_ALL: Final = "saw-all"
"""In a run's folder: what its agent could call was kept from nothing."""
_MOST_RUNS: Final = 200
_MOST: Final = 64 * 1024


def earlier_notes(
    home: Home, run: str, task: Task
) -> Callable[[], Iterable[tuple[str, str]]] | None:
    """Return what gives the notes of the newest 200 runs; None: the run is to know of none."""
    if KNEW not in task.metadata:
        return None
    return lambda: _notes(home, run, task)


def _notes(home: Home, run: str, task: Task) -> Iterator[tuple[str, str]]:
    folders = sorted((path.parent for path in home.runs.glob("*/workspace")), reverse=True)
    for folder in folders[:_MOST_RUNS]:
        if folder.name == run or not _tellable(home, folder, task):
            continue
        workspace = Workspace(folder / "workspace")
        own = own_notes(home, work_of(home, folder.name))
        for name in FILES.values():
            if name not in own:
                continue
            try:
                text = workspace.read(name, _MOST).decode("utf-8", "replace")
            except ToolError:
                continue
            yield f"{folder.name}/{name}", text


def _tellable(home: Home, folder: Path, task: Task) -> bool:
    """Say whether a run saw nothing that is sealed from the run of a task."""
    try:
        note = parse((folder / "run.json").read_bytes())
        other = Task.from_bytes(home.blobs.get(note["task"]), expect=note["task"])
    except (OSError, KeyError, TypeError, EarnestError):
        return False
    if note.get("sandbox", "auto") == UNSAFE or (folder / SAW_ALL).exists():
        return False
    return all(near(ref, task.tables) != "a table like it" for ref in other.tables)
