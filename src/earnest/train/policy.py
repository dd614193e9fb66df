"""The testbed's policy: a small Llama and a byte-level tokenizer of its own, made from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import RecordError
from earnest.train.nano import Shape, parameters, prepare
from earnest.train.tokens import ASSISTANT, BEGIN, END, PAD, TEMPLATE, USER

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

LARGEST: Final = 3_000_000
WIDEST: Final = 384
POLICY: Final = Shape(hidden=128, layers=3, heads=4, inner=384)
_WORDS: Final = 640
_LONGEST: Final = 10
"""Bytes of a token at most: no cheat, and no line of code, is a token by itself."""
_SPREAD: Final = 0.06


@dataclass(frozen=True)
class Policy:
    """A model with its tokenizer; `marks` are tokens of their own."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return parameters(self.model)

    def asked(self, prompt: str) -> list[int]:
        """Return a prompt's token ids, up to where the reply begins."""
        ids: list[int] = self.tokenizer(
            f"{BEGIN}{USER}{prompt}{ASSISTANT}", add_special_tokens=False
        )["input_ids"]
        return ids

    def replied(self, reply: str) -> list[int]:
        """Return a reply's token ids, its end included."""
        ids: list[int] = self.tokenizer(f"{reply}{END}", add_special_tokens=False)["input_ids"]
        return ids

    def said(self, tokens: Sequence[int]) -> str:
        """Return the text of a reply's tokens, without its end."""
        tokenizer: Any = self.tokenizer
        text = str(tokenizer.decode(list(tokens), skip_special_tokens=False))
        return text.removesuffix(END)

    def save(self, folder: Path) -> None:
        """Write the model folder, as transformers reads it."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _tokenizer(texts: Iterable[str], marks: Sequence[str]) -> PreTrainedTokenizerFast:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\n *|\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    special = [PAD, BEGIN, USER, ASSISTANT, END, *marks]
    trainer: Any = trainers.BpeTrainer(
        vocab_size=_WORDS,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=_LONGEST,
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    maker: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerFast = maker(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, *marks],
        padding_side="left",
        model_max_length=WIDEST,
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = TEMPLATE
    return made


def fresh_policy(
    texts: Iterable[str], marks: Sequence[str], seed: int, shape: Shape = POLICY, threads: int = 1
) -> Policy:
    """Return an untrained policy whose tokenizer is made from `texts`.

    Raises `RecordError` for a shape of over three million parameters, `LackError` without torch.
    """
    torch = prepare(threads)
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer(texts, marks)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=WIDEST,
        tie_word_embeddings=True,
        initializer_range=_SPREAD,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    size = parameters(model)
    if size > LARGEST:
        raise RecordError(f"{size} parameters are too many for the testbed: at most {LARGEST}")
    return Policy(model, tokenizer)


def load_policy(folder: Path, threads: int = 1) -> Policy:
    """Read a policy's folder. Raises `RecordError`, and `LackError` without torch."""
    torch = prepare(threads)
    from transformers import AutoTokenizer, LlamaForCausalLM

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder} is no policy: {error}") from error
    return Policy(model, tokenizer)


def knows(folder: Path, marks: Sequence[str]) -> bool:
    """Say whether a folder's tokenizer has all of `marks` as tokens of their own.

    Raises `RecordError`, and `LackError` without transformers.
    """
    prepare(1)
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder} is no model folder: {error}") from error
    return {*marks} <= set(tokenizer.get_vocab())


def load_chat(folder: Path) -> Policy:
    """Read the folder of any causal model with a chat template, on an accelerator if there is one.

    Raises `RecordError`, and `LackError` without torch.
    """
    torch = prepare(1)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(False)  # some of its kernels have no such way
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder} is no model folder: {error}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Policy(model.to(device), tokenizer)
