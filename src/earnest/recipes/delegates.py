"""Sub-agents of a run: each has a log of its own below the run's, and the run's purse and guard.

They work in the run's own workspace, one at a time. A sub-agent's folder, `sub/N`, is closed once
its result stands in the run's log; one that a kill cut off is found again by its errand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from earnest.agent.atif import REFS
from earnest.agent.guard import Ask
from earnest.agent.loop import RunResult, run_agent
from earnest.agent.replay import logged_calls, logged_findings, logged_used
from earnest.core.acts import Policy
from earnest.core.budget import Budget, Purse
from earnest.core.canon import canonical
from earnest.core.claims import sentence
from earnest.core.errors import BudgetError
from earnest.core.events import Event, EventLog, read_events
from earnest.core.home import Home, write_whole
from earnest.core.messages import Observation
from earnest.core.protocols import Model, Progress, Tool
from earnest.core.records import Finding, Task
from earnest.tools.delegate import DelegateTool, Errand
from earnest.tools.mcp_servers import Server
from earnest.tools.snapshots import Snapshots

SUB: Final = "sub"
NUMBER: Final = "sub"
_NOTE: Final = "errand.json"
_TOLD_FILES: Final = 40
ROLE: Final = (
    "You are a sub-agent: another agent, which works on a larger question, asked you this one, and "
    "reads your closing summary. Say in it what you found, how sure you are, and which files you "
    "made."
)
Tools = Callable[[EventLog, Purse], Sequence[Tool]]
"""Makes a sub-agent's tools, given its log and its purse."""


@dataclass(frozen=True)
class Terms:
    """What an agent and its sub-agents work under."""

    purse: Purse
    policy: Policy = "auto"
    ask: Ask = lambda _: False
    stop: Callable[[], bool] = lambda: False
    servers: Sequence[Server] = field(default=())


@dataclass
class Delegates:
    """Does the errands of one run. `tools` makes the tools of each; `close` ends what they hold."""

    home: Home
    run: str
    task: Task
    model: Model
    terms: Terms
    tools: Tools
    close: Callable[[Sequence[Tool]], None]
    taken: Snapshots
    progress: Progress
    known: str = ""
    closed: frozenset[int] = frozenset()

    @property
    def folder(self) -> Path:
        """Where the sub-agents' folders are."""
        return self.home.runs / self.run / SUB

    def __call__(self, errand: Errand) -> Observation:
        """Have a sub-agent do an errand. Raises `BudgetError`; `KeyboardInterrupt` if stopped."""
        if (ended := self.terms.purse.ended()) is not None:
            raise BudgetError("the budget of {1:g} {0} is used up".format(*ended))
        number = self._number(errand)
        here = self.folder / str(number)
        write_whole(here / _NOTE, canonical(asdict(errand)))
        before = dict(self.taken.look())
        result = self._done(errand, number, here)
        if result.status == "stopped":
            raise KeyboardInterrupt
        after = dict(self.taken.look())
        names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        self.closed |= {number}
        return self._observation(number, result, sorted(names))

    def _number(self, errand: Errand) -> int:
        """Return the number of the errand that was cut off, where this is it, else a new one."""
        there = sorted(int(path.name) for path in self.folder.glob("[0-9]*"))
        for number in there:
            note = self.folder / str(number) / _NOTE
            wanted = note.read_bytes() if note.exists() else b""
            if number not in self.closed and wanted == canonical(asdict(errand)):
                return number
        return max([*there, *self.closed, 0]) + 1

    def _done(self, errand: Errand, number: int, here: Path) -> RunResult:
        """Run the sub-agent to its end."""
        task = self.task.model_copy(update={"prompt": errand.question})
        self.home.blobs.put(task.data)
        budget = replace(
            Budget(**dict.fromkeys(asdict(Budget()))),
            steps=errand.steps,
            wall_s=60 * errand.minutes if errand.minutes else None,
            tokens=errand.tokens,
        )
        with EventLog(here / "events.jsonl") as log:
            purse = self.terms.purse.child(budget, logged_used(log.events))
            tools = self.tools(log, purse)
            try:
                return run_agent(
                    task,
                    self.model,
                    tools,
                    log,
                    purse=purse,
                    policy=self.terms.policy,
                    ask=self.terms.ask,
                    run=f"{self.run}/{SUB}/{number}",
                    known="\n\n".join(filter(None, (ROLE, self.known))),
                    progress=lambda line: self.progress(f"sub-agent {number}: {line}"),
                    stop=self.terms.stop,
                )
            finally:
                self.close(tools)

    def _observation(self, number: int, result: RunResult, names: Sequence[str]) -> Observation:
        queued = [f"- {one.id[:19]}: {sentence(one.claim)}" for one in result.findings]
        more = f" and {len(names) - _TOLD_FILES} more" if len(names) > _TOLD_FILES else ""
        lines = [
            f"sub-agent {number}: {result.status}{f' ({result.reason})' if result.reason else ''}, "
            f"{result.steps} steps",
            result.final or "It gave no summary.",
            f"files changed: {', '.join(names[:_TOLD_FILES]) or 'none'}{more}",
            f"findings queued: {len(queued)}",
            *queued,
        ]
        return Observation(
            content="\n".join(lines),
            failed=result.status != "done",
            data={
                NUMBER: number,
                REFS: [
                    {
                        "trajectory_id": f"{self.run}/{SUB}/{number}",
                        "trajectory_path": f"{SUB}/{number}/trajectory.json",
                    }
                ],
                "findings": [one.body for one in result.findings],
            },
        )


def closed(events: Sequence[Event]) -> frozenset[int]:
    """Return the numbers of the sub-agents whose results a run's log has."""
    found = (seen.data.get(NUMBER) for _, seen in logged_calls(events, DelegateTool.spec.name))
    return frozenset(number for number in found if isinstance(number, int))


def open_findings(home: Home, run: str, done: frozenset[int]) -> list[Finding]:
    """Return what sub-agents queued whose results are not in the run's log yet."""
    found: list[Finding] = []
    for path in sorted((home.runs / run / SUB).glob("[0-9]*/events.jsonl")):
        if int(path.parent.name) not in done:
            found += logged_findings(read_events(path))
    return found
