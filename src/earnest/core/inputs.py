"""Reading a claim's `inputs`, and drawing them: see `earnest.core.domains` for the language."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from random import Random
from typing import Any, Final

from earnest.core.domains import Boolean, Character, Domain, Input, Integer, Many, Number, Rational
from earnest.core.errors import ExpressionError

MOST_INPUTS: Final = 8
_MOST_ELEMENTS: Final = 2000
_LARGEST: Final = 10**100
_DEEPEST: Final = 4
_COUNTED: Final = 10**9
_LENGTHS: Final = (0, 8)  # of a list that names none
_TRIES: Final = 200
_LONGEST: Final = 200
_NUMBER: Final = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,2})?"
_RANGE: Final = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})(?![\w.])\s*")
_WORD: Final = re.compile(r"\s*([a-z]+)\b\s*")
_QUOTED: Final = re.compile(r"\s*('[^']*'|\"[^\"]*\")\s*")
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]{0,30}")
_MEND: Final = "write such as n: integer 1..40 or v: list 0..8 of integer -9..9"


class _Reader:
    def __init__(self, entry: str, at: int) -> None:
        self.entry, self.at = entry, at

    def error(self, message: str) -> ExpressionError:
        return ExpressionError(f"{message} in the input {self.entry!r}", mend=_MEND)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.entry, self.at)
        self.at = found.end() if found else self.at
        return found

    def domain(self, depth: int = 0) -> Domain:
        word = self.take(_WORD)
        kind = word[1] if word else ""
        if kind == "boolean":
            return Boolean()
        if kind == "list":
            if depth >= _DEEPEST:
                raise self.error(f"lists of lists deeper than {_DEEPEST}")
            low, high = self.lengths()
            if not (of := self.take(_WORD)) or of[1] != "of":
                raise self.error("a list says of what it is")
            return Many(low, high, self.domain(depth + 1))
        if kind == "text":
            return Many(*self.lengths(needed=True), self.characters(), text=True)
        if kind == "integer":
            return Integer(*self.whole(needed=True))
        if kind == "rational":
            return Rational(*(self.whole(least=1) or (-1000, 1000)))
        if kind == "number":
            ends = self.ends(needed=True) or (Fraction(0), Fraction(0))
            return Number(float(ends[0]), float(ends[1]))
        raise self.error("expected integer, rational, number, boolean, text or list")

    def ends(self, *, needed: bool = False) -> tuple[Fraction, Fraction] | None:
        found = self.take(_RANGE)
        if found is None:
            if needed:
                raise self.error("a range LOW..HIGH is missing")
            return None
        low, high = Fraction(found[1]), Fraction(found[2])
        if low > high:
            raise self.error("a range begins with its lower end")
        if max(abs(low), abs(high)) > _LARGEST:
            raise self.error("a range ends at 1e100 at most")
        return low, high

    def whole(self, *, needed: bool = False, least: int = 0) -> tuple[int, int]:
        found = self.ends(needed=needed)
        if found is None:
            return ()  # type: ignore[return-value]
        low, high = found
        if low.denominator != 1 or high.denominator != 1:
            raise self.error("this range has whole ends")
        if high - low < least:
            raise self.error("this range has two ends")
        return int(low), int(high)

    def lengths(self, *, needed: bool = False) -> tuple[int, int]:
        low, high = self.whole(needed=needed) or _LENGTHS
        if low < 0 or high > _MOST_ELEMENTS:
            raise self.error(f"lengths are from 0 to {_MOST_ELEMENTS}")
        return low, high

    def characters(self) -> Character:
        before = self.at
        word = self.take(_WORD)
        if not word or word[1] != "of":
            self.at = before
            return Character()
        quoted = self.take(_QUOTED)
        if quoted is None or len(quoted[1]) < 3:
            raise self.error("text of some characters names them in quotes")
        return Character("".join(sorted(set(quoted[1][1:-1]))))


def parse_input(entry: str) -> Input:
    """Read one entry, `NAME: DOMAIN`. Raises `ExpressionError`."""
    if len(entry) > _LONGEST or not entry.isprintable():
        raise ExpressionError(f"an input has at most {_LONGEST} printable characters", mend=_MEND)
    name, colon, _ = entry.partition(":")
    if not colon or not NAME.fullmatch(name.strip()):
        raise ExpressionError(f"an input is NAME: DOMAIN, not {entry!r}", mend=_MEND)
    reader = _Reader(entry, len(name) + 1)
    domain = reader.domain()
    if reader.at < len(entry):
        raise reader.error(f"can't read {entry[reader.at : reader.at + 20]!r}")
    if domain.elements > _MOST_ELEMENTS:
        raise reader.error(f"more than {_MOST_ELEMENTS} values")
    return Input(name.strip(), domain)


def parse_inputs(entries: Sequence[str]) -> tuple[Input, ...]:
    """Read a claim's inputs, each name once. Raises `ExpressionError`, which names the mend."""
    if not 0 < len(entries) <= MOST_INPUTS:
        raise ExpressionError(f"there are 1 to {MOST_INPUTS} inputs, not {len(entries)}")
    found = tuple(map(parse_input, entries))
    if len({one.name for one in found}) != len(found):
        raise ExpressionError("two inputs have one name", mend="name each once")
    return found


def count(domains: Sequence[Domain]) -> int | None:
    """Return how many different inputs there are; None: more than 10^9."""
    sizes = [one.size for one in domains]
    if any(size is None for size in sizes):
        return None
    total = math.prod(size or 1 for size in sizes)
    return total if total <= _COUNTED else None


def every(domains: Sequence[Domain]) -> Iterator[tuple[Any, ...]]:
    """Yield all inputs, where `count` says how many."""
    return itertools.product(*(one.listed() for one in domains))


def evenly(domains: Sequence[Domain], rng: Random) -> tuple[Any, ...]:
    """Draw an input evenly: each value by itself."""
    return tuple(one.evenly(rng) for one in domains)


def drawn(domains: Sequence[Domain], rng: Random) -> tuple[Any, ...]:
    """Draw an input: evenly, or one time in two with values on which programs tend to differ."""
    if rng.random() < 0.5:
        return evenly(domains, rng)
    found: list[Any] = []
    for place, one in enumerate(domains):
        alike = [v for v, other in zip(found, domains[:place], strict=True) if other == one]
        if alike and rng.random() < 0.2:
            found.append(rng.choice(alike))
        else:
            found.append(one.oddly(rng) if rng.random() < 0.7 else one.evenly(rng))
    return tuple(found)


def simplest(
    domains: Sequence[Domain],
    values: tuple[Any, ...],
    fails: Callable[[tuple[Any, ...]], bool],
    tries: int = _TRIES,
) -> tuple[Any, ...]:
    """Return the simplest input found that fails as `values` does, within so many tries."""
    left, seen = tries, {repr(values)}
    again = True
    while again:
        again = False
        for place, domain in enumerate(domains):
            for one in domain.simpler(values[place]):
                other = (*values[:place], one, *values[place + 1 :])
                if repr(other) in seen:
                    continue
                seen.add(repr(other))
                if not left:
                    return values
                left -= 1
                if fails(other):
                    values, again = other, True
                    break
    return values
