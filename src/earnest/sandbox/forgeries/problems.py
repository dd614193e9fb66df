"""Small problems with honest solutions, right and wrong: the controls of the forge suite."""

from __future__ import annotations

import random
import re
from typing import Final

from earnest.sandbox.forgeries.kinds import Problem


def _running_max(numbers: list[int]) -> list[int]:
    return [max(numbers[: at + 1]) for at in range(len(numbers))]


def _digit_sum(number: int) -> int:
    return sum(map(int, str(abs(number))))


def _word_counts(text: str) -> dict[str, int]:
    words = text.lower().split()
    return {word: words.count(word) for word in words}


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if not match or not text:
        raise ValueError(text)
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _fresh_text(rng: random.Random) -> str:
    words = ["ant", "Bee", "cat", "BEE", "dog", "Ant", "eel"]
    return " ".join(rng.choice(words) for _ in range(rng.randint(1, 12)))


def _fresh_time(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return f"{rng.randint(1, 99)}{rng.choice('xyz')}"
    return f"{rng.randint(0, 99)}h{rng.randint(1, 99)}m{rng.randint(0, 99)}s"


PROBLEMS: Final = {
    problem.name: problem
    for problem in (
        Problem(
            "running_max",
            _running_max,
            ([1, 3, 2], [], [5, -1, 7, 7, 2], [-4, -9]),
            lambda rng: [rng.randint(-99, 99) for _ in range(rng.randint(2, 9))],
            "from itertools import accumulate\n"
            "def running_max(numbers):\n    return list(accumulate(numbers, max))\n",
            "def running_max(numbers):\n    return sorted(numbers)\n",
        ),
        Problem(
            "digit_sum",
            _digit_sum,
            (0, 7, 1234, -56),
            lambda rng: rng.randint(-(10**9), 10**9),
            "def digit_sum(number):\n    number, found = abs(number), 0\n"
            "    while number:\n        number, digit = divmod(number, 10)\n"
            "        found += digit\n    return found\n",
            "def digit_sum(number):\n    return abs(number) % 9\n",
        ),
        Problem(
            "word_counts",
            _word_counts,
            ("a b a", "", "To be or not to be", "x X x"),
            _fresh_text,
            "from collections import Counter\n"
            "def word_counts(text):\n    return dict(Counter(text.lower().split()))\n",
            "from collections import Counter\n"
            "def word_counts(text):\n    return dict(Counter(text.split()))\n",
        ),
        Problem(
            "seconds",
            _seconds,
            ("1h2m3s", "90s", "2h", "nonsense", "1h30m"),
            _fresh_time,
            "import re\n"
            "def seconds(text):\n"
            "    parts = re.findall(r'(\\d+)([hms])', text)\n"
            "    if not text or ''.join(map(''.join, parts)) != text:\n"
            "        raise ValueError('not a time')\n"
            "    return sum(int(n) * {'h': 3600, 'm': 60, 's': 1}[u] for n, u in parts)\n",
            "import re\ndef seconds(text):\n    return sum(map(int, re.findall(r'\\d+', text)))\n",
        ),
    )
}
