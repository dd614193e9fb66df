"""Trajectories of SWE-agent (`trajectory`, `history`) and mini-swe-agent (`messages`, `info`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from earnest.capture.lenient import content, mapping, read, word
from earnest.capture.messages import broken, message, outcome, shell
from earnest.capture.turns import Call, Piece, Turn


def about(value: Any, place: str) -> dict[str, str]:
    """Return what a member of the document says of its session."""
    if place == "environment":
        return {"session_id": word(value)}
    if place == "info":
        config = mapping(mapping(value).get("config"))
        model = word(mapping(config.get("model")).get("model_name"))
        return {"model": model} if model else {}
    return {}


def turns(pieces: Iterable[Piece]) -> Iterator[Turn]:
    """Yield the turns: of `trajectory` or of `history`, whichever is first, or of `messages`."""
    chosen = ""
    for piece in pieces:
        if piece.place not in ("trajectory[]", "history[]", "messages[]", ""):
            continue
        value, problem = read(piece.raw)
        if problem or not isinstance(value, dict):
            yield broken(piece, problem or "not an object")
            continue
        chosen = chosen or piece.place
        if piece.place == chosen:
            yield from _step(value, piece) if chosen == "trajectory[]" else _message(value, piece)


def _step(step: Mapping[str, Any], piece: Piece) -> Iterator[Turn]:
    action = word(step.get("action"))
    made = (Call("", "bash", {"command": action}),) if action.strip() else ()
    text = word(step.get("response")) or word(step.get("thought"))
    yield Turn("assistant", text, piece.number, piece.offset, made)
    if (seen := content(step.get("observation"))) or made:
        yield Turn("tool", "", piece.number, piece.offset, (), (outcome("", seen),))


def _message(value: Mapping[str, Any], piece: Piece) -> Iterator[Turn]:
    turn = message(value, piece)
    if turn.role == "assistant" and not turn.calls:
        turn = replace(turn, calls=shell(turn.text))
    elif turn.role == "user" and _is_output(value, turn.text):
        turn = replace(turn, role="tool", text="", outcomes=(outcome("", turn.text),))
    yield turn


def _is_output(value: Mapping[str, Any], text: str) -> bool:
    """Say whether a user's message is what a command gave back."""
    if value.get("message_type") == "observation" or "<returncode>" in text[:200]:
        return True
    return "returncode" in mapping(value.get("extra"))
