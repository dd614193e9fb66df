"""Rows as tokens: what is learned from, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.train.examples import (
    IGNORED,
    Example,
    epoch,
    examples,
    read_dataset,
    tensors,
    vocabulary,
)
from earnest.train.nano import Shape, make, prepare


@pytest.fixture(scope="module")
def read(dataset):
    """A tokenizer that knows the data set's words, and the data set's examples."""
    prepare(1)
    _, files = read_dataset(dataset)
    _, tokenizer = make(vocabulary(files), None, Shape(32, 1, 2, 64), 0)
    return tokenizer, examples(files["train.parquet"], tokenizer)


def test_what_is_learned_is_the_answer(read):
    tokenizer, found = read
    for example in found:
        text = tokenizer.convert_ids_to_tokens(example.tokens)
        assert text[:2] == ["<bos>", "<user>"]
        assert text[example.start - 1] == "<assistant>"
        assert text.count("<assistant>") == text.count("<eos>") == 1
        assert text[-1] == "<eos>"
        assert len(text) > example.start + 1


def test_batches_are_padded_on_the_right_and_prompts_are_not_learned():
    tokens, labels = tensors([Example((5, 6, 7, 8), 2), Example((5, 9), 1)], 0)
    assert tokens.tolist() == [[5, 6, 7, 8], [5, 9, 0, 0]]
    assert labels.tolist() == [[IGNORED, IGNORED, 7, 8], [IGNORED, 9, IGNORED, IGNORED]]


@given(st.lists(st.integers(1, 30), max_size=300), st.integers(1, 40), st.integers(0, 3))
def test_an_epoch_has_every_example_once(lengths, batch, number):
    found = [Example(tuple(range(length)), 0) for length in lengths]
    batches = epoch(found, batch, 7, number)
    assert sorted(at for chosen in batches for at in chosen) == list(range(len(found)))
    assert batches == epoch(found, batch, 7, number)
