"""Fresh inputs within a task's input form, as far as the shown inputs tell it.

What all shown inputs have in common is kept: types, ranges of numbers, alphabets and lengths,
sorted, distinct and permuted lists, oddness, an integer that is a list's length (or differs from it
by a constant), lists as long as each other, order between integers, an integer that bounds a
container's numbers. Half of the inputs are made anew, half are a shown one with a part changed.
None is a shown one.

Not covered: what a task demands beyond that (that edges make a tree, that a puzzle can be solved).
So a fresh input can break a precondition: who judges by them must leave room for it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

Args = tuple[Any, ...]
_TRIES: Final = 40
_LONGEST: Final = 40
_WIDE: Final = 1_000
_NARROW: Final = 20


def _sized(value: Any) -> bool:
    return isinstance(value, list | tuple | str)


def _whole(value: Any) -> bool:
    return type(value) is int


def leaves(value: Any) -> list[Any]:
    """Return the numbers and texts in a value, from left to right."""
    if isinstance(value, dict):
        return [leaf for pair in value.items() for leaf in leaves(list(pair))]
    if isinstance(value, list | tuple | set | frozenset):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def _integer(seen: Sequence[int], rng: random.Random) -> int:
    low, high = min(seen), max(seen)
    if high - low <= _NARROW and rng.random() < 0.2:  # else there may be hardly any other input
        high += 5
    if len({value % 2 for value in seen}) == 1 and len(set(seen)) >= 3:
        return low + 2 * rng.randint(0, max(1, (min(high - low, _WIDE)) // 2))
    if high == low:
        return low if rng.random() < 0.5 else low + rng.randint(0, max(3, min(abs(low), 9)))
    if high - low <= _WIDE or rng.random() < 0.3:
        return rng.randint(low, high)
    step = int(10 ** rng.uniform(0, len(str(high - low)) - 1))
    return low + min(step, high - low)


def _text(seen: Sequence[str], rng: random.Random) -> str:
    lengths = [len(text) for text in seen]
    if max(lengths) == 0:
        return ""
    if all(" " in text.strip() for text in seen if text):
        words = [word for text in seen for word in text.split(" ")]
        counts = [text.count(" ") + 1 for text in seen if text]
        return " ".join(rng.choice(words) for _ in range(rng.randint(min(counts), max(counts))))
    size = rng.randint(min(lengths), max(min(lengths), min(max(lengths), _LONGEST)))
    base = rng.choice(seen)
    if rng.random() < 0.5 and base:
        return _changed_text(base, seen, rng, fixed=min(lengths) == max(lengths))
    letters = [letter for text in seen for letter in text]
    return "".join(rng.choice(letters) for _ in range(size))


def _changed_text(base: str, seen: Sequence[str], rng: random.Random, *, fixed: bool) -> str:
    place = rng.randrange(len(base))
    letter = rng.choice([letter for text in seen for letter in text])
    ways = [base[:place] + letter + base[place + 1 :], base[::-1]]
    if not fixed:
        ways += [base[:place] + base[place + 1 :], base[:place] + letter + base[place:]]
    return rng.choice(ways)


def _list(seen: Sequence[Sequence[Any]], rng: random.Random, size: int | None) -> list[Any]:
    lengths = [len(item) for item in seen]
    if size is None:
        size = rng.randint(min(lengths), max(min(lengths), min(max(lengths), _LONGEST)))
    pool = [part for item in seen for part in item]
    if not pool:
        return []
    if len(set(lengths)) == 1 and lengths[0] == size and len(seen) > 2 and size <= 4:
        return [_value([item[at] for item in seen], rng) for at in range(size)]  # a record's fields
    made = [_value(pool, rng) for _ in range(size)]
    return _shaped(made, seen, rng)


def _full(items: Sequence[Any], first: int) -> bool:
    return all(map(_whole, items)) and sorted(items) == list(range(first, first + len(items)))


def _shaped(made: list[Any], seen: Sequence[Sequence[Any]], rng: random.Random) -> list[Any]:
    """Give a list what all the seen ones of two items or more have: order, no item twice."""
    telling = [item for item in seen if len(item) > 1]
    if not telling:
        return made
    for first in (0, 1):
        if all(_full(item, first) for item in telling):
            return rng.sample(range(first, first + len(made)), len(made))
    try:
        if all(len({repr(part) for part in item}) == len(item) for item in telling):
            made = list({repr(part): part for part in made}.values())
        if all(list(item) == sorted(item) for item in telling):
            return sorted(made)
        if all(list(item) == sorted(item, reverse=True) for item in telling):
            return sorted(made, reverse=True)
    except TypeError:  # items without an order
        pass
    return made


def _value(seen: Sequence[Any], rng: random.Random, size: int | None = None) -> Any:
    """Return a value like those seen at one place; of mixed types, one of one type."""
    kind = type(rng.choice(seen))
    seen = [value for value in seen if type(value) is kind]
    if kind is bool:
        return rng.random() < 0.5
    if kind is int:
        return _integer(seen, rng)
    if kind is float:
        return round(rng.uniform(min(seen), max(seen)), rng.choice((0, 1, 2)))
    if kind is str:
        return _text(seen, rng)
    if kind is list:
        return _list(seen, rng, size)
    if kind is tuple:
        return tuple(_list(seen, rng, size))
    if kind is dict:
        base = rng.choice(seen)
        values = [part for item in seen for part in item.values()]
        return {key: _value(values, rng) for key in base}
    return rng.choice(seen)


def _lengths(shown: Sequence[Args]) -> list[tuple[int, int, int]]:
    """Return (i, j, d) where argument i is the length of argument j plus d in all inputs."""
    places = range(len(shown[0]))
    found = []
    for i in places:
        for j in places:
            if all(_whole(args[i]) and _sized(args[j]) for args in shown):
                apart = {args[i] - len(args[j]) for args in shown}
                varied = len({args[i] for args in shown}) > 1
                if len(apart) == 1 and (varied or apart == {0}):
                    found.append((i, j, apart.pop()))
    return found


def _pairs(shown: Sequence[Args], holds: Callable[[Any, Any], bool]) -> list[tuple[int, int]]:
    places = range(len(shown[0]))
    return [
        (i, j)
        for i in places
        for j in places
        if i != j and all(holds(args[i], args[j]) for args in shown)
    ]


def _bounds(one: Any, other: Any) -> bool:
    """Say whether an integer is at least as large as all integers of a container."""
    inner = [leaf for leaf in leaves(other) if _whole(leaf)]
    return _whole(one) and isinstance(other, list | tuple) and bool(inner) and max(inner) <= one


def _like(one: Any, other: Any) -> bool:
    return isinstance(one, list | str) and isinstance(other, list | str) and len(one) == len(other)


def _at_most(one: Any, other: Any) -> bool:
    return _whole(one) and _whole(other) and one <= other


def _square(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, list | str) and len(row) == len(value[0]) for row in value)
    )


class FreshInputs:
    """Draws inputs like those shown, of as many arguments as most have. `shown` is not empty."""

    def __init__(self, shown: Sequence[Args]) -> None:
        counts = Counter(map(len, shown))
        shown = [args for args in shown if len(args) == counts.most_common(1)[0][0]]
        self._shown = shown
        self._taken = {repr(args) for args in shown}
        self._lengths = _lengths(shown)
        self._demands: list[tuple[Callable[[Any, Any], bool], int, int]] = []
        if len(shown) > 1:
            for holds in (_bounds, _like, _at_most):
                self._demands += [(holds, i, j) for i, j in _pairs(shown, holds)]
        self._squares = [i for i in range(len(shown[0])) if all(_square(args[i]) for args in shown)]

    def draw(self, rng: random.Random, count: int) -> list[Args]:
        """Return at most `count` different inputs; fewer where no more are found."""
        found: list[Args] = []
        taken = set(self._taken)
        for _ in range(_TRIES * count):
            if len(found) == count:
                break
            made = self._one(rng)
            if repr(made) not in taken and self._fits(made):
                taken.add(repr(made))
                found.append(made)
        return found

    def _one(self, rng: random.Random) -> Args:
        columns = list(zip(*self._shown, strict=True))
        if rng.random() < 0.5:
            args = list(rng.choice(self._shown))
            for place in (
                []
                if not args
                else rng.sample(range(len(args)), min(len(args), rng.choice((1, 1, 2))))
            ):
                size = len(args[place]) if isinstance(args[place], list | tuple) else None
                args[place] = _value(columns[place], rng, size)
        else:
            args = [_value(column, rng) for column in columns]
        for place in self._squares:
            width = min(len(row) for row in args[place]) if args[place] else 0
            args[place] = [row[:width] for row in args[place]]
        for place, of, apart in self._lengths:
            args[place] = len(args[of]) + apart
        return tuple(args)

    def _fits(self, args: Args) -> bool:
        return all(holds(args[i], args[j]) for holds, i, j in self._demands)
