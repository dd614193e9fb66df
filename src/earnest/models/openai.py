"""Any server that speaks OpenAI's chat completions: their own, vLLM, llama.cpp, SGLang, Ollama …

The official SDK (`pip install 'earnest[openai]'`) is loaded on first use. Answers are streamed, as
words for whoever listens and as deltas that `openai_stream.py` puts together; a server that answers
in one piece is understood too. Asking again is `patience.py`'s. Not covered: the Responses API,
`n`, log-probabilities, and giving a model its earlier thoughts back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import canonical
from earnest.core.errors import LackError, ModelError
from earnest.core.history import Style
from earnest.core.messages import Completion, Message, Sampling, ToolSpec
from earnest.core.protocols import Blobs, Heard
from earnest.models.calls import legible
from earnest.models.openai_stream import Gathered, gather, in_stream, reason, whole
from earnest.models.patience import Broken, Fields, Listener, Refused, patiently, told
from earnest.models.pictures import Album
from earnest.models.prices import Price

if TYPE_CHECKING:
    from openai import OpenAI

_MENDS: Final[Mapping[int, str]] = {
    401: "set the right key in {key}",
    403: "this key may not use this model: check the account",
    404: "check the model's name and the base URL, which usually ends in /v1",
    429: "the rate limit or the quota is used up: wait, or check the account",
}
# What a server may not take, and what then says it instead.
_OPTIONAL: Final[Mapping[str, str]] = {
    "stream_options": "",
    "seed": "",
    "stream": "",
    "max_completion_tokens": "max_tokens",
    "max_tokens": "max_completion_tokens",
}
_SEEING: Final = ("gpt-4o", "gpt-4.1", "gpt-5", "gpt-6")


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
        price: Price | None = None,
        window: int | None = None,
        sees: bool | None = None,
    ) -> None:
        """Name a model and where it is served; nothing is sent yet.

        `base_url`: None is OpenAI's. `key_variable`: the environment variable that holds the key;
        it may be empty for a server of one's own. `timeout_s`: for one try, and between two parts
        of an answer. `price`: None: not known. `sees`: None: as OpenAI's models of that name do;
        a server of one's own is shown nothing.
        """
        self.model, self.base_url, self.key_variable = model, base_url, key_variable
        self.timeout_s, self.retries = timeout_s, retries
        self.price, self.window = price, window
        self.name = f"openai:{model}" if base_url is None else f"{base_url}#{model}"
        known = base_url is None and model.startswith(_SEEING)
        self.sees = known if sees is None else sees
        self.heard: Heard | None = None
        self.blobs: Blobs | None = None
        self._fields = Fields(_OPTIONAL)
        self._client: OpenAI | None = None

    @property
    def priced(self) -> bool:
        """Whether it can say what its answers cost."""
        return self.price is not None

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next message.

        Raises `ModelError` where the server can't be reached, refuses, or answers outside its
        protocol (`TooLongError` where the conversation is too long for it); `LackError` where the
        SDK or the key is missing.
        """
        client = self.connect()
        body = self._body(messages, tools, sampling)
        listener = Listener(self.heard)
        mends = {status: mend.format(key=self.key_variable) for status, mend in _MENDS.items()}
        with told(self.name, self.retries + 1, self.timeout_s, mends):
            gathered = self._asked(client, body, listener)
        return self._completion(gathered)

    def _body(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> dict[str, Any]:
        most = "max_completion_tokens" if self.base_url is None else "max_tokens"
        album = Album(messages, self.blobs, self.sees)
        body: dict[str, Any] = {
            "model": self.model,
            "messages": _sent(messages, album),
            most: sampling.max_tokens,
            "seed": sampling.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            body["tools"] = [_tool(spec) for spec in tools]
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        return body

    def _asked(self, client: OpenAI, body: Mapping[str, Any], listener: Listener) -> Gathered:
        """Ask until the server answers or there is no sense in it. Raises `Refused` …"""
        while True:
            sent = dict(body)
            self._fields.fit(sent)
            if not sent.get("stream"):
                sent.pop("stream_options", None)
            ask = partial(_once, client, sent, listener)
            try:
                return patiently(self.name, self.retries, listener, ask)
            except Refused as refused:
                if not self._fields.learn(refused, sent):
                    raise
            except _OutsideError as error:
                raise ModelError(
                    f"{self.name} answered outside the protocol: {error}",
                    mend="check that the base URL is that of a chat completions API",
                ) from error

    def connect(self) -> OpenAI:
        """Return the client, made on first use. Raises `LackError`."""
        if self._client is not None:
            return self._client
        key = os.environ.get(self.key_variable, "")
        if not key and self.base_url is None:
            raise LackError(
                f"no key for {self.name}", mend=f"export {self.key_variable}=… (your API key)"
            )
        try:
            from openai import OpenAI
        except ImportError as error:
            raise LackError(
                "this model needs OpenAI's SDK", mend="pip install 'earnest[openai]'"
            ) from error
        self._client = OpenAI(
            api_key=key or "none", base_url=self.base_url, timeout=self.timeout_s, max_retries=0
        )
        return self._client

    def _completion(self, found: Gathered) -> Completion:
        """Return what was gathered as a completion. Raises `ModelError`."""
        if found.finish == "content_filter" and not found.calls:
            raise ModelError(
                f"{self.name} withheld its answer (content_filter)", mend="another prompt or model"
            )
        cut = found.finish == "length"
        calls = tuple(found.call(number, cut) for number in range(len(found.calls)))
        message = Message(
            role="assistant",
            content=legible(found.text or found.refusal),
            calls=calls,
            thoughts=legible(found.thoughts),
        )
        stop = "length" if cut else "calls" if calls else "end"
        return Completion.model_validate(
            {"message": message, "usage": found.usage(self.price), "stop": stop}
        )


class _OutsideError(Exception):
    """An answer that is none of the protocol."""


def _once(client: OpenAI, body: Mapping[str, Any], listener: Listener) -> Gathered:
    """Ask once. Raises `Refused`, `Broken`, `TimeoutError`, `ConnectionError`, `_OutsideError`."""
    import openai

    midway = False
    try:
        create: Callable[..., Any] = client.chat.completions.with_streaming_response.create
        with create(**body) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                return whole(response.json(), listener)
            with closing(response.parse(to=_stream_type())) as stream:
                midway = True
                return gather(stream, listener)
    except openai.APITimeoutError as error:
        raise (Broken("a pause too long") if midway else TimeoutError(str(error))) from error
    except openai.APIConnectionError as error:
        cause = str(error.__cause__ or error)
        raise (Broken(cause) if midway else ConnectionError(cause)) from error
    except openai.APIStatusError as error:
        headers = dict(error.response.headers)
        raise Refused(error.status_code, *reason(error.body, error.message), headers) from error
    except openai.APIError as error:
        raise in_stream(error.body, error.message) from error
    except (openai.OpenAIError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _OutsideError(f"{type(error).__name__}: {error}") from error


def _stream_type() -> Any:
    from openai import Stream
    from openai.types.chat import ChatCompletionChunk

    return Stream[ChatCompletionChunk]


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": spec.name,
            "description": spec.description,
            "parameters": dict(spec.parameters),
        },
    }


def _sent(messages: Sequence[Message], album: Album) -> list[dict[str, Any]]:
    """Return messages as the protocol wants them.

    A tool's message can hold text only: its pictures follow the last of a turn's, as the user's.
    """
    sent: list[dict[str, Any]] = []
    owed: list[dict[str, Any]] = []
    for message in messages:
        if message.role != "tool" and owed:
            sent.append({"role": "user", "content": owed})
            owed = []
        body: dict[str, Any] = {"role": message.role, "content": message.content}
        parts = _pictures(message, album)
        if message.role == "tool":
            body["tool_call_id"] = message.call
            owed += parts
        elif parts:
            body["content"] = [{"type": "text", "text": message.content}, *parts]
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
        sent.append(body)
    return [*sent, {"role": "user", "content": owed}] if owed else sent


def _pictures(message: Message, album: Album) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for picture in message.pictures:
        data = album.coded(picture)
        if data is None:
            continue
        url = f"data:{picture.media};base64,{data}"
        parts += [
            {"type": "text", "text": f"The picture {picture.name}:"},
            {"type": "image_url", "image_url": {"url": url}},
        ]
    return parts
