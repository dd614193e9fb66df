"""A model that says what it is told to: for tests and demonstrations, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from earnest.core.errors import ModelError
from earnest.core.history import Style
from earnest.core.messages import Completion, Message, Sampling, ToolCall, ToolSpec, Usage
from earnest.core.protocols import Heard

Turn = Message | Completion | Callable[[Sequence[Message]], Message]
"""A turn: a message, a whole completion, or a function from the messages so far to a message."""


def say(text: str) -> Message:
    """Return an assistant's message without tool calls: it ends a run."""
    return Message(role="assistant", content=text)


def use(tool: str, arguments: Mapping[str, Any], *, id: str = "", text: str = "") -> Message:  # noqa: A002
    """Return an assistant's message with one tool call."""
    call = ToolCall(id=id or f"call-{tool}", name=tool, arguments=arguments)
    return Message(role="assistant", content=text, calls=(call,))


class ScriptedModel:
    """Gives the n-th turn of its script as the n-th answer of a conversation.

    Which turn it is follows from the messages alone, so a resumed run goes on where it was.
    """

    sees = False
    priced = True
    window: int | None = None
    heard: Heard | None = None

    def __init__(
        self, turns: Sequence[Turn], name: str = "scripted", speaks: Style | None = None
    ) -> None:
        """`turns`: the script, in order. `speaks`: None, unless it plays a language model."""
        self.turns, self.name, self.speaks = list(turns), name, speaks

    def generate(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],  # noqa: ARG002 (the protocol's)
        sampling: Sampling,  # noqa: ARG002
    ) -> Completion:
        """Return the next turn. Raises `ModelError` where the script has ended."""
        number = sum((one.role == "assistant") + one.stands_for for one in messages)
        if number >= len(self.turns):
            raise ModelError(f"the script has {len(self.turns)} turns, and another was asked for")
        turn = self.turns[number]
        if isinstance(turn, Completion):
            return turn
        message = turn if isinstance(turn, Message) else turn(messages)
        usage = Usage(prompt_tokens=0, completion_tokens=0, cost_usd=0.0)
        return Completion(message=message, usage=usage, stop="calls" if message.calls else "end")
