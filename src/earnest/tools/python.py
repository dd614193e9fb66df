"""The `python` tool: a program of the model's own, in the sandbox that is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from earnest.core.jobs import DATA, Job, Limits, Result
from earnest.core.messages import Observation, ToolSpec
from earnest.core.protocols import Sandbox
from earnest.tools.arguments import Arguments, legible
from earnest.tools.workspace import Workspace

_SCRIPT: Final = "_cell.py"
_TAIL: Final = 12_000
_LONGEST_S: Final = 300.0


class _Python(Arguments):
    code: str = Field(description="A whole Python program.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=_LONGEST_S, description="Seconds after which it is killed."
    )


def tail(text: str, most: int = _TAIL) -> str:
    """Return the end of a text, saying how much was left out before it."""
    text = legible(text)
    left_out = len(text) - most
    return text if left_out <= 0 else f"[{left_out} characters left out]\n{text[-most:]}"


def told(result: Result, limits: Limits) -> str:
    """Return in words how a program ended."""
    how = {
        "exit": f"exit status {result.status}",
        "signal": f"killed by signal {result.status}",
        "timeout": f"killed: it ran longer than {limits.wall_s:g} s",
        "too-much": "killed: it used more memory, files or output than it may",
    }[result.ended]
    return f"{how}, {result.wall_s:.1f} s"


class PythonTool:
    """Runs a program on the workspace's files, with the visible tables mounted read-only.

    Killed between the taking over of the files that a program left and the record of its effect,
    a run makes the call again, on those files.
    """

    repeatable: bool = True
    spec: ToolSpec = _Python.spec(
        "python",
        "Run a Python program in a sandbox without network (numpy, pandas, scipy are there). The "
        f"tables are read-only in {DATA}. The working directory is your workspace: its files stay "
        "from call to call. Variables do not: each call is a new process. You get the end of what "
        "the program prints.",
    )

    def __init__(
        self, sandbox: Sandbox, workspace: Workspace, data: Path, limits: Limits | None = None
    ) -> None:
        """`data`: the folder that is mounted; a call chooses its own wall-clock limit."""
        self.sandbox, self.workspace, self.data = sandbox, workspace, data
        self.limits = limits or Limits()

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Run it. Raises `ToolError` for wrong arguments, `SandboxError`."""
        asked = _Python.read(arguments)
        limits = replace(self.limits, wall_s=asked.timeout_s)
        before = self.workspace.contents()
        job = Job(
            entry=("python", _SCRIPT),
            files={**before, _SCRIPT: asked.code.encode()},
            ro_mounts={DATA: self.data},
            limits=limits,
        )
        result = self.sandbox.run(job)
        after = {name: data for name, data in result.files.items() if _kept(name)}
        changes = self.workspace.take(before, after, all_=result.ended == "exit")
        parts = [told(result, limits)]
        if changes:
            parts.append(changes)
        if result.truncated:
            parts.append("the output was longer than the sandbox keeps")
        for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
            if text:
                parts.append(f"{name}:\n{tail(text)}")
        return Observation(content="\n".join(parts), failed=not result.ok)


def _kept(name: str) -> bool:
    return name != _SCRIPT and "__pycache__" not in name.split("/")
