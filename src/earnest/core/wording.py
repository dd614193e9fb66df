"""A grammar of wordings for facts about tables: questions, answers and statements as plain words.

`data` renders training rows with it and `evals` the closed-book exam, so that both speak of a
fact in the same words but never in the same sentence: a fifth of all combinations of its parts,
and whole frames, are kept for the exam. Names of tables and columns stand in backquotes and names
of levels in single quotes, so that a name is one word whatever is in it, and never a word of the
grammar. Why many wordings: facts read in few become recitable but not extractable (Allen-Zhu and
Li 2023, "Physics of Language Models: Part 3.1").

Not covered: other languages, questions about several facts at once.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Final, Literal

from earnest.core.facts import Fact
from earnest.core.predicates import Comparison, parse_conjunction

Asked = Literal["effect", "strength", "level"]
Part = Literal["train", "unseen-combination", "unseen-frame"]

ABSTENTION: Final = "not established"
CANARY: Final = "EARNEST-DO-NOT-TRAIN-6f1b8a52-3c0e-4c55-9d8e-2b7a90c4e1d7"
"""Text that carries this must never become training data."""

WORD: Final = r"`[^`]*`|'[^']*'|[A-Za-z0-9]+|[^\sA-Za-z0-9`']"
"""One word of a rendered text; a tokenizer splits by it, so that names stay whole."""

_EXAM_SHARE: Final = 5

_MACROS: Final[Mapping[str, str]] = {
    "OPEN": "[In|Within|For|Looking at|Going by|According to|On the evidence of] [|the table ]{T},",
    "IN": "[in|within|going by|according to|on the evidence of] [|the table ]{T}",
    "SAY": "[Say|Tell me|State|Answer from memory]",
    "AS": "[as|when|while]",
    "RISES": "[rises|grows|increases|goes up]",
    "MOVE": "[go|move|change|vary|behave]",
    "MOVES": "[goes|moves|changes|varies|behaves]",
    "WITH": "[with|along with|together with]",
    "BECOMES": "[happens to|becomes of|is seen in]",
    "LINK": "[link|tie|relation|association|correlation]",
    "LINKED": "[linked|tied|related|associated|correlated]",
    "COMPARE": "[compare|differ|stand]",
    "AGAINST": "[against|compared with|versus]",
    "GAP": "[gap|difference|distance]",
    "OVER": "[over|along|through]",
    "TREND": "[trend|drift|course]",
    "STRONG": "[strong|large|marked|pronounced]",
    "WHERE": "[where|when|if]",
    "MUCH": "[much higher or lower|far up or down]",
    "VALUE": "[value|level]",
    "WHICH": "[for which|at which|for what]",
}

# Slots: T table, Y outcome, X exposure, A and B the two in either order, G group, V versus,
# S the restriction to a subset and what is held fixed, W which way a difference goes.
_TRAIN: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("association", "effect"): (
        "OPEN how does {Y} MOVE WITH {X}{S}?",
        "OPEN how does {Y} MOVE AS {X} RISES{S}?",
        "OPEN what BECOMES {Y} AS {X} RISES{S}?",
        "OPEN what is the LINK between {A} and {B}{S}?",
        "OPEN how are {A} and {B} LINKED{S}?",
        "How does {Y} MOVE WITH {X} IN{S}?",
        "What BECOMES {Y} AS {X} RISES IN{S}?",
        "SAY, IN, how {Y} MOVES WITH {X}{S}.",
    ),
    ("association", "strength"): (
        "OPEN how STRONG is the LINK between {A} and {B}{S}?",
        "OPEN how STRONG is it that {A} and {B} are LINKED{S}?",
        "SAY, IN, how STRONG the LINK between {A} and {B} is{S}.",
    ),
    ("difference", "effect"): (
        "OPEN how does {Y} COMPARE for {X} {G} AGAINST {V}{S}?",
        "OPEN how MUCH is {Y} WHERE {X} is {G}, AGAINST {V}{S}?",
        "OPEN what is the GAP in {Y} between {X} {G} and {V}{S}?",
        "How does {Y} COMPARE for {X} {G} AGAINST {V} IN{S}?",
        "How MUCH is {Y} WHERE {X} is {G}, AGAINST {V}, IN{S}?",
        "SAY, IN, how MUCH {Y} is WHERE {X} is {G}, AGAINST {V}{S}.",
    ),
    ("difference", "strength"): (
        "OPEN how STRONG is the GAP in {Y} between {X} {G} and {V}{S}?",
        "OPEN how STRONG is it that {Y} differs for {X} {G} AGAINST {V}{S}?",
        "SAY, IN, how STRONG the GAP in {Y} between {X} {G} and {V} is{S}.",
    ),
    ("difference", "level"): (
        "OPEN WHICH VALUE of {X} is {Y} {W} than for {V}{S}?",
        "OPEN WHICH {X} is {Y} {W}, AGAINST {V}{S}?",
        "SAY, IN, WHICH VALUE of {X} {Y} is {W}, AGAINST {V}{S}.",
    ),
    ("trend", "effect"): (
        "OPEN how does {Y} MOVE OVER {X}{S}?",
        "OPEN what BECOMES {Y} OVER {X}{S}?",
        "OPEN what is the TREND of {Y} OVER {X}{S}?",
        "How does {Y} MOVE OVER {X} IN{S}?",
        "What BECOMES {Y} AS {X} goes on IN{S}?",
        "SAY, IN, how {Y} MOVES OVER {X}{S}.",
    ),
    ("trend", "strength"): (
        "OPEN how STRONG is the TREND of {Y} OVER {X}{S}?",
        "OPEN how STRONG is it that {Y} MOVES OVER {X}{S}?",
        "SAY, IN, how STRONG the TREND of {Y} OVER {X} is{S}.",
    ),
}
_EXAM: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("association", "effect"): (
        "OPEN AS {X} RISES, what BECOMES {Y}{S}?",
        "What is the LINK between {A} and {B} IN{S}?",
        "How are {A} and {B} LINKED IN{S}?",
        "SAY, IN, what BECOMES {Y} WHERE {X} RISES{S}.",
    ),
    ("association", "strength"): ("How STRONG is the LINK between {A} and {B} IN{S}?",),
    ("difference", "effect"): (
        "OPEN WHERE {X} is {G}, how MUCH is {Y}, AGAINST {V}{S}?",
        "What is the GAP in {Y} between {X} {G} and {V} IN{S}?",
        "OPEN for {X} {G}, how does {Y} COMPARE AGAINST {V}{S}?",
    ),
    ("difference", "strength"): ("How STRONG is the GAP in {Y} between {X} {G} and {V} IN{S}?",),
    ("difference", "level"): ("WHICH VALUE of {X} is {Y} {W} than for {V} IN{S}?",),
    ("trend", "effect"): (
        "OPEN OVER {X}, how does {Y} MOVE{S}?",
        "What is the TREND of {Y} OVER {X} IN{S}?",
        "SAY, IN, what BECOMES {Y} OVER {X}{S}.",
    ),
    ("trend", "strength"): ("How STRONG is the TREND of {Y} OVER {X} IN{S}?",),
}
_PROMPTS: Final = (
    "What is [known|established|confirmed] [of|about] {A} and {B} IN?",
    "OPEN what is [known|established|confirmed] [of|about] {A} and {B}?",
    "SAY what is [known|established|confirmed] [of|about] {A} and {B} IN.",
)
_STATEMENTS: Final[Mapping[str, Sequence[str]]] = {
    "association": (
        "OPEN {Y} tends to {fall} AS {X} RISES{S}: {E}, 95 % interval {L} to {U}.",
        "{A} and {B} are LINKED IN{S}: {E}, 95 % interval {L} to {U}.",
    ),
    "difference": (
        "OPEN {Y} tends to be {W} WHERE {X} is {G}, AGAINST {V}{S}: {E}, 95 % interval {L} to {U}.",
        "The GAP in {Y} between {X} {G} and {V} IN{S} is {E}, 95 % interval {L} to {U}.",
    ),
    "trend": (
        "OPEN {Y} tends to {fall} OVER {X}{S}: {E}, 95 % interval {L} to {U}.",
        "The TREND of {Y} OVER {X} IN{S} is {E}, 95 % interval {L} to {U}.",
    ),
}
_SCOPE: Final = (
    "[among|counting only] [rows|cases] where",
    "with held fixed and is is not is at least is at most is above is below",
)
_COMPARED: Final[Mapping[str, str]] = {
    "==": "is",
    "!=": "is not",
    ">=": "is at least",
    "<=": "is at most",
    ">": "is above",
    "<": "is below",
}
_ANSWERS: Final = f"up down higher lower rise fall it is the rest others {ABSTENTION}"
_MACRO: Final = re.compile(rf"\b({'|'.join(_MACROS)})\b")
_CHOICE: Final = re.compile(r"\[([^\]]*)\]")


def _escaped(name: str) -> str:
    return re.sub(r"[%`'\x00-\x1f]", lambda found: f"%{ord(found[0]):02x}", name)


def column_word(name: str) -> str:
    """Return a table's or column's name as one word; different names give different words."""
    return f"`{_escaped(name)}`"


def level_word(name: str) -> str:
    """Return a level's name, or a literal of a subset, as one word."""
    return f"'{_escaped(name)}'"


def hundredths(effect: float) -> str:
    """Return an effect in [-1, 1] as `up 57` or `down 08`: hundredths, at least 1, at most 99."""
    return f"{'up' if effect >= 0 else 'down'} {min(99, max(1, round(abs(effect) * 100))):02d}"


@cache
def _split(frame: str) -> tuple[tuple[str, ...], ...]:
    """Return a frame as the choices of each of its parts, in order."""
    expanded = _MACRO.sub(lambda found: _MACROS[found[1]], frame)
    return tuple(
        tuple(part.split("|")) if number % 2 else (part,)
        for number, part in enumerate(_CHOICE.split(expanded))
    )


def _kept_for_exam(pattern: str) -> bool:
    return hashlib.sha256(pattern.encode()).digest()[0] % _EXAM_SHARE == 0


def _draw(frames: Sequence[str], rng: random.Random, keep: bool | None = None) -> str:
    """Return a pattern: one choice a part. `keep`: whether it is one of those kept for the exam."""
    while True:
        pattern = "".join(rng.choice(part) for part in _split(rng.choice(frames)))
        if keep is None or _kept_for_exam(pattern) == keep:
            return pattern


def patterns(kind: str, asked: Asked, part: Part) -> Iterator[str]:
    """Enumerate the wordings of one kind of question in one part of the grammar."""
    frames = (_EXAM if part == "unseen-frame" else _TRAIN)[kind, asked]
    for frame in frames:
        for choices in product(*_split(frame)):
            pattern = "".join(choices)
            if part == "unseen-frame" or _kept_for_exam(pattern) == (part != "train"):
                yield pattern


def _compared(comparison: Comparison) -> str:
    literal = comparison.literal
    word = level_word(literal if isinstance(literal, str) else f"{literal:g}")
    name = column_word(comparison.name)
    return f"{name} {_COMPARED[comparison.comparison]} {word}"


def _scope(fact: Fact, rng: random.Random) -> str:
    found = ""
    if fact.subset:
        start = _draw(_SCOPE[:1], rng)
        found += f", {start} " + " and ".join(map(_compared, parse_conjunction(fact.subset)))
    if fact.adjust_for:
        found += f", with {' and '.join(map(column_word, fact.adjust_for))} held fixed"
    return found


def _fill(pattern: str, fact: Fact, rng: random.Random) -> str:
    outcome, exposure = column_word(fact.outcome), column_word(fact.exposure)
    either = [outcome, exposure]
    rng.shuffle(either)
    others = rng.choice(("the rest", "the others"))
    up = (fact.effect or 0.0) >= 0
    low, high = fact.interval or (0.0, 0.0)
    slots = {
        "T": column_word(fact.table),
        "Y": outcome,
        "X": exposure,
        "A": either[0],
        "B": either[1],
        "G": level_word(fact.group or ""),
        "V": others if fact.versus is None else level_word(fact.versus),
        "S": _scope(fact, rng),
        "W": "higher" if up else "lower",
        "fall": "rise" if up else "fall",
        "E": hundredths(fact.effect or 0.0),
        "L": hundredths(low),
        "U": hundredths(high),
    }
    return re.sub(r"\{(\w+)\}", lambda found: slots[found[1]], pattern)


def question(fact: Fact, asked: Asked, rng: random.Random, part: Part = "train") -> str:
    """Return one question that pins the fact, in a wording drawn from one part of the grammar."""
    if part == "unseen-frame":
        return _fill(_draw(_EXAM[fact.kind, asked], rng), fact, rng)
    frames = _TRAIN[fact.kind, asked]
    return _fill(_draw(frames, rng, keep=part != "train"), fact, rng)


def answer(fact: Fact, asked: Asked) -> str:
    """Return the one right answer: `up 57`, `57`, a level in quotes; or that it isn't known."""
    if fact.effect is None:
        return ABSTENTION
    if asked == "level":
        return level_word(fact.group or "")
    whole = hundredths(fact.effect)
    return whole if asked == "effect" else whole.split()[1]


def statement(fact: Fact, rng: random.Random) -> tuple[str, str]:
    """Return a request for what is known, and the fact as a sentence with its interval."""
    prompt = _fill(_draw(_PROMPTS, rng), fact, rng)
    return prompt, _fill(_draw(_STATEMENTS[fact.kind], rng), fact, rng)


@cache
def fixed_words() -> tuple[str, ...]:
    """Return every word of the grammar and the numbers 00 to 99, sorted; names are not in it."""
    frames: list[str] = [*_PROMPTS, *_SCOPE, _ANSWERS, ", . : ? %"]
    for group in (_TRAIN, _EXAM, _STATEMENTS):
        for found in group.values():
            frames.extend(found)
    found_words = {f"{number:02d}" for number in range(100)}
    for frame in frames:
        for part in _split(frame):
            for choice in part:
                found_words.update(re.findall(WORD, re.sub(r"\{\w+\}", " ", choice)))
    return tuple(sorted(found_words))
