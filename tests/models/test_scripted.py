from __future__ import annotations

import pytest

from earnest.core.errors import ModelError
from earnest.core.messages import Message, Sampling
from earnest.models.scripted import ScriptedModel, say, use


def test_turns_follow_from_the_messages() -> None:
    model = ScriptedModel([use("a", {}), lambda messages: say(f"{len(messages)} so far")])
    first = model.generate([], [], Sampling())
    assert (first.stop, first.message.calls[0].name) == ("calls", "a")
    tool = Message(role="tool", content="", call="call-a")
    second = model.generate([first.message, tool], [], Sampling())
    assert (second.stop, second.message.content) == ("end", "2 so far")
    with pytest.raises(ModelError, match="2 turns"):
        model.generate([first.message, tool, second.message], [], Sampling())
