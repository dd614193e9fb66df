"""Messages as agents' programs write them: a role, blocks of content, calls, their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from earnest.capture.fenced import blocks as blocks_of
from earnest.capture.lenient import arguments, content, mapping, sequence, status, whole, word
from earnest.capture.turns import Call, Outcome, Piece, Role, Turn

_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "agent": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
_THOUGHTS: Final = ("thinking", "reasoning", "redacted_thinking")
_SHELLS: Final = ("bash", "sh", "shell", "mswea_bash_command")


def role(value: Any) -> Role:
    """Return the role that a message's own word for it means."""
    return _ROLES.get(word(value).lower(), "other")


def broken(piece: Piece, problem: str) -> Turn:
    """Return a turn that says that a piece could not be read, with its beginning."""
    text = piece.raw[:2000].decode("utf-8", "replace")
    why = problem if piece.whole else "cut off, or too long"
    return Turn("other", text, piece.number, piece.offset, problem=why)


def outcome(call: Any, text: str, failed: bool | None = None, code: int | None = None) -> Outcome:
    """Return what a call gave back; its exit status from its text, where nothing else tells it."""
    told = status(text) if code is None else code
    return Outcome(
        word(call), text, failed if failed is not None or told is None else told != 0, told
    )


def calls(value: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the calls of a message, whichever way its API writes them."""
    for one in map(mapping, sequence(value.get("tool_calls"))):
        function = one.get("function")
        inner = mapping(function)
        name = word(function) or word(inner.get("name")) or word(one.get("name"))
        given = inner.get("arguments", one.get("arguments", one.get("args")))
        yield Call(word(one.get("id")), name or word(one.get("function_name")), arguments(given))
    old = mapping(value.get("function_call"))
    if old:
        yield Call("", word(old.get("name")), arguments(old.get("arguments")))


def blocks(value: Any) -> tuple[list[Call], list[Outcome], str]:
    """Return the calls, the outcomes and the thoughts among a content's blocks."""
    made: list[Call] = []
    back: list[Outcome] = []
    thoughts: list[str] = []
    for one in map(mapping, sequence(value)):
        kind = word(one.get("type"))
        if kind == "tool_use":
            made.append(
                Call(word(one.get("id")), word(one.get("name")), arguments(one.get("input")))
            )
        elif kind == "tool_result":
            told = one.get("is_error")
            failed = told if isinstance(told, bool) else None
            back.append(outcome(one.get("tool_use_id"), content(one.get("content")), failed))
        elif kind in _THOUGHTS:
            thoughts.append(word(one.get(kind)) or word(one.get("text")))
    return made, back, "\n".join(filter(None, thoughts))


def told(value: Any) -> str:
    """Return what a content says, its calls and their outcomes left out."""
    if not isinstance(value, list):
        return content(value)
    skipped = ("tool_use", "tool_result", *_THOUGHTS)
    return content([one for one in value if mapping(one).get("type") not in skipped])


def message(
    value: Mapping[str, Any], piece: Piece, *, resolve: Callable[[Any], Any] = lambda one: one
) -> Turn:
    """Return the turn of one message of a chat. `resolve` fetches what it only refers to."""
    inside = resolve(value.get("content"))
    who = role(value.get("role"))
    made, back, thought = blocks(inside)
    text = told(inside)
    made = [*calls(resolve(value) if value.get("tool_calls") else value), *made]
    if who == "tool" and not back:
        back, text = [_answer(value, text)], ""
    return Turn(
        "tool" if back and not text else who,
        text,
        piece.number,
        piece.offset,
        tuple(made),
        tuple(back),
        at=word(value.get("timestamp")),
        thought=thought or word(value.get("reasoning_content")) or word(value.get("reasoning")),
    )


def _answer(value: Mapping[str, Any], text: str) -> Outcome:
    error = value.get("error")
    if error and not text:
        text = word(mapping(error).get("message")) or word(error)
    code = whole(mapping(value.get("extra")).get("returncode"))
    call = value.get("tool_call_id") or value.get("name")
    return outcome(call, text, True if error else None, code)


def shell(text: str) -> tuple[Call, ...]:
    """Return the commands in fenced shell blocks, as agents without tool calls give them."""
    return tuple(Call("", "bash", {"command": found}) for found in blocks_of(text, *_SHELLS))
