"""Putting an answer of chat completions together, from the parts of a stream or from one piece.

Nothing is guessed: a call whose arguments are no JSON object is kept with what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from earnest.core.messages import ToolCall, Usage
from earnest.models.calls import count, legible, read_call
from earnest.models.patience import MOST_ANSWER, Broken, Listener, Refused
from earnest.models.prices import Price


@dataclass
class _Call:
    id: str = ""
    type: str = "function"
    name: str = ""
    arguments: Any = ""


@dataclass
class Gathered:
    """An answer as far as it came. `counted`: what the server says that it used."""

    text: str = ""
    thoughts: str = ""
    refusal: str = ""
    finish: str = ""
    calls: list[_Call] = field(default_factory=list)
    counted: Any = None
    _at: dict[int, _Call] = field(default_factory=dict)

    def call(self, number: int, cut: bool) -> ToolCall:
        """Return the call with this number, from 0."""
        made = self.calls[number]
        id_ = made.id or f"call-{number + 1}"
        if made.type != "function":
            says = "only function calls are understood"
            return ToolCall(id=legible(id_), name=legible(made.type), problem=says)
        last = number == len(self.calls) - 1
        return read_call(id_, made.name, made.arguments, cut=cut and last)

    @property
    def length(self) -> int:
        """How many characters came so far."""
        said = len(self.text) + len(self.thoughts) + len(self.refusal)
        return said + sum(len(call.arguments) for call in self.calls)

    def usage(self, price: Price | None) -> Usage:
        """Return what it used, and cost; None where the server doesn't count."""
        usage = self.counted
        given, made = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
        if given is None or made is None:
            return Usage()
        details = getattr(usage, "prompt_tokens_details", None)
        cached = count(details, "cached_tokens")
        written = count(details, "cache_write_tokens")
        counts = given, made, cached or 0, written or 0
        return Usage(
            prompt_tokens=given,
            completion_tokens=made,
            cost_usd=None if price is None else price.cost(*counts),
            cached_tokens=cached,
            cache_written_tokens=written,
        )

    def take(self, delta: Any, listener: Listener) -> None:
        """Take in a part of a message."""
        said = delta.content or ""
        self.text += said
        self.refusal += getattr(delta, "refusal", None) or ""
        # Not in OpenAI's protocol: what servers of open models call it.
        thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        self.thoughts += thought if isinstance(thought, str) else ""
        listener(said)
        for part in delta.tool_calls or ():
            self._call(part)

    def _call(self, part: Any) -> None:
        """Take in a part of a call. Some servers count none, or give each the same number."""
        index = part.index if getattr(part, "index", None) is not None else max(self._at, default=0)
        call = self._at.get(index)
        if call is None or (part.id and call.id and part.id != call.id):
            call = self._at[index] = _Call()
            self.calls.append(call)
        call.id = call.id or str(part.id or "")
        call.type = part.type or call.type
        function = part.function
        if function is None:
            return
        call.name += function.name or ""
        if isinstance(function.arguments, str):
            call.arguments += function.arguments
        elif function.arguments is not None:
            call.arguments = function.arguments


def reason(body: Any, otherwise: str) -> tuple[str, str]:
    """Return what a server says of its refusal, and its code."""
    body = body if isinstance(body, Mapping) else {}
    says = body.get("message") or body.get("detail") or otherwise
    return str(says), str(body.get("code") or body.get("type") or "")


def in_stream(body: Any, otherwise: str) -> Exception:
    """Return what an error is that came as a part of a stream: `Refused`, or `Broken`."""
    says, code = reason(body, otherwise)
    status = int(code) if code.isdigit() else 400 if code == "invalid_request_error" else 0
    refused = Refused(status or 400, says, code, {})
    final = refused.too_long or (400 <= status < 500 and not refused.may_pass)
    return refused if final else Broken(says)


def gather(stream: Iterable[Any], listener: Listener) -> Gathered:
    """Return the answer of a stream.

    Raises `Broken` where it ends before the answer does, `Refused` where it says why, `ValueError`
    where it has no end.
    """
    found = Gathered()
    for chunk in stream:
        if error := getattr(chunk, "error", None):
            raise in_stream(error, str(error))
        found.counted = getattr(chunk, "usage", None) or found.counted
        for choice in chunk.choices or ():
            if choice.delta is not None:
                found.take(choice.delta, listener)
            found.finish = choice.finish_reason or found.finish
        if found.length > MOST_ANSWER:
            raise ValueError(f"an answer of more than {MOST_ANSWER} characters")
    if not found.finish:
        raise Broken("the stream ended before the answer did")
    return found


def whole(body: Mapping[str, Any], listener: Listener) -> Gathered:
    """Return an answer that came in one piece. Raises `ValueError` … where it is none."""
    from openai.types.chat import ChatCompletion

    answer = ChatCompletion.construct(**body)
    if not answer.choices:
        raise ValueError("an answer without a choice")
    choice = answer.choices[0]
    message: Any = choice.message
    for number, call in enumerate(message.tool_calls or ()):
        call.index = number
        call.function = getattr(call, "function", None)
    found = Gathered(finish=choice.finish_reason or "stop", counted=answer.usage)
    found.take(message, listener)
    return found
