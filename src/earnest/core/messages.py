"""What passes between an agent, its model and its tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from earnest.core.canon import canonical
from earnest.core.errors import RecordError
from earnest.core.records import Value

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(Value):
    """A model's wish to use a tool. `problem` says why its arguments could not be read, if so."""

    id: str
    name: str
    arguments: Mapping[str, Any] = Field(default_factory=dict)
    problem: str = ""

    def written(self) -> str:
        """Return its arguments as JSON, the same for the same ones; else as Python writes them."""
        try:
            return canonical(self.arguments).decode()
        except RecordError:
            return repr(sorted(self.arguments.items()))


class Picture(Value):
    """A figure: its file's name, its media type (`image/png`), and the blob of its bytes."""

    name: str
    media: str
    blob: str


class Message(Value):
    """One message of a conversation; `call` names the tool call that a tool message answers.

    `pictures` are shown to models that can see. `stands_for`: turns of the model that a summary
    took the place of.
    """

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    call: str = ""
    pictures: tuple[Picture, ...] = ()
    stands_for: int = 0


class Usage(Value):
    """Tokens of one completion; None where the model doesn't count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None


class Completion(Value):
    """A model's answer. `stop` is `length` where it was cut off."""

    message: Message
    usage: Usage = Usage()
    stop: Literal["end", "calls", "length"] = "end"


class Sampling(Value):
    """How to sample. Temperature None leaves it to the model."""

    temperature: float | None = None
    max_tokens: int = 4096
    seed: int = 0


class ToolSpec(Value):
    """A tool as a model sees it; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Observation(Value):
    """What a tool gave back. `failed` tells the model that the call did not do what it asked."""

    content: str
    failed: bool = False
    pictures: tuple[Picture, ...] = ()
    data: Mapping[str, Any] = Field(default_factory=dict)
