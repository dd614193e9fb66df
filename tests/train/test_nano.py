"""The model and its tokenizer: standard folders, whole names, no more than a million parameters."""

from itertools import pairwise

import pytest

from earnest.core.errors import RecordError
from earnest.core.wording import fixed_words
from earnest.train.nano import LARGEST, Shape, make, parameters, prepare


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    prepare(1)


def test_the_default_is_within_the_limit_and_a_larger_one_is_refused():
    model, _ = make([*fixed_words(), *(f"`name {n}`" for n in range(1000))], None, Shape(), 0)
    assert parameters(model) <= LARGEST
    with pytest.raises(RecordError, match="too many"):
        make(list(fixed_words()), None, Shape(hidden=256, layers=4, heads=4, inner=1024), 0)


def test_names_are_single_tokens_and_unknown_ones_are_unknown():
    names = ["`od280/od315 of wines`", "'self-employed'", "`bmi`"]
    _, tokenizer = make([*fixed_words(), *names], None, Shape(), 0)
    text = f"In {names[0]}, how does {names[2]} compare for {names[1]}: up 57."
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    assert tokens == ["In", names[0], ",", "how", "does", names[2], "compare", "for", names[1],
                      ":", "up", "57", "."]  # fmt: skip
    assert tokenizer.unk_token_id == tokenizer("`never met`")["input_ids"][0]


def test_the_folder_is_a_standard_one(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = make([*fixed_words(), "`bmi`"], None, Shape(), 0)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    chat = [{"role": "user", "content": "What is known of `bmi`?"}]
    tokens = again.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    text = again.decode(tokens["input_ids"][0])
    assert text == "<bos> <user> What is known of `bmi` ? <assistant>"
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.inference_mode():
        ours, theirs = model.eval()(**tokens).logits, loaded.eval()(**tokens).logits
    assert torch.equal(ours, theirs)


def test_the_template_keeps_what_was_said_as_a_prefix():
    _, tokenizer = make(list(fixed_words()), None, Shape(), 0)
    chat = [
        {"role": "user", "content": "how"},
        {"role": "assistant", "content": "up 57"},
        {"role": "user", "content": "what"},
    ]
    render = [
        tokenizer.apply_chat_template(chat[:n], tokenize=False) for n in range(1, len(chat) + 1)
    ]
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(render))
    assert render[1].endswith("up 57<eos>")
