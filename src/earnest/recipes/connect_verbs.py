"""`connect AGENT`: writes what an agent program needs to know of Earnest, after showing it."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from earnest.core.errors import UsageError
from earnest.core.home import Home, write_whole
from earnest.core.protocols import Progress
from earnest.recipes.answer import Answer
from earnest.recipes.connect_agents import Change, Settings, changes, next_steps, plugin


@dataclass(frozen=True)
class Edit:
    """A file as it is and as it is to be; None: it is not there."""

    path: Path
    before: str | None
    after: str | None

    @property
    def action(self) -> str:
        """What happens to it: create, change, delete, or same."""
        if self.before == self.after:
            return "same"
        return "create" if self.before is None else "delete" if self.after is None else "change"

    @property
    def diff(self) -> str:
        """The change, as a unified diff."""
        old, new = ((text or "").splitlines(keepends=True) for text in (self.before, self.after))
        was, will = (
            "/dev/null" if text is None else str(self.path) for text in (self.before, self.after)
        )
        lines = difflib.unified_diff(old, new, was, will)
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def connect(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`connect claude-code|codex|cursor`. Raises `UsageError`."""
    if options.plugin is not None:
        return _plugin(options.agent, options.plugin)
    base = Path.cwd() if options.scope == "project" else Path.home()
    named = options.home is not None or "EARNEST_HOME" in os.environ
    settings = None if options.remove else Settings(home=home.root if named else None)
    edits = planned(changes(options.agent, options.scope, base, settings))
    diff = "".join(edit.diff for edit in edits)
    if diff:
        say(diff.rstrip("\n"))
    written = bool(diff) and not options.dry_run and _agreed(options, say)
    if written:
        for edit in edits:
            write(edit)
    document = {
        "version": 1,
        "agent": options.agent,
        "scope": options.scope,
        "files": [
            {"path": str(edit.path), "action": edit.action, "diff": edit.diff} for edit in edits
        ],
        "written": written,
    }
    if not diff:
        return 0, document, "nothing to change"
    if not written:
        return int(not options.dry_run), document, "nothing was written"
    steps = [] if options.remove else [*_lacking(), *next_steps(options.agent, options.scope)]
    return 0, document, "\n".join([f"{len(edits)} files are as shown", *steps])


def _lacking() -> list[str]:
    """Return what is not installed here that the agent will need, and what comes of it."""
    needed = {
        "mcp": "the server will not start without: pip install 'earnest[mcp]'",
        "kingfisher_sdk": "sessions wait in the spool, as they are, for: "
        "pip install 'earnest[capture]'",
    }
    return [told for name, told in needed.items() if importlib.util.find_spec(name) is None]


def planned(wanted: Mapping[Path, Change]) -> list[Edit]:
    """Return what becomes of each file; nothing is written. Raises `UsageError`."""
    edits = []
    for named, change in wanted.items():
        path = named.resolve()  # a link stays one
        before = _read(path)
        edits.append(Edit(path, before, change(before, str(path))))
    return edits


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}", mend="mend it, and try again") from error


def write(edit: Edit) -> None:
    """Make a file what it is to be. Raises `UsageError` where it has changed since it was read."""
    if edit.action == "same":
        return
    if _read(edit.path) != edit.before:
        raise UsageError(f"{edit.path} has changed meanwhile", mend="type the same command again")
    if edit.after is None:
        edit.path.unlink()
        if edit.path.name == "SKILL.md" and not any(edit.path.parent.iterdir()):
            edit.path.parent.rmdir()
        return
    mode = edit.path.stat().st_mode & 0o777 if edit.before is not None else 0o644
    write_whole(edit.path, edit.after.encode("utf-8"), mode=mode)


def _agreed(options: argparse.Namespace, say: Progress) -> bool:
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is here to agree to this", mend="--yes writes it, --dry-run shows it"
        )
    say("Write this? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _plugin(agent: str, folder: Path) -> Answer:
    if folder.exists():
        raise UsageError(f"{folder} is there already", mend="name a new folder: --plugin DIR")
    made = plugin(agent)
    for name, text in made.items():
        write_whole(folder / name, text.encode("utf-8"), mode=0o644)
    document = {"version": 1, "agent": agent, "folder": str(folder), "files": sorted(made)}
    how = f"\ntry it: claude --plugin-dir {folder}" if agent == "claude-code" else ""
    return 0, document, f"{folder}: {len(made)} files{how}"
