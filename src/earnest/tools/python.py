"""The `python` tool: a model's own code, in the sandbox that is handed in.

Where the sandbox keeps a line to its jails, a call is a cell of a session (`session.py`): variables
stay from call to call, and a resumed run has them back by running its recorded cells again. Where
it does not, each call is a new process. The tool's description says which. Figures that a call
leaves go with its observation (`pictures.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from earnest.core.acts import Act
from earnest.core.errors import RecordError
from earnest.core.jobs import DATA, Job, Limits, Result
from earnest.core.messages import Observation, ToolCall, ToolSpec
from earnest.core.protocols import Blobs, Sandbox
from earnest.tools.arguments import Arguments, legible
from earnest.tools.counted import Counted
from earnest.tools.network import Network, code_acts
from earnest.tools.pictures import pictures
from earnest.tools.session import CellResult, Loss, Session, kept
from earnest.tools.workspace import Workspace

_SCRIPT: Final = "_cell.py"
_TAIL: Final = 12_000
LONGEST_S: Final = 300.0
_LOST: Final = "the variables are lost: the next call starts with none"
_NONE: Final = "the variables of earlier calls are lost"
_CELLS: Final = (
    "So do variables, functions and imports, as in a notebook, until a call is killed. You get the "
    "end of what the code prints, and the value of a last expression. Figures: save them as PNG; "
    "those that matplotlib has open at the end of a call are saved by themselves."
)
_ALONE: Final = (
    "Variables do not: each call is a new process. You get the end of what the code prints."
)


def _about(net: Network | None, *, keeps: bool) -> str:
    """Return what a model is told of the tool."""
    where = f"whose network reaches {', '.join(net.hosts)} only" if net else "without network"
    return (
        f"Run Python code in a sandbox {where} (numpy, pandas, scipy are there). The tables are "
        f"read-only in {DATA}. The working directory is your workspace: its files stay from call "
        f"to call. {_CELLS if keeps else _ALONE}"
    )


class _Python(Arguments):
    code: str = Field(description="Python code.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=LONGEST_S, description="Seconds after which it is ended."
    )


def tail(text: str, most: int = _TAIL) -> str:
    """Return the end of a text, saying how much was left out before it."""
    text = legible(text)
    left_out = len(text) - most
    return text if left_out <= 0 else f"[{left_out} characters left out]\n{text[-most:]}"


def limited(limits: Limits, workspace: Workspace, held: Mapping[str, bytes]) -> Limits:
    """Return a jail's limits with no more room than the files in it and what is left to write."""
    left = workspace.purse.left("bytes_written")
    if math.isinf(left):
        return limits
    room = math.ceil((sum(map(len, held.values())) + left) / 2**20) + 1
    return replace(limits, workspace_mib=min(limits.workspace_mib, room))


def told(result: Result, limits: Limits) -> str:
    """Return in words how a program ended."""
    how = {
        "exit": f"exit status {result.status}",
        "signal": f"killed by signal {result.status}",
        "timeout": f"killed: it ran longer than {limits.wall_s:g} s",
        "too-much": "killed: it used more memory, files or output than it may",
    }[result.ended]
    return f"{how}, {result.wall_s:.1f} s"


def _ended(how: str, status: int, timeout_s: float) -> str:
    """Return in words how a cell ended that left its session alive."""
    return {
        "done": "done",
        "error": "ended by an exception",
        "interrupted": f"interrupted: it ran longer than {timeout_s:g} s",
        "exit": f"exit status {status}",
        "lost": "killed",
    }[how]


def _why(loss: Loss, limits: Limits, timeout_s: float) -> str:
    """Return in words how a session ended; `limits`: the session's."""
    if loss.cause == "ended":
        return told(loss.result, limits).rpartition(",")[0]
    return {
        "late": f"killed: it ran longer than {timeout_s:g} s and could not be interrupted",
        "deaf": "killed: its process takes nothing in any more",
        "garbled": "killed: it wrote to the line that its session is led by",
        "unready": "not run: the workspace's files do not fit in the sandbox",
        "too-much": "killed: it left more files or bytes than it may",
    }[loss.cause]


@dataclass(frozen=True)
class _Recorded:
    """A cell of the run so far; `sent`: what was put into the workspace before it, as blobs."""

    code: str
    timeout_s: float
    how: str
    status: int
    sent: Mapping[str, str]
    removed: tuple[str, ...]


def _of_last_session(earlier: Iterable[tuple[ToolCall, Observation]]) -> list[_Recorded]:
    """Return the cells whose variables were alive when the run was last recorded."""
    found: list[_Recorded] = []
    for call, observation in earlier:
        cell = observation.data.get("cell")
        if cell is None:
            continue
        if cell["fresh"]:
            found.clear()
        asked = _Python.read(call.arguments)
        found.append(
            _Recorded(
                asked.code,
                asked.timeout_s,
                cell["how"],
                cell["status"],
                cell["sent"],
                tuple(cell["removed"]),
            )
        )
        if cell["how"] == "lost":
            found.clear()
    return found


class PythonTool:
    """Runs code on the workspace's files, with the visible tables mounted read-only.

    Not repeatable: where a kill struck just after files were taken over, code that adds to one
    would do it twice. Made again, a call finds the variables of the recorded calls before it.
    """

    repeatable: bool = False

    def __init__(
        self,
        sandbox: Sandbox,
        workspace: Workspace,
        data: Path,
        blobs: Blobs,
        earlier: Iterable[tuple[ToolCall, Observation]] = (),
        *,
        limits: Limits | None = None,
        net: Network | None = None,
    ) -> None:
        """`data`: the folder that is mounted; a call chooses its own wall-clock limit.

        `blobs` hold what files a cell found, for its replay. `earlier`: the calls of this tool
        that the run's log holds, in order (`agent.replay.logged_calls`), where it is resumed.
        Without `net` there is no network.
        """
        self.sandbox, self.workspace, self.data, self.blobs = sandbox, workspace, data, blobs
        self.limits = limits or Limits()
        self.keeps = bool(getattr(sandbox, "lines", True))
        self.purse = workspace.purse
        self._counted = Counted(sandbox, self.purse)
        self.spec: ToolSpec = _Python.spec("python", _about(net, keeps=self.keeps))
        self.net, self.only_files = net, sandbox.isolates
        self.session = Session(sandbox, data, self.limits, net=net.gateway if net else None)
        self._earlier = _of_last_session(earlier)

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """What its jail lets code do; the code is not read. Raises `ToolError`."""
        _Python.read(arguments)
        return code_acts("run Python code", self.sandbox, self.net)

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Run it. Raises `ToolError` for wrong arguments or too many files, `SandboxError`.

        Each call counts as a process, and those of a replay too; `BudgetError` where none is left.
        """
        asked = _Python.read(arguments)
        self.purse.take("processes")
        before = self.workspace.contents()
        if not self.keeps:
            return self._alone(asked, before)
        notes = self._replay()
        cell = self.session.run(asked.code, before, asked.timeout_s)
        changes = self.workspace.take(before, cell.files, all_=cell.whole)
        if cell.before is not None:
            why = _why(cell.before, self.session.limits, asked.timeout_s)
            notes.append(f"{_NONE}: between the calls their process ended ({why})")
        how = _ended(cell.how, cell.status, asked.timeout_s)
        if cell.loss is not None:
            how = _why(cell.loss, self.session.limits, asked.timeout_s)
            notes.append(_LOST)
        shown, unseen = pictures(before, cell.files, self.blobs, self._counted)
        told_of = f"{how}, {cell.seconds:.1f} s"
        return Observation(
            content=content(
                told_of, [*notes, *unseen], changes, cell.truncated, cell.stdout, cell.stderr
            ),
            failed=cell.how != "done" and (cell.how, cell.status) != ("exit", 0),
            pictures=shown,
            data={"cell": self._record(cell)},
        )

    def close(self) -> None:
        """End the session, if there is one."""
        self.session.close()

    def _record(self, cell: CellResult) -> dict[str, Any]:
        """Return what the replay of a cell takes; one that ended its session is not replayed."""
        found = cell.sent if cell.loss is None else {}
        return {
            "how": cell.how,
            "status": cell.status,
            "fresh": cell.fresh,
            "sent": {name: self.blobs.put(data) for name, data in found.items()},
            "removed": list(cell.removed),
        }

    def _replay(self) -> list[str]:
        """Run the recorded cells of the last session again; return what went otherwise."""
        cells, notes = self._earlier, []
        if cells:
            self.session.close()
        for number, cell in enumerate(cells, 1):
            name = f"earlier call {number} of {len(cells)}, run again to get its variables back"
            try:
                sent = {file: self.blobs.get(blob) for file, blob in cell.sent.items()}
            except RecordError as error:
                notes += [f"{name}: a file that it found is gone ({error})", _NONE]
                self.session.close()
                break
            files = {**self.session.known, **sent}
            for file in cell.removed:
                files.pop(file, None)
            self.purse.charge("processes", 1)
            found = self.session.run(cell.code, files, cell.timeout_s)
            if (found.how, found.status) != (cell.how, cell.status):
                ends = [_ended(one.how, one.status, cell.timeout_s) for one in (found, cell)]
                notes.append(f"{name}, ended otherwise: {ends[0]}, where it was: {ends[1]}")
            if found.loss or found.before:
                notes.append(_NONE)
                self.session.close()
                break
        self._earlier = []
        if self.net is not None:
            self.net.replayed()
        return notes

    def _alone(self, asked: _Python, before: Mapping[str, bytes]) -> Observation:
        """Run code in a process of its own."""
        limits = replace(limited(self.limits, self.workspace, before), wall_s=asked.timeout_s)
        job = Job(
            entry=("python", _SCRIPT),
            files={**before, _SCRIPT: asked.code.encode()},
            ro_mounts={DATA: self.data},
            limits=limits,
            net=self.net.gateway if self.net else None,
        )
        result = self.sandbox.run(job)
        after = {name: data for name, data in kept(result.files).items() if name != _SCRIPT}
        changes = self.workspace.take(before, after, all_=result.ended == "exit")
        notes = [f"{_NONE}: this sandbox keeps none"] if self._earlier else []
        self._earlier = []
        shown, unseen = pictures(before, after, self.blobs, self._counted)
        text = content(
            told(result, limits),
            [*notes, *unseen],
            changes,
            result.truncated,
            result.stdout,
            result.stderr,
        )
        return Observation(content=text, failed=not result.ok, pictures=shown)


def content(
    ended: str, notes: Sequence[str], changes: str, truncated: bool, stdout: str, stderr: str
) -> str:
    """Return what a model is told of a program's end."""
    parts = [ended, *notes]
    if changes:
        parts.append(changes)
    if truncated:
        parts.append("the output was longer than the sandbox keeps")
    parts += [
        f"{name}:\n{tail(text)}" for name, text in (("stdout", stdout), ("stderr", stderr)) if text
    ]
    return "\n".join(parts)
