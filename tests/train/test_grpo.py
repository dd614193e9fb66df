from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from earnest.core.errors import RecordError
from earnest.train.grpo import Grpo, Learner, advantages
from earnest.train.nano import Shape
from earnest.train.policy import Policy, fresh_policy

SHAPE = Shape(hidden=32, layers=1, heads=2, inner=64)
PROMPTS = ["ask a", "ask b"]


def policy() -> Policy:
    return fresh_policy(["ask a b c"], (), 0, SHAPE)


def test_advantages_sum_to_nothing_and_a_group_of_equals_teaches_nothing() -> None:
    assert advantages([1.0, 0.0, 0.0, 0.0]) == [0.75, -0.25, -0.25, -0.25]
    assert advantages([1.0, 1.0]) == [0.0, 0.0]
    assert advantages([]) == []


def test_the_rate_falls_to_nothing_in_a_straight_line_or_stays() -> None:
    falling = Grpo(rate=1e-3, over=4)
    assert [falling.at(done) for done in (0, 1, 2, 4, 5)] == [1e-3, 7.5e-4, 5e-4, 0.0, 0.0]
    assert Grpo(rate=1e-3).at(100) == 1e-3


def rewarded(learner: Learner, updates: int, wanted: str) -> list[float]:
    """Reward replies that begin with a letter; return the mean reward of each update."""
    means = []
    for at in range(updates):
        said = learner.sample(PROMPTS, 32, 4, at)
        worth = [float(learner.policy.said(one.tokens).startswith(wanted)) for one in said]
        learner.update(PROMPTS, said, [*worth])
        means.append(sum(worth) / len(worth))
    return means


def test_what_is_rewarded_becomes_likely() -> None:
    means = rewarded(Learner(policy(), Grpo(rate=1e-2)), 25, "b")
    assert means[0] < 0.2
    assert means[-1] > 0.8


def test_a_dropped_reply_counts_neither_for_nor_against() -> None:
    import torch

    def weights(rewards: list[float | None]) -> torch.Tensor:
        learner = Learner(policy(), Grpo(rate=1e-2))
        said = learner.sample(PROMPTS[:1], 4, 4, 0)
        learner.update(PROMPTS[:1], said, rewards)
        return learner.policy.model.model.embed_tokens.weight.detach().clone()

    start = policy().model.model.embed_tokens.weight.detach()
    assert torch.equal(weights([1.0, None, None, 1.0]), start)
    assert not torch.equal(weights([1.0, 0.0, None, 1.0]), start)


def test_a_saved_state_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    import torch

    how = Grpo(over=5)

    def run(learner: Learner, updates: int) -> None:
        for _ in range(updates):
            said = learner.sample(PROMPTS, 8, 4, learner.updates)
            learner.update(PROMPTS, said, [float(len(one.tokens) > 2) for one in said])

    whole, part = Learner(policy(), how), Learner(policy(), how)
    run(whole, 4)
    run(part, 2)
    part.save(tmp_path / "state.pt")
    taken = Learner(policy(), how)
    taken.restore(tmp_path / "state.pt")
    run(taken, 2)
    assert taken.updates == 4
    for a, b in zip(whole.policy.model.parameters(), taken.policy.model.parameters(), strict=True):
        assert torch.equal(a, b)
    torch.save([1], tmp_path / "list.pt")
    for name, data in (("state.pt", b"PK damaged"), ("empty.pt", b""), ("list.pt", None)):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(RecordError, match="no whole state"):
            Learner(policy()).restore(tmp_path / name)
