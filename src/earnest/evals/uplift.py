"""What tools add: items made procedurally, each done with and without its tool.

Families, each named after its tool: `python` (arithmetic and counting beyond mental reach),
`search` (a fact in 2 million tokens of files, or in the agent's own compacted past), `http` (a
value that changes while the agent works, on a local server), `notes` (a job of 60 steps,
interrupted by compactions and a resume). An item's answer is exact, drawn anew from the seed, and
out of reach of a guess: at best one in some thousands.

Same family, seed and number: same item. Not covered: whether a model would do as well with
another tool for the same; tasks in which one tool makes up for another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

from pydantic import Field

from earnest.core.canon import canonical, digest
from earnest.core.records import Value
from earnest.evals.uplift_worlds import briefing, fact, gauge, lots

SUITE: Final = "uplift"
Family = Literal["python", "search", "http", "notes"]
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)
STEPS: Final[Mapping[Family, int]] = {"python": 12, "search": 60, "http": 24, "notes": 160}
"""Model turns that an arm may take. The same with the tool and without."""
CORPUS_TOKENS: Final = 2_000_000
PAGES: Final = 30
JOB_STEPS: Final = 60
_ASKED: Final = 5
URL: Final = "SERVER"
"""Stands in a prompt for the local server's address, which is not known before it is asked."""


class Item(Value):
    """One task. `world`: what its tools and server are made from; a model sees only the prompt."""

    item: str
    family: Family
    kind: str
    prompt: str
    expected: str
    world: Mapping[str, Any] = Field(default_factory=dict)


Made = tuple[str, str, Mapping[str, Any]]
"""A prompt, the one right answer, and the world."""


def _digits(rng: random.Random, count: int) -> int:
    return rng.randrange(10 ** (count - 1), 10**count)


def _product(rng: random.Random) -> Made:
    a, b = _digits(rng, rng.randint(18, 24)), _digits(rng, rng.randint(18, 24))
    return f"What is {a} times {b}?", str(a * b), {}


def _power(rng: random.Random) -> Made:
    base, power, modulus = _digits(rng, 12), _digits(rng, 9), _digits(rng, 10)
    prompt = f"What is the remainder when {base} to the power of {power} is divided by {modulus}?"
    return prompt, str(pow(base, power, modulus)), {}


def _letters(rng: random.Random) -> Made:
    text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=3000))
    wanted = rng.sample("abcdefghijklmnopqrstuvwxyz", 4)
    prompt = (
        f"How often does each of the letters {', '.join(wanted)} occur in the text below? "
        f"Give the four counts in this order, joined by hyphens.\n{text}"
    )
    return prompt, "-".join(str(text.count(letter)) for letter in wanted), {}


def _numbers(rng: random.Random) -> Made:
    numbers = [rng.randrange(10**4, 10**6) for _ in range(400)]
    divisor = rng.choice([7, 11, 13])
    prompt = (
        f"What is the sum of those of the numbers below that are divisible by {divisor}?\n"
        f"{' '.join(map(str, numbers))}"
    )
    return prompt, str(sum(number for number in numbers if number % divisor == 0)), {}


def _file_fact(rng: random.Random) -> Made:
    name, mark, line = fact(rng)
    prompt = (
        f"Somewhere in the files of your workspace (folder `archive`) stands under which mark the "
        f"{name} relay keeps its reserve key. Which mark is it?"
    )
    return prompt, mark, {"corpus": True, "line": line}


def _past_fact(rng: random.Random) -> Made:
    facts, pages = briefing(rng, PAGES)
    name, mark, _ = facts[rng.randrange(PAGES // 3)]
    question = f"Question: under which mark does the {name} relay keep its reserve key?"
    prompt = (
        f"Read the {PAGES} pages of the briefing one after the other with the tool `briefing`. "
        f"A question about what they say stands after the last one: answer it."
    )
    return prompt, mark, {"pages": pages, "question": question}


def _gauge(rng: random.Random) -> Made:
    world = gauge(rng)
    prompt = (
        f"The gauge at {URL}/gauges/{world['gauge']} gives its reading as JSON, and changes while "
        f'you work: "state" is "moving" until it is "settled". Its last known reading, of '
        f"yesterday, was {world['stale']}. What is the reading once it has settled?"
    )
    return prompt, world["readings"][-1], world


def _job(rng: random.Random) -> Made:
    made = lots(rng, JOB_STEPS)
    asked = sorted(rng.sample(range(1, 3 * JOB_STEPS // 4), _ASKED))
    total = sum(made[number - 1][0] for number in asked)
    names = f"{', '.join(map(str, asked[:-1]))} and {asked[-1]}"
    question = f"Question: what do the lots {names} weigh together, in grams?"
    prompt = (
        f"Weigh {JOB_STEPS} lots, one a step, with the tool `weigh`: 1 to {JOB_STEPS} in turn. "
        f"Each weight is told once. After the last one stands a question about some of them: "
        f"answer it. You may be interrupted on the way."
    )
    return prompt, str(total), {"lots": made, "question": question}


_KINDS: Final[Mapping[Family, Mapping[str, Callable[[random.Random], Made]]]] = {
    "python": {"product": _product, "power": _power, "letters": _letters, "numbers": _numbers},
    "search": {"files": _file_fact, "past": _past_fact},
    "http": {"gauge": _gauge},
    "notes": {"job": _job},
}


def make_items(family: Family, seed: int, count: int) -> tuple[Item, ...]:
    """Return the first `count` items of a family: its kinds in turn."""
    kinds = list(_KINDS[family].items())
    found = []
    for number in range(count):
        kind, make = kinds[number % len(kinds)]
        rng = random.Random(f"{SUITE} {family} {kind} {seed} {number}")  # noqa: S311 (an exam)
        prompt, expected, world = make(rng)
        name = digest(canonical([SUITE, family, kind, prompt, expected, dict(world)]))
        found.append(
            Item(item=name, family=family, kind=kind, prompt=prompt, expected=expected, world=world)
        )
    return tuple(found)
