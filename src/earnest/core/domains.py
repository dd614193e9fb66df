"""What the inputs of a claim without a table are drawn from: a small language, and the drawing.

    n: integer 1..40                 b: boolean
    x: rational                      s: text 0..20          s: text 0..12 of '()[]'
    x: rational -1..1                v: list of integer -9..9
    x: number -1e3..1e3              m: list 0..4 of list 3..3 of boolean

The ends of a range belong to it; those of text and list are lengths (a list without them has 0 to
8 elements). An integer is an `int`, a rational a `Fraction`, a number a `float`.

What is *drawn* is drawn evenly in half of the inputs. In the other half values near the ends, near
zero, of every size, repeated and sorted ones are mixed in, and equal arguments.

Not covered: characters beyond `CHARACTERS`, unless they are named; NaN, infinities and -0.0.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, Final, Protocol

CHARACTERS: Final = "".join(map(chr, range(32, 127))) + "\n\täßéİΩя中😀"
DENOMINATOR: Final = 10**6
_COUNTED: Final = 10**9


class Domain(Protocol):
    """A set of values and how they are drawn. `str` gives its one notation."""

    @property
    def size(self) -> int | None:
        """How many values there are; None: more than 10^9."""
        ...

    @property
    def elements(self) -> int:
        """How many single values a value consists of at most."""
        ...

    def __contains__(self, value: object) -> bool: ...

    def listed(self) -> Iterator[Any]:
        """Yield all values, where `size` says how many."""
        ...

    def evenly(self, rng: Random) -> Any:
        """Draw a value, all of one length or denominator alike."""
        ...

    def oddly(self, rng: Random) -> Any:
        """Draw a value of those on which programs tend to differ."""
        ...

    def simpler(self, value: Any) -> Iterator[Any]:
        """Yield simpler values, the simplest first; few."""
        ...


@dataclass(frozen=True)
class Integer:
    """All integers from `low` to `high`."""

    low: int
    high: int
    elements: int = 1

    @property
    def size(self) -> int | None:
        """How many there are."""
        count = self.high - self.low + 1
        return count if count <= _COUNTED else None

    def __contains__(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"integer {self.low}..{self.high}"

    def listed(self) -> Iterator[int]:
        """Yield all."""
        return iter(range(self.low, self.high + 1))

    def evenly(self, rng: Random) -> int:
        """Draw one."""
        return rng.randint(self.low, self.high)

    def oddly(self, rng: Random) -> int:
        """Draw one near an end or zero, near a power of two, or of any number of digits."""
        bits = max(abs(self.low), abs(self.high)).bit_length()
        size = rng.randint(0, bits)
        value = rng.choice(
            (
                self.low + rng.randint(0, 3),
                self.high - rng.randint(0, 3),
                rng.randint(-2, 2),
                rng.randint(-20, 20),
                rng.choice((-1, 1)) * ((1 << size) + rng.randint(-1, 1)),
                rng.choice((-1, 1)) * rng.getrandbits(size + 1),
            )
        )
        return min(self.high, max(self.low, value))

    def simpler(self, value: int) -> Iterator[int]:
        """Yield values nearer to zero."""
        goal = min(self.high, max(self.low, 0))
        away, sign = abs(value - goal), 1 if value > goal else -1
        ends = (away % 10**digits for digits in (1, 2, 3, 6))  # what counts may be its last digits
        parts = (away * part // 1000 for part in (100, 500, 750, 900, 970, 990))
        for nearer in dict.fromkeys((0, 1, *ends, *parts, away - 1)):
            if 0 <= nearer < away:
                yield goal + sign * nearer


@dataclass(frozen=True)
class Rational:
    """Fractions from `low` to `high`; drawn with denominators up to 10^6."""

    low: int = -1000
    high: int = 1000
    size: int | None = None
    elements: int = 1

    def __contains__(self, value: object) -> bool:
        return type(value) is Fraction and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"rational {self.low}..{self.high}"

    def listed(self) -> Iterator[Fraction]:
        """There is no end of them. Raises `ValueError`."""
        raise ValueError("rational numbers can't be listed")

    def _of(self, denominator: int, rng: Random) -> Fraction:
        low, high = self.low * denominator, self.high * denominator
        return Fraction(rng.randint(low, high), denominator)

    def evenly(self, rng: Random) -> Fraction:
        """Draw a denominator, then a numerator."""
        return self._of(rng.randint(1, DENOMINATOR), rng)

    def oddly(self, rng: Random) -> Fraction:
        """Draw a small one, an integer or an end."""
        ends = (Fraction(self.low), Fraction(self.high))
        small = Fraction(rng.randint(-9, 9), rng.randint(1, 9))
        found = rng.choice((self._of(1, rng), self._of(rng.randint(2, 12), rng), small, *ends))
        return min(ends[1], max(ends[0], found))

    def simpler(self, value: Fraction) -> Iterator[Fraction]:
        """Yield values with a smaller denominator, or nearer to zero."""
        for whole in Integer(self.low, self.high).simpler(round(value)):
            yield Fraction(whole)
        for most in (1, 2, 3, 10, 100):
            if most < value.denominator and (found := value.limit_denominator(most)) in self:
                yield found


@dataclass(frozen=True)
class Number:
    """Floats from `low` to `high`."""

    low: float
    high: float
    size: int | None = None
    elements: int = 1

    def __contains__(self, value: object) -> bool:
        return type(value) is float and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"number {self.low!r}..{self.high!r}"

    def listed(self) -> Iterator[float]:
        """There are too many. Raises `ValueError`."""
        raise ValueError("floats can't be listed")

    def _clip(self, value: float) -> float:
        return min(self.high, max(self.low, value)) + 0.0  # never -0.0

    def evenly(self, rng: Random) -> float:
        """Draw one."""
        return self._clip(rng.uniform(self.low, self.high))

    def oddly(self, rng: Random) -> float:
        """Draw an end, a whole one, a half, or one of any size."""
        whole = float(rng.randint(-20, 20))
        any_size = rng.choice((-1, 1)) * 10.0 ** rng.uniform(-12, 12)
        near = float(round(rng.uniform(self.low, self.high)))
        return self._clip(rng.choice((self.low, self.high, 0.0, whole, whole / 2, near, any_size)))

    def simpler(self, value: float) -> Iterator[float]:
        """Yield rounder ones."""
        for found in (0.0, 1.0, float(round(value)), round(value, 1), round(value, 3)):
            if found != value and self._clip(found) == found:
                yield found + 0.0


@dataclass(frozen=True)
class Boolean:
    """False and True."""

    size: int | None = 2
    elements: int = 1

    def __contains__(self, value: object) -> bool:
        return type(value) is bool

    def __str__(self) -> str:
        return "boolean"

    def listed(self) -> Iterator[bool]:
        """Yield both."""
        return iter((False, True))

    def evenly(self, rng: Random) -> bool:
        """Draw one."""
        return rng.random() < 0.5

    oddly = evenly

    def simpler(self, value: bool) -> Iterator[bool]:
        """Yield False for True."""
        return iter((False,) if value else ())


@dataclass(frozen=True)
class Many:
    """Lists of `low` to `high` values of one domain; as text, strings of characters."""

    low: int
    high: int
    item: Domain
    text: bool = False

    @property
    def size(self) -> int | None:
        """How many there are; None: more than 10^9."""
        one, total = self.item.size, 0
        for length in range(self.low, self.high + 1):
            if one is None and length:
                return None
            total += (one or 1) ** length
            if total > _COUNTED:
                return None
        return total

    @property
    def elements(self) -> int:
        """How many single values there are at most."""
        return max(1, self.high * self.item.elements)

    def __contains__(self, value: object) -> bool:
        return (
            type(value) is (str if self.text else list)
            and self.low <= len(value) <= self.high
            and all(one in self.item for one in value)
        )

    def __str__(self) -> str:
        if not self.text:
            return f"list {self.low}..{self.high} of {self.item}"
        return f"text {self.low}..{self.high}{self.item}"

    def _made(self, values: Sequence[Any]) -> Any:
        return "".join(values) if self.text else list(values)

    def listed(self) -> Iterator[Any]:
        """Yield all, the shortest first."""
        for length in range(self.low, self.high + 1):
            for values in itertools.product(*(self.item.listed() for _ in range(length))):
                yield self._made(values)

    def evenly(self, rng: Random) -> Any:
        """Draw a length, then each value."""
        length = rng.randint(self.low, self.high)
        return self._made([self.item.evenly(rng) for _ in range(length)])

    def oddly(self, rng: Random) -> Any:
        """Draw a short or a long one, of few different values, sorted, or the same backwards."""
        lengths = (
            self.low,
            self.low + 1,
            self.low + 2,
            self.high,
            rng.randint(self.low, self.high),
        )
        length = min(self.high, rng.choice(lengths))
        few = [self.item.oddly(rng) for _ in range(rng.randint(1, 3))]
        draw: Callable[[], Any] = rng.choice(
            (lambda: rng.choice(few), lambda: self.item.oddly(rng), lambda: self.item.evenly(rng))
        )
        values = [draw() for _ in range(length)]
        how = rng.randrange(5)
        if how < 2:
            values.sort(reverse=how == 1)
        elif how == 2:
            values = [*values[: (length + 1) // 2], *values[: length // 2][::-1]]
        return self._made(values)

    def simpler(self, value: Any) -> Iterator[Any]:
        """Yield shorter ones, then those with a simpler value in one place."""
        half = len(value) // 2
        for part in (value[:0], value[:half], value[half:]):
            if self.low <= len(part) < len(value):
                yield part
        places = range(min(len(value), 24))
        if len(value) > self.low:
            for place in places:
                yield value[:place] + value[place + 1 :]
        for place in places:
            for one in itertools.islice(self.item.simpler(value[place]), 3):
                yield value[:place] + self._made([one]) + value[place + 1 :]


@dataclass(frozen=True)
class Character:
    """One of some characters, each once."""

    among: str = CHARACTERS
    elements: int = 1

    @property
    def size(self) -> int | None:
        """How many there are."""
        return len(self.among)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and len(value) == 1 and value in self.among

    def __str__(self) -> str:
        quote = '"' if "'" in self.among else "'"
        return "" if self.among == CHARACTERS else f" of {quote}{self.among}{quote}"

    def listed(self) -> Iterator[str]:
        """Yield all."""
        return iter(self.among)

    def evenly(self, rng: Random) -> str:
        """Draw one."""
        return rng.choice(self.among)

    oddly = evenly

    def simpler(self, value: str) -> Iterator[str]:
        """Yield `a`, or the first one."""
        first = "a" if "a" in self.among else self.among[0]
        return iter((first,) if self.among.index(first) != self.among.index(value) else ())


@dataclass(frozen=True)
class Input:
    """An argument of a program, or a variable of an identity, and where it is drawn from."""

    name: str
    domain: Domain

    def __str__(self) -> str:
        return f"{self.name}: {self.domain}"
