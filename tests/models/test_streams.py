"""However an answer is cut into parts, it is put together as the same one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.models.anthropic_parts import Blocks
from earnest.models.openai_stream import gather
from earnest.models.patience import Broken, Fields, Listener, Refused

ARGUMENTS = st.dictionaries(
    st.text(max_size=5), st.text(max_size=8) | st.integers(0, 99), max_size=3
)
LISTED = st.lists(ARGUMENTS, max_size=3)


def pieces(text: str, data: Any) -> list[str]:
    """A text in parts, some of them empty."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def part(finish: str | None = None, **delta: Any) -> Any:
    empty = {"content": None, "refusal": None, "tool_calls": None}
    choice = SimpleNamespace(delta=SimpleNamespace(**empty | delta), finish_reason=finish)
    return SimpleNamespace(choices=[choice], usage=None)


def openai_parts(text: str, listed: list[dict[str, Any]], data: Any) -> Iterator[Any]:
    for piece in pieces(text, data):
        yield part(content=piece)
    for index, arguments in enumerate(listed):
        for number, piece in enumerate(pieces(json.dumps(arguments), data)):
            first = number == 0
            function = SimpleNamespace(name="f" if first else None, arguments=piece)
            id_ = f"c{index}" if first else None
            call = SimpleNamespace(index=index, id=id_, type=None, function=function)
            yield part(tool_calls=[call])
    yield part("tool_calls" if listed else "stop")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20), LISTED, st.data())
def test_chat_completions(text: str, listed: list[dict[str, Any]], data: Any) -> None:
    heard: list[str] = []
    parts = list(openai_parts(text, listed, data))
    found = gather(parts, Listener(heard.append))
    assert found.text == "".join(heard) == text
    calls = [found.call(number, cut=False) for number in range(len(found.calls))]
    assert [(call.id, call.arguments) for call in calls] == [
        (f"c{n}", arguments) for n, arguments in enumerate(listed)
    ]
    with pytest.raises(Broken):
        gather(parts[:-1], Listener(None))


def event(kind: str, **fields: Any) -> Any:
    return SimpleNamespace(type=kind, **fields)


def anthropic_parts(text: str, listed: list[dict[str, Any]], data: Any) -> Iterator[Any]:
    blocks = [("text", text), *(("tool_use", json.dumps(one)) for one in listed)]
    for index, (kind, whole) in enumerate(blocks):
        body = {"type": kind, **({"text": ""} if kind == "text" else {"id": f"c{index}"})}
        body |= {} if kind == "text" else {"name": "f", "input": {}}
        block = SimpleNamespace(model_dump=lambda body=body, **_: dict(body))
        yield event("content_block_start", index=index, content_block=block)
        for piece in pieces(whole, data):
            delta = event("text_delta", text=piece)
            if kind != "text":
                delta = event("input_json_delta", partial_json=piece)
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    yield event("message_stop")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20), LISTED, st.data())
def test_messages(text: str, listed: list[dict[str, Any]], data: Any) -> None:
    found, heard = Blocks(), list[str]()
    for one in anthropic_parts(text, listed, data):
        found.take(one, Listener(heard.append))
    assert found.text == "".join(heard) == text
    assert [call.arguments for call in found.calls(cut=False)] == listed
    assert found.ended


def test_a_field_is_left_out_once_at_most() -> None:
    fields, body = Fields({"seed": "", "max_tokens": "most"}), {"seed": 1, "max_tokens": 2}
    refused = Refused(400, "seed and max_tokens are not known", "", {})
    assert fields.learn(refused, body)
    fields.fit(body)
    assert body == {"most": 2}
    assert not fields.learn(refused, body)
    assert not Fields({"seed": ""}).learn(Refused(400, "a seedy request", "", {}), {"seed": 1})
    assert not Fields({"seed": ""}).learn(Refused(401, "seed", "", {}), {"seed": 1})
    assert not Fields({"seed": ""}).learn(Refused(400, "seed", "", {}), {"other": 1})
