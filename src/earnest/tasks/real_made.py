"""A small set of coding tasks of the project's own, in the formats of HumanEval and MBPP.

Where no data set is at hand, what is built on them can be tried on these. `reference` code here is
treated as any other: it runs in a jail only.
"""

from __future__ import annotations

from typing import Any, Final

Row = dict[str, Any]


def _row(number: int, prompt: str, entry: str, body: str, tests: str) -> Row:
    """Return a row as HumanEval has them."""
    lines = "".join(f"    assert {line.strip()}\n" for line in tests.strip().splitlines())
    return {
        "task_id": f"Made/{number}",
        "prompt": prompt,
        "entry_point": entry,
        "canonical_solution": body,
        "test": f"\n\nMETADATA = {{}}\n\n\ndef check(candidate):\n{lines}\n",
    }


HUMANEVAL: Final[tuple[Row, ...]] = (
    _row(
        0,
        'def longest_run(values: list) -> int:\n    """Return the length of the longest stretch of '
        "equal neighbours in a list.\n    >>> longest_run([1, 1, 2])\n    2\n"
        '    """\n',
        "longest_run",
        "    best = run = 0\n    for at, value in enumerate(values):\n"
        "        run = run + 1 if at and values[at - 1] == value else 1\n"
        "        best = max(best, run)\n    return best\n",
        """candidate([]) == 0
        candidate([4]) == 1
        candidate([1, 1, 2]) == 2
        candidate([3, 3, 3, 1, 1]) == 3
        candidate([1, 2, 3, 4]) == 1
        candidate([5, 5, 2, 2, 2, 2, 7]) == 4
        candidate([0, 0, 0, 0, 0]) == 5""",
    ),
    _row(
        1,
        "def caesar(text: str, by: int) -> str:\n"
        '    """Move each small letter of the text `by` places on in the alphabet, from z on to a. '
        'All else stays.\n    """\n',
        "caesar",
        "    moved = []\n    for char in text:\n        if 'a' <= char <= 'z':\n"
        "            char = chr((ord(char) - 97 + by) % 26 + 97)\n        moved.append(char)\n"
        "    return ''.join(moved)\n",
        """candidate('abc', 1) == 'bcd'
        candidate('xyz', 3) == 'abc'
        candidate('a b', 2) == 'c d'
        candidate('', 5) == ''
        candidate('Hello', 4) == 'Hipps'
        candidate('zebra', 25) == 'ydaqz'""",
    ),
    _row(
        2,
        "from typing import List\n\n\ndef moving_mean(numbers: List[float], width: int) -> "
        'List[float]:\n    """Return the mean of every `width` neighbours, from left to right; '
        'an empty list where there are fewer.\n    """\n',
        "moving_mean",
        "    return [sum(numbers[at:at + width]) / width\n"
        "            for at in range(len(numbers) - width + 1)]\n",
        """candidate([1.0, 2.0, 3.0], 2) == [1.5, 2.5]
        candidate([4.0, 4.0, 4.0, 4.0], 4) == [4.0]
        candidate([1.0, 5.0], 3) == []
        candidate([2.5, 3.5, 0.0, 1.0], 1) == [2.5, 3.5, 0.0, 1.0]
        candidate([0.0, 3.0, 6.0, 9.0, 12.0], 3) == [3.0, 6.0, 9.0]
        candidate([1.5, 2.5, 3.5, 4.5], 2) == [2.0, 3.0, 4.0]""",
    ),
    _row(
        3,
        'def is_heap(values: list) -> bool:\n    """Say whether each item of a list is at most as '
        'large as those at places 2i + 1 and 2i + 2.\n    """\n',
        "is_heap",
        "    return all(values[(at - 1) // 2] <= values[at] for at in range(1, len(values)))\n",
        """candidate([1, 2, 3, 4])
        candidate([2, 2, 2])
        not candidate([3, 1, 2])
        not candidate([1, 5, 2, 4])
        candidate([1, 3, 2, 7, 4, 9])
        not candidate([1, 3, 2, 7, 2, 9])""",
    ),
    _row(
        4,
        'def word_lengths(text: str) -> dict:\n    """Return how many words of each length a text '
        'has: length to count. Words are parted by white space.\n    """\n',
        "word_lengths",
        "    counts = {}\n    for word in text.split():\n"
        "        counts[len(word)] = counts.get(len(word), 0) + 1\n    return counts\n",
        """candidate('a bb cc') == {1: 1, 2: 2}
        candidate('one two six') == {3: 3}
        candidate('to be or not') == {2: 3, 3: 1}
        candidate('x y z long') == {1: 3, 4: 1}
        candidate('some words are longer') == {4: 1, 5: 1, 3: 1, 6: 1}
        candidate('aa b aa b aa') == {2: 3, 1: 2}""",
    ),
    _row(
        5,
        'def change(cents: int) -> list:\n    """Return the coins that make up an amount, largest '
        'first: of 50, 20, 10, 5, 2 and 1 cents, always the largest that fits.\n    """\n',
        "change",
        "    coins = []\n    for coin in (50, 20, 10, 5, 2, 1):\n"
        "        while cents >= coin:\n            coins.append(coin)\n"
        "            cents -= coin\n    return coins\n",
        """candidate(0) == []
        candidate(3) == [2, 1]
        candidate(40) == [20, 20]
        candidate(99) == [50, 20, 20, 5, 2, 2]
        candidate(8) == [5, 2, 1]
        candidate(76) == [50, 20, 5, 1]
        candidate(100) == [50, 50]""",
    ),
    _row(
        6,
        'def root_mean_square(numbers: list) -> float:\n    """Return the square root of the mean '
        'of the squares of some numbers, of which there is at least one.\n    """\n',
        "root_mean_square",
        "    return (sum(number * number for number in numbers) / len(numbers)) ** 0.5\n",
        """abs(candidate([3.0, 4.0]) - 3.5355339) < 1e-6
        abs(candidate([1.0]) - 1.0) < 1e-6
        abs(candidate([2.0, 2.0, 2.0]) - 2.0) < 1e-6
        abs(candidate([0.0, 6.0]) - 4.2426407) < 1e-6
        abs(candidate([1.0, 2.0, 3.0]) - 2.1602469) < 1e-6
        abs(candidate([5.0, 0.0, 0.0, 0.0]) - 2.5) < 1e-6""",
    ),
)


def _mbpp(number: int, text: str, code: str, *tests: str) -> Row:
    """Return a row as MBPP has them."""
    return {
        "task_id": number,
        "text": text,
        "code": code,
        "test_setup_code": "",
        "test_list": [f"assert {test}" for test in tests],
        "challenge_test_list": [],
    }


MBPP: Final[tuple[Row, ...]] = (
    _mbpp(
        90001,
        "Write a function to leave out every number of a list that is smaller than the one before.",
        "def climb(values):\n    return [v for at, v in enumerate(values)\n"
        "            if not at or v >= values[at - 1]]\n",
        "climb([1, 3, 2, 4]) == [1, 3, 4]",
        "climb([5, 4, 3, 2]) == [5]",
        "climb([2, 2, 1, 6, 6, 0]) == [2, 2, 6, 6]",
    ),
    _mbpp(
        90002,
        "Write a function to interleave two lists of the same length, beginning with the first.",
        "def interleave(left, right):\n    made = []\n    for pair in zip(left, right):\n"
        "        made.extend(pair)\n    return made\n",
        "interleave([1, 2], [3, 4]) == [1, 3, 2, 4]",
        "interleave([7, 8, 9], [0, 1, 2]) == [7, 0, 8, 1, 9, 2]",
        "interleave([5], [6]) == [5, 6]",
    ),
    _mbpp(
        90003,
        "Write a function to count the letters of a text that stand at the same place in another.",
        "def matches(one, other):\n    return sum(a == b for a, b in zip(one, other))\n",
        'matches("karo", "kino") == 2',
        'matches("abcd", "abce") == 3',
        'matches("xyz", "zyx") == 1',
    ),
    _mbpp(
        90004,
        "Write a function to find the digit sum of a number that is not negative, again and again "
        "until one digit is left.",
        "def digital_root(number):\n    while number > 9:\n"
        "        number = sum(int(digit) for digit in str(number))\n    return number\n",
        "digital_root(38) == 2",
        "digital_root(7) == 7",
        "digital_root(987654) == 3",
    ),
    _mbpp(
        90005,
        "Write a function to pair each item of a tuple of numbers with the largest item up to it.",
        "def peaks(values):\n    most, made = None, []\n    for value in values:\n"
        "        most = value if most is None else max(most, value)\n"
        "        made.append((value, most))\n    return made\n",
        "peaks((1, 3, 2)) == [(1, 1), (3, 3), (2, 3)]",
        "peaks((5, 4, 6)) == [(5, 5), (4, 5), (6, 6)]",
        "peaks((2, 2, 0, 9)) == [(2, 2), (2, 2), (0, 2), (9, 9)]",
    ),
)
