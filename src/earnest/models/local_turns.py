"""Conversations with tools sampled in batches from a model that is being trained.

Each is one row of token ids: a prompt, and after it what the model sampled and, in between, what
its own chat template writes of the tools' answers. The template decides how a call is read too
(`local.py`). Token-exact: where a template does not write on after the very tokens that were
sampled, the conversation ends, since a row of ids could not say what the model has seen.

Not covered: pictures, thoughts that a template drops, and servers of models (all is sampled here,
where the weights are).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.messages import Message, Sampling, Tokens, ToolCall, ToolSpec
from earnest.models.local import LocalModel
from earnest.models.local_prompt import basis

if TYPE_CHECKING:
    from torch import Tensor

_ROWS: Final = 32
_PURE: Final = {
    "top_k": 0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "num_beams": 1,
}
"""Sampling from the model as it is at temperature 1, whatever its folder says of it."""

Do = Callable[[int, ToolCall], str]
"""Does a call of the conversation of a number; returns what the model is told."""


@dataclass
class Talked:
    """A conversation. `reply`: the ids after `prompt`; `own`: which of them were sampled.

    `logprobs`: one a token of `reply`, at temperature 1; 0 for what was not sampled. `exact`: False
    where it ended because its template can't write on after what was sampled.
    """

    messages: list[Message]
    prompt: list[int] = field(default_factory=list)
    reply: list[int] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    exact: bool = True
    open: bool = True

    def add(self, tokens: Sequence[int], logprobs: Sequence[float] | None = None) -> None:
        """Add ids to the reply: those of the model with their log-probabilities, or a tool's."""
        self.reply += tokens
        self.own += [logprobs is not None] * len(tokens)
        self.logprobs += [0.0] * len(tokens) if logprobs is None else logprobs

    @property
    def ids(self) -> list[int]:
        """All so far."""
        return [*self.prompt, *self.reply]


class LiveModel(LocalModel):
    """A model that is held by others, who train it."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        super().__init__(Path(name), name=name)
        tokenizer.padding_side = "left"
        # In the place of what would be read from a folder.
        vars(self)["_loaded"] = model, tokenizer
        vars(self)["window"] = getattr(model.config, "max_position_embeddings", None)

    def talk(
        self,
        openings: Sequence[Sequence[Message]],
        tools: Sequence[ToolSpec],
        do: Do,
        *,
        turns: int,
        most: int,
        seed: int,
    ) -> list[Talked]:
        """Hold a conversation after each opening, of at most `turns` answers and `most` tokens.

        Deterministic by its arguments and the weights. Raises `ModelError` for a template without
        tools.
        """
        talks = [Talked(list(opening)) for opening in openings]
        for talk in talks:
            talk.prompt = self._prompter.ids(talk.messages, tools, self._ends)[0]
            talk.open = self._room(talk, most) > 0
        for turn in range(1, turns + 1):
            live = [at for at, talk in enumerate(talks) if talk.open]
            for first in range(0, len(live), _ROWS):
                piece = live[first : first + _ROWS]
                self._turn([talks[at] for at in piece], tools, most, seed + 10_007 * turn + first)
            for at in live:
                self._answer(at, talks[at], do)
                talks[at].open = turn < turns and self._goes_on(talks[at], tools, most)
        return talks

    def _room(self, talk: Talked, most: int) -> int:
        """Return how many tokens may still be sampled."""
        left = most - len(talk.reply)
        return left if self.window is None else min(left, self.window - len(talk.ids))

    def _turn(
        self, talks: Sequence[Talked], tools: Sequence[ToolSpec], most: int, seed: int
    ) -> None:
        """Sample the next answer of each conversation."""
        rooms = [self._room(talk, most) for talk in talks]
        prompts = [talk.ids for talk in talks]
        sampled = self._sampled(prompts, max(rooms), seed)
        for talk, room, prompt, (ids, logprobs) in zip(talks, rooms, prompts, sampled, strict=True):
            tokens = Tokens(
                model=self.name,
                basis=basis(talk.messages, tools),
                prompt=tuple(prompt),
                sampled=tuple(ids[:room]),
                logprobs=tuple(logprobs[:room]),
                follows=True,
            )
            turn = sum(message.role == "assistant" for message in talk.messages) + 1
            talk.messages.append(self._completion(tokens, tools, turn).message)
            talk.add(tokens.sampled, tokens.logprobs)

    def _answer(self, at: int, talk: Talked, do: Do) -> None:
        """Do the last answer's calls."""
        talk.messages += [
            Message(role="tool", content=do(at, call), call=call.id)
            for call in talk.messages[-1].calls
        ]

    def _goes_on(self, talk: Talked, tools: Sequence[ToolSpec], most: int) -> bool:
        """Write what the tools answered after the reply; False where there is no going on."""
        if talk.messages[-1].role != "tool" or talk.reply[-1] not in self._ends:
            return False
        ids, talk.exact = self._prompter.ids(talk.messages, tools, self._ends)
        tail = ids[len(talk.ids) :]
        if not talk.exact or self._room(talk, most) <= len(tail):
            return False
        talk.add(tail)
        return True

    def _sampled(
        self, prompts: Sequence[Sequence[int]], most: int, seed: int
    ) -> list[tuple[list[int], list[float]]]:
        """Return the ids sampled after each prompt, up to an end, and their log-probabilities."""
        import torch

        model, tokenizer = self._loaded
        width = max(map(len, prompts))
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(self._ends)
        ids = torch.full((len(prompts), width), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
            mask[row, width - len(prompt) :] = 1
        weigher, training = _Weigher(), model.training
        model.eval()
        batch = {"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)}
        made = self._generated(
            batch,
            Sampling(temperature=1.0, seed=seed),
            most,
            logits_processor=[weigher],
            pad_token_id=pad,
            **_PURE,
        )
        model.train(training)
        weigher.end(made)
        said = made[:, width:].tolist()
        weighed = torch.stack(weigher.each, dim=1).tolist()
        return [self._cut(row, weights) for row, weights in zip(said, weighed, strict=True)]

    def _cut(self, said: list[int], weighed: list[float]) -> tuple[list[int], list[float]]:
        """Cut what follows the first end."""
        length = next((at for at, id_ in enumerate(said, 1) if id_ in self._ends), len(said))
        return said[:length], weighed[:length]


class _Weigher:
    """Sees each step of sampling a batch, and notes the log-probability of what was chosen."""

    def __init__(self) -> None:
        self.each: list[Tensor] = []
        self._last: Any = None

    def __call__(self, ids: Any, scores: Any) -> Any:
        self.end(ids)
        self._last = scores.float().log_softmax(dim=-1)
        return scores

    def end(self, ids: Any) -> None:
        """Take in the last token."""
        if self._last is not None:
            self.each.append(self._last.gather(1, ids[:, -1:])[:, 0].cpu())
