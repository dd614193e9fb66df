"""The closed-book exam: what a model knows of tables when no table is at hand.

Families: `confirmed` (what the latest generation was to learn), `kept` (what the one before was
taught) and `unasserted` (refuted, inconclusive and invalid claims, and pairs of columns that no
one has claimed anything of and no training has touched). Wordings are unseen combinations of the
training grammar's parts and, in turn, unseen frames.

The answer is a direction and two digits: right by chance in 1 of 198. A reply names the question's
terms and recites what is known of one of them; a right one names the right terms. One that recites
anything that is not established of them asserts too much, whatever was asked.

Not covered: whether the sealed estimate is true of the world, questions in other words than the
grammar's, and what is recited of a column that was not asked about.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

from earnest.core.canon import canonical, digest
from earnest.core.errors import ModelError, UsageError
from earnest.core.facts import Fact, Found, established, for_exam, unclaimed, unsettled
from earnest.core.records import EvalReport, Item, TableRef, Value
from earnest.core.wording import (
    ABSTENTION,
    Part,
    answer,
    question,
    read_reply,
    short_answer,
)

SUITE: Final = "closed-book"
CHANCE: Final = 1 / 198
Family = Literal["confirmed", "unasserted", "kept"]
Answers = Callable[[Sequence[str]], Sequence[str]]

_STYLES: Final[tuple[Part, ...]] = ("unseen-combination", "unseen-frame")
_PATIENCE: Final = 50


class ExamItem(Value):
    """One question with its one right answer. `cluster`: the finding or claim it is on.

    `replies`: what a model that knows everything would say, starting from either column where
    both are asked about alike.
    """

    item: str
    family: Family
    cluster: str
    question: str
    expected: str
    replies: tuple[str, ...]


def _leads(fact: Fact) -> tuple[str, ...]:
    """Return the columns that an answer may start from."""
    both = fact.kind == "association"
    return (fact.outcome, fact.exposure) if both else (fact.outcome,)


def _ask(
    family: Family,
    facts: Sequence[tuple[str, Fact]],
    known: Sequence[Fact],
    count: int,
    rng: random.Random,
    asked: set[str],
) -> list[ExamItem]:
    """Return `count` different questions, the facts in turn; fewer where wordings run out."""
    found: list[ExamItem] = []
    for number in range(_PATIENCE * count if facts else 0):
        turn, at = divmod(number, len(facts))
        cluster, fact = facts[at]
        part = _STYLES[(turn + at) % len(_STYLES)]
        if len(found) == count:
            break
        put = question(fact, rng, part)
        if put.text in asked:
            continue
        asked.add(put.text)
        right = short_answer(fact)
        found.append(
            ExamItem(
                item=digest(canonical([family, cluster, put.text, right])),
                family=family,
                cluster=cluster,
                question=put.text,
                expected=right,
                replies=tuple(answer(fact, lead, known) for lead in _leads(fact)),
            )
        )
    return found


def exam_items(
    findings: Sequence[Found],
    tables: Sequence[TableRef],
    before: Collection[str],
    seed: int,
    *,
    each: int = 4,
    least: int = 80,
) -> tuple[ExamItem, ...]:
    """Write an exam on all findings so far and the tables they are on.

    `before`: ids of the findings that the earlier generation was taught. Each fact gets `each`
    questions, `confirmed` and `kept` at least `least` each; `unasserted` twice that, and
    two for each claim that is not settled. Same inputs, same exam.
    """
    rng = random.Random(seed)  # noqa: S311 (an exam, not a secret)
    known, _ = established(findings)
    fresh = [(item.finding, item.fact) for item in known if item.finding not in before]
    kept = [(item.finding, item.fact) for item in known if item.finding in before]
    silent = [fact for fact in unclaimed(tables, findings) if for_exam(fact)]
    rng.shuffle(silent)
    claimed = unsettled(findings)
    unasserted = [
        (digest(canonical(list(fact.key))), fact) for fact in [*claimed, *silent[: 2 * least]]
    ]
    asked: set[str] = set()
    facts = [item.fact for item in known]
    found = _ask("confirmed", fresh, facts, max(least, each * len(fresh)), rng, asked)
    found += _ask("kept", kept, facts, max(least, each * len(kept)), rng, asked)
    found += _ask("unasserted", unasserted, facts, 2 * (len(claimed) + least), rng, asked)
    return tuple(found)


def passed(item: ExamItem, reply: str) -> bool:
    """Grade a reply: exactly the right answer, and nothing said that is not established."""
    said = read_reply(reply)
    alike = [right for right in map(read_reply, item.replies) if right.terms == said.terms]
    if item.family == "unasserted":
        invented = any(not set(said.entries) <= set(right.entries) for right in alike)
        return said.says == ABSTENTION and not invented
    return bool(alike) and said.says == item.expected


def run_exam(
    checkpoint: str, answers: Answers, items: Sequence[ExamItem], seed: int = 0
) -> EvalReport:
    """Put all questions to a model, closed book, and grade its replies.

    `checkpoint`: the checkpoint's hash. `answers` maps questions to replies, one each, in order.
    Raises `UsageError` for an exam without items and `ModelError` where replies are missing.
    """
    if not items:
        raise UsageError("the exam is empty", mend="verify findings first: earnest run PROMPT")
    replies = answers([item.question for item in items])
    if len(replies) != len(items):
        raise ModelError(f"{len(replies)} replies to {len(items)} questions")
    graded = tuple(
        Item(**item.model_dump(exclude={"replies"}), answer=reply, passed=passed(item, reply))
        for item, reply in zip(items, replies, strict=True)
    )
    return EvalReport(suite=SUITE, checkpoint=checkpoint, seed=seed, items=graded)
