"""The operations of `specs`: typed, each with a reference and a line of Python.

A value is an integer (`num`), a list of integers (`nums`), a string (`text`) or a list of strings
(`texts`). A program is an input type and a chain of operations whose types fit. What an operation
does stands here twice on purpose: `run` is the reference that grades, `code` is how an honest
solution says it; `specs_words.py` says it in words, and knows neither.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from earnest.core.canon import canonical, digest

Kind = Literal["num", "nums", "text", "texts"]
KINDS: Final[tuple[Kind, ...]] = ("num", "nums", "text", "texts")
VOWELS: Final = "aeiou"
_PROBES: Final = 64


@dataclass(frozen=True)
class Op:
    """An operation. `least`, `most`: the range of its number, where it takes one (`most` > 0)."""

    name: str
    takes: Kind
    gives: Kind
    run: Callable[[Any, int], Any]
    code: str  # an expression in `x`, with `{k}` for the number
    least: int = 0
    most: int = 0


def _distinct(x: Sequence[Any], _: int) -> list[Any]:
    found: list[Any] = []
    for item in x:
        if item not in found:
            found.append(item)
    return found


def _vowels(x: str) -> int:
    return sum(char in VOWELS for char in x)


OPS: Final = (
    Op("keep-even", "nums", "nums", lambda x, _: [n for n in x if not n % 2],
       "[n for n in x if n % 2 == 0]"),
    Op("keep-odd", "nums", "nums", lambda x, _: [n for n in x if n % 2],
       "[n for n in x if n % 2 == 1]"),
    Op("keep-above", "nums", "nums", lambda x, k: [n for n in x if n > k],
       "list(filter(lambda n: n > {k}, x))", 1, 6),
    Op("keep-below", "nums", "nums", lambda x, k: [n for n in x if n < k],
       "list(filter(lambda n: n < {k}, x))", 1, 6),
    Op("add-each", "nums", "nums", lambda x, k: [n + k for n in x], "[n + {k} for n in x]", 2, 9),
    Op("times-each", "nums", "nums", lambda x, k: [n * k for n in x],
       "[n * {k} for n in x]", 2, 5),
    Op("square-each", "nums", "nums", lambda x, _: [n * n for n in x], "[n ** 2 for n in x]"),
    Op("absolute-each", "nums", "nums", lambda x, _: [max(n, -n) for n in x],
       "[abs(n) for n in x]"),
    Op("ascending", "nums", "nums", lambda x, _: sorted(x), "sorted(x)"),
    Op("descending", "nums", "nums", lambda x, _: sorted(x)[::-1], "sorted(x, reverse=True)"),
    Op("reverse", "nums", "nums", lambda x, _: x[::-1], "list(reversed(x))"),
    Op("first-numbers", "nums", "nums", lambda x, k: x[:k], "x[:{k}]", 2, 4),
    Op("without-first", "nums", "nums", lambda x, k: x[k:], "x[{k}:]", 2, 3),
    Op("distinct", "nums", "nums", _distinct, "list(dict.fromkeys(x))"),
    Op("sum", "nums", "num", lambda x, _: sum(x), "sum(x)"),
    Op("count-numbers", "nums", "num", lambda x, _: len(x), "len(x)"),
    Op("largest", "nums", "num", lambda x, _: max(x, default=0), "(max(x) if x else 0)"),
    Op("smallest", "nums", "num", lambda x, _: min(x, default=0), "(min(x) if x else 0)"),
    Op("add", "num", "num", lambda x, k: x + k, "(x + {k})", 2, 9),
    Op("times", "num", "num", lambda x, k: x * k, "(x * {k})", 2, 5),
    Op("negate", "num", "num", lambda x, _: 0 - x, "(-x)"),
    Op("square", "num", "num", lambda x, _: x * x, "(x ** 2)"),
    Op("digits", "num", "nums", lambda x, _: [ord(c) - 48 for c in str(abs(x))],
       "[int(c) for c in str(x).lstrip('-')]"),
    Op("written", "num", "text", lambda x, _: f"{x}", "str(x)"),
    Op("upper", "text", "text", lambda x, _: x.upper(), "x.upper()"),
    Op("reverse-text", "text", "text", lambda x, _: x[::-1], "''.join(reversed(x))"),
    Op("no-vowels", "text", "text", lambda x, _: "".join(c for c in x if c not in VOWELS),
       "x.translate(dict.fromkeys(map(ord, 'aeiou')))"),
    Op("first-letters", "text", "text", lambda x, k: x[:k], "x[:{k}]", 2, 6),
    Op("words", "text", "texts", lambda x, _: x.split(" ") if x else [],
       "[w for w in x.split(' ')] * bool(x)"),
    Op("length", "text", "num", lambda x, _: len(x), "len(x)"),
    Op("count-vowels", "text", "num", lambda x, _: _vowels(x), "sum(x.count(v) for v in 'aeiou')"),
    Op("keep-longer", "texts", "texts", lambda x, k: [w for w in x if len(w) > k],
       "[w for w in x if not len(w) <= {k}]", 2, 4),
    Op("upper-each", "texts", "texts", lambda x, _: [w.upper() for w in x],
       "list(map(str.upper, x))"),
    Op("alphabetical", "texts", "texts", lambda x, _: sorted(x), "sorted(x)"),
    Op("reverse-texts", "texts", "texts", lambda x, _: x[::-1], "list(reversed(x))"),
    Op("lengths", "texts", "nums", lambda x, _: [len(w) for w in x], "list(map(len, x))"),
    Op("hyphens", "texts", "text", lambda x, _: "-".join(x), "'-'.join(x)"),
    Op("count-strings", "texts", "num", lambda x, _: len(x), "len(x)"),
    Op("first-string", "texts", "text", lambda x, _: x[0] if x else "", "''.join(x[:1])"),
)  # fmt: skip
BY_NAME: Final = {op.name: op for op in OPS}


@dataclass(frozen=True)
class Step:
    """An operation with its number (0 where it takes none)."""

    op: str
    number: int = 0


@dataclass(frozen=True)
class Program:
    """What a spec means: a chain of steps from an input of type `takes`."""

    takes: Kind
    steps: tuple[Step, ...]

    def run(self, given: Any) -> Any:
        """Return what the reference makes of an input; the input stays as it is."""
        value = list(given) if isinstance(given, list) else given
        for step in self.steps:
            value = BY_NAME[step.op].run(value, step.number)
        return value

    def code(self, argument: str = "given") -> list[str]:
        """Return an honest function's body, a line a step."""
        lines = [f"x = {argument}"]
        lines += [f"x = {BY_NAME[s.op].code.replace('{k}', str(s.number))}" for s in self.steps]
        return [*lines, "return x"]


def fresh(kind: Kind, rng: random.Random) -> Any:
    """Draw an input of a type; short ones and empty ones among them."""
    if kind == "num":
        return rng.choice((rng.randint(-20, 20), rng.randint(-999, 9999)))
    if kind == "nums":
        return [rng.randint(-9, 20) for _ in range(rng.choice((0, 1, *range(3, 10))))]
    word = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, 8))) for _ in range(5)]
    words = word[: rng.choice((0, 1, 2, 3, 4, 5))]
    return words if kind == "texts" else " ".join(words)


@cache
def probes(kind: Kind) -> tuple[Any, ...]:
    """Return the inputs, always the same, by which programs are told apart."""
    rng = random.Random(f"specs probes 1 {kind}")  # noqa: S311 (no secret)
    return tuple(fresh(kind, rng) for _ in range(_PROBES))


def behaviour(program: Program) -> str:
    """Return a hash of what a program does to the probes: the same for programs that do the same.

    Not covered: programs that differ on other inputs alone count as one.
    """
    shown = [repr(program.run(given)) for given in probes(program.takes)]
    return digest(canonical([program.takes, shown]))


def _draw(rng: random.Random, depth: int) -> Program:
    takes = kind = rng.choice(KINDS)
    steps: list[Step] = []
    for _ in range(depth):
        op = rng.choice([op for op in OPS if op.takes == kind])
        steps.append(Step(op.name, rng.randint(op.least, op.most) if op.most else 0))
        kind = op.gives
    return Program(takes, tuple(steps))


def _kinds(program: Program) -> list[Kind]:
    """Return the type before each step, and the output's."""
    return [program.takes, *(BY_NAME[step.op].gives for step in program.steps)]


def is_sound(program: Program) -> bool:
    """Say whether every stretch of steps matters, and the output varies enough for tests."""
    own = [repr(program.run(given)) for given in probes(program.takes)]
    if len(set(own)) < 5 or max(map(len, own)) > 120:
        return False
    kinds = _kinds(program)
    for start in range(len(program.steps)):
        for end in range(start + 1, len(kinds)):
            if kinds[start] != kinds[end]:
                continue  # the types would not fit without the stretch
            less = Program(program.takes, program.steps[:start] + program.steps[end:])
            other = [repr(less.run(given)) for given in probes(program.takes)]
            if sum(a != b for a, b in zip(own, other, strict=True)) < _PROBES // 8:
                return False
    return True


def draw_program(rng: random.Random, depth: int) -> Program:
    """Draw a sound program of 1 to 6 steps."""
    while True:
        program = _draw(rng, depth)
        if is_sound(program):
            return program


def near_misses(program: Program) -> list[Program]:
    """Return programs that somebody might take for this one: a step changed, left out, or off."""
    found = []
    for at, step in enumerate(program.steps):
        op = BY_NAME[step.op]
        swaps = [Step(op.name, n) for n in (step.number - 1, step.number + 1) if op.most and n > 0]
        swaps += [
            Step(other.name, other.least or 0)
            for other in OPS
            if (other.takes, other.gives) == (op.takes, op.gives)
            and other.name != op.name
            and not other.most
        ]
        found += [
            Program(program.takes, (*program.steps[:at], swap, *program.steps[at + 1 :]))
            for swap in swaps
        ]
    return found
