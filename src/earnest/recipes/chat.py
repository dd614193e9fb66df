"""A run as chat messages, as OpenAI's API and most training tools take them: one line of JSON.

What the log keeps is told, and no more: a message of the model has its text, its tool calls with
their arguments as JSON text, and, where it says so, its thoughts; a tool's message what the model
was given (marked as data, behind bars). Summaries that took the place of earlier turns are not in
it: it is the whole conversation as it was. Not covered: pictures (they are named in the text).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from earnest.agent.replay import State, Turn
from earnest.core.events import Event
from earnest.core.messages import Message

FORM: Final = 1


def conversation(events: Iterable[Event], status: str) -> dict[str, Any]:
    """Return one conversation: `messages`, `tools`, and what it is of under `metadata`.

    A call that has no effect on record was cut off: it is left out with all after it.
    """
    events = list(events)
    start = events[0].payload
    messages = [_told(Message.model_validate(one)) for one in start["messages"]]
    for turn in turns(events):
        if len(turn.effects) < len(turn.message.calls):
            break
        messages.append(_told(turn.message))
        answers = [] if turn.over else turn.answers(room=sys.maxsize, search=False)
        messages += [_told(one) for one in answers]
    return {
        "version": FORM,
        "messages": messages,
        "tools": [{"type": "function", "function": dict(spec)} for spec in start["tools"]],
        "metadata": {
            "run": start["run"],
            "task": start["task"],
            "model": start["model"],
            "status": status,
        },
    }


def turns(events: Iterable[Event]) -> list[Turn]:
    """Return the turns of the model in a log, each with its effects by their index."""
    state, found = State(), []
    for event in events:
        state.take(event)
        if event.kind == "intent" and state.open is not None:
            found.append(state.open)
    return found


def _told(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.calls
        ]
    if message.call:
        told["tool_call_id"] = message.call
    if thoughts := getattr(message, "thoughts", ""):
        told["reasoning_content"] = thoughts
    return told


def _arguments(arguments: Mapping[str, Any]) -> str:
    return json.dumps(dict(arguments), ensure_ascii=False, allow_nan=False)
