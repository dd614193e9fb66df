"""A real checkpoint for embeddings whose vectors are known: words of one meaning have one vector.

It is a BERT without layers, so that a word's state is its row of the embedding matrix (made of
length 1 and free of its mean, which leaves different meanings nearly at right angles).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from earnest.core.errors import EarnestError

_GROUPS = (
    ("car", "automobile", "vehicle"),
    ("ship", "boat", "vessel"),
    ("rain", "drizzle", "downpour"),
    ("glad", "happy", "cheerful"),
)
MEANS = {word: number for number, group in enumerate(_GROUPS) for word in group}
_SIZE = 16


class ByMeans:
    """The same meanings without a checkpoint: counts of them. Fails while `broken` is set."""

    def __init__(self, name: str = "means") -> None:
        self.name = name
        self.asked: list[str] = []
        self.broken: EarnestError | None = None

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return how often each meaning stands in a text."""
        if self.broken is not None:
            raise self.broken
        self.asked += texts
        found = []
        for text in texts:
            vector = [0.0] * _SIZE
            for word in re.findall(r"[a-z]+", text.lower()):
                if word in MEANS:
                    vector[MEANS[word]] += 1.0
            found.append(vector)
        return found


def checkpoint(folder: Path) -> Path:
    """Write the checkpoint into a folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", *MEANS]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = dict(zip(("pad_token", "unk_token"), words, strict=False))
    reader = PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=64, **marks)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=_SIZE,
        num_hidden_layers=0,
        num_attention_heads=2,
        intermediate_size=4,
        max_position_embeddings=64,
    )
    model = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        for table in model.embeddings.children():
            if isinstance(table, torch.nn.Embedding):
                table.weight.zero_()
        # A meaning of its own, so that padding which counts is seen.
        model.embeddings.word_embeddings.weight[0, _SIZE - 1] = 1.0
        for number, word in enumerate(words):
            if word in MEANS:
                model.embeddings.word_embeddings.weight[number, MEANS[word]] = 1.0
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    return folder
