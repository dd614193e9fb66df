"""Trajectories in ATIF, any version 1: a document with `steps`, and those of sub-agents in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from earnest.capture.lenient import arguments, content, mapping, read, sequence, whole, word
from earnest.capture.messages import broken, outcome, role
from earnest.capture.turns import Call, Outcome, Piece, Turn

_DEEPEST = 8


def about(value: Any, place: str) -> dict[str, str]:
    """Return what a member of the document says of its session."""
    if place == "session_id":
        return {"session_id": word(value)}
    return {"model": word(mapping(value).get("model_name"))} if place == "agent" else {}


def turns(pieces: Iterable[Piece]) -> Iterator[Turn]:
    """Yield the turns of a document's steps; a step with results is a turn and one of its tools."""
    for piece in pieces:
        value, problem = read(piece.raw)
        if problem or not piece.whole:
            yield broken(piece, problem)
        elif piece.place == "steps[]":
            yield from _step(value, piece, "")
        elif piece.place == "subagent_trajectories[]":
            yield from _nested(value, piece, _DEEPEST)


def _nested(value: Any, piece: Piece, deepest: int) -> Iterator[Turn]:
    """Yield the turns of a sub-agent's trajectory, and of those in it."""
    inside = mapping(value)
    name = word(inside.get("trajectory_id")) or word(inside.get("session_id")) or "sub-agent"
    for step in sequence(inside.get("steps")):
        yield from _step(step, piece, name)
    if deepest:
        for one in sequence(inside.get("subagent_trajectories")):
            yield from _nested(one, piece, deepest - 1)


def _step(value: Any, piece: Piece, agent: str) -> Iterator[Turn]:
    step = mapping(value)
    if not step:
        yield broken(piece, "a step that is no object")
        return
    made = tuple(
        Call(
            word(one.get("tool_call_id")),
            word(one.get("function_name")),
            arguments(one.get("arguments")),
        )
        for one in map(mapping, sequence(step.get("tool_calls")))
    )
    here = Turn(
        "tool",
        line=piece.number,
        offset=piece.offset,
        at=word(step.get("timestamp")),
        agent=agent,
        copied=step.get("is_copied_context") is True,
    )
    yield replace(
        here,
        role=role(step.get("source")),
        text=content(step.get("message")),
        calls=made,
        thought=word(step.get("reasoning_content")),
    )
    if back := tuple(_results(step)):
        yield replace(here, outcomes=back)


def _results(step: Mapping[str, Any]) -> Iterator[Outcome]:
    failed = sequence(mapping(step.get("extra")).get("failed_calls"))
    for one in map(mapping, sequence(mapping(step.get("observation")).get("results"))):
        call = one.get("source_call_id")
        code = whole(mapping(one.get("extra")).get("exit_code"))
        wrong = True if call in failed and call else None
        yield outcome(call, content(one.get("content")), wrong, code)
