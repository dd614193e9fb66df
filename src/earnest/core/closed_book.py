"""What a model is asked closed-book about a claim, and how its replies are graded: by us, strictly.

A model that has read something may know what a claim says. It is asked without the table, without
tools and without its earlier words: four times, in three forms, half of which lean the other way
(the opposite is offered first, or stated), and once the same about names that were made up. So who
always says yes, takes the first choice or the upper end, or answers whatever is asked, knows
nothing. Only a reply that consists of one offered word counts.

A model that was trained on the grammar of `earnest.core.wording` reads no other words. There the
questions offer nothing, so none leans; the one about made-up names finds who always says "up".

Not covered: a model that plays ignorant; one that guesses right four times and knows that names
are made up (1 in 16, where it always guesses); how strong an effect is; and an author who hides
words to the model in a literal of its subset. Replies decide the word of novelty, and nothing else.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from earnest.core.claims import sentence
from earnest.core.facts import Fact, spoken
from earnest.core.history import ClosedBook, Says, Style
from earnest.core.kinds import Claim
from earnest.core.likeness import OPPOSITE, Grade, claim_key
from earnest.core.quoted import plain
from earnest.core.wording import Part, answer, question, read_reply

MOST: Final = 5
"""Questions a claim: four about it, and the one about made-up names, which comes last."""

LONGEST: Final = 2000
_REAL: Final = MOST - 1
_MEMORY: Final = "Answer from memory. "
_REPLY: Final = " Reply with one word only: {}, {} or unknown."
_WORD: Final = re.compile(r"[^\W_]+")
_THOUGHT: Final = "</think>"
_PARTS: Final[tuple[Part, ...]] = ("train", "unseen-combination", "unseen-frame", "train")
_PATIENCE: Final = 100


@dataclass(frozen=True)
class Put:
    """One question. `means`: what each word of a reply says; any other reply says nothing.

    `terms`: in the grammar, the terms that a reply may name; empty: any. None: in plain words.
    """

    text: str
    means: Mapping[str, Says]
    terms: tuple[str, ...] | None = None


def unfit(claim: Claim, style: Style) -> str:
    """Say why there is no fair closed-book question about a claim; empty: there is one."""
    if claim.descriptive:
        return "it says something of the rows at hand only"
    if style == "grammar":
        return "" if spoken(claim) else "the model's grammar has no words for it"
    if claim.direction not in OPPOSITE:
        return f"{claim.direction!r} has no opposite to offer beside it"
    if max(len(sentence(claim)), len(sentence(_turned(claim)))) > LONGEST // 3:
        return "it is too long for a question"
    return ""


def questions(claim: Claim, style: Style) -> tuple[Put, ...]:
    """Return the questions about a claim that is not `unfit`, in order; always the same ones."""
    bare = claim.model_copy(update={"threshold": None})
    return _in_grammar(bare) if style == "grammar" else _in_words(bare)


def heard(reply: str) -> str:
    """Return what is kept and graded of a reply: without its thoughts, 2,000 characters at most."""
    return reply.rpartition(_THOUGHT)[2].strip()[:LONGEST]


def graded(put: Put, reply: str) -> Says:
    """Return what a reply says: nothing, unless it is one of the answers that were offered."""
    if put.terms is None:
        words = _WORD.findall(reply.casefold())
        said = words[0] if len(words) == 1 else ""
        return put.means.get(said, "nothing")
    read = read_reply(reply)
    found = re.fullmatch(r"(up|down) \d\d", read.says)
    if found is None or (put.terms and read.terms not in put.terms):
        return "nothing"
    return put.means[found[1]]


def settled(said: Sequence[Says]) -> bool:
    """Say whether no further reply can change the grade: `novel`, after these."""
    real = set(said[:_REAL])
    return "nothing" in real or len(real) > 1


def grade(claim: Claim, told: ClosedBook | None) -> tuple[Grade | None, str]:
    """Return how new a claim is to the model that was asked, and why; None: it was not asked.

    The replies are graded anew: a record whose questions or grades are not ours counts for nothing.
    """
    if told is None:
        return None, "not asked"
    if told.why:
        return None, f"not asked: {told.why}"
    if unfit(claim, told.style):
        return None, "not counted: there is no fair question about this claim"
    puts = questions(claim, told.style)
    ours = [(put.text, graded(put, one.answer)) for put, one in zip(puts, told.asked, strict=False)]
    said = [says for _, says in ours]
    if [(one.question, one.says) for one in told.asked] != ours:
        return None, "not counted: its questions or grades are not this program's"
    if len(said) < len(puts) and not settled(said):
        return None, "not counted: it was not asked to the end"
    word, says = _graded(claim, told.model, said)
    return word, f"{says}, asked by the run that submitted it"


def _graded(claim: Claim, model: str, said: Sequence[Says]) -> tuple[Grade, str]:
    real = said[:_REAL]
    if "nothing" in real:
        return "novel", f"{model} does not say"
    if len(set(real)) > 1:
        return "novel", f"{model} affirms it in one wording and its opposite in another"
    if "invents" in said:
        return "novel", f"{model} answers in {_REAL} wordings, and about names made up as well"
    if real[0] == "opposite":
        return "contradicts", f"{model} says the opposite in {_REAL} wordings"
    if claim.threshold is not None:
        return "extends", f"{model} says so in {_REAL} wordings, without its size"
    return "known", f"{model} says so in {_REAL} wordings"


def _turned(claim: Claim) -> Claim:
    return claim.model_copy(update={"direction": OPPOSITE[claim.direction]})


def _made_up(claim: Claim) -> Claim:
    """Return a claim of the same form about names that nobody can know of."""
    draw = random.Random(claim_key(claim))  # noqa: S311 (names, not a secret)

    def name() -> str:
        return "".join(draw.choice("qxzvkj") + draw.choice("aou") for _ in range(4))

    fresh = {
        field: name()
        for field in ("table", "outcome", "exposure", "modifier", "group", "versus")
        if getattr(claim, field)
    }
    dropped = {"subset": "", "adjust_for": (), "order": (), "outcome_order": ()}
    return claim.model_copy(update={**fresh, **dropped})


# In plain words


def _in_words(claim: Claim) -> tuple[Put, ...]:
    so, not_so = sentence(claim), sentence(_turned(claim))
    return (
        _first(claim, opposite_first=True),
        _offered(f"Is this so? {so}", ("yes", "agrees"), ("no", "opposite")),
        _offered(f"Which is true? A: {so} B: {not_so}", ("a", "agrees"), ("b", "opposite")),
        _offered(f"True or false? {not_so}", ("true", "opposite"), ("false", "agrees")),
        _control(_first(_made_up(claim), opposite_first=False)),
    )


def _offered(text: str, one: tuple[str, Says], other: tuple[str, Says]) -> Put:
    first, second = (word.upper() if len(word) == 1 else word for word in (one[0], other[0]))
    return Put(f"{_MEMORY}{plain(text)}{_REPLY.format(first, second)}", dict((one, other)))


def _control(put: Put) -> Put:
    return Put(put.text, dict.fromkeys(put.means, "invents"), put.terms)


def _first(claim: Claim, *, opposite_first: bool) -> Put:
    """Return the question that offers both answers, in words of its own where there are some."""
    frame, up, down = _FRAMES.get(claim.direction, ("", "", ""))
    if not frame or claim.order or claim.outcome_order:
        one, other = sentence(claim), sentence(_turned(claim))
        if opposite_first:
            text = f"Which of these holds? A: {other} B: {one}"
            return _offered(text, ("a", "opposite"), ("b", "agrees"))
        text = f"Which of these holds? A: {one} B: {other}"
        return _offered(text, ("a", "agrees"), ("b", "opposite"))
    right, wrong = (up, down) if claim.sign > 0 else (down, up)
    pair: list[tuple[str, Says]] = [(wrong, "opposite"), (right, "agrees")]
    if not opposite_first:
        pair.reverse()
    return _offered(_framed(claim, frame, pair[0][0], pair[1][0]), *pair)


def _framed(claim: Claim, frame: str, one: str, other: str) -> str:
    rows = f", among rows with {claim.subset}" if claim.subset else ""
    fixed = ", ".join(map(_column, claim.adjust_for))
    words = {
        "y": _column(claim.outcome),
        "x": _column(claim.exposure),
        "here": f"where {_column(claim.exposure)} is {claim.group!r}",
        "there": "elsewhere" if claim.versus is None else f"where it is {claim.versus!r}",
        "one": one,
        "other": other,
    }
    text = re.sub(r"\{(\w+)\}", lambda found: words[found[1]], frame)
    return f"In {claim.table}{rows}{f', {fixed} held fixed' if fixed else ''}, {text}?"


def _column(name: str) -> str:
    return f"`{name}`"


_ASSOCIATION: Final = ("as {x} rises, does {y} tend to {one} or to {other}", "rise", "fall")
_DIFFERENCE: Final = ("does {y} tend to be {one} or {other} {here} than {there}", "higher", "lower")
_TREND: Final = ("does {y} tend to {one} or to {other} along {x}", "rise", "fall")
_SPREAD: Final = ("is {y} spread {one} or {other} {here} than {there}", "wider", "narrower")
_TAIL: Final = ("is the longer tail of {y} on the {one} or the {other} side", "higher", "lower")
_FRAMES: Final[Mapping[str, tuple[str, str, str]]] = {
    **dict.fromkeys(("positive", "negative"), _ASSOCIATION),
    **dict.fromkeys(("higher", "lower"), _DIFFERENCE),
    **dict.fromkeys(("rising", "falling"), _TREND),
    **dict.fromkeys(("wider", "narrower"), _SPREAD),
    **dict.fromkeys(("right-skewed", "left-skewed"), _TAIL),
}


# In the grammar


def _in_grammar(claim: Claim) -> tuple[Put, ...]:
    draw = random.Random(claim_key(claim))  # noqa: S311 (wordings, not a secret)
    fact = Fact.of(claim)
    leads = (fact.outcome, fact.exposure) if fact.kind == "association" else (fact.outcome,)
    terms = tuple(read_reply(answer(fact, lead, ())).terms for lead in leads)
    means: dict[str, Says] = {"up": "agrees", "down": "opposite"}
    if claim.sign < 0:
        means = {"up": "opposite", "down": "agrees"}
    texts: list[str] = []
    for number in range(_PATIENCE):
        text = question(fact, draw, _PARTS[number % len(_PARTS)]).text
        if text not in texts:
            texts.append(text)
        if len(texts) == _REAL:
            break
    unknown = question(Fact.of(_made_up(claim)), draw).text
    puts = [Put(text, means, terms) for text in texts]
    return (*puts, _control(Put(unknown, means, ())))
