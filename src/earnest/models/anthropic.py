"""Anthropic's messages API, by the official SDK (`pip install 'earnest[anthropic]'`, on first use).

Answers are streamed. The stable part of a conversation is marked for the server's cache: the tools
with the system prompt, and the ends of the last two turns. What the model gave is kept in blocks
and goes back to it unchanged, since it signs its thoughts and wants them back. Asking again is
`patience.py`'s. Not covered: tools that the server runs itself; a seed and a temperature, which
this API lacks since its version 2026-10-21.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import canonical
from earnest.core.errors import LackError, ModelError, RecordError
from earnest.core.history import Style
from earnest.core.messages import Completion, Kept, Message, Sampling, ToolSpec, Usage
from earnest.core.protocols import Blobs, Heard
from earnest.models.anthropic_parts import Blocks, Counted, cached, conversation
from earnest.models.calls import legible
from earnest.models.patience import Broken, Listener, Refused, patiently, told
from earnest.models.pictures import Album
from earnest.models.prices import Price

if TYPE_CHECKING:
    from anthropic import Anthropic

KEY: Final = "ANTHROPIC_API_KEY"
_MOST_PAUSES: Final = 8
_MENDS: Final[Mapping[int, str]] = {
    401: f"set the right key in {KEY}",
    403: "this key may not use this model: check the account",
    404: "check the model's name",
    413: "send less: fewer pictures, shorter tool output",
    429: "the rate limit is used up: wait, or check the account",
    529: "the service is overloaded: try later",
}
_OVERLOADED: Final = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500}
_CUT: Final = ("max_tokens", "model_context_window_exceeded")


class AnthropicModel:
    """Implements `earnest.core.protocols.Model`."""

    speaks: Style = "plain"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout_s: float = 120.0,
        retries: int = 4,
        price: Price | None = None,
        window: int | None = None,
        sees: bool = True,
    ) -> None:
        """Name a model; nothing is sent yet.

        `base_url`: None is Anthropic's, or `ANTHROPIC_BASE_URL`. `timeout_s`: for one try, and
        between two parts of an answer. `price`: None: not known.
        """
        self.model, self.base_url = model, base_url
        self.timeout_s, self.retries = timeout_s, retries
        self.price, self.window, self.sees = price, window, sees
        self.name = f"anthropic:{model}"
        self.heard: Heard | None = None
        self.blobs: Blobs | None = None
        self._client: Anthropic | None = None

    @property
    def priced(self) -> bool:
        """Whether it can say what its answers cost."""
        return self.price is not None

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next message.

        Raises `ModelError` where the server can't be reached, refuses, or answers outside its
        protocol, or the model declines (`TooLongError` where the conversation is too long for it);
        `LackError` where the SDK or the key is missing.
        """
        if sampling.temperature is not None:
            raise ModelError(
                f"{self.name} takes no temperature", mend="leave the temperature to the model"
            )
        client = self.connect()
        body = self._body(messages, tools, sampling)
        listener, counted = Listener(self.heard), Counted()
        blocks: list[dict[str, Any]] = []
        stop, said = "pause_turn", body["messages"]
        with told(self.name, self.retries + 1, self.timeout_s, _MENDS):
            for _ in range(_MOST_PAUSES):
                if stop != "pause_turn":
                    break
                if blocks:
                    body["messages"] = [*said, {"role": "assistant", "content": list(blocks)}]
                made = self._asked(client, body, listener, counted)
                blocks += made.blocks
                stop, details = made.stop, made.details
        self._declined(stop, details)
        return self._completion(blocks, stop, counted)

    def _body(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> dict[str, Any]:
        album = Album(messages, self.blobs, self.sees)
        system, said = conversation(messages, self.name, album)
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_tokens,
            "messages": cached(said),
            "stream": True,
        }
        if system:
            body["system"] = system
        if tools:
            body["tools"] = [
                {
                    "name": spec.name,
                    "description": spec.description,
                    "input_schema": dict(spec.parameters),
                }
                for spec in tools
            ]
        return body

    def _asked(
        self, client: Anthropic, body: Mapping[str, Any], listener: Listener, counted: Counted
    ) -> Blocks:
        """Ask until the server answers or there is no sense in it. Raises `Refused` …"""
        try:
            return patiently(
                self.name, self.retries, listener, lambda: _once(client, body, listener, counted)
            )
        except _OutsideError as error:
            raise ModelError(
                f"{self.name} answered outside the protocol: {error}",
                mend="check that the base URL is that of a messages API",
            ) from error

    def connect(self) -> Anthropic:
        """Return the client, made on first use. Raises `LackError`."""
        if self._client is not None:
            return self._client
        key = os.environ.get(KEY, "")
        if not key:
            raise LackError(f"no key for {self.name}", mend=f"export {KEY}=… (your API key)")
        try:
            from anthropic import Anthropic
        except ImportError as error:
            raise LackError(
                "this model needs Anthropic's SDK", mend="pip install 'earnest[anthropic]'"
            ) from error
        self._client = Anthropic(
            api_key=key, base_url=self.base_url, timeout=self.timeout_s, max_retries=0
        )
        return self._client

    def _declined(self, stop: str, details: Any) -> None:
        """Raise `ModelError` where there is no answer, with the reason."""
        if stop == "pause_turn":
            raise ModelError(f"{self.name} paused {_MOST_PAUSES} times without an answer")
        if stop == "refusal":
            why = getattr(details, "explanation", None) or getattr(details, "category", None)
            raise ModelError(
                f"{self.name} declined to answer{f': {legible(str(why))[:300]}' if why else ''}",
                mend="another prompt, or another model",
            )

    def _completion(
        self, blocks: Sequence[Mapping[str, Any]], stop: str, counted: Counted
    ) -> Completion:
        cut = stop in _CUT
        made = Blocks(blocks=[dict(block) for block in blocks], stop=stop)
        calls = made.calls(cut)
        message = Message(
            role="assistant",
            content=made.text,
            calls=calls,
            thoughts=made.thoughts,
            kept=self._kept(made),
        )
        return Completion(
            message=message,
            usage=self._usage(counted),
            stop="length" if cut else "calls" if calls else "end",
        )

    def _kept(self, made: Blocks) -> Kept | None:
        """Return what goes back to the model as it gave it; None: a record can't hold it."""
        blocks = made.sendable()
        try:
            canonical(blocks)
        except RecordError:
            return None
        return Kept(model=self.name, blocks=tuple(blocks)) if blocks else None

    def _usage(self, counted: Counted) -> Usage:
        prompt = counted.fresh + counted.cached + counted.written
        cost = None
        if self.price is not None:
            cost = self.price.cost(prompt, counted.out, counted.cached, counted.written)
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=counted.out,
            cost_usd=cost,
            cached_tokens=counted.cached,
            cache_written_tokens=counted.written,
        )


class _OutsideError(Exception):
    """An answer that is none of the protocol."""


def _once(
    client: Anthropic, body: Mapping[str, Any], listener: Listener, counted: Counted
) -> Blocks:
    """Ask once. Raises `Refused`, `Broken`, `TimeoutError`, `ConnectionError`, `_OutsideError`."""
    import anthropic
    import httpx2

    midway = False
    made = Blocks()
    try:
        create: Any = client.messages.create
        with closing(create(**body)) as stream:
            midway = True
            for event in stream:
                made.take(event, listener)
        if not made.ended:
            raise Broken("the stream ended before the answer did")
    except anthropic.APITimeoutError as error:
        raise TimeoutError(str(error)) from error
    except anthropic.APIConnectionError as error:
        raise ConnectionError(str(error.__cause__ or error)) from error
    except anthropic.APIStatusError as error:
        raise _refused(error, midway) from error
    except httpx2.TransportError as error:
        raise Broken(str(error) or type(error).__name__) from error
    except (anthropic.AnthropicError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _OutsideError(f"{type(error).__name__}: {error}") from error
    finally:
        counted.add(made.counted)  # of an answer that broke off too: it is paid for
    return made


def _refused(error: Any, midway: bool) -> Exception:
    """Return what a refusal is; one in the middle of an answer has no status of its own."""
    kind = str(error.type or "")
    says = str(error.api_message or error.message)
    if not midway:
        return Refused(error.status_code, says, kind, dict(error.response.headers))
    if kind in _OVERLOADED:
        return Broken(says)
    return Refused(400, says, kind, {})
