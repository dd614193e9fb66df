"""The `delegate` tool: a sub-agent works on a sub-question; its summary comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field

from earnest.core.acts import Act, writes
from earnest.core.messages import Observation, ToolSpec
from earnest.tools.arguments import Arguments


@dataclass(frozen=True)
class Errand:
    """What a sub-agent is asked, and the most that it may use; None: what the run has left."""

    question: str
    steps: int | None = None
    minutes: float | None = None
    tokens: int | None = None


class Send(Protocol):
    """Has a sub-agent do an errand, or go on with it where a kill cut it off."""

    def __call__(self, errand: Errand) -> Observation:
        """Return its summary. `data` has its `findings`, its number and its `trajectory`."""
        ...


class _Delegation(Arguments):
    question: str = Field(
        min_length=1,
        description="What it is to find out or do, and all it has to know for that: it has read "
        "nothing of this conversation.",
    )
    steps: int | None = Field(default=None, ge=1, le=1000, description="Its most model turns.")
    minutes: float | None = Field(default=None, gt=0, le=1440, description="Its most minutes.")
    tokens: int | None = Field(default=None, ge=1000, description="Its most tokens.")


class DelegateTool:
    """Hands a question on. A call that a crash cut off may be made again: it goes on."""

    repeatable: bool = True
    spec: ToolSpec = _Delegation.spec(
        "delegate",
        "Have a sub-agent work on a sub-question, with your tools, tables and workspace, under "
        "your rules and what is left of your budget, but with a fresh memory. You get its "
        "summary, the findings that it queued (they are this run's) and the files that it changed. "
        "It can't delegate.",
    )

    def __init__(self, send: Send) -> None:
        self.send = send

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Writing in the run's folder: what else a sub-agent does is judged call by call."""
        asked = _Delegation.read(arguments)
        return writes("have a sub-agent work, under the same rules", asked.question[:80])

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it, to its end. Raises `BudgetError` where nothing is left for it."""
        asked = _Delegation.read(arguments)
        return self.send(Errand(asked.question, asked.steps, asked.minutes, asked.tokens))
