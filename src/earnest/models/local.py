"""A Hugging Face checkpoint folder as a model: nano, or any causal model with a chat template.

A template writes what is said and its own marks into one text, in which a tokenizer can't tell
them apart. So what a message says is freed of the tokenizer's marks first, and read alone to see
that none is left.

Not covered: tool calls, log-probabilities, devices other than the CPU; a mark of which a template
writes one half and a message the other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import digest
from earnest.core.errors import LackError, ModelError
from earnest.core.history import Style
from earnest.core.messages import Completion, Message, Sampling, ToolSpec, Usage
from earnest.core.quoted import written_out

_BATCH: Final = 64
_LONGEST_REPLY: Final = 160
_PLAIN: Final = "Reply with one word only: yes, no or unknown."


_BRACKETS: Final = re.compile(r"[<\[\uff1c].*[>\]\uff1e]", re.DOTALL)


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Return what matches any of these texts, in whatever case; the longest first."""
    found = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True) if text)
    return re.compile(found or r"(?!)", re.IGNORECASE)


def _broken(found: re.Match[str]) -> str:
    return written_out(found[0][0]) + found[0][1:]


class LocalModel:
    """A checkpoint folder, loaded on the first question. Implements `core.protocols.Model`."""

    def __init__(self, folder: Path, *, name: str = "", threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self.name = name or f"hf:{folder.name}"

    @cached_property
    def speaks(self) -> Style:
        """The grammar of `earnest.core.wording`, where it has no tokens for other words."""
        tokenizer = self._loaded[1]
        unknown = tokenizer.unk_token_id
        read = tokenizer(_PLAIN, add_special_tokens=False)["input_ids"]
        return "grammar" if unknown is not None and unknown in read else "plain"

    @property
    def checkpoint(self) -> str | None:
        """The id of the checkpoint's record, which is its manifest; None: it has none."""
        manifest = self.folder / "manifest.json"
        return digest(manifest.read_bytes()) if manifest.is_file() else None

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise LackError(
                "a local model needs torch and transformers", mend="pip install 'earnest[train]'"
            ) from error
        quiet: Any = logging
        quiet.set_verbosity_error()
        quiet.disable_progress_bar()
        torch.set_num_threads(self.threads)
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(
                self.folder, local_files_only=True, dtype=torch.float32
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.folder} is no model folder: {error}") from error
        tokenizer.padding_side = "left"
        return model.eval(), tokenizer

    def _continued(self, prompts: Sequence[str], sampling: Sampling) -> list[tuple[list[int], int]]:
        """Return each prompt's new tokens, end marks left out, and its own length."""
        import torch

        model, tokenizer = self._loaded
        batch = tokenizer(
            list(prompts), return_tensors="pt", padding=True, add_special_tokens=False
        )
        hot = sampling.temperature is not None and sampling.temperature > 0
        torch.manual_seed(sampling.seed)
        with torch.inference_mode():
            made = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=sampling.max_tokens,
                do_sample=hot,
                **({"temperature": sampling.temperature} if hot else {}),
            )
        ends = {tokenizer.eos_token_id, tokenizer.pad_token_id}
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        fresh = made[:, batch["input_ids"].shape[1] :].tolist()
        return [
            ([token for token in row if token not in ends], int(length))
            for row, length in zip(fresh, lengths, strict=True)
        ]

    @cached_property
    def _marks(self) -> tuple[frozenset[int], re.Pattern[str], re.Pattern[str]]:
        """The ids of the tokens that words may not become, and what they are written like.

        First those that are control tokens, then also the others that were added in brackets.
        """
        tokenizer = self._loaded[1]
        added = tokenizer.added_tokens_decoder.items()
        marks = {id_: str(token) for id_, token in added if token.special}
        others = {id_: str(token) for id_, token in added if _BRACKETS.fullmatch(str(token))}
        ids = frozenset((marks | others).keys() - {tokenizer.unk_token_id})
        return ids, _any_of(marks.values()), _any_of((marks | others).values())

    def _said(self, message: dict[str, str]) -> dict[str, str]:
        """Return a message whose words are words to the tokenizer. Raises `ModelError`.

        Its own words may hold what it was taught to add in brackets, such as `<think>`.
        """
        tokenizer = self._loaded[1]
        ids, control, all_ = self._marks
        own = message["role"] == "assistant"
        text = (control if own else all_).sub(_broken, message["content"])
        if not own and ids & set(tokenizer(text, add_special_tokens=False)["input_ids"]):
            # A tokenizer that makes characters alike first: nothing but letters is safe.
            text = "".join(c if c.isalnum() or c.isspace() else written_out(c) for c in text)
            if ids & set(tokenizer(text, add_special_tokens=False)["input_ids"]):
                raise ModelError(f"{self.name} takes words of a message for control tokens")
        return {**message, "content": text}

    def _prompt(self, messages: Sequence[dict[str, str]]) -> str:
        tokenizer = self._loaded[1]
        if not tokenizer.chat_template:
            raise ModelError(f"{self.folder} has no chat template")
        return str(
            tokenizer.apply_chat_template(
                [self._said(message) for message in messages],
                add_generation_prompt=True,
                tokenize=False,
            )
        )

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next message; temperature None or 0 is greedy.

        Raises `ModelError` where tools are offered, which this model can't call, or the folder
        holds no model.
        """
        if tools:
            raise ModelError(f"{self.name} can't call tools", mend="choose another --model")
        prompt = self._prompt([{"role": m.role, "content": m.content} for m in messages])
        ((tokens, length),) = self._continued([prompt], sampling)
        text = self._loaded[1].decode(tokens, skip_special_tokens=True)
        return Completion(
            message=Message(role="assistant", content=text.strip()),
            usage=Usage(prompt_tokens=length, completion_tokens=len(tokens)),
            stop="length" if len(tokens) >= sampling.max_tokens else "end",
        )

    def answers(self, questions: Sequence[str]) -> list[str]:
        """Return a greedy reply to each question, asked on its own, in their order."""
        tokenizer = self._loaded[1]
        prompts = [self._prompt([{"role": "user", "content": text}]) for text in questions]
        order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
        replies = [""] * len(prompts)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            sampling = Sampling(max_tokens=_LONGEST_REPLY)
            made = self._continued([prompts[at] for at in chosen], sampling)
            for at, (tokens, _) in zip(chosen, made, strict=True):
                replies[at] = tokenizer.decode(tokens, skip_special_tokens=True).strip()
        return replies
