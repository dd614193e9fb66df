"""A server on loopback that speaks Anthropic's messages protocol, as its own types say it.

A request is read with the SDK's published request type, and by the rules that the documentation
names beside it; one that breaks them is answered with 400. Events are made of the SDK's types.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from anthropic import types
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

_REQUEST: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)
_MOST_MARKS = 4
KEY = "test-key"
VERSION = "2026-10-21"


def broken_rules(body: dict[str, Any]) -> list[str]:
    """What a request breaks of the protocol."""
    try:
        _REQUEST.validate_python(json.loads(json.dumps(body)))
    except ValidationError as error:
        return [str(error)]
    known = set(MessageCreateParamsStreaming.__annotations__) | set(
        types.message_create_params.MessageCreateParamsBase.__annotations__
    )
    said = [f"{name}: Extra inputs are not permitted" for name in set(body) - known]
    if json.dumps(body).count('"cache_control"') > _MOST_MARKS:
        said.append("A maximum of 4 blocks with cache_control may be provided")
    turns = body["messages"]
    if not turns or turns[0]["role"] != "user":
        said.append("messages: first message must use the user role")
    owed: set[str] = set()
    for number, turn in enumerate(turns):
        said += [f"messages.{number}: {why}" for why in _turn(turn, owed)]
        owed = {b["id"] for b in turn["content"] if b["type"] == "tool_use"}
    return said


def _turn(turn: dict[str, Any], owed: set[str]) -> Iterator[str]:
    blocks = turn["content"]
    if not blocks:
        yield "content must be non-empty"
    kinds = [block["type"] for block in blocks]
    given = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
    if owed - given:
        yield f"tool_use ids were found without tool_result blocks: {sorted(owed - given)}"
    if given - owed:
        yield f"unexpected tool_use_id found in tool_result blocks: {sorted(given - owed)}"
    if kinds != sorted(kinds, key=lambda kind: kind != "tool_result") and turn["role"] == "user":
        yield "tool_result blocks must come first"
    for block in blocks:
        if block["type"] == "text" and not block["text"].strip():
            yield "text content blocks must contain non-whitespace text"
        if block["type"] == "thinking" and block["signature"] != signed(block["thinking"]):
            yield "thinking blocks cannot be modified"


def signed(thought: str) -> str:
    return f"signature of {len(thought)} {thought[-8:]}"


@dataclass
class Said:
    """An answer of the server: blocks, each in pieces; a stop reason; what it counts."""

    blocks: Sequence[tuple[str, Any]]
    stop: str = "end_turn"
    usage: dict[str, int] = field(default_factory=dict)
    details: Any = None
    breaks_after: int | None = None
    error: dict[str, Any] | None = None


@dataclass
class Failed:
    """A refusal."""

    status: int
    kind: str
    says: str = "no"
    headers: dict[str, str] = field(default_factory=dict)


def events(said: Said, number: int) -> Iterator[Any]:
    """The events of an answer, each of the SDK's own type."""
    usage = {"input_tokens": 10, "output_tokens": 1, **said.usage}
    start = types.Message.model_validate(
        {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        }
    )
    yield {"type": "message_start", "message": start.model_dump(mode="json")}
    yield {"type": "ping"}
    for index, (kind, value) in enumerate(said.blocks):
        yield from _block(index, kind, value)
    delta = {"stop_reason": said.stop, "stop_sequence": None, "stop_details": said.details}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop"}


def _block(index: int, kind: str, value: Any) -> Iterator[dict[str, Any]]:
    first: dict[str, Any] = {"type": kind}
    deltas: list[dict[str, Any]] = []
    if kind == "text":
        first["text"] = ""
        deltas = [{"type": "text_delta", "text": piece} for piece in value]
    elif kind == "thinking":
        first |= {"thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in value]
        deltas.append({"type": "signature_delta", "signature": signed("".join(value))})
    else:
        id_, name, pieces = value
        first |= {"id": id_, "name": name, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    yield {"type": "content_block_start", "index": index, "content_block": first}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


_EVENT: TypeAdapter[Any] = TypeAdapter(types.RawMessageStreamEvent)


class _Handler(BaseHTTPRequestHandler):
    outer: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.outer.requests.append(body)
        wrong = broken_rules(body)
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.path != "/v1/messages" or self.headers.get("anthropic-version") != VERSION:
            return self.fail(Failed(404, "not_found_error"))
        if KEY not in (self.headers.get("x-api-key"), bearer):
            return self.fail(Failed(401, "authentication_error", "invalid x-api-key"))
        if wrong:
            self.outer.refused += wrong
            return self.fail(Failed(400, "invalid_request_error", "; ".join(wrong)))
        reply = self.outer.replies.pop(0)
        return self.fail(reply) if isinstance(reply, Failed) else self.stream(reply)

    def fail(self, failed: Failed) -> None:
        error = {"type": failed.kind, "message": failed.says}
        data = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(failed.status)
        sent = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        for name, value in {**sent, **failed.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, said: Said) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        made = list(events(said, len(self.outer.requests)))
        with contextlib.suppress(OSError):
            for event in made[: said.breaks_after]:
                if event["type"] != "ping":
                    _EVENT.validate_python(event)
                self.event(event)
                time.sleep(self.outer.gap_s)
            if said.error is not None:
                self.event({"type": "error", "error": said.error})
        self.outer.left.set()
        self.close_connection = True

    def event(self, event: dict[str, Any]) -> None:
        text = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        self.wfile.write(text.encode())
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


class Server:
    """Answers each request with the next of its list, where the request is a right one."""

    def __init__(self) -> None:
        self.replies: list[Said | Failed] = []
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.gap_s = 0.0
        self.left = threading.Event()
        self.http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"outer": self})
        )
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
