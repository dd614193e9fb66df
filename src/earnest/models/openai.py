"""Any server that speaks OpenAI's chat completions: their own, vLLM, transformers serve, Ollama …

The official SDK (`pip install 'earnest[openai]'`) is loaded on first use. It retries what is
worth retrying (no connection, time-outs, 408, 409, 429, 5xx), waiting as the server asks. Not
covered: streaming, the Responses API, images, and what a server reports of its reasoning.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import LackError, ModelError, RecordError
from earnest.core.history import Style
from earnest.core.messages import Completion, Message, Sampling, ToolCall, ToolSpec, Usage

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletion

_MENDS: Final[Mapping[int, str]] = {
    401: "set the right key in {key}",
    403: "this key may not use this model: check the account",
    404: "check the model's name and the base URL, which usually ends in /v1",
    429: "the rate limit or the quota is used up: wait, or check the account",
}


class OpenAIModel:
    """Implements `earnest.core.protocols.Model`."""

    speaks: Style = "plain"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        timeout_s: float = 120.0,
        retries: int = 4,
        prices: tuple[float, float] | None = None,
    ) -> None:
        """Name a model and where it is served; nothing is sent yet.

        `base_url`: None is OpenAI's. `key_variable`: the environment variable that holds the key;
        it may be empty for a server of one's own. `timeout_s`: for one try. `prices`: US dollars
        for a million tokens in and out; without them the cost is unknown.
        """
        self.model, self.base_url, self.key_variable = model, base_url, key_variable
        self.timeout_s, self.retries, self.prices = timeout_s, retries, prices
        self.name = f"openai:{model}" if base_url is None else f"{base_url}#{model}"
        self._client: OpenAI | None = None

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next message.

        Raises `ModelError` where the server can't be reached, refuses, or answers outside its
        protocol; `LackError` where the SDK or the key is missing.
        """
        client = self._connected()
        import openai

        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_sent(message) for message in messages],
            "max_completion_tokens": sampling.max_tokens,
            "seed": sampling.seed,
        }
        if tools:
            body["tools"] = [_tool(spec) for spec in tools]
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        if self.base_url is not None:  # servers of one's own know the older name
            body["max_tokens"] = body.pop("max_completion_tokens")
        try:
            answer: ChatCompletion = client.chat.completions.create(**body)
            return self._received(answer)
        except openai.APITimeoutError as error:
            raise ModelError(
                f"{self.name}: no answer within {self.timeout_s:g} s, {self.retries + 1} tries",
                mend="try later, or allow more time",
            ) from error
        except openai.APIConnectionError as error:
            raise ModelError(
                f"{self.name} can't be reached: {error.__cause__ or error}",
                mend="check that the server runs, and the base URL",
            ) from error
        except openai.APIStatusError as error:
            mend = _MENDS.get(error.status_code, "see the server's message")
            raise ModelError(
                f"{self.name} answered {error.status_code}: {_reason(error)}",
                mend=mend.format(key=self.key_variable),
            ) from error
        except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self.name} answered outside the protocol: {type(error).__name__}: {error}",
                mend="check that the base URL is that of a chat completions API",
            ) from error

    def _connected(self) -> OpenAI:
        """Return the client, made on first use. Raises `LackError`."""
        if self._client is not None:
            return self._client
        try:
            from openai import OpenAI
        except ImportError as error:
            raise LackError(
                "this model needs OpenAI's SDK", mend="pip install 'earnest[openai]'"
            ) from error
        key = os.environ.get(self.key_variable, "")
        if not key and self.base_url is None:
            raise LackError(
                f"no key for {self.name}", mend=f"export {self.key_variable}=… (your API key)"
            )
        self._client = OpenAI(
            api_key=key or "none",
            base_url=self.base_url,
            timeout=self.timeout_s,
            max_retries=self.retries,
        )
        return self._client

    def _received(self, answer: ChatCompletion) -> Completion:
        """Return the server's answer as ours. Raises `ModelError`."""
        if not answer.choices:
            raise ModelError(f"{self.name} answered without a choice")
        choice = answer.choices[0]
        calls = tuple(
            _call(call, number) for number, call in enumerate(choice.message.tool_calls or (), 1)
        )
        stop = "length" if choice.finish_reason == "length" else "calls" if calls else "end"
        text = _legible(choice.message.content or choice.message.refusal or "")
        message = Message(role="assistant", content=text, calls=calls)
        return Completion.model_validate(
            {"message": message, "usage": self._usage(answer), "stop": stop}
        )

    def _usage(self, answer: ChatCompletion) -> Usage:
        usage = answer.usage
        if usage is None:
            return Usage()
        cost = None
        if self.prices is not None:
            paid = usage.prompt_tokens * self.prices[0] + usage.completion_tokens * self.prices[1]
            cost = paid / 1e6
        return Usage(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost_usd=cost,
        )


def _legible(text: str) -> str:
    """Return text without lone surrogates, which JSON can carry and a record can't."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": spec.name,
            "description": spec.description,
            "parameters": dict(spec.parameters),
        },
    }


def _sent(message: Message) -> dict[str, Any]:
    """Return a message as the protocol wants it."""
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        body["tool_call_id"] = message.call
    if message.calls:
        body["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": canonical(call.arguments).decode(),
                },
            }
            for call in message.calls
        ]
    return body


def _call(call: Any, number: int) -> ToolCall:
    """Return one tool call; arguments that can't be read are kept as its problem."""
    id_ = _legible(str(call.id or f"call-{number}"))
    function = getattr(call, "function", None)
    if function is None:
        return ToolCall(id=id_, name=str(call.type), problem="only function calls are understood")
    name, raw = _legible(str(function.name or "")), function.arguments or "{}"
    try:
        arguments = parse(raw)
        if not isinstance(arguments, dict):
            raise RecordError("not a JSON object")
        canonical(arguments)
    except RecordError as error:
        return ToolCall(
            id=id_, name=name, problem=_legible(f"its arguments can't be read: {error}")
        )
    return ToolCall(id=id_, name=name, arguments=arguments)


def _reason(error: Any) -> str:
    body = error.body
    text = body.get("message") if isinstance(body, dict) else None
    return str(text or error)[:300]
