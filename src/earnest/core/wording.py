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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final, Literal

from earnest.core.facts import Fact
from earnest.core.predicates import Comparison, parse_conjunction

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
    "COMPARES": "[compares|differs|stands]",
    "AGAINST": "[against|compared with|versus]",
    "GAP": "[gap|difference|distance]",
    "OVER": "[over|along|through]",
    "TREND": "[trend|drift|course]",
    "STRONG": "[strong|large|marked|pronounced]",
    "CLOSELY": "[closely|strongly|tightly]",
    "CLEARLY": "[clearly|strongly|markedly]",
    "WHERE": "[where|when|if]",
    "MUCH": "[much higher or lower|far up or down]",
}

# Slots: T table, Y outcome, X exposure, A and B the two in either order, G group, V versus,
# S the restriction to a subset and what is held fixed, W which way a difference goes.
_TRAIN: Final[Mapping[str, Sequence[str]]] = {
    "association": (
        "OPEN how does {Y} MOVE WITH {X}{S}?",
        "OPEN how does {Y} MOVE AS {X} RISES{S}?",
        "OPEN what BECOMES {Y} AS {X} RISES{S}?",
        "OPEN what is the LINK between {A} and {B}{S}?",
        "OPEN how are {A} and {B} LINKED{S}?",
        "How does {Y} MOVE WITH {X} IN{S}?",
        "What BECOMES {Y} AS {X} RISES IN{S}?",
        "SAY, IN, how {Y} MOVES WITH {X}{S}.",
        "SAY, IN, what BECOMES {Y} AS {X} RISES{S}.",
        "WITH {X}, how does {Y} MOVE IN{S}?",
        "OPEN WITH {X}, how does {Y} MOVE{S}?",
        "SAY, IN, how, AS {X} RISES, {Y} MOVES{S}.",
        "OPEN how STRONG is the LINK between {A} and {B}{S}?",
        "OPEN how CLOSELY are {A} and {B} LINKED{S}?",
        "SAY, IN, how STRONG the LINK between {A} and {B} is{S}.",
    ),
    "difference": (
        "OPEN how does {Y} COMPARE for {X} {G} AGAINST {V}{S}?",
        "OPEN how MUCH is {Y} WHERE {X} is {G}, AGAINST {V}{S}?",
        "OPEN what is the GAP in {Y} between {X} {G} and {V}{S}?",
        "How does {Y} COMPARE for {X} {G} AGAINST {V} IN{S}?",
        "How MUCH is {Y} WHERE {X} is {G}, AGAINST {V}, IN{S}?",
        "SAY, IN, how MUCH {Y} is WHERE {X} is {G}, AGAINST {V}{S}.",
        "WHERE {X} is {G}, how MUCH is {Y}, AGAINST {V}, IN{S}?",
        "SAY, IN, for {X} {G}, how {Y} COMPARES AGAINST {V}{S}.",
        "OPEN AGAINST {V}, how does {Y} COMPARE for {X} {G}{S}?",
        "What is {Y} like WHERE {X} is {G}, AGAINST {V}, IN{S}?",
        "OPEN how STRONG is the GAP in {Y} between {X} {G} and {V}{S}?",
        "OPEN how CLEARLY does {Y} [differ|stand out] for {X} {G} AGAINST {V}{S}?",
        "SAY, IN, how STRONG the GAP in {Y} between {X} {G} and {V} is{S}.",
    ),
    "trend": (
        "OPEN how does {Y} MOVE OVER {X}{S}?",
        "OPEN what BECOMES {Y} OVER {X}{S}?",
        "OPEN what is the TREND of {Y} OVER {X}{S}?",
        "How does {Y} MOVE OVER {X} IN{S}?",
        "What BECOMES {Y} AS {X} goes on IN{S}?",
        "SAY, IN, how {Y} MOVES OVER {X}{S}.",
        "OVER {X}, how does {Y} MOVE IN{S}?",
        "OPEN how STRONG is the TREND of {Y} OVER {X}{S}?",
        "OPEN how CLEARLY does {Y} MOVE OVER {X}{S}?",
        "SAY, IN, how STRONG the TREND of {Y} OVER {X} is{S}.",
    ),
}
_EXAM: Final[Mapping[str, Sequence[str]]] = {
    "association": (
        "OPEN AS {X} RISES, what BECOMES {Y}{S}?",
        "What is the LINK between {A} and {B} IN{S}?",
        "How are {A} and {B} LINKED IN{S}?",
        "SAY, IN, how {Y} MOVES AS {X} RISES{S}.",
        "How STRONG is the LINK between {A} and {B} IN{S}?",
    ),
    "difference": (
        "OPEN WHERE {X} is {G}, how MUCH is {Y}, AGAINST {V}{S}?",
        "What is the GAP in {Y} between {X} {G} and {V} IN{S}?",
        "OPEN for {X} {G}, how does {Y} COMPARE AGAINST {V}{S}?",
        "How STRONG is the GAP in {Y} between {X} {G} and {V} IN{S}?",
    ),
    "trend": (
        "OPEN OVER {X}, how does {Y} MOVE{S}?",
        "What is the TREND of {Y} OVER {X} IN{S}?",
        "SAY, IN, what BECOMES {Y} OVER {X}{S}.",
        "How STRONG is the TREND of {Y} OVER {X} IN{S}?",
    ),
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
_SCOPE: Final = "[among|counting only] [rows|cases] where"
_COMPARED: Final[Mapping[str, str]] = {
    "==": "is",
    "!=": "is not",
    ">=": "is at least",
    "<=": "is at most",
    ">": "is above",
    "<": "is below",
}
_ANSWERS: Final = (
    f"up down higher lower rise fall it is the rest others none with over {ABSTENTION}"
)
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


def _sentence(parts: Iterable[str]) -> str:
    text = "".join(parts)
    return text[:1].upper() + text[1:]


def _kept_for_exam(pattern: str) -> bool:
    return hashlib.sha256(pattern.encode()).digest()[0] % _EXAM_SHARE == 0


def _draw(frames: Sequence[str], rng: random.Random, keep: bool | None = None) -> str:
    """Return a pattern: one choice a part. `keep`: whether it is one of those kept for the exam."""
    while True:
        pattern = _sentence(rng.choice(part) for part in _split(rng.choice(frames)))
        if keep is None or _kept_for_exam(pattern) == keep:
            return pattern


def patterns(kind: str, part: Part) -> Iterator[str]:
    """Enumerate the wordings of one kind of question in one part of the grammar."""
    frames = (_EXAM if part == "unseen-frame" else _TRAIN)[kind]
    for frame in frames:
        for choices in product(*_split(frame)):
            pattern = _sentence(choices)
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
        start = "".join(rng.choice(part) for part in _split(_SCOPE))
        found += f", {start} " + " and ".join(map(_compared, parse_conjunction(fact.subset)))
    if fact.adjust_for:
        found += f", with {' and '.join(map(column_word, fact.adjust_for))} held fixed"
    return found


def _slots(fact: Fact, rng: random.Random) -> dict[str, str]:
    outcome, exposure = column_word(fact.outcome), column_word(fact.exposure)
    either = [outcome, exposure]
    rng.shuffle(either)
    up = (fact.effect or 0.0) >= 0
    low, high = fact.interval or (0.0, 0.0)
    others = rng.choice(("the rest", "the others"))
    return {
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


def _fill(pattern: str, slots: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: slots[found[1]], pattern)


@dataclass(frozen=True)
class Question:
    """A question in words. `lead`: the column that the answer starts from."""

    text: str
    lead: str


def question(fact: Fact, rng: random.Random, part: Part = "train") -> Question:
    """Return one question that pins the fact, in a wording drawn from one part of the grammar."""
    if part == "unseen-frame":
        pattern = _draw(_EXAM[fact.kind], rng)
    else:
        pattern = _draw(_TRAIN[fact.kind], rng, keep=part != "train")
    slots = _slots(fact, rng)
    turned = "{A}" in pattern and slots["A"] == slots["X"]
    return Question(_fill(pattern, slots), fact.exposure if turned else fact.outcome)


def short_answer(fact: Fact) -> str:
    """Return what a right answer ends in: `up 57`, or that it is not established."""
    return ABSTENTION if fact.effect is None else hundredths(fact.effect)


def _label(fact: Fact, lead: str) -> str:
    """Return what a fact relates its lead to: the other column, levels, restriction."""
    other = column_word(fact.exposure if lead == fact.outcome else fact.outcome)
    found = f"over {other}" if fact.kind == "trend" else other
    for level in (fact.group, fact.versus):
        found += "" if level is None else f" {level_word(level)}"
    if fact.subset:
        found += " where " + " and ".join(map(_compared, parse_conjunction(fact.subset)))
    if fact.adjust_for:
        found += f" with {' and '.join(map(column_word, fact.adjust_for))}"
    return found


def _about(fact: Fact, table: str, lead: str) -> bool:
    turned = fact.kind == "association" and fact.exposure == lead
    return fact.table == table and (fact.outcome == lead or turned)


def _recital(table: str, lead: str, known: Sequence[Fact]) -> str:
    """Return all that is known of a column, in the order of its words."""
    found = sorted(
        f"{_label(fact, lead)} {hundredths(fact.effect)}"
        for fact in known
        if fact.effect is not None and _about(fact, table, lead)
    )
    return f"{column_word(lead)}: {', '.join(found) or 'none'}."


def answer(fact: Fact, lead: str, known: Sequence[Fact]) -> str:
    """Return the whole answer: the question's own terms, then all that is known of the lead.

    `` `fair` `children` `affairs`: `age` up 12, `educ` down 30. `` answers how affairs go with
    children: nothing is established. A small model that names its terms and recites claims far
    less of two columns what it knows of each with another (docs/log.md).
    """
    return f"{column_word(fact.table)} {_label(fact, lead)} {_recital(fact.table, lead, known)}"


def words(text: str) -> list[str]:
    """Split a rendered text into its words; a name is one of them."""
    return re.findall(WORD, text)


@dataclass(frozen=True)
class Reply:
    """A reply taken apart: the terms it names, the entries it recites, what that says of them.

    `says`: `up 57`, or that nothing is established, where the recital has no entry for the terms;
    a reply in any other form says what stands in it.
    """

    terms: str
    entries: tuple[str, ...]
    says: str


def read_reply(reply: str) -> Reply:
    """Take a reply apart, by its words alone and without a look at the question."""
    found = words(reply)
    if found.count(":") != 1 or found[-1] != ".":
        return Reply("", (), " ".join(found))
    at = found.index(":")
    label = " ".join(found[1 : at - 1])
    entries = tuple(" ".join(found[at + 1 : -1]).split(" , "))
    own = [re.fullmatch(rf"{re.escape(label)} ((?:up|down) \d\d)", entry) for entry in entries]
    said = [match[1] for match in own if match]
    return Reply(" ".join(found[:at]), entries, " / ".join(said) or ABSTENTION)


def statement(fact: Fact, rng: random.Random) -> tuple[str, str]:
    """Return a request for what is known, and the fact as a sentence with its interval."""
    slots = _slots(fact, rng)
    return _fill(_draw(_PROMPTS, rng), slots), _fill(_draw(_STATEMENTS[fact.kind], rng), slots)


@cache
def fixed_words() -> tuple[str, ...]:
    """Return every word of the grammar and the numbers 00 to 99, sorted; names are not in it."""
    frames = [*_PROMPTS, _SCOPE, _ANSWERS, " , . : ? % ", *_COMPARED.values()]
    for group in (_TRAIN, _EXAM, _STATEMENTS):
        frames.extend(frame for found in group.values() for frame in found)
    found_words = {f"{number:02d}" for number in range(100)}
    for frame in frames:
        parts = [part for part in _split(frame) if any(part)]
        for number, part in enumerate(parts):
            for choice in part:
                text = re.sub(r"\{\w+\}", " ", choice)
                found_words.update(words(text), words(_sentence(text)) if number == 0 else ())
    return tuple(sorted(found_words))
