"""Tools and a model that do what a test says, for runs of the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from earnest.agent.loop import RunResult, run_agent
from earnest.agent.replay import replay, size
from earnest.core.acts import READ, Act, writes
from earnest.core.budget import Budget
from earnest.core.canon import canonical
from earnest.core.events import EventLog, read_events
from earnest.core.messages import (
    Completion,
    Message,
    Observation,
    Sampling,
    ToolCall,
    ToolSpec,
    Usage,
)
from earnest.core.quoted import unquoted
from earnest.core.records import Task
from earnest.models.scripted import ScriptedModel, Turn

WRITES = tuple(writes("change something of its own"))


class Does:
    """A tool that does what it was made with; `made` has the arguments of each call."""

    def __init__(
        self,
        name: str,
        do: Callable[[Mapping[str, Any]], str | Observation] = lambda _: "ok",
        acts: Sequence[Act] | Callable[[Mapping[str, Any]], Any] = READ,
        *,
        repeatable: bool = True,
        concurrent: bool = False,
    ) -> None:
        self.spec = ToolSpec(name=name, description="Do it.", parameters={"type": "object"})
        self.do, self.declared = do, acts
        self.repeatable, self.concurrent = repeatable, concurrent
        self.made: list[Mapping[str, Any]] = []

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        return self.declared(arguments) if callable(self.declared) else self.declared

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        self.made.append(arguments)
        gave = self.do(arguments)
        return gave if isinstance(gave, Observation) else Observation(content=gave)


class Talker:
    """A language model whose answers a test makes up, and whose tokens have a set length.

    `seen`: the messages of each call, and the most tokens that it was allowed.
    """

    speaks = "plain"
    priced = True
    window: int | None = None
    name = "talker"

    def __init__(
        self,
        answer: Callable[[Sequence[Message], Sequence[ToolSpec]], Message],
        *,
        a_character: float = 0.25,
        price: Any = None,
    ) -> None:
        self.answer, self.a_character, self.price = answer, a_character, price
        self.seen: list[tuple[list[Message], int]] = []

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        self.seen.append((list(messages), sampling.max_tokens))
        message = self.answer(messages, tools)
        besides = len(canonical([one.model_dump(mode="json") for one in tools])) if tools else 0
        given = int(self.a_character * (sum(map(size, messages)) + besides))
        made = min(sampling.max_tokens, int(self.a_character * size(message)))
        cost = self.price.cost(given, made) if self.price else 0.0
        usage = Usage(prompt_tokens=given, completion_tokens=made, cost_usd=cost)
        return Completion(message=message, usage=usage, stop="calls" if message.calls else "end")


def calls(*wanted: tuple[str, Mapping[str, Any]], turn: int = 0, text: str = "") -> Message:
    """Return a message with these calls, whose ids are `TURN-PLACE`."""
    made = tuple(
        ToolCall(id=f"{turn}-{place}", name=name, arguments=arguments)
        for place, (name, arguments) in enumerate(wanted)
    )
    return Message(role="assistant", content=text, calls=made)


def play(
    task: Task, folder: Path, turns: Sequence[Turn], *tools: Any, **more: Any
) -> tuple[RunResult, Path]:
    """Run a script in a folder, or go on with it."""
    path = folder / "run" / "events.jsonl"
    with EventLog(path) as log:
        more.setdefault("budget", Budget())
        return run_agent(task, ScriptedModel(turns), tools, log, **more), path


def told(path: Path) -> list[str]:
    """Return what the model was told its calls gave, in order."""
    return [unquoted(m.content) for m in replay(read_events(path)).messages if m.role == "tool"]


def kinds(path: Path) -> list[str]:
    return [event.kind for event in read_events(path)]
