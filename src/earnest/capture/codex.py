"""Codex's transcripts: one JSON object a line, most with a `payload`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from earnest.capture.lenient import arguments, content, mapping, read, sequence, whole, word
from earnest.capture.messages import broken, outcome, role, told
from earnest.capture.turns import Call, Piece, Turn


def about(value: Mapping[str, Any]) -> dict[str, str]:
    """Return what a line says of its session."""
    inside = mapping(value.get("payload"))
    kind = value.get("type")
    found = {
        "session_id": word(inside.get("id")) if kind == "session_meta" else "",
        "cwd": word(inside.get("cwd")),
        "model": word(inside.get("model")) if kind == "turn_context" else "",
    }
    return {name: text for name, text in found.items() if text}


def turns(pieces: Iterable[Piece]) -> Iterator[Turn]:
    """Yield the turns of a transcript's lines. What repeats them as events is left out."""
    for piece in pieces:
        value, problem = read(piece.raw)
        if problem or not isinstance(value, dict):
            yield broken(piece, problem or "not an object")
            continue
        wrapped = "payload" in value
        if wrapped and value.get("type") not in ("response_item", None):
            continue
        item = mapping(value["payload"]) if wrapped else value
        if (turn := _turn(item, piece, word(value.get("timestamp")))) is not None:
            yield turn


def _turn(item: Mapping[str, Any], piece: Piece, at: str) -> Turn | None:
    kind = word(item.get("type"))
    number, offset = piece.number, piece.offset
    if kind == "message":
        text = told(item.get("content"))
        return Turn(role(item.get("role")), text, number, offset, at=at)
    if kind in ("function_call", "custom_tool_call", "local_shell_call"):
        given = item.get("arguments", item.get("input", item.get("action")))
        name = word(item.get("name")) or "shell"
        call = Call(word(item.get("call_id")) or word(item.get("id")), name, arguments(given))
        return Turn("assistant", "", number, offset, (call,), at=at)
    if kind in ("function_call_output", "custom_tool_call_output"):
        text, code, failed = _output(item.get("output"))
        back = outcome(item.get("call_id"), text, failed, code)
        return Turn("tool", "", number, offset, (), (back,), at=at)
    if kind == "reasoning":
        thoughts = [*sequence(item.get("summary")), *sequence(item.get("content"))]
        return Turn("assistant", "", number, offset, at=at, thought=content(thoughts))
    return None


def _output(value: Any) -> tuple[str, int | None, bool | None]:
    """Return the text of a tool's output, its exit status, and whether it failed."""
    if isinstance(value, str) and value.startswith("{"):
        inside, _ = read(value.encode("utf-8", "replace"))
        if isinstance(inside, dict) and "output" in inside:
            code = whole(mapping(inside.get("metadata")).get("exit_code"))
            return content(inside["output"]), code, None
    if isinstance(value, dict):
        success = value.get("success")
        failed = not success if isinstance(success, bool) else None
        return content(value.get("content", value.get("output"))), None, failed
    return content(value), None, None
