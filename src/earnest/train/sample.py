"""Sampling replies in batches on the CPU: a Llama's forward pass with a key-value cache.

Written out because nothing else is needed of it: a reply that has ended leaves the batch, the cache
is laid out once, and no more than the last position's words are weighed. `tests/train/test_sample`
holds its log-probabilities against transformers' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import Tensor

_REPACK: Final = 0.8
"""Ended replies are dropped when fewer than this share of the rows still runs."""


@dataclass(frozen=True)
class Sampled:
    """A reply's token ids, its end included if it came to one, and the log-probability of each."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    ended: bool


class _Layer:
    """One layer's weights, those of a kind side by side."""

    def __init__(self, layer: Any) -> None:
        import torch

        own = layer.self_attn
        self.qkv = torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight]).detach()
        self.out = own.o_proj.weight.detach()
        self.up = torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]).detach()
        self.down = layer.mlp.down_proj.weight.detach()
        self.before = layer.input_layernorm.weight.detach()
        self.after = layer.post_attention_layernorm.weight.detach()


class Sampler:
    """A model's weights, ready to sample from. Made anew after each update."""

    def __init__(self, model: Any) -> None:
        import torch

        config = model.config
        self.heads, self.eps = config.num_attention_heads, config.rms_norm_eps
        self.width = config.hidden_size // self.heads
        self.end, self.pad = config.eos_token_id, config.pad_token_id
        self.layers = [_Layer(layer) for layer in model.model.layers]
        self.embed = model.model.embed_tokens.weight.detach()
        self.head = model.lm_head.weight.detach()
        self.norm = model.model.norm.weight.detach()
        base = config.rope_parameters["rope_theta"]
        steps = torch.arange(0, self.width, 2, dtype=torch.float32) / self.width
        self.frequencies = 1.0 / base**steps

    def _rms(self, x: Tensor, weight: Tensor) -> Tensor:
        import torch

        return torch.nn.functional.rms_norm(x, (x.shape[-1],), weight, self.eps)

    def _angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines, rows x 1 x positions x width."""
        import torch

        turns = positions[:, None, :, None].float() * self.frequencies
        both = torch.cat([turns, turns], dim=-1)
        return both.cos(), both.sin()

    def forward(self, tokens: Tensor, positions: Tensor, cache: Cache, mask: Tensor) -> Tensor:
        """Return the logits after the last of `tokens` (rows x new), and put them into the cache.

        `mask`: rows x 1 x new x so far, True where a position may be looked at.
        """
        import torch

        rows, new = tokens.shape
        cos, sin = self._angles(positions)
        x = self.embed[tokens]
        start = cache.filled
        for number, layer in enumerate(self.layers):
            mixed = torch.nn.functional.linear(self._rms(x, layer.before), layer.qkv)
            mixed = mixed.view(rows, new, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
            query, key = _turned(mixed[0], cos, sin), _turned(mixed[1], cos, sin)
            keys, values = cache.put(number, start, key, mixed[2])
            seen = torch.nn.functional.scaled_dot_product_attention(
                query, keys, values, attn_mask=mask
            )
            x = x + torch.nn.functional.linear(
                seen.transpose(1, 2).reshape(rows, new, -1), layer.out
            )
            gate, up = torch.nn.functional.linear(self._rms(x, layer.after), layer.up).chunk(2, -1)
            x = x + torch.nn.functional.linear(torch.nn.functional.silu(gate) * up, layer.down)
        cache.filled = start + new
        return torch.nn.functional.linear(self._rms(x[:, -1], self.norm), self.head)


class Cache:
    """Keys and values of each layer, rows x heads x positions x width, laid out once."""

    def __init__(self, sampler: Sampler, rows: int, most: int) -> None:
        import torch

        shape = rows, sampler.heads, most, sampler.width
        self.keys = [torch.empty(shape) for _ in sampler.layers]
        self.values = [torch.empty(shape) for _ in sampler.layers]
        self.filled = 0

    def put(self, layer: int, start: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add new positions; return all so far."""
        end = start + key.shape[2]
        self.keys[layer][:, :, start:end] = key
        self.values[layer][:, :, start:end] = value
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Keep some rows, in a given order; a row may be kept more than once."""
        self.keys = [held[rows] for held in self.keys]
        self.values = [held[rows] for held in self.values]


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    import torch

    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


def padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Return prompts padded on the left, and how many places of each are padding."""
    import torch

    width = max(map(len, prompts))
    tokens = torch.full((len(prompts), width), pad, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
    return tokens, torch.tensor([width - len(prompt) for prompt in prompts])


def sample(
    sampler: Sampler,
    prompts: Sequence[Sequence[int]],
    most: int,
    seed: int,
    each: int = 1,
    temperature: float = 1.0,
) -> list[Sampled]:
    """Sample `each` replies to each prompt, of at most `most` tokens.

    Those of a prompt stand together, and it is read once for all of them. `temperature`: logits are
    divided by it; log-probabilities are those of what was so sampled from.

    Deterministic by its arguments. Each row draws noise of its own at each step, used or not, so
    two models that are asked the same with the same seed draw by the same chance (Gumbel's trick):
    a comparison of the two is the sharper for it.
    """
    import torch

    with torch.inference_mode():
        chance = torch.Generator().manual_seed(seed)
        return _sample(sampler, prompts, most, chance, each, temperature)


def read_prompts(sampler: Sampler, tokens: Tensor, lead: Tensor, cache: Cache) -> Tensor:
    """Read the prompts; return the logits after them."""
    import torch

    width = tokens.shape[1]
    places = torch.arange(width)
    causal = places[None, :] <= places[:, None]
    real = places[None, :] >= lead[:, None]
    mask = causal[None, None] & real[:, None, None, :]
    mask = mask | torch.eye(width, dtype=torch.bool)[None, None]  # padding looks at itself
    return sampler.forward(tokens, (places[None, :] - lead[:, None]).clamp(min=0), cache, mask)


def _sample(
    sampler: Sampler,
    prompts: Sequence[Sequence[int]],
    most: int,
    chance: Any,
    each: int,
    temperature: float,
) -> list[Sampled]:
    import torch

    tokens, lead = padded(prompts, sampler.pad)
    width = tokens.shape[1]
    cache = Cache(sampler, len(tokens), width + most)
    logits = read_prompts(sampler, tokens, lead, cache)
    if each > 1:
        whose = torch.arange(len(tokens)).repeat_interleave(each)
        cache.keep(whose)
        logits, lead = logits[whose], lead[whose]
    rows = len(lead)
    running = torch.arange(rows)
    said = torch.full((rows, most), sampler.pad, dtype=torch.long)
    weighed = torch.zeros((rows, most))
    lengths = torch.zeros(rows, dtype=torch.long)
    ended = torch.zeros(rows, dtype=torch.bool)
    for step in range(most):
        noise = torch.empty(rows, logits.shape[1]).exponential_(generator=chance)[running]
        sure = torch.log_softmax(logits / temperature, dim=-1)
        chosen = (sure - noise.log()).argmax(dim=-1)
        live = ~ended[running]
        own = running[live]
        said[own, step] = chosen[live]
        weighed[own, step] = sure.gather(1, chosen[:, None])[live, 0]
        lengths[own] = step + 1
        ended[running] |= chosen == sampler.end
        left = ~ended[running]
        count = int(left.sum())
        if not count or step == most - 1:
            break
        if count < _REPACK * len(running):
            kept = left.nonzero()[:, 0]
            cache.keep(kept)
            running, chosen = running[kept], chosen[kept]
        far = cache.filled + 1
        mask = torch.arange(far)[None, :] >= lead[running][:, None]
        at = (width + step - lead[running])[:, None]
        logits = sampler.forward(chosen[:, None], at, cache, mask[:, None, None, :])
    return [
        Sampled(
            tuple(said[row, : lengths[row]].tolist()),
            tuple(weighed[row, : lengths[row]].tolist()),
            bool(ended[row]),
        )
        for row in range(rows)
    ]
