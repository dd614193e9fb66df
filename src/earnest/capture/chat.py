"""Chat messages as OpenAI's API has them: a list, an object with `messages`, or lines of either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from earnest.capture.lenient import mapping, read, sequence, word
from earnest.capture.messages import broken, message
from earnest.capture.turns import Piece, Turn

_PLACES = ("", "[]", "messages[]")


def about(value: Any, place: str) -> dict[str, str]:
    """Return what a member of the document, or a line, says of its session."""
    if place == "model":
        return {"model": word(value)}
    model = word(mapping(value).get("model")) if place == "" else ""
    return {"model": model} if model else {}


def turns(pieces: Iterable[Piece]) -> Iterator[Turn]:
    """Yield the turns; of a line that is a whole conversation, under its number."""
    for piece in pieces:
        if piece.place not in _PLACES:
            continue
        value, problem = read(piece.raw)
        if problem or not isinstance(value, dict):
            yield broken(piece, problem or "not an object")
        elif piece.place == "" and isinstance(value.get("messages"), list):
            for one in sequence(value["messages"]):
                turn = message(mapping(one), piece)
                yield replace(turn, agent=f"conversation {piece.number}")
        elif value.get("role") or piece.place:
            yield message(value, piece)
