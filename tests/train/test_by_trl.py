"""TRL's updates are our own's: the same weights come of the same rollouts."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import LackError, UsageError
from earnest.train.by_trl import Batch, Rolled, lacks_trl, learn
from earnest.train.grpo import Grpo, Learner
from earnest.train.nano import Shape

PROMPTS = ["ask a", "ask b", "ask c"]
EACH = 4
BATCH = Batch(updates=3, prompts=len(PROMPTS), each=EACH, longest=4)
HOW = Grpo(pieces=6)


def policy() -> Any:
    from earnest.train.policy import fresh_policy

    return fresh_policy(["ask a b c"], (), 0, Shape(hidden=32, layers=1, heads=2, inner=64))


def rolls(learner: Learner, at: int) -> tuple[list[Any], list[float]]:
    """An update's samples, and what each is worth: groups of equals and of unequals."""
    said = learner.sample(PROMPTS, EACH, 4, at)
    return said, [float(one.tokens[0] % 3) for one in said]


def rolled(learner: Learner, at: int, own: Sequence[bool] | None = None) -> list[Rolled]:
    said, worth = rolls(learner, at)
    return [
        Rolled(learner.policy.asked(PROMPTS[row // EACH]), one.tokens, one.logprobs, reward,
               None if own is None else own[: len(one.tokens)])
        for row, (one, reward) in enumerate(zip(said, worth, strict=True))
    ]  # fmt: skip


def difference(one: Any, other: Any) -> float:
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


@given(st.integers(1, 40), st.integers(2, 12), st.integers(1, 200))
def test_pieces_are_whole(prompts, each, most):
    piece = Batch(1, prompts, each, 4).piece(most)
    assert 1 <= piece <= most
    assert prompts * each % piece == 0


def test_without_trl_the_mend_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LackError) as told:
        lacks_trl()
    assert told.value.mend == "pip install 'earnest[train,trl]'"


@pytest.mark.parametrize(("temperature", "over"), [(1.0, 0), (1.5, 0), (1.0, BATCH.updates)])
def test_the_same_rollouts_make_the_same_weights(temperature, over):
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    from huggingface_hub import constants

    how = replace(HOW, temperature=temperature, over=over)
    start, own, done = policy(), Learner(policy(), how), list[int]()
    for at in range(BATCH.updates):
        said, worth = rolls(own, at)
        own.update(PROMPTS, said, [*worth])
    taught = policy()
    asks = Learner(taught, how)
    learn(taught, BATCH, lambda at: rolled(asks, at), how, done.append)
    assert done == [0, 1, 2]
    assert difference(own.policy, start) > 5e-4, "it learned"
    assert difference(own.policy, taught) < 5e-5
    for control in (replace(how, temperature=2.0), replace(how, over=2 * BATCH.updates)):
        other = Learner(policy(), control)
        for at in range(BATCH.updates):
            said, worth = rolls(other, at)
            other.update(PROMPTS, said, [*worth])
        assert difference(other.policy, taught) > 1e-4, "what must differ"
    assert constants.HF_HUB_DISABLE_TELEMETRY, "nobody is told of it"


def test_what_the_model_did_not_say_teaches_nothing():
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    one = Batch(updates=1, prompts=len(PROMPTS), each=EACH, longest=4)
    start = policy()
    for own, learns in (([False] * 4, False), ([True, False, False, False], True)):
        taught = policy()
        asks = Learner(taught, HOW)

        def roll(at: int, asks: Learner = asks, own: Sequence[bool] = own) -> list[Rolled]:
            return rolled(asks, at, own)

        learn(taught, one, roll, HOW, lambda at: None)
        assert (difference(start, taught) > 0) == learns


def test_a_wrong_number_of_rollouts_and_an_empty_one_are_told():
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    taught = policy()
    asks = Learner(taught, HOW)
    with pytest.raises(UsageError, match="12 rollouts of an update that has 11"):
        learn(taught, BATCH, lambda at: rolled(asks, at)[1:], HOW, lambda at: None)
    with pytest.raises(UsageError, match="falls over all 3 updates"):
        learn(taught, BATCH, lambda at: [], replace(HOW, over=4), lambda at: None)
    empty = Rolled([1], [], [], 0.0)
    with pytest.raises(UsageError, match="no room"):
        learn(taught, BATCH, lambda at: [empty] * 12, HOW, lambda at: None)
