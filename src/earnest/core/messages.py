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


class Kept(Value):
    """What a model wants back as it gave it: its answer's blocks, signed thoughts among them.

    `model` names who gave them: they go back to no other.
    """

    model: str
    blocks: tuple[Mapping[str, Any], ...]


class Tokens(Value):
    """The very tokens of an answer, where the model runs here: nothing has to be read anew.

    `prompt` and `sampled`: their ids in order, marks of the template and the end mark included.
    `logprobs`: of each that was sampled, its natural logarithm under the model itself (at
    temperature 1, nothing cut off). `basis`: the hash of the messages and tools that the prompt
    was made of. `follows`: whether the prompt begins with the prompt and the answer before it,
    token by token; True for the first answer of a conversation.
    """

    model: str
    basis: str
    prompt: tuple[int, ...]
    sampled: tuple[int, ...]
    logprobs: tuple[float, ...]
    follows: bool


class Message(Value):
    """One message of a conversation; `call` names the tool call that a tool message answers.

    `pictures` are shown to models that can see. `stands_for`: turns of the model that a summary
    took the place of. `thoughts`: what a model wrote before
    its answer, where it says so.
    """

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    call: str = ""
    pictures: tuple[Picture, ...] = ()
    stands_for: int = 0
    thoughts: str = ""
    kept: Kept | None = None
    tokens: Tokens | None = None


class Spent(Value):
    """Tokens, and US dollars; None where nobody counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None


class Usage(Spent):
    """What one completion used. Of the `prompt_tokens`: those read from a cache, and put into it.

    None: the model doesn't say.
    """

    cached_tokens: int | None = None
    cache_written_tokens: int | None = None


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
