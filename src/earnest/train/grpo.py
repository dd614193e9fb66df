"""Group-relative policy optimisation, one update, on the CPU.

Rewards of a group (samples of one prompt) are centred on the group's mean, and not divided by its
deviation or a reply's length (Liu et al. 2025, "Understanding R1-Zero-Like Training"); one gradient
step a batch, so there is no ratio to clip (Shao et al. 2024, "DeepSeekMath", for the method).

What learns is the policy at a temperature, where it samples and in the gradient alike. Above 1 it
explores more, and what it has unlearned there is rarer still where it is used, at 1.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from earnest.core.errors import RecordError
from earnest.core.home import write_whole
from earnest.train.examples import IGNORED, Example, tensors
from earnest.train.sample import Sampled, Sampler, sample

if TYPE_CHECKING:
    from earnest.train.policy import Policy


@dataclass(frozen=True)
class Grpo:
    """How to update. `rate`: the learning rate; `pieces`: rows a backward pass at most.

    `over`: updates over which the rate falls, in a straight line, to nothing; 0: it stays.
    `temperature`: of the policy that samples and learns.
    """

    rate: float = 4e-4
    over: int = 0
    temperature: float = 1.0
    clip: float = 1.0
    decay: float = 0.0
    pieces: int = 64

    def at(self, updates: int) -> float:
        """Return the rate after so many updates."""
        return self.rate * max(0, self.over - updates) / self.over if self.over else self.rate


def advantages(rewards: Sequence[float]) -> list[float]:
    """Return each reward of a group less the group's mean."""
    mean = sum(rewards) / len(rewards) if rewards else 0.0
    return [one - mean for one in rewards]


class Learner:
    """A policy with the state of its updates, which can be kept on disk and taken up again."""

    def __init__(self, policy: Policy, how: Grpo | None = None) -> None:
        import torch

        self.policy, self.how, self.updates = policy, how or Grpo(), 0
        self.optimizer: Any = torch.optim.AdamW(
            policy.model.parameters(),
            lr=self.how.rate,
            weight_decay=self.how.decay,
            betas=(0.9, 0.98),
        )
        policy.model.train()

    def sample(self, prompts: Sequence[str], each: int, most: int, seed: int) -> list[Sampled]:
        """Return `each` samples of each prompt, those of a prompt together."""
        asked = [self.policy.asked(prompt) for prompt in prompts]
        return sample(Sampler(self.policy.model), asked, most, seed, each, self.how.temperature)

    def update(
        self, prompts: Sequence[str], replies: Sequence[Sampled], rewards: Sequence[float | None]
    ) -> float:
        """Learn from a batch: `replies` and `rewards` are those of each prompt in turn, as sampled.

        A reward of None drops its reply, from its group's mean too. Returns the gradient's norm.
        """
        each = len(replies) // len(prompts)
        chosen, weights = [], []
        for at, prompt in enumerate(prompts):
            own = range(at * each, (at + 1) * each)
            kept = [row for row in own if rewards[row] is not None]
            worth = advantages([rewards[row] or 0.0 for row in kept])
            asked = self.policy.asked(prompt)
            chosen += [Example((*asked, *replies[row].tokens), len(asked)) for row in kept]
            weights += worth
        for group in self.optimizer.param_groups:
            group["lr"] = self.how.at(self.updates)
        self.updates += 1
        if not any(weights):
            return 0.0
        return update(self.policy.model, self.optimizer, chosen, weights, self.how)

    def save(self, path: Path) -> None:
        """Write the whole state as one file, whole or absent."""
        import torch

        sink = io.BytesIO()
        body = {
            "model": self.policy.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
        }
        torch.save(body, sink)
        write_whole(path, sink.getvalue())

    def restore(self, path: Path) -> None:
        """Take up a saved state. Raises `RecordError` for a damaged one."""
        import torch

        try:
            body = torch.load(path, weights_only=True)
            self.policy.model.load_state_dict(body["model"])
            self.optimizer.load_state_dict(body["optimizer"])
            self.updates = int(body["updates"])
        except (
            OSError,
            EOFError,
            RuntimeError,
            LookupError,
            TypeError,
            ValueError,
            UnpicklingError,
        ) as error:
            raise RecordError(
                f"{path} is no whole state of training: {error}", mend=f"delete {path}"
            ) from error


def update(
    model: Any, optimizer: Any, chosen: Sequence[Example], weights: Sequence[float], how: Grpo
) -> float:
    """Take one gradient step; return the gradient's norm before it was clipped.

    `weights`: the advantage of each example's reply. The loss is their sum, each times the reply's
    log-probability, over the number of all examples' reply tokens. Examples of no weight cost
    nothing.
    """
    import torch

    rows = sorted(
        (at for at, weight in enumerate(weights) if weight), key=lambda at: len(chosen[at].tokens)
    )
    total = sum(len(one.tokens) - one.start for one in chosen)
    optimizer.zero_grad()
    for first in range(0, len(rows), how.pieces):
        piece = rows[first : first + how.pieces]
        tokens, labels = tensors([chosen[at] for at in piece], model.config.pad_token_id)
        hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        asked = wanted != IGNORED
        logits = model.lm_head(hidden[asked]) / how.temperature
        each = torch.nn.functional.cross_entropy(logits, wanted[asked], reduction="none")
        row = asked.nonzero()[:, 0]
        weight = torch.tensor([weights[at] for at in piece])[row]
        torch.autograd.backward((each * weight).sum() / total)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), how.clip)
    optimizer.step()
    return float(norm)
