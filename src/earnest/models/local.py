"""A Hugging Face checkpoint folder as a model: nano, or any causal model with a chat template.

Prompts are `local_prompt.py`'s, tool calls are read by `calls.py`, or by the tokenizer's own
`response_template`. Each answer's record holds the token ids of the prompt and of what was
sampled, with log-probabilities, so that training sees the very tokens.

Not covered: pictures, and devices other than the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import digest, parse
from earnest.core.errors import LackError, ModelError, RecordError, TooLongError
from earnest.core.history import Style
from earnest.core.messages import Completion, Message, Sampling, Tokens, ToolSpec, Usage
from earnest.core.protocols import Heard
from earnest.models.calls import UNREADABLE, Written, known, legible, read, read_call, visible
from earnest.models.local_prompt import Prompter, basis

_BATCH: Final = 64
_LONGEST_REPLY: Final = 160
_PLAIN: Final = "Reply with one word only: yes, no or unknown."
_THOUGHT, _THOUGHT_END = "<think>", "</think>"


class LocalModel:
    """A checkpoint folder, loaded on the first question. Implements `core.protocols.Model`."""

    sees = False
    priced = True  # nobody is billed for it
    heard: Heard | None = None

    def __init__(self, folder: Path, *, name: str = "", threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self.name = name or f"hf:{folder.name}"

    @cached_property
    def speaks(self) -> Style:
        """The grammar of `earnest.core.wording`, where it has no tokens for other words."""
        unknown = self._loaded[1].unk_token_id
        lacks = unknown is not None and unknown in self._prompter.read(_PLAIN)
        return "grammar" if lacks else "plain"

    @property
    def checkpoint(self) -> str | None:
        """The id of the checkpoint's record, which is its manifest; None: it has none."""
        manifest = self.folder / "manifest.json"
        return digest(manifest.read_bytes()) if manifest.is_file() else None

    @cached_property
    def window(self) -> int | None:
        """How many tokens it takes, prompt and answer together, as its config says."""
        try:
            config = parse((self.folder / "config.json").read_bytes())
            found = config.get("text_config", config).get("max_position_embeddings")
        except (OSError, RecordError, AttributeError):
            return None
        return found if isinstance(found, int) else None

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

    @cached_property
    def _prompter(self) -> Prompter:
        return Prompter(self.name, self._loaded[1])

    @cached_property
    def _ends(self) -> frozenset[int]:
        """The tokens that end an answer."""
        model, tokenizer = self._loaded
        configured = model.generation_config.eos_token_id
        listed = configured if isinstance(configured, list) else [configured]
        return frozenset(id_ for id_ in (*listed, tokenizer.eos_token_id) if id_ is not None)

    def _generated(self, batch: Any, sampling: Sampling, most: int, **more: Any) -> Any:
        """Return the token ids of prompts and what follows them, one row each."""
        import torch

        hot = sampling.temperature is not None and sampling.temperature > 0
        torch.manual_seed(sampling.seed)
        with torch.inference_mode():
            return self._loaded[0].generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=most,
                do_sample=hot,
                **({"temperature": sampling.temperature} if hot else {}),
                **more,
            )

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next message; temperature None or 0 is greedy.

        Raises `ModelError` where tools are offered that its template has no place for, or the
        folder holds no model; `TooLongError` where the conversation leaves no room for an answer.
        """
        prompt, follows = self._prompter.ids(messages, tools, self._ends)
        import torch  # there, since the tokenizer is

        most = sampling.max_tokens
        if self.window is not None:
            if len(prompt) >= self.window:
                raise TooLongError(
                    f"{self.name} takes {self.window} tokens: the conversation has {len(prompt)}",
                    mend="a shorter conversation, or a model that takes more",
                )
            most = min(most, self.window - len(prompt))
        batch = {"input_ids": torch.tensor([prompt])}
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        spy = _Spy(self._loaded[1], len(prompt), self.heard)
        made = self._generated(batch, sampling, most, logits_processor=[spy])
        sampled = made[0, len(prompt) :].tolist()
        spy.end(sampled)
        tokens = Tokens(
            model=self.name,
            basis=basis(messages, tools),
            prompt=tuple(prompt),
            sampled=tuple(sampled),
            logprobs=tuple(spy.logprobs),
            follows=follows,
        )
        return self._completion(tokens, tools, sum(m.role == "assistant" for m in messages) + 1)

    def _completion(self, tokens: Tokens, tools: Sequence[ToolSpec], turn: int) -> Completion:
        """Return the completion that was sampled, the conversation's answer number `turn`."""
        ended = bool(tokens.sampled) and tokens.sampled[-1] in self._ends
        said = tokens.sampled[:-1] if ended else tokens.sampled
        written = self._written(tokens, said, tools, f"call-{turn}", cut=not ended)
        thoughts, mark, text = written.text.partition(_THOUGHT_END)
        if not (mark and tools):
            thoughts, text = "", written.text
        stop = "length" if not ended else "calls" if written.calls else "end"
        message = Message(
            role="assistant",
            content=legible(text.strip()),
            calls=written.calls,
            thoughts=legible(thoughts.strip().removeprefix(_THOUGHT).strip()),
            tokens=tokens,
        )
        usage = Usage(
            prompt_tokens=len(tokens.prompt), completion_tokens=len(tokens.sampled), cost_usd=0.0
        )
        return Completion.model_validate({"message": message, "usage": usage, "stop": stop})

    def _written(
        self, tokens: Tokens, said: Sequence[int], tools: Sequence[ToolSpec], id_: str, *, cut: bool
    ) -> Written:
        """Return what the sampled tokens say, and the calls in them."""
        tokenizer = self._loaded[1]
        plain = str(tokenizer.decode(list(said), skip_special_tokens=True))
        if not tools:
            return Written(plain)
        template = self._prompter.template
        own = getattr(tokenizer, "response_template", None)
        if own is not None and not known(template):
            return self._by_template(tokens, tools, id_, plain)
        raw = str(tokenizer.decode(list(said), skip_special_tokens=False))
        found = read(raw, template, tools, id_, cut=cut)
        for mark in (str(t) for t in tokenizer.added_tokens_decoder.values() if t.special):
            found = Written(found.text.replace(mark, ""), found.calls)
        return found if found.calls else Written(plain)

    def _by_template(
        self, tokens: Tokens, tools: Sequence[ToolSpec], id_: str, plain: str
    ) -> Written:
        """Read calls as the tokenizer itself says they are written."""
        offered = [{"type": "function", "function": tool.model_dump()} for tool in tools]
        try:
            found = self._loaded[1].parse_response(
                list(tokens.sampled), prefix=list(tokens.prompt), tools=offered
            )
            calls = [call["function"] for call in found.get("tool_calls") or ()]
            made = [
                read_call(f"{id_}-{n}", str(call["name"]), call["arguments"])
                for n, call in enumerate(calls, 1)
            ]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            call = read_call(f"{id_}-1", UNREADABLE, {})
            why = legible(f"it can't be read: {error}")[:500]
            return Written(plain, (call.model_copy(update={"problem": why}),))
        return Written(str(found.get("content") or ""), tuple(made))

    def answers(self, questions: Sequence[str]) -> list[str]:
        """Return a greedy reply to each question, asked on its own, in their order."""
        tokenizer = self._loaded[1]
        asked = [Message(role="user", content=text) for text in questions]
        prompts = [self._prompter.text([one]) for one in asked]
        order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
        replies = [""] * len(prompts)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            batch = tokenizer(
                [prompts[at] for at in chosen],
                return_tensors="pt",
                padding=True,
                add_special_tokens=False,
            )
            made = self._generated(batch, Sampling(), _LONGEST_REPLY)
            fresh = made[:, batch["input_ids"].shape[1] :].tolist()
            for at, row in zip(chosen, fresh, strict=True):
                ends = self._ends | {tokenizer.pad_token_id}
                said = [token for token in row if token not in ends]
                replies[at] = tokenizer.decode(said, skip_special_tokens=True).strip()
        return replies


class _Spy:
    """Sees each step of sampling: notes log-probabilities, and passes on what was said.

    It is a logits processor that changes nothing; it comes before those of temperature.
    """

    def __init__(self, tokenizer: Any, start: int, heard: Heard | None) -> None:
        self._tokenizer, self._start, self._heard = tokenizer, start, heard
        self._row: Any = None
        self._told = ""
        self.logprobs: list[float] = []

    def __call__(self, ids: Any, scores: Any) -> Any:
        self._note(ids[0, self._start :].tolist())
        self._row = scores[0].float().log_softmax(dim=-1)
        return scores

    def end(self, sampled: Sequence[int]) -> None:
        """Take in the last token, and pass on what was held back."""
        self._note(sampled, whole=True)

    def _note(self, sampled: Sequence[int], *, whole: bool = False) -> None:
        if not sampled or self._row is None:
            return
        self.logprobs.append(float(self._row[sampled[-1]]))
        if self._heard is None:
            return
        text = self._tokenizer.decode(list(sampled), skip_special_tokens=True)
        text = visible(text, whole=whole)
        if text.startswith(self._told) and not text.endswith("\ufffd"):
            new, self._told = text[len(self._told) :], text
            if new:
                self._heard(new)
