"""The `shell` tool: a command line in a jail as `python` has it, each call in a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from earnest.core.acts import Act
from earnest.core.jobs import DATA, Job, Limits
from earnest.core.messages import Observation, ToolSpec
from earnest.core.protocols import Blobs, Sandbox
from earnest.tools.arguments import Arguments
from earnest.tools.network import Network, code_acts
from earnest.tools.pictures import pictures
from earnest.tools.python import LONGEST_S, content, limited, told
from earnest.tools.session import kept
from earnest.tools.workspace import Workspace

# The interpreter's own folder is not in the jail, so it gets names in one that is not kept.
_START: Final = """\
import os, signal, sys
names = os.path.join(os.environ["TMPDIR"], "bin")
os.mkdir(names)
for name in ("python", "python3"):
    os.symlink(sys.executable, os.path.join(names, name))
os.environ["PATH"] = f"{names}:{os.environ['PATH']}"
for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a shell would go on so
    signal.signal(number, signal.SIG_DFL)
shell = next(path for path in ("/usr/bin/bash", "/bin/bash", "/bin/sh") if os.path.exists(path))
os.execv(shell, [shell, "-c", sys.argv[1]])
"""


class _Shell(Arguments):
    command: str = Field(
        min_length=1, max_length=100_000, description="A command line, as for bash -c."
    )
    timeout_s: float = Field(
        default=60.0, gt=0, le=LONGEST_S, description="Seconds after which it is killed."
    )


class ShellTool:
    """Runs a command line on the workspace's files.

    Not repeatable: where a kill struck just after files were taken over, a command that adds to
    one would do it twice.
    """

    repeatable: bool = False

    def __init__(
        self,
        sandbox: Sandbox,
        workspace: Workspace,
        data: Path,
        blobs: Blobs,
        *,
        limits: Limits | None = None,
        net: Network | None = None,
    ) -> None:
        """`data`: the folder that is mounted, read-only. Without `net` there is no network."""
        self.sandbox, self.workspace, self.data, self.net = sandbox, workspace, data, net
        self.blobs, self.only_files = blobs, sandbox.isolates
        self.limits = limits or Limits()
        where = f"whose network reaches {', '.join(net.hosts)} only" if net else "without network"
        self.spec: ToolSpec = _Shell.spec(
            "shell",
            f"Run a shell command in a sandbox {where}. It starts in your workspace, whose files "
            f"stay from call to call; variables and background processes do not. {DATA} is "
            "read-only. You get the end of what it prints.",
        )

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """As `python`: the command is not read. Raises `ToolError`."""
        _Shell.read(arguments)
        return code_acts("run a shell command", self.sandbox, self.net)

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Run it. Raises `ToolError`, `BudgetError`, `SandboxError`."""
        asked = _Shell.read(arguments)
        before = self.workspace.contents()
        limits = replace(limited(self.limits, self.workspace, before), wall_s=asked.timeout_s)
        job = Job(
            entry=("python", "-c", _START, asked.command),
            files=before,
            ro_mounts={DATA: self.data},
            limits=limits,
            net=self.net.shell if self.net else None,
        )
        result = self.sandbox.run(job)
        after = kept(result.files)
        changes = self.workspace.take(before, after, all_=result.ended == "exit")
        shown, unseen = pictures(before, after, self.blobs, self.sandbox)
        text = content(
            told(result, limits), unseen, changes, result.truncated, result.stdout, result.stderr
        )
        return Observation(content=text, failed=not result.ok, pictures=shown)
