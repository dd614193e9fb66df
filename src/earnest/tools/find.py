"""The tools `glob` and `grep`: which files there are, and where a pattern stands in them.

A model's regular expression can take forever (`(a+)+$`), and Python's own engine can't be stopped;
so `grep` runs in the sandbox, within a time limit, on the files that `python` would see.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from earnest.core.acts import READ, Act
from earnest.core.errors import ToolError
from earnest.core.jobs import DATA, WORK, Job, Limits
from earnest.core.messages import Observation, ToolSpec
from earnest.core.protocols import Sandbox
from earnest.tools.arguments import Arguments, legible
from earnest.tools.files import Files
from earnest.tools.workspace import MOST_BYTES

_LISTED: Final = 200
_LONGEST: Final = 300
_DEEPEST: Final = 32
_TIME_S: Final = 10.0
_LIMITS: Final = Limits(wall_s=_TIME_S, cpu_s=30, output_bytes=262_144)
_CUT: Final = 16_000
_ASKED: Final = "_grep.json"
_SOURCE: Final = Path(__file__).with_name("grep_inside.py").read_text()


@lru_cache(maxsize=256)
def _part(pattern: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(pattern)).match


def matches(name: str, pattern: str) -> bool:
    """Say whether a path matches a pattern: `*` and `?` within a name, `**` over folders.

    A pattern without a slash is for a file's own name, wherever it lies; one below `WORK`, as code
    sees it, is for the workspace.
    """
    pattern = pattern.removeprefix(f"{WORK}/")
    wanted = ["**", pattern] if "/" not in pattern else pattern.split("/")
    reached = _open({0}, wanted)  # how many of the wanted parts are met so far
    for part in name.split("/"):
        kept = {at for at in reached if at < len(wanted) and wanted[at] == "**"}
        met = {at + 1 for at in reached - kept if at < len(wanted) and _part(wanted[at])(part)}
        reached = _open(kept | met, wanted)
    return len(wanted) in reached


def _open(reached: set[int], wanted: Sequence[str]) -> set[int]:
    """Add what is met as well where `**` stands for no folder at all."""
    for at in sorted(reached):
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            reached.add(at)
    return reached


class _Glob(Arguments):
    pattern: str = Field(
        default="**",
        max_length=_LONGEST,
        description="Such as *.csv (anywhere), notes/**/*.md or " + DATA + "/*; ** is all.",
    )
    offset: int = Field(default=0, ge=0, description="How many to pass over.")


class GlobTool:
    """Lists files by their names. Safe for several threads."""

    repeatable: bool = True
    concurrent: bool = True
    spec: ToolSpec = _Glob.spec(
        "glob",
        f"List files of your workspace and of {DATA} whose path matches a pattern, with sizes.",
    )

    def __init__(self, files: Files) -> None:
        self.files = files

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading only. Raises `ToolError`."""
        _Glob.read(arguments)
        return READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`."""
        asked = _Glob.read(arguments)
        if asked.pattern.count("/") > _DEEPEST:
            raise ToolError(f"the pattern has more than {_DEEPEST} slashes")
        sizes = self.files.sizes()
        found = [name for name in sizes if matches(name, asked.pattern)]
        if not found:
            held = f"none of {len(sizes)} files matches {asked.pattern}"
            return Observation(content=legible(held if sizes else "there are no files yet"))
        part = found[asked.offset : asked.offset + _LISTED]
        said = [f"{name} ({sizes[name]} bytes)" for name in part]
        after = asked.offset + len(part)
        more = [f"[{len(found) - after} more: offset={after}]"] if after < len(found) else []
        return Observation(content=legible("\n".join([*said, *more])))


class _Grep(Arguments):
    pattern: str = Field(
        min_length=1, max_length=1000, description="A regular expression of Python's re."
    )
    glob: str = Field(
        default="**", max_length=_LONGEST, description="Only files that match; as for `glob`."
    )
    ignore_case: bool = False
    context: int = Field(default=0, ge=0, le=10, description="Lines around each match.")
    limit: int = Field(default=50, ge=1, le=200, description="Matching lines, at most.")
    offset: int = Field(default=0, ge=0, description="How many matching lines to pass over.")


class GrepTool:
    """Finds lines by a regular expression, in the sandbox. Safe for several threads."""

    repeatable: bool = True
    concurrent: bool = True
    spec: ToolSpec = _Grep.spec(
        "grep",
        f"Find the lines of text files, in your workspace and {DATA}, that match a regular "
        "expression: file:line: text.",
    )

    def __init__(self, files: Files, sandbox: Sandbox, data: Path) -> None:
        self.files, self.sandbox, self.data = files, sandbox, data

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading only: the program is ours, and the pattern data for it. Raises `ToolError`."""
        _Grep.read(arguments)
        return READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`, `BudgetError`, `SandboxError`."""
        asked = _Grep.read(arguments)
        if asked.glob.count("/") > _DEEPEST:
            raise ToolError(f"glob has more than {_DEEPEST} slashes")
        names = [name for name in self.files.sizes() if matches(name, asked.glob)]
        if not names:
            raise ToolError(f"no file matches {asked.glob}", mend="list the files with glob")
        own = self.files.workspace
        held = {name: own.read(name) for name in names if not name.startswith("/")}
        if sum(map(len, held.values())) > MOST_BYTES:
            raise ToolError(
                f"the files are more than {MOST_BYTES} bytes together", mend="narrow the glob"
            )
        plan = {**asked.model_dump(exclude={"glob"}), "names": names}
        job = Job(
            entry=("python", "-c", _SOURCE, _ASKED),
            files={**held, _ASKED: json.dumps(plan).encode()},
            ro_mounts={DATA: self.data},
            limits=_LIMITS,
            collect=False,
        )
        result = self.sandbox.run(job)
        lines = result.stdout.splitlines()
        if result.ended == "timeout":
            lines.append(
                f"[stopped after {_TIME_S:g} s: give a simpler pattern, or a narrower glob]"
            )
        elif not result.ok:
            why = lines[-1] if lines else result.stderr[-300:]
            raise ToolError(legible(f"grep: {why}"), mend="mend the pattern, or narrow the glob")
        text = "\n".join(lines)
        if len(text) > _CUT:
            text = text[:_CUT].rpartition("\n")[0] + "\n[cut: narrow it, or go on with offset]"
        return Observation(content=legible(text))
