"""Conversations as Anthropic's messages API wants them, and its answers put together from parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.messages import Message, ToolCall
from earnest.models.calls import count, legible, read_call
from earnest.models.patience import MOST_ANSWER, Listener
from earnest.models.pictures import Album

_CACHED: Final[Mapping[str, Any]] = {"type": "ephemeral"}
Body = dict[str, Any]


@dataclass
class Counted:
    """Tokens: read fresh, read from the cache, put into it, and written by the model."""

    fresh: int = 0
    cached: int = 0
    written: int = 0
    out: int = 0

    def take(self, usage: Any) -> None:
        """Take in what an event says: its numbers are of the whole answer so far."""
        self.fresh = _number(usage, "input_tokens", self.fresh)
        self.cached = _number(usage, "cache_read_input_tokens", self.cached)
        self.written = _number(usage, "cache_creation_input_tokens", self.written)
        self.out = _number(usage, "output_tokens", self.out)

    def add(self, other: Counted) -> None:
        """Add another answer's."""
        self.fresh += other.fresh
        self.cached += other.cached
        self.written += other.written
        self.out += other.out


def _number(usage: Any, name: str, before: int) -> int:
    found = count(usage, name)
    return before if found is None else found


@dataclass
class Blocks:
    """An answer as far as it came, block by block. `ended`: whether its end was seen.

    A call's arguments stay text (`partial`) until they are read: nothing is made of half of them.
    """

    blocks: list[Body] = field(default_factory=list)
    stop: str = ""
    details: Any = None
    ended: bool = False
    counted: Counted = field(default_factory=Counted)

    def take(self, event: Any, listener: Listener) -> None:
        """Take in an event of the stream. Raises `ValueError` where that has no end."""
        if event.type == "message_start":
            self.counted.take(event.message.usage)
        elif event.type == "content_block_start":
            block = event.content_block.model_dump(mode="json", exclude_none=True)
            if block.get("type") == "tool_use":
                block["partial"] = ""
            self.blocks.append(block)
            listener(block.get("text", "") if block.get("type") == "text" else "")
        elif event.type == "content_block_delta":
            self._grow(self.blocks[event.index], event.delta, listener)
            if self.length > MOST_ANSWER:
                raise ValueError(f"an answer of more than {MOST_ANSWER} characters")
        elif event.type == "message_delta":
            self.stop = str(event.delta.stop_reason or self.stop)
            self.details = getattr(event.delta, "stop_details", None) or self.details
            self.counted.take(event.usage)
        elif event.type == "message_stop":
            self.ended = True

    @property
    def length(self) -> int:
        """How many characters came so far."""
        said = (part for block in self.blocks for part in block.values())
        return sum(len(part) for part in said if isinstance(part, str))

    @staticmethod
    def _grow(block: Body, delta: Any, listener: Listener) -> None:
        if delta.type == "text_delta":
            block["text"] = block.get("text", "") + delta.text
            listener(delta.text)
        elif delta.type == "input_json_delta":
            block["partial"] = block.get("partial", "") + delta.partial_json
        elif delta.type == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta.thinking
        elif delta.type == "signature_delta":
            block["signature"] = delta.signature

    @property
    def text(self) -> str:
        """What it says, without its thoughts."""
        return legible("".join(b.get("text", "") for b in self.blocks if b.get("type") == "text"))

    @property
    def thoughts(self) -> str:
        """What it shows of its thoughts."""
        return legible(
            "".join(b.get("thinking", "") for b in self.blocks if b.get("type") == "thinking")
        )

    def calls(self, cut: bool) -> tuple[ToolCall, ...]:
        """Return its calls in order. `cut`: the answer ended at its length limit."""
        made = [block for block in self.blocks if block.get("type") == "tool_use"]
        last = self.blocks[-1] if self.blocks else None
        return tuple(
            read_call(
                str(block.get("id", "")),
                str(block.get("name", "")),
                block.get("partial") or block.get("input") or "",
                cut=cut and block is last,
            )
            for block in made
        )

    def sendable(self) -> list[Body]:
        """Return its blocks as they go back: unchanged, but for arguments that were no object."""
        sent: list[Body] = []
        for block in self.blocks:
            if block.get("type") == "tool_use":
                call = read_call("", "", block.get("partial") or block.get("input") or "")
                block = {
                    "type": "tool_use",
                    "id": legible(str(block["id"])),
                    "name": legible(str(block["name"])),
                    "input": dict(call.arguments),
                }
            elif block.get("type") == "text":
                if not block.get("text", "").strip():
                    continue  # the API takes no blank text back
                block = {"type": "text", "text": legible(block["text"])}
            sent.append(block)
        return sent


def conversation(
    messages: Sequence[Message], model: str, album: Album
) -> tuple[list[Body], list[Body]]:
    """Return the system prompt's blocks, and the messages: turns of the user and the assistant.

    What follows an answer is one turn of the user's, its tools' results first. `model`: who gets
    back what it gave.
    """
    system: list[Body] = [
        {"type": "text", "text": message.content}
        for message in messages
        if message.role == "system" and message.content.strip()
    ]
    if system:
        system[-1]["cache_control"] = dict(_CACHED)  # what stands before it, the tools, too
    said: list[Body] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        made = _answer(message, model) if role == "assistant" else _given(message, album)
        if said and said[-1]["role"] == role:
            said[-1]["content"] += made
        elif made:
            said.append({"role": role, "content": made})
    for turn in said:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    return system, said


def _answer(message: Message, model: str) -> list[Body]:
    if message.kept is not None and message.kept.model == model:
        return [parse(canonical(block)) for block in message.kept.blocks]
    blocks: list[Body] = []
    if message.content.strip():
        blocks.append({"type": "text", "text": message.content})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}
        for call in message.calls
    ]
    return blocks


def _given(message: Message, album: Album) -> list[Body]:
    """Return a message of the user's, or of a tool, as blocks."""
    blocks: list[Body] = []
    if message.content.strip():
        blocks.append({"type": "text", "text": message.content})
    for picture in message.pictures:
        data = album.coded(picture)
        if data is None:
            continue
        source = {"type": "base64", "media_type": picture.media, "data": data}
        blocks.append({"type": "image", "source": source})
    if message.role == "tool":
        given = blocks or "(nothing)"
        return [{"type": "tool_result", "tool_use_id": message.call, "content": given}]
    return blocks


def cached(said: Sequence[Body]) -> list[Body]:
    """Return messages with the ends of the last two turns of the user marked for the cache.

    The last is what the next request begins with; the one before is what the last one left there.
    """
    turns = [dict(turn) for turn in said]
    for turn in [turn for turn in turns if turn["role"] == "user"][-2:]:
        *before, last = turn["content"]
        turn["content"] = [*before, {**last, "cache_control": dict(_CACHED)}]
    return turns
