"""The user's folder that a run works on a copy of: handing it in, and the steps of the copy.

The folder itself is written by `recipes/work_apply.py` only, once its user has accepted a diff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import UsageError
from earnest.core.events import Event, EventLog, read_events
from earnest.core.home import Home, write_whole
from earnest.core.quoted import plain
from earnest.tools.handed import barred, hand_in, rows_of
from earnest.tools.snapshots import (
    SNAPSHOT,
    Files,
    Snapshots,
    put_all,
    read_snapshot,
    restore,
    write_snapshot,
)
from earnest.tools.workspace import Workspace

NOTE: Final = "work.json"
NOTES: Final = "NOTES.md"
OWN: Final = ("PLAN.md", NOTES, "IDEAS.md")
"""The agent's own notes: no part of the user's folder, where it had none of that name."""
_TOLD: Final = 50
_NAMED: Final = 5


@dataclass(frozen=True)
class Work:
    """What a run was handed. `folder`: the user's, '' where there is none.

    `handed`: the snapshot of what came in; `base`: of what the user's folder holds of it by now.
    `left_out`: what did not come in, with why.
    """

    folder: str = ""
    handed: str = ""
    base: str = ""
    left_out: Mapping[str, str] | None = None


def begin_work(root: Path, run: str, folder: Path, tables: Sequence[str]) -> Work:
    """Copy a folder into a new run. It reads sealed rows: in a process apart (`apart.hand_in`).

    `tables`: the ids of the run's tables. The rows of all that are registered stay out: its notes
    are told to later runs. Raises `UsageError`, `LackError`.
    """
    from earnest.tasks.registry import Registry

    home, folder = Home(root), folder.resolve()
    own = home.root.resolve()
    if own.is_relative_to(folder) or folder.is_relative_to(own):
        raise UsageError(
            f"{folder} holds Earnest's own folder, or is in it, sealed rows and all",
            mend="name a folder of your work, or keep EARNEST_HOME elsewhere",
        )
    registry = Registry(home)
    read = (rows_of(registry.sealed(one.table).read_bytes(), ".csv") for one in registry.list())
    rows = {row for one in read for row in islice(one, 1, None)}  # without the header
    found = hand_in(folder, rows, packed=bool(tables))
    draft = home.runs / run / "workspace.part"
    for name, data in found.files.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        (draft / name).write_bytes(data)
    draft.mkdir(parents=True, exist_ok=True)
    draft.chmod(0o700)
    draft.rename(home.runs / run / "workspace")
    handed = write_snapshot(home.blobs, "", {}, put_all(home.blobs, found.files))
    work = Work(str(folder), handed, handed, found.left_out)
    _note(home, run, work)
    return work


def _note(home: Home, run: str, work: Work) -> None:
    note = {"version": 1, "folder": work.folder, "handed": work.handed, "base": work.base}
    note["left_out"] = dict(work.left_out or {})
    write_whole(home.runs / run / NOTE, canonical(note))


def work_of(home: Home, run: str) -> Work:
    """Return what a run was handed."""
    path = home.runs / run / NOTE
    if not path.exists():
        return Work()
    note = parse(path.read_bytes())
    return Work(note["folder"], note["handed"], note["base"], note["left_out"])


def accepted(home: Home, run: str, work: Work, base: Files) -> None:
    """Note what the user's folder holds by now."""
    before = read_snapshot(home.blobs, work.base)
    name = write_snapshot(home.blobs, work.base, before, base)
    _note(home, run, replace(work, base=name))


@dataclass(frozen=True)
class Steps:
    """The snapshots of a run's steps, as its log has them.

    `taken`: steps (model turns) that changed something, each with its last snapshot. `line`:
    those that what is there now was made by; undone ones are not.
    """

    taken: dict[int, str]
    line: tuple[int, ...]
    last: str

    @classmethod
    def read(cls, events: Sequence[Event], handed: str) -> Steps:
        """Read them from a run's log."""
        taken: dict[int, str] = {0: handed}
        line, last, turn = [0], handed, 0
        for event in events:
            turn += event.kind == "intent"
            if event.kind == "undo":
                last = event.payload[SNAPSHOT]
                line = [step for step in line if step <= event.payload["to"]]
            elif event.kind == "effect" and (
                name := event.payload["observation"].get("data", {}).get(SNAPSHOT)
            ):
                taken[turn] = last = name
                line = [*(step for step in line if step < turn), turn]
        return cls(taken, tuple(line), last)

    def at(self, step: int) -> str:
        """Return the snapshot of the workspace as it was after a step."""
        return self.taken[max(one for one in self.taken if one <= max(0, step))]


def snapshots(home: Home, run: str, events: Sequence[Event]) -> Snapshots:
    """Return what takes a run's snapshots, going on from the last."""
    workspace = Workspace(home.runs / run / "workspace")
    last = Steps.read(events, work_of(home, run).handed).last
    return Snapshots(workspace, home.blobs, last)


@dataclass(frozen=True)
class Change:
    """A file that differs: its blob before and after, '' where it was not, or is no more."""

    name: str
    before: str
    after: str

    @property
    def how(self) -> str:
        """Return `added`, `changed` or `removed`."""
        return "changed" if self.before and self.after else "added" if self.after else "removed"


def words_of(work: Work) -> str:
    """Return what an agent is told of the folder that it was handed; '' where it was none."""
    if not work.folder:
        return ""
    return (
        "Your workspace holds a copy of the user's folder. Change what the task needs there: the "
        "user is shown the difference, and accepts it or not. Files may have been left out that "
        "are secret, ignored by git, or hold the tables."
    )


def opening_words(home: Home, run: str, work: Work) -> list[str]:
    """Return what a person is told as a run begins, what was left out included."""
    count = len(read_snapshot(home.blobs, work.handed))
    lines = [f"{work.folder}: the agent works on a copy, files: {count} (earnest runs diff {run})"]
    why: dict[str, list[str]] = {}
    for name, reason in (work.left_out or {}).items():
        why.setdefault(reason, []).append(plain(name))
    for reason, names in sorted(why.items()):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"  left out, {reason}: {', '.join(names[:_NAMED])}{more}")
    return lines


def opened(home: Home, run: str) -> Path:
    """Return the log of a run. Raises `UsageError` where there is none."""
    path = home.runs / run / "events.jsonl"
    if "/" in run or not path.exists():
        raise UsageError(f"there is no run {run!r}", mend="earnest runs list")
    return path


def changes(home: Home, run: str, step: int | None = None) -> list[Change]:
    """Return what differs between the user's folder, as far as a run knows it, and its workspace.

    `step`: as it was after that step, beside what was handed in. What stays with its owner in
    any case (`tools/handed.py`) and the agent's notes are left out.
    """
    path, work = opened(home, run), work_of(home, run)
    if step is None:
        workspace = Workspace(home.runs / run / "workspace")
        names = list(workspace.sizes())
        after = put_all(home.blobs, {name: workspace.read(name) for name in names})
        before = read_snapshot(home.blobs, work.base)
    else:
        steps = Steps.read(list(read_events(path)), work.handed)
        after = read_snapshot(home.blobs, steps.at(step))
        before = read_snapshot(home.blobs, work.handed)
    found = []
    for name in sorted({*before, *after}):
        one = Change(name, before.get(name, ""), after.get(name, ""))
        own = name in OWN and name not in before
        if one.before != one.after and not own and not barred(name):
            found.append(one)
    return found


def undo(home: Home, run: str, to: int | None = None) -> dict[str, Any]:
    """Bring a run's workspace back to what it was after a step; what was after it stays on record.

    `to`: the step, 0 for what was handed in (default: the one before the last that changed
    something). The agent's own notes stay, with a line on this, and so does the log: a resumed
    agent knows. Raises `UsageError`, and `EarnestError` while the run is worked on.
    """
    work = work_of(home, run)
    with EventLog(opened(home, run)) as log:
        steps = Steps.read(log.events, work.handed)
        if to is None:
            if len(steps.line) < 2:
                raise UsageError("nothing to undo: no step is left that changed a file")
            to = steps.line[-2]
        workspace = Workspace(home.runs / run / "workspace")
        name = steps.at(to)
        target = read_snapshot(home.blobs, name)
        notes = own_notes(home, work)
        there = workspace.sizes()
        kept = {own: home.blobs.put(workspace.read(own)) for own in notes if own in there}
        target = {file: blob for file, blob in target.items() if file not in notes} | kept
        # Recorded last: cut off before that, the same command does the same again.
        changed = restore(workspace, home.blobs, target)
        _tell(workspace, to, changed, notes)
        log.append("undo", {"to": to, SNAPSHOT: name})
    return {"version": 1, "run": run, "to": to, "snapshot": name, "files": changed}


def own_notes(home: Home, work: Work) -> list[str]:
    """Return the names of notes that are the agent's: the user's folder had none of that name."""
    handed = read_snapshot(home.blobs, work.handed)
    return [name for name in (NOTES, *OWN) if name not in handed]


def _tell(workspace: Workspace, to: int, changed: Sequence[str], notes: Sequence[str]) -> None:
    """Tell a resumed agent, in notes of its own; where it has none, it is not told."""
    if not notes:
        return
    there = workspace.read(notes[0]) if notes[0] in workspace.sizes() else b""
    named = ", ".join(changed[:_TOLD]) + (", and more" if len(changed) > _TOLD else "")
    line = f"The user took the workspace back to what it was after step {to}. Changed: {named}\n"
    workspace.write(notes[0], there + line.encode())
