"""What `runs diff|undo|accept RUN` do: (exit status, JSON document, words)."""

from __future__ import annotations

import argparse
import difflib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.events import EventLog
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.answer import Answer
from earnest.recipes.asking import forget_typed
from earnest.recipes.svg import seen
from earnest.recipes.work import (
    Change,
    accepted,
    changes,
    opened,
    undo,
    work_of,
)
from earnest.recipes.work_apply import apply, conflicts
from earnest.tools.snapshots import read_snapshot

_MOST_SHOWN: Final = 2**20
_TOLD: Final = 20


def _text(home: Home, blob: str) -> list[str] | None:
    """Return a file's lines; None where it is no text, or too long to compare."""
    data = home.blobs.get(blob) if blob else b""
    if b"\0" in data or len(data) > _MOST_SHOWN:
        return None
    try:  # other signs that end a line somewhere are part of one here, as in git and patch
        return list(io.StringIO(data.decode(), newline="\n"))
    except UnicodeDecodeError:
        return None


def unified(home: Home, one: Change) -> tuple[str, int, int]:
    """Return a change as a unified diff, and how many lines it adds and removes."""
    before, after = _text(home, one.before), _text(home, one.after)
    names = (f"a/{one.name}" if one.before else "/dev/null", f"b/{one.name}")
    names = (names[0], names[1] if one.after else "/dev/null")
    if before is None or after is None:
        sizes = [len(home.blobs.get(blob)) if blob else 0 for blob in (one.before, one.after)]
        told = f"{sizes[0]} bytes, then {sizes[1]}"
        return f"--- {names[0]}\n+++ {names[1]}\nbinary or too long to show: {told}\n", 0, 0
    lines = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(before, after, *names)
    ]
    if not lines:
        return f"--- {names[0]}\n+++ {names[1]}\nan empty file\n", 0, 0
    added = sum(line.startswith("+") for line in lines[2:])
    return "".join(lines), added, sum(line.startswith("-") for line in lines[2:])


def _told(home: Home, found: Sequence[Change]) -> tuple[list[dict[str, Any]], str]:
    rows, texts = [], []
    for one in found:
        text, added, removed = unified(home, one)
        rows.append({"name": one.name, "change": one.how, "added": added, "removed": removed})
        texts.append(text)
    return rows, "".join(texts)


def _diff(options: argparse.Namespace, home: Home) -> Answer:
    work = work_of(home, options.run)
    rows, text = _told(home, changes(home, options.run, options.step))
    document = {
        "version": 1,
        "run": options.run,
        "folder": work.folder,
        "files": rows,
        "diff": text,
        "left_out": dict(work.left_out or {}),
    }
    return 0, document, seen(text).rstrip("\n") or "no file differs"


def _chosen(found: list[Change], only: Sequence[str]) -> list[Change]:
    """Return the changes of the files and folders that are named. Raises `UsageError`."""
    if not only:
        return found
    wanted = [name.rstrip("/") for name in only]
    for name in wanted:
        if not any(one.name == name or one.name.startswith(f"{name}/") for one in found):
            raise UsageError(f"nothing differs at {name}", mend="name paths as the diff has them")
    return [
        one
        for one in found
        if any(one.name == name or one.name.startswith(f"{name}/") for name in wanted)
    ]


def _agreed(text: str, folder: str, count: int, say: Progress) -> bool:
    """Show a diff, and ask. Raises `UsageError` where no one can be asked."""
    say(seen(text).rstrip("\n"))
    if not sys.stdin.isatty():
        raise UsageError("no one is there to agree to it", mend="look at it, then: --yes")
    say(f"write {count} {_files(count)} into {folder}? [y/N]")
    forget_typed(sys.stdin)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _accept(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    run, work = options.run, work_of(home, options.run)
    if not work.folder:
        raise UsageError(
            f"{run} was handed no folder of yours", mend='earnest run "…" --work DIR hands one in'
        )
    folder = Path(work.folder)
    with EventLog(opened(home, run)) as log:  # so that no one works on it meanwhile
        found = _chosen(changes(home, run), options.only)
        rows, text = _told(home, found)
        document = {"version": 1, "run": run, "folder": work.folder, "files": rows}
        document |= {"refused": conflicts(folder, found), "written": []}
        if document["refused"]:
            lines = [f"  {seen(name)}: {why}" for name, why in document["refused"].items()]
            words = ["nothing was written:", *lines[:_TOLD], "the others alone: --only PATH …"]
            return 1, document, "\n".join(words)
        if not found:
            return 0, document, "no file differs"
        if not options.yes and not _agreed(text, work.folder, len(found), say):
            return 1, document, "nothing was written"
        document["written"] = apply(folder, found, home.blobs, run)
        base = read_snapshot(home.blobs, work.base)
        for one in found:
            base.pop(one.name, None)
            base |= {one.name: one.after} if one.after else {}
        accepted(home, run, work, base)
        log.append("accept", {"folder": work.folder, "files": [one.name for one in found]})
    lines = [f"  {one.how:<8} {seen(one.name)}" for one in found]
    return 0, document, "\n".join([f"{work.folder}: {len(found)} {_files(len(found))}", *lines])


def work(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`runs diff RUN`, `runs undo RUN`, `runs accept RUN`."""
    opened(home, options.run)
    if options.what == "diff":
        return _diff(options, home)
    if options.what == "accept":
        return _accept(options, home, say)
    document = undo(home, options.run, options.to)
    files = "\n".join(f"  {seen(name)}" for name in document["files"])
    words = f"as it was after step {document['to']}; {len(document['files'])} files changed"
    return 0, document, f"{words}\n{files}".rstrip()
