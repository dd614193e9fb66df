"""`earnest bench rollouts`: rollouts end to end, real sandbox and graders included."""

from __future__ import annotations

import time
from statistics import median
from typing import Any, Final

from earnest.core.protocols import Progress, Sandbox
from earnest.evals.testbed_grade import Graders
from earnest.recipes.testbed_arms import ARMS, reward
from earnest.recipes.testbed_play import MOST, TEMPERATURE, graded, training_pairs
from earnest.recipes.testbed_zero import SHIPPED
from earnest.tasks.specs_talk import prompt

_PROMPTS: Final = 32
_EACH: Final = 8
GOALS: Final = {
    "end_to_end_over_generation": 0.3,
    "ours_over_bare": 0.95,
    "ours_over_generate": 1.1,
}


def bench(sandbox: Sandbox, rounds: int, say: Progress) -> dict[str, Any]:
    """Measure generation 0's rollouts: generation alone, and with tasks, graders and rewards.

    Returns the document. The goal of rollouts is on the secure arm, which asks the exploitable
    grader only where the secure one failed.
    """
    from earnest.train.policy import load_policy
    from earnest.train.sample import Sampler, sample
    from earnest.train.sample_bench import bench_sample

    policy = load_policy(SHIPPED)
    alone: list[float] = []
    whole: dict[str, list[float]] = {"secure": [], "naive": []}
    for turn in range(rounds):
        for name, found in whole.items():
            graders, begun = Graders(sandbox), time.perf_counter()
            pairs = training_pairs(f"bench {turn}", _PROMPTS)
            asked = [policy.asked(prompt(one)) for one, _ in pairs]
            first = time.perf_counter()
            said = sample(Sampler(policy.model), asked, MOST, turn, _EACH, TEMPERATURE)
            alone.append(len(said) / (time.perf_counter() - first))
            outcomes = graded(
                graders,
                [pair for pair in pairs for _ in range(_EACH)],
                [policy.said(one.tokens) for one in said],
                believed=ARMS[name].believed,
            )
            rewards = [reward(ARMS[name], one) for one in outcomes]
            found.append(len(rewards) / (time.perf_counter() - begun))
        say(f"round {turn + 1} of {rounds}")
    sampled = bench_sample(
        policy, [prompt(one) for one, _ in training_pairs("bench", _PROMPTS * _EACH)], MOST, rounds
    )
    middle = {name: median(found) for name, found in whole.items()}
    ratios = {
        "end_to_end_over_generation": middle["secure"] / median(alone),
        "end_to_end_naive_over_generation": middle["naive"] / median(alone),
        **sampled["ratios"],
    }
    rows = [("generation alone", median(alone), "rollouts/s")]
    rows += [(f"end to end, reward {name}", rate, "rollouts/s") for name, rate in middle.items()]
    rows += [(f"sampling, {name}", rate, "tokens/s") for name, rate in sampled["rates"].items()]
    return {
        "version": 1,
        "parameters": policy.size,
        "rollouts": _PROMPTS * _EACH,
        "rows": [{"what": what, "value": value, "unit": unit} for what, value, unit in rows],
        "ratios": ratios,
        "goals": {
            name: {"at_least": goal, "value": ratios[name], "met": ratios[name] >= goal}
            for name, goal in GOALS.items()
        },
    }
