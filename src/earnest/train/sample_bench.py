"""Sampling measured beside its peers, in turns, in one process: tokens that count, per second.

*Bare*: the shortest batched loop with a key-value cache that does the job: every row runs until the
last one has ended, nothing is kept but the tokens. *Generate*: transformers' own. What counts is
the same for all: tokens of replies up to their ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from earnest.train.sample import Cache, Sampler, padded, read_prompts, sample

if TYPE_CHECKING:
    from earnest.train.policy import Policy


def _bare(policy: Policy, asked: Sequence[Sequence[int]], most: int, seed: int) -> int:
    import torch

    sampler, chance = Sampler(policy.model), torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        tokens, lead = padded(asked, sampler.pad)
        width = tokens.shape[1]
        cache = Cache(sampler, len(tokens), width + most)
        logits = read_prompts(sampler, tokens, lead, cache)
        ended = torch.zeros(len(tokens), dtype=torch.bool)
        count = 0
        for step in range(most):
            chosen = torch.multinomial(torch.softmax(logits, -1), 1, generator=chance)
            count += int((~ended).sum())
            ended |= chosen[:, 0] == sampler.end
            if bool(ended.all()) or step == most - 1:
                break
            mask = (torch.arange(cache.filled + 1)[None, :] >= lead[:, None])[:, None, None, :]
            logits = sampler.forward(chosen, (width + step - lead)[:, None], cache, mask)
    return count


def _generate(policy: Policy, asked: Sequence[Sequence[int]], most: int, seed: int) -> int:
    import torch

    torch.manual_seed(seed)
    model: Any = policy.model
    tokens, lead = padded(asked, model.config.pad_token_id)
    mask = (torch.arange(tokens.shape[1])[None, :] >= lead[:, None]).long()
    with torch.inference_mode():
        found = model.generate(
            input_ids=tokens, attention_mask=mask, max_new_tokens=most, do_sample=True, top_k=0
        )
    replies = found[:, tokens.shape[1] :]
    ends = (replies == model.config.eos_token_id).int()
    before = ends.cumsum(1) - ends
    return int((before == 0).sum())


def _ours(policy: Policy, asked: Sequence[Sequence[int]], most: int, seed: int) -> int:
    return sum(len(one.tokens) for one in sample(Sampler(policy.model), asked, most, seed))


def bench_sample(
    policy: Policy, prompts: Sequence[str], most: int, rounds: int = 3
) -> dict[str, Any]:
    """Return tokens a second of each way (the median of `rounds`, in turns) and their ratios."""
    asked = [policy.asked(prompt) for prompt in prompts]
    policy.model.train(mode=False)
    ways: dict[str, Callable[[Policy, Sequence[Sequence[int]], int, int], int]] = {
        "ours": _ours,
        "bare": _bare,
        "generate": _generate,
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    _ours(policy, asked[:8], most, 0)
    for turn in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            count = way(policy, asked, most, turn)
            rates[name].append(count / (time.perf_counter() - begun))
    ratios = {
        f"ours_over_{peer}": median(a / b for a, b in zip(rates["ours"], rates[peer], strict=True))
        for peer in ("bare", "generate")
    }
    return {"rates": {name: median(found) for name, found in rates.items()}, "ratios": ratios}
