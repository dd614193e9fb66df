"""Conversations sampled in batches: their calls, their very tokens, and what each weighs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.models.tiny import ASK, CALLING, DONE, NOTES, RESULTS, checkpoint

from earnest.core.errors import ModelError
from earnest.core.messages import Message, ToolCall
from earnest.models.local_turns import LiveModel, Talked

SURE = 30
"""By so much the model's choices are sharpened: it says what it learned, whatever is drawn."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def live(folder: Path) -> Iterator[LiveModel]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.lm_head.weight.mul_(SURE)
    return LiveModel(model.train(), AutoTokenizer.from_pretrained(folder), "live")


def noted(at: int, call: ToolCall) -> str:
    """What the tool answers: in the second conversation something longer, never learned."""
    return f"noted {call.id[-1]}" + " and so on and on" * at


def talked(live: LiveModel, **more: Any) -> list[Talked]:
    how = {"turns": 3, "most": 400, "seed": 1, **more}
    return live.talk([ASK, ASK], [NOTES], noted, **how)


def test_it_calls_tools_and_ends_with_words(live: LiveModel) -> None:
    first, second = talked(live)
    calls = [(call.name, dict(call.arguments)) for call in first.messages[2].calls]
    assert calls == [(call.name, dict(call.arguments)) for call in CALLING.calls]
    assert [one.content for one in first.messages[3:5]] == [one.content for one in RESULTS]
    assert first.messages[5].content == DONE.content
    assert not first.open
    assert len(first.messages) == 6
    assert second.messages[2].calls == first.messages[2].calls
    assert live._loaded[0].training, "it goes on being trained"


def test_a_row_holds_the_very_tokens_and_says_whose_they_are(live: LiveModel) -> None:
    tokenizer = live._loaded[1]
    for at, talk in enumerate(talked(live)):
        assert len(talk.reply) == len(talk.own) == len(talk.logprobs)
        others = tokenizer.decode(
            [id_ for id_, own in zip(talk.reply, talk.own, strict=True) if not own]
        )
        answers = [noted(at, call) for call in talk.messages[2].calls]
        assert all(answer in others for answer in answers)
        assert "<tool_call>" not in others
        sampled = [id_ for id_, own in zip(talk.reply, talk.own, strict=True) if own]
        said = [m.tokens.sampled for m in talk.messages if m.tokens]
        assert sampled == [id_ for ids in said for id_ in ids]


def test_the_log_probabilities_are_the_model_s_own(live: LiveModel) -> None:
    """Held against each row read alone, so that padding and the batch are seen to do nothing."""
    import torch

    model = live._loaded[0].eval()
    for talk in talked(live):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([talk.ids])).logits[0].log_softmax(-1)
        start = len(talk.prompt)
        for at, (id_, own, told) in enumerate(
            zip(talk.reply, talk.own, talk.logprobs, strict=True)
        ):
            expected = float(logits[start + at - 1, id_]) if own else 0.0
            assert told == pytest.approx(expected, abs=2e-2)


def test_it_ends_at_its_turns_and_at_its_length(live: LiveModel) -> None:
    (one, _) = talked(live, turns=1)
    assert [message.role for message in one.messages[2:]] == ["assistant", "tool", "tool"]
    whole = len(one.reply)
    (cut, _) = talked(live, most=whole - 3)
    assert len(cut.reply) == whole - 3
    assert [bool(call.problem) for call in cut.messages[2].calls] == [False, True]
    (full, _) = talked(live, most=whole + 2)
    assert len(full.reply) == whole, "no room for the tools' answers and a word"
    live._loaded[0].config.max_position_embeddings = 10
    vars(live)["window"] = 10
    (none, _) = talked(live)
    assert (none.reply, none.open) == ([], False)


def test_a_template_that_can_not_be_written_on_ends_it_and_says_so(live: LiveModel) -> None:
    tokenizer = live._loaded[1]
    refuses = "{% if m['role'] == 'tool' and not messages[2]['tool_calls'] %}"
    refuses += "{{ raise_exception('no call') }}{% endif %}"
    loop = "{%- for m in messages %}"
    tokenizer.chat_template = tokenizer.chat_template.replace(loop, loop + refuses)
    (one, _) = talked(live)
    assert (one.exact, one.open) == (False, False)
    assert all(one.own)


def test_a_template_without_tools_is_told(live: LiveModel) -> None:
    live._loaded[1].chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(ModelError, match="no place for them"):
        live.talk([[Message(role="user", content="a")]], [NOTES], noted, turns=1, most=9, seed=0)
