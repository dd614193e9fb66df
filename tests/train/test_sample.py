from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from earnest.train.nano import Shape
from earnest.train.policy import Policy, fresh_policy, load_policy
from earnest.train.sample import Sampler, sample

MARKS = ("<write>", "<text>", "<done>")
TEXTS = ["def solve(given):\n    x = given\n    return x\n", "add 3 to each; keep 12"]
PROMPTS = ["add 3 to each", "keep", "def solve(given): add 3 to each; keep 12 and 12"]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return fresh_policy(TEXTS, MARKS, 0, Shape(hidden=32, layers=2, heads=4, inner=64))


def logprobs(policy: Policy, asked: list[int], tokens: tuple[int, ...]) -> Any:
    import torch

    whole = torch.tensor([[*asked, *tokens]])
    with torch.inference_mode():
        logits = policy.model(input_ids=whole).logits[0, len(asked) - 1 : -1]
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(tokens)[:, None])[:, 0]


def test_log_probabilities_are_those_of_transformers(policy: Policy) -> None:
    import torch

    asked = [policy.asked(one) for one in PROMPTS]
    for prompt, found in zip(asked, sample(Sampler(policy.model), asked, 24, 1), strict=True):
        assert 1 <= len(found.tokens) <= 24
        expected = logprobs(policy, prompt, found.tokens)
        assert torch.allclose(torch.tensor(found.logprobs), expected, atol=1e-4)
        wrong = logprobs(policy, prompt[:-1], found.tokens)  # a control that must differ
        assert not torch.allclose(torch.tensor(found.logprobs), wrong, atol=1e-4)


def test_a_prompt_read_once_is_sampled_as_if_it_were_read_each_time(policy: Policy) -> None:
    asked, sampler = [policy.asked(one) for one in PROMPTS], Sampler(policy.model)
    once = sample(sampler, asked, 24, 7, 3)
    often = sample(sampler, [one for one in asked for _ in range(3)], 24, 7)
    assert [one.tokens for one in once] == [one.tokens for one in often]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_samples_follow_the_model_s_own_chances(policy: Policy, temperature: float) -> None:
    import torch

    asked = policy.asked(PROMPTS[0])
    found = sample(Sampler(policy.model), [asked] * 4000, 1, 5, temperature=temperature)
    with torch.inference_mode():
        logits = policy.model(input_ids=torch.tensor([asked])).logits[0, -1]
    wanted = torch.softmax(logits / temperature, -1)
    weighed = wanted[torch.tensor([one.tokens[0] for one in found])].log()
    assert torch.allclose(torch.tensor([one.logprobs[0] for one in found]), weighed, atol=1e-4)
    seen = torch.bincount(
        torch.tensor([one.tokens[0] for one in found]), minlength=len(wanted)
    ) / len(found)
    assert float((seen - wanted).abs().sum()) < 0.5  # total variation, twice; 4,000 draws
    assert float((seen - wanted).abs().max()) < 0.03


def test_a_reply_that_has_ended_leaves_the_batch_and_changes_no_other(policy: Policy) -> None:
    asked = [policy.asked(one) for one in PROMPTS]
    sampler = Sampler(policy.model)
    together = sample(sampler, asked * 20, 40, 3)
    again = sample(sampler, asked * 20, 40, 3)
    assert together == again
    ended = [one for one in together if one.ended]
    assert ended
    assert all(one.tokens[-1] == sampler.end for one in ended)
    assert all(sampler.end not in one.tokens[:-1] for one in together)


def test_a_policy_is_read_as_it_was_written(policy: Policy, tmp_path: Any) -> None:
    policy.save(tmp_path / "policy")
    again = load_policy(tmp_path / "policy")
    asked = [policy.asked(PROMPTS[2])]
    assert again.asked(PROMPTS[2]) == asked[0]
    first, second = (sample(Sampler(own.model), asked, 20, 0)[0] for own in (policy, again))
    assert first.tokens == second.tokens
    for text in (*TEXTS, "é ü\n\n   x", "a<write>b<text>c<done>"):
        assert policy.said(policy.replied(text)) == text
