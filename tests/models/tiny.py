"""A real checkpoint that can call tools: a tiny Llama that learned a few conversations by heart.

Its tokenizer is a byte-level BPE made of these conversations, its chat template is of the form
that most open models have (turns in marks, tools in the system prompt, calls in `<tool_call>`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earnest.core.messages import Message, ToolCall, ToolSpec

TEMPLATE = """\
{%- if tools %}<|im_start|>system
{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}
{% endif %}Tools:
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% elif messages[0]['role'] == 'system' %}<|im_start|>system
{{ messages[0]['content'] }}<|im_end|>
{% endif %}
{%- for m in messages %}
{%- if m['role'] == 'user' %}<|im_start|>user
{{ m['content'] }}<|im_end|>
{% elif m['role'] == 'tool' %}<|im_start|>user
<tool_response>
{{ m['content'] }}
</tool_response><|im_end|>
{% elif m['role'] == 'assistant' %}<|im_start|>assistant
{{ m['content'] }}
{%- for call in m['tool_calls'] or [] %}{% set f = call['function'] %}<tool_call>
{"name": "{{ f['name'] }}", "arguments": {{ f['arguments'] | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
RESPONSES = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "tool_calls": {
            "open_pattern": r"\s*<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"\s*<\|im_end\|>", "content": "text"},
    },
}
SPECIAL = ("<|im_start|>", "<|im_end|>")
NOTES = ToolSpec(
    name="notes",
    description="Take notes.",
    parameters={"type": "object", "properties": {"text": {"type": "string"}}},
)
ASK = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="Note a and b, please."),
)
CALLS = tuple(
    ToolCall(id=f"call-1-{n}", name="notes", arguments={"text": text})
    for n, text in enumerate(("a", "b"), 1)
)
CALLING = Message(role="assistant", content="", calls=CALLS)
RESULTS = tuple(Message(role="tool", content=f"noted {c.id[-1]}", call=c.id) for c in CALLS)
DONE = Message(role="assistant", content="Both are noted.")


def written(message: Message) -> str:
    """An answer as this model writes it."""
    calls = [
        "<tool_call>\n"
        + json.dumps({"name": call.name, "arguments": dict(call.arguments)})
        + "\n</tool_call>"
        for call in message.calls
    ]
    return message.content + "".join(calls)


def checkpoint(
    folder: Path,
    conversations: Sequence[Sequence[Message]] = ((*ASK, CALLING, *RESULTS, DONE),),
    tools: Sequence[ToolSpec] = (NOTES,),
    *,
    plain: Sequence[Sequence[Message]] = (),
    steps: int = 120,
    window: int = 1024,
) -> Path:
    """Write a model's folder that gives each answer of these conversations, greedily.

    `plain`: conversations in which no tool was offered.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from earnest.models.local_prompt import Prompter

    torch.manual_seed(3)
    torch.set_num_threads(1)
    tokenizer = _tokenizer([m.content for talk in (*conversations, *plain) for m in talk], tools)
    prompter = Prompter("tiny", tokenizer)
    rows = []
    for talk, offered in [*((t, tools) for t in conversations), *((t, ()) for t in plain)]:
        for at in (n for n, message in enumerate(talk) if message.role == "assistant"):
            prompt = prompter.read(prompter.text(talk[:at], offered))
            rows.append((prompt, prompter.read(written(talk[at]) + SPECIAL[1])))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=window,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    _learn(model, rows, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(texts: Sequence[str], tools: Sequence[ToolSpec]) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    listed = [json.dumps(tool.model_dump()) for tool in tools]
    core.train_from_iterator([*texts, *listed, TEMPLATE, *map(written, (CALLING,))], trainer)
    core.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in SPECIAL])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=SPECIAL[1], pad_token=SPECIAL[1]
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.response_template = RESPONSES
    return tokenizer


def _learn(model: Any, rows: Sequence[tuple[list[int], list[int]]], steps: int) -> None:
    """Learn rows of a prompt and an answer by heart."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    model.train()
    for _ in range(steps):
        worst = 0.0
        for prompt, answer in rows:
            ids = torch.tensor([prompt + answer])
            labels = ids.clone()
            labels[0, : len(prompt)] = -100
            loss = model(input_ids=ids, labels=labels).loss
            loss.backward()
            worst = max(worst, float(loss.detach()))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if worst < 0.01:
            break
    assert worst < 0.1, f"it did not learn its conversations by heart: {worst}"
    model.eval()
