"""Claude Code's transcripts: one JSON object a line; a format that nobody promised to keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from earnest.capture.lenient import mapping, read, word
from earnest.capture.messages import blocks, broken, role, told
from earnest.capture.turns import Piece, Turn


def about(value: Mapping[str, Any]) -> dict[str, str]:
    """Return what a line says of its session."""
    found = {
        "session_id": word(value.get("sessionId")),
        "cwd": word(value.get("cwd")),
        "agent": word(value.get("agentId")),
        "model": word(mapping(value.get("message")).get("model")),
    }
    return {name: text for name, text in found.items() if text}


def turns(pieces: Iterable[Piece]) -> Iterator[Turn]:
    """Yield the turns of a transcript's lines: those that are messages, and what is no JSON."""
    for piece in pieces:
        value, problem = read(piece.raw)
        if problem or not isinstance(value, dict):
            yield broken(piece, problem or "not an object")
        elif (said := mapping(value.get("message"))) or value.get("type") == "system":
            yield _turn(value, said, piece)


def _turn(value: Mapping[str, Any], said: Mapping[str, Any], piece: Piece) -> Turn:
    inside = said.get("content", value.get("content"))
    who = role(said.get("role") or value.get("type"))
    made, back, thought = blocks(inside)
    if who == "user" and value.get("isMeta") is True:
        who = "system"
    return Turn(
        "tool" if back else who,
        told(inside),
        piece.number,
        piece.offset,
        tuple(made),
        tuple(back),
        at=word(value.get("timestamp")),
        thought=thought,
        agent=word(value.get("agentId")) if value.get("isSidechain") is True else "",
        copied=value.get("isCompactSummary") is True,
    )
