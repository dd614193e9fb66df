"""Making a turn's calls: the guard first, then the tool, then the line in the log.

Calls are made in order. Neighbours that change nothing, of tools that say they can stand it
(`concurrent`), are made at the same time; what each gave is logged as it comes, by its index.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from earnest.agent.guard import Ask, Question, classed, decide, harmless, refusal
from earnest.agent.replay import Turn
from earnest.core.acts import Act, Policy
from earnest.core.budget import Purse
from earnest.core.errors import ToolError
from earnest.core.interrupts import due, soft
from earnest.core.messages import Observation, ToolCall
from earnest.core.protocols import Tool

_AT_ONCE: Final = 8
UNKNOWN: Final = (
    "The run was interrupted during this call: whether it took effect is not known, and it was "
    "not made again. Look at the state of things before you go on."
)
NOT_MADE: Final = "This call was not made: "
Write = Callable[..., None]
"""Writes an event: its kind, and its payload by keywords."""


class Halt(Exception):  # noqa: N818 (it is no error)
    """The run is to stop before the next act, with this reason; none: its time is up."""


class Hands:
    """Makes calls for a run."""

    def __init__(
        self, tools: Sequence[Tool], policy: Policy, purse: Purse, ask: Ask, write: Write
    ) -> None:
        self.tools: Mapping[str, Tool] = {tool.spec.name: tool for tool in tools}
        self.policy, self.purse, self.ask, self.write = policy, purse, ask, write
        self.stop: Callable[[], bool] = lambda: False
        # Whether the next call may have been under way when the run was cut off, and under what.
        self.unknown, self.before = False, ""

    def act(self, turn: Turn) -> None:
        """Make the calls of a turn that have no effect on record yet.

        Raises `Halt` where the run is to stop first: the calls that are left stay to be made.
        """
        index = 0
        while index < len(turn.message.calls):
            if index in turn.effects:
                index += 1
                continue
            self.look()
            beside = self._beside(turn, index)
            if len(beside) > 1:
                self._together(turn, beside)
            else:
                self._record(turn, index, self._call(turn, index))
            self.unknown = False

    def look(self) -> None:
        """Raise `Halt` where the run is to stop before its next act."""
        if due():
            raise Halt("interrupted")
        if self.stop():
            raise Halt("asked to stop")
        if self.purse.left("wall_s") <= 0:
            raise Halt

    def _record(self, turn: Turn, index: int, seen: Observation) -> None:
        call = turn.message.calls[index]
        self.write(
            "effect",
            call=call.id,
            index=index,
            tool=call.name,
            observation=seen.model_dump(mode="json"),
        )

    def _call(self, turn: Turn, index: int) -> Observation:
        """Make one call; what the model got wrong is told to it, never guessed."""
        call = turn.message.calls[index]
        tool = self.tools.get(call.name)
        if call.problem:
            return Observation(content=NOT_MADE + call.problem, failed=True)
        if tool is None:
            names = ", ".join(self.tools)
            text = f"{NOT_MADE}there is no tool {call.name!r}; there are {names}"
            return Observation(content=text, failed=True)
        try:
            acts = classed(tool, call)
            told = self._refused(turn, index, tool, acts)
            return (
                Observation(content=told, failed=True) if told else soft(tool.call, call.arguments)
            )
        except ToolError as error:
            return _failed(error)

    def _refused(self, turn: Turn, index: int, tool: Tool, acts: tuple[Act, ...]) -> str:
        """Return why a call may not be made; empty: it may."""
        call, unknown = turn.message.calls[index], self.unknown
        decision = decide(self.policy, acts)
        if decision == "deny":
            self._decided(call, index, acts, "permission", "policy", False)
            return NOT_MADE + refusal(self.policy, acts, asked=False)
        if decision == "ask":
            before = turn.permits.get((index, "permission"))
            if self.policy == self.before and not before:
                unknown = False  # without leave it was never begun
            if before is None:
                before = soft(self.ask, Question(call, acts, "permission", turn.message.content))
                self._decided(call, index, acts, "permission", "person", before)
            if not before:
                return NOT_MADE + refusal(self.policy, acts, asked=True)
        if not unknown or tool.repeatable or harmless(acts):
            return ""
        again = turn.permits.get((index, "unknown-outcome")) is not False and soft(
            self.ask, Question(call, acts, "unknown-outcome", turn.message.content)
        )
        self._decided(call, index, acts, "unknown-outcome", "person", again)
        return "" if again else UNKNOWN

    def _decided(
        self, call: ToolCall, index: int, acts: Sequence[Act], why: str, by: str, yes: bool
    ) -> None:
        self.write(
            "permission",
            call=call.id,
            index=index,
            tool=call.name,
            acts=[act.model_dump(mode="json") for act in acts],
            policy=self.policy,
            why=why,
            by=by,
            decision="allow" if yes else "deny",
        )

    def _beside(self, turn: Turn, first: int) -> list[int]:
        """Return the calls from the first on that may be made at the same time."""
        found: list[int] = []
        for index, call in enumerate(turn.message.calls[first:], first):
            if index in turn.effects or len(found) == _AT_ONCE or not self._free(call):
                break
            found.append(index)
        return found

    def _free(self, call: ToolCall) -> bool:
        tool = self.tools.get(call.name)
        if tool is None or call.problem or not getattr(tool, "concurrent", False):
            return False
        try:
            acts = classed(tool, call)
        except ToolError:
            return False
        return harmless(acts) and decide(self.policy, acts) == "allow"

    def _together(self, turn: Turn, indices: Sequence[int]) -> None:
        """Make calls in threads of their own; what ends them all is raised once all are in."""
        calls = [(index, turn.message.calls[index]) for index in indices]
        came = soft(_begin, [(n, self.tools[call.name], call) for n, call in calls])
        failed: BaseException | None = None
        for _ in calls:
            index, seen = soft(_next, came)
            if isinstance(seen, Observation):
                self._record(turn, index, seen)
            else:
                failed = seen
        if failed is not None:
            raise failed


def _failed(error: ToolError) -> Observation:
    mend = f"\n{error.mend}" if error.mend else ""
    return Observation(content=f"{error}{mend}", failed=True)


_Came = queue.SimpleQueue[tuple[int, Observation | BaseException]]


def _next(came: _Came) -> tuple[int, Observation | BaseException]:
    return came.get()  # in a frame of its own: an interrupt is to find it inside `soft`


def _begin(calls: Sequence[tuple[int, Tool, ToolCall]]) -> _Came:
    """Begin each call in a thread; return the queue in which what came of it will be."""
    came: _Came = queue.SimpleQueue()

    def make(index: int, tool: Tool, call: ToolCall) -> None:
        try:
            came.put((index, tool.call(call.arguments)))
        except ToolError as error:
            came.put((index, _failed(error)))
        except BaseException as error:  # noqa: BLE001 (raised again where the run is)
            came.put((index, error))

    for given in calls:
        # Not waited for where the run is interrupted: they change nothing.
        threading.Thread(target=make, args=given, daemon=True).start()
    return came
