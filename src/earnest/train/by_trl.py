"""The same update by TRL: its `GRPOTrainer` with a `rollout_func`, for models that outgrow ours.

What is asked, played and graded is the caller's, as in our own loop (`train/grpo.py`); TRL batches,
takes the gradient and steps. Its settings are those that make it our update: advantages centred
and not scaled, one step a batch, no KL term, one weight a token (`loss_type="dapo"`), and the same
temperature; its rate stays, or falls over all updates. `tests/train/test_by_trl` holds the weights
after some updates against our own's.

TRL calls `rollout_func` experimental. Its trainer reports its use to a server; that is switched
off. Not covered: several processes, vLLM, adapters.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from earnest.core.errors import LackError, UsageError
from earnest.train.grpo import Grpo

if TYPE_CHECKING:
    from earnest.train.policy import Policy


@dataclass(frozen=True)
class Rolled:
    """A rollout, as a trainer takes it.

    `reply`: the token ids after `prompt`, what tools answered included; `own`: which of them the
    model sampled itself (None: all). `logprobs`: one a token of `reply`; what was not sampled has
    0. A reward of None: it is dropped, from its group's mean too.
    """

    prompt: Sequence[int]
    reply: Sequence[int]
    logprobs: Sequence[float]
    reward: float | None
    own: Sequence[bool] | None = None


Roll = Callable[[int], Sequence[Rolled]]
"""From an update's number (counted from 0) to its rollouts: those of each prompt together."""


def lacks_trl() -> None:
    """Raise `LackError` where TRL is not installed."""
    import importlib.util

    if importlib.util.find_spec("trl") is None:
        raise LackError("training by TRL needs trl", mend="pip install 'earnest[train,trl]'")


def _quiet() -> None:
    """Have nothing said to a server, nor warned of what is known."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    from huggingface_hub import constants  # it has read the environment already

    vars(constants)["HF_HUB_DISABLE_TELEMETRY"] = True


@contextlib.contextmanager
def _unfilled() -> Iterator[None]:
    """Leave new memory as it is: repeatable torch fills it, a fifth of TRL's time at this size."""
    from torch.utils import deterministic as module

    deterministic: Any = module
    before = deterministic.fill_uninitialized_memory
    deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        deterministic.fill_uninitialized_memory = before


@dataclass(frozen=True)
class Batch:
    """`prompts` x `each`: rollouts an update; `longest`: tokens of a reply at most."""

    updates: int
    prompts: int
    each: int
    longest: int
    seed: int = 0

    def piece(self, most: int) -> int:
        """Return how many rows a backward pass takes: a divisor of all, at most `most`."""
        rows = self.prompts * self.each
        return max(size for size in range(1, min(most, rows) + 1) if not rows % size)


def _settings(batch: Batch, how: Grpo, folder: str, cpu: bool) -> Any:
    from trl.trainer.grpo_config import GRPOConfig

    piece = batch.piece(how.pieces)
    return GRPOConfig(
        output_dir=folder,
        max_steps=batch.updates,
        per_device_train_batch_size=piece,
        gradient_accumulation_steps=batch.prompts * batch.each // piece,
        num_generations=batch.each,
        max_completion_length=batch.longest,
        shuffle_dataset=False,
        beta=0.0,
        num_iterations=1,
        scale_rewards="none",
        loss_type="dapo",
        temperature=how.temperature,
        learning_rate=how.rate,
        lr_scheduler_type="linear" if how.over else "constant",
        warmup_steps=0,
        weight_decay=how.decay,
        adam_beta1=0.9,
        adam_beta2=0.98,
        max_grad_norm=how.clip,
        optim="adamw_torch",
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=cpu,
        seed=batch.seed,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=not cpu,
    )


def _rows(found: Sequence[Rolled], expected: int) -> dict[str, Any]:
    """Return rollouts as `rollout_func` gives them. Raises `UsageError`."""
    if len(found) != expected:
        raise UsageError(
            f"TRL asked for {expected} rollouts of an update that has {len(found)}",
            mend="one process: no accelerate launch, no torchrun",
        )
    if not all(one.reply for one in found):
        raise UsageError(
            "a prompt leaves no room for a reply", mend="--model FOLDER, of one that takes more"
        )
    return {
        "prompt_ids": [list(one.prompt) for one in found],
        "completion_ids": [list(one.reply) for one in found],
        "logprobs": [list(one.logprobs) for one in found],
        "env_mask": [
            [int(own) for own in one.own] if one.own is not None else [1] * len(one.reply)
            for one in found
        ],
        "worth": [one.reward for one in found],
    }


def learn(policy: Policy, batch: Batch, roll: Roll, how: Grpo, done: Callable[[int], None]) -> None:
    """Train a policy in place. `done` is told each update's number, once it is taken.

    Raises `LackError` where TRL is missing, `UsageError` where it runs in several processes, a
    reply is empty, or the rate is to fall over another number of updates than are taken.
    """
    lacks_trl()
    if how.over not in (0, batch.updates):
        raise UsageError(f"TRL's rate falls over all {batch.updates} updates, or stays")
    _quiet()
    from datasets import Dataset  # type: ignore[import-untyped]
    from transformers import PrinterCallback, TrainerCallback
    from trl.trainer.grpo_trainer import GRPOTrainer

    logging.getLogger("trl").setLevel(logging.ERROR)  # a dropped rollout is no news

    class Told(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            del args, control, more
            done(state.global_step - 1)

    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        return _rows(roll(trainer.state.global_step), len(prompts))

    def worth(prompts: Any, completions: Any, worth: list[float | None], **more: Any) -> Any:
        del prompts, completions, more
        return worth

    model: Any = policy.model
    named = [f"update {at}" for at in range(batch.updates) for _ in range(batch.prompts)]
    with tempfile.TemporaryDirectory(prefix="earnest-trl-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=worth,
            args=_settings(batch, how, folder, model.device.type == "cpu"),
            train_dataset=Dataset.from_dict({"prompt": named}),
            processing_class=policy.tokenizer,
            callbacks=[Told()],
            rollout_func=rollout,
        )
        trainer.remove_callback(PrinterCallback)
        with _unfilled():
            trainer.train()
