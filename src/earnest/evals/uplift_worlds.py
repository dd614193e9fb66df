"""What the items of `uplift` are about: files, pages, a gauge, lots. All of it is drawn."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator, Sequence
from typing import Any, Final

CHARACTERS_A_TOKEN: Final = 4
FILE_CHARACTERS: Final = 20_000
_PAGE_WORDS: Final = 180
_SLIP_WORDS: Final = 60
_DECOYS_A_FILE: Final = 12

_SYLLABLES: Final = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
_FILLING: Final = (
    "the a its one north south old new grey low high quiet narrow broad late early station crew "
    "ladder lamp cable signal gate wall roof field road river stone winter summer morning evening "
    "log report note list page line entry wind rain snow ice fog sun went came stood lay kept held "
    "found lost moved cleaned repaired painted counted checked carried measured before after under "
    "over beside behind between through without again once twice seldom often never always and but "
    "while since until because although nothing something everything somebody nobody"
)
_WORDS: Final = _FILLING.split()


def name(rng: random.Random) -> str:
    """Return an invented name: one of 24 million."""
    return "".join(rng.choices(_SYLLABLES, k=4)).capitalize()


def mark(rng: random.Random) -> str:
    """Return an invented mark, such as QX-48213."""
    letters = "".join(rng.choices("BCDFGHJKLMNPQRSTVWXZ", k=2))
    return f"{letters}-{rng.randrange(10_000, 100_000)}"


def told(relay: str, under: str) -> str:
    """Return the sentence that says where a relay keeps its key."""
    return f"The {relay} relay keeps its reserve key under the mark {under}."


def fact(rng: random.Random, taken: Container[str] = ()) -> tuple[str, str, str]:
    """Return a relay of no `taken` name, its mark, and the sentence that says so."""
    relay = next(drawn for drawn in iter(lambda: name(rng), "") if drawn not in taken)
    under = mark(rng)
    return relay, under, told(relay, under)


def prose(rng: random.Random, words: int) -> str:
    """Return so many words of filling, in sentences."""
    drawn = rng.choices(_WORDS, k=words)
    parts = [drawn[at : at + 12] for at in range(0, words, 12)]
    return " ".join(f"{' '.join(part).capitalize()}." for part in parts)


def corpus(lines: Sequence[str], seed: int | str, tokens: int) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of files of about `tokens` tokens in all, each line planted once.

    A token is taken for four characters. Other relays' keys, and other things said of the same
    relays, stand beside.
    """
    rng = random.Random(f"corpus {seed}")  # noqa: S311 (no secret)
    count = max(1, round(tokens * CHARACTERS_A_TOKEN / FILE_CHARACTERS))
    planted: dict[int, list[str]] = {}
    relays = {line.split()[1] for line in lines}
    for line in lines:
        relay = line.split()[1]
        planted.setdefault(rng.randrange(count), []).append(line)
        for more in ("was painted again", "was out of order for a day", "has a new ladder"):
            planted.setdefault(rng.randrange(count), []).append(f"The {relay} relay {more}.")
    for number in range(count):
        said = planted.get(number, [])
        said += [fact(rng, relays)[2] for _ in range(_DECOYS_A_FILE)]
        rng.shuffle(said)
        room = (FILE_CHARACTERS - sum(map(len, said))) // (len(said) + 1)
        text = ""
        for line in [*said, ""]:
            text += f"{prose(rng, max(12, room // 6))}\n{line}\n"
        yield f"archive/{number:04}.txt", text


def briefing(rng: random.Random, count: int) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the facts of so many pages, and the pages."""
    facts: dict[str, tuple[str, str, str]] = {}
    while len(facts) < count:
        made = fact(rng, facts)
        facts[made[0]] = made
    pages = [
        f"{prose(rng, _PAGE_WORDS)}\n{line}\n{prose(rng, _PAGE_WORDS)}"
        for _, _, line in facts.values()
    ]
    return list(facts.values()), pages


def gauge(rng: random.Random) -> dict[str, Any]:
    """Return a gauge: its name, yesterday's reading, and what each look at it gives in turn.

    The last reading is the one at which it has settled; each is a text with three decimals.
    """
    readings = [f"{rng.uniform(10, 90):.3f}" for _ in range(rng.randint(4, 7))]
    stale = f"{rng.uniform(10, 90):.3f}"
    return {"gauge": name(rng).lower(), "stale": stale, "readings": readings}


def lots(rng: random.Random, count: int) -> list[tuple[int, str]]:
    """Return lots: the weight in grams, and what else the slip says."""
    return [(rng.randrange(1000, 10_000), prose(rng, _SLIP_WORDS)) for _ in range(count)]
