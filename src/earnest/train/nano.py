"""Nano: a Llama of at most a million parameters, made from scratch or grown from its parent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import LackError, RecordError
from earnest.train.tokens import BEGIN, END, PAD, extended, tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

LARGEST: Final = 1_000_000
_SPREAD: Final = 0.08  # the usual 0.02 suits wide models; here it delays learning


@dataclass(frozen=True)
class Shape:
    """The size of a nano."""

    hidden: int = 96
    layers: int = 2
    heads: int = 4
    inner: int = 384


def prepare(threads: int) -> Any:
    """Import torch and make it repeatable. Raises `LackError` where it is missing.

    Waiting threads must yield (`OMP_WAIT_POLICY`): on a busy machine two spinning threads are
    several times slower than one.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch
        from transformers.utils import logging
    except ImportError as error:
        raise LackError(
            "training needs torch and transformers", mend="pip install 'earnest[train]'"
        ) from error
    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    return torch


def _config(words: Mapping[str, int], shape: Shape) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(words),
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=_SPREAD,
        pad_token_id=words[PAD],
        bos_token_id=words[BEGIN],
        eos_token_id=words[END],
    )


def _grown(parent: Path, config: Any) -> LlamaForCausalLM:
    """Return the parent's weights in a model whose vocabulary goes on after the parent's."""
    import torch
    from transformers import LlamaForCausalLM

    old = LlamaForCausalLM.from_pretrained(parent, dtype=torch.float32)
    weights = dict(old.state_dict())
    if weights["model.embed_tokens.weight"].shape[1] != config.hidden_size:
        raise RecordError(f"{parent} has another shape than the model to be trained")
    made = LlamaForCausalLM(config)
    fresh = made.state_dict()["model.embed_tokens.weight"].clone()
    known = weights["model.embed_tokens.weight"]
    fresh[: len(known)] = known
    weights.update({"model.embed_tokens.weight": fresh, "lm_head.weight": fresh})
    made.load_state_dict(weights)
    return made


def make(
    words: list[str], parent: Path | None, shape: Shape, seed: int
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Return a model and its tokenizer that know `words`, and all that the parent knows.

    With a parent its shape counts, not `shape`. Raises `RecordError` for a parent that is no
    nano, or a vocabulary too large for a million parameters.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    known: dict[str, int] = {}
    if parent is not None:
        try:
            known = AutoTokenizer.from_pretrained(parent).get_vocab()
            config = LlamaConfig.from_pretrained(parent)
        except (OSError, ValueError) as error:
            raise RecordError(f"{parent} is no checkpoint: {error}") from error
        known = dict(sorted(known.items(), key=lambda item: item[1]))
    words_now = extended(known, words)
    if parent is None:
        model = LlamaForCausalLM(_config(words_now, shape))
    else:
        config.vocab_size = len(words_now)
        model = _grown(parent, config)
    size = parameters(model)
    if size > LARGEST:
        raise RecordError(f"{size} parameters are too many for nano: at most {LARGEST}")
    return model, tokenizer(words_now)


def parameters(model: LlamaForCausalLM) -> int:
    """Count the parameters, tied ones once."""
    return sum(weight.numel() for weight in model.parameters())


def shape_recipe(shape: Shape) -> dict[str, int]:
    """Return the shape for a recipe."""
    return asdict(shape)
