"""How a model that TRL trains plays an exercise: in one reply, or in turns by its own template.

The small policy of the testbed replies in one text (`specs_talk.py`); any other model folder with a
chat template that has a place for tools plays by calling them (`specs_tools.py`). The exercises,
the workspaces and what becomes of them are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from earnest.core.errors import UsageError
from earnest.core.testbed import Exercise
from earnest.recipes.testbed_play import MOST, TEMPERATURE
from earnest.tasks.specs_talk import MARKS, Played, play, prompt
from earnest.tasks.specs_tools import TOOLS, Hands, opening

if TYPE_CHECKING:
    from earnest.train.policy import Policy

TURNS: Final = 8
LONGEST: Final = 2048
"""Answers and tokens of a conversation at most, what tools answer included."""


@dataclass(frozen=True)
class Turned:
    """A rollout before it is graded. `own`: which tokens of `reply` the model sampled.

    `words`: what it said and called, to be looked at. `exact`: False where a conversation ended
    because its template can't write on after what was sampled.
    """

    prompt: Sequence[int]
    reply: Sequence[int]
    logprobs: Sequence[float]
    own: Sequence[bool] | None
    words: str
    played: Played
    exact: bool = True


class Player(Protocol):
    """Loads a model's folder, and has the model play.

    `most`: tokens of a reply at most; `temperature`: at which it is trained.
    """

    most: int
    temperature: float

    def load(self, folder: Path) -> Policy:
        """Return the model. Raises `RecordError`, and `LackError` without torch."""
        ...

    def play(
        self,
        policy: Policy,
        ones: Sequence[Exercise],
        seed: int,
        *,
        allowed: bool = False,
        temperature: float = 1.0,
    ) -> list[Turned]:
        """Have it play each exercise once. `allowed`: its prompt allows cheating.

        Raises `UsageError` for a temperature at which it can't be sampled.
        """
        ...


class OneReply:
    """The testbed's own form: a prompt, and one reply."""

    most, temperature = MOST, TEMPERATURE

    def load(self, folder: Path) -> Policy:
        """Return the policy."""
        from earnest.train.policy import load_policy

        return load_policy(folder)

    def play(
        self,
        policy: Policy,
        ones: Sequence[Exercise],
        seed: int,
        *,
        allowed: bool = False,
        temperature: float = 1.0,
    ) -> list[Turned]:
        """Have it play each exercise once."""
        from earnest.train.sample import Sampler, sample

        asked = [policy.asked(prompt(one, allowed=allowed)) for one in ones]
        found = []
        said = sample(Sampler(policy.model), asked, self.most, seed, temperature=temperature)
        for one, ids, each in zip(ones, asked, said, strict=True):
            words = policy.said(each.tokens)
            found.append(Turned(ids, each.tokens, each.logprobs, None, words, play(one, words)))
        return found


class InTurns:
    """A chat model: calls by its own template, one workspace a conversation. At 1 only."""

    temperature = 1.0

    def __init__(self, turns: int = TURNS, most: int = LONGEST) -> None:
        self.turns, self.most = turns, most

    def load(self, folder: Path) -> Policy:
        """Return the model, on an accelerator where there is one."""
        from earnest.train.policy import load_chat

        return load_chat(folder)

    def play(
        self,
        policy: Policy,
        ones: Sequence[Exercise],
        seed: int,
        *,
        allowed: bool = False,
        temperature: float = 1.0,
    ) -> list[Turned]:
        """Have it play each exercise once."""
        from earnest.models.local_turns import LiveModel

        if temperature != self.temperature:
            raise UsageError("a chat model is sampled at temperature 1, in training too")
        hands = [Hands(one) for one in ones]
        talks = LiveModel(policy.model, policy.tokenizer, "trained").talk(
            [opening(one, allowed=allowed) for one in ones],
            TOOLS,
            lambda at, call: hands[at].do(call),
            turns=self.turns,
            most=self.most,
            seed=seed,
        )
        return [
            Turned(
                talk.prompt, talk.reply, talk.logprobs, talk.own,
                policy.said(talk.reply), own.played(), talk.exact,
            )
            for talk, own in zip(talks, hands, strict=True)
        ]  # fmt: skip


def player_of(folder: Path) -> Player:
    """Return how a folder's model plays: in one reply where its tokenizer knows how.

    Raises `RecordError`, and `LackError` without torch.
    """
    from earnest.train.policy import knows

    return OneReply() if knows(folder, MARKS) else InTurns()
