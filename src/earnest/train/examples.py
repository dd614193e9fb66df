"""Rows of a data set as token numbers, and the order in which training sees them."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import digest, parse
from earnest.core.errors import LackError, RecordError
from earnest.core.records import Dataset

if TYPE_CHECKING:
    from torch import Tensor

_POOL: Final = 20
IGNORED: Final = -100


@dataclass(frozen=True)
class Example:
    """The tokens of one conversation; loss is taken from `start` on, the answer."""

    tokens: tuple[int, ...]
    start: int


def read_dataset(folder: Path) -> tuple[Dataset, dict[str, bytes]]:
    """Read a data set's manifest and files, each re-verified. Raises `RecordError`."""
    try:
        manifest = Dataset.from_bytes((folder / "manifest.json").read_bytes())
        files = {name: (folder / name).read_bytes() for name in manifest.files}
    except OSError as error:
        raise RecordError(f"{folder} is no data set: {error}") from error
    for name, data in files.items():
        if digest(data) != manifest.files[name]:
            raise RecordError(f"{folder / name} has changed since the data set was built")
    return manifest, files


def vocabulary(files: dict[str, bytes]) -> list[str]:
    """Return the words that a data set is written in."""
    return [str(word) for word in parse(files["vocabulary.json"])]


def examples(parquet: bytes, tokenizer: Any) -> list[Example]:
    """Return a Parquet file's `messages` as examples. Raises `LackError` without pyarrow."""
    try:
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError as error:
        raise LackError("training needs pyarrow", mend="pip install 'earnest[demo]'") from error
    rows = pq.read_table(io.BytesIO(parquet), columns=["messages"]).to_pylist()
    chats = [row["messages"] for row in rows]
    prompts = tokenizer.apply_chat_template(
        [chat[:-1] for chat in chats], add_generation_prompt=True, tokenize=False
    )
    whole = [
        f"{prompt}{chat[-1]['content']}{tokenizer.eos_token}"
        for prompt, chat in zip(prompts, chats, strict=True)
    ]
    starts = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    tokens = tokenizer(whole, add_special_tokens=False)["input_ids"]
    return [Example(tuple(own), len(start)) for own, start in zip(tokens, starts, strict=True)]


def epoch(found: Sequence[Example], batch: int, seed: int, number: int) -> list[list[int]]:
    """Return one epoch's batches as indices: shuffled, with like lengths together."""
    rng = random.Random(f"{seed} {number}")  # noqa: S311 (an order, not a secret)
    order = list(range(len(found)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), batch * _POOL):
        pool = sorted(order[start : start + batch * _POOL], key=lambda at: len(found[at].tokens))
        batches += [pool[first : first + batch] for first in range(0, len(pool), batch)]
    rng.shuffle(batches)
    return batches


def tensors(chosen: Sequence[Example], pad: int) -> tuple[Tensor, Tensor]:
    """Return tokens and labels of a batch, each examples x longest; padded on the right."""
    import torch

    width = max(len(example.tokens) for example in chosen)
    tokens = torch.full((len(chosen), width), pad, dtype=torch.long)
    labels = torch.full((len(chosen), width), IGNORED, dtype=torch.long)
    for row, example in enumerate(chosen):
        own = torch.tensor(example.tokens, dtype=torch.long)
        tokens[row, : len(own)] = own
        labels[row, example.start : len(own)] = own[example.start :]
    return tokens, labels
