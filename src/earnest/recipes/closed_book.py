"""What the current model knows: a run's frozen claims are put to it, with no table and no tool.

It is asked before anything is verified. What goes wrong is noted beside the claim and stops
nothing: a claim that was not asked about is one of which nothing is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from earnest.core.closed_book import graded, heard, questions, settled, unfit
from earnest.core.errors import LackError, ModelError
from earnest.core.history import Asked, ClosedBook, Style
from earnest.core.messages import Message, Sampling, Spent, Usage
from earnest.core.protocols import Model, Progress
from earnest.core.records import Finding

MOST_CLAIMS: Final = 100
MOST_S: Final = 600.0
# A plain reply takes three tokens. A model that thinks first needs some, and where it gets none
# its silence would look like ignorance.
MOST_TOKENS: Final = 1024
_RECITAL: Final = 160  # as in the exam
_REASON: Final = 300


def ask(
    model: Model,
    batch: Sequence[Finding],
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> list[ClosedBook]:
    """Return what a model knows of each finding's claim, asked closed-book.

    Bounded: 5 questions a claim, fewer once they can't show that it knows; 100 claims; ten minutes;
    and no more after the first error of the model.
    """
    try:
        style = model.speaks
    except (ModelError, LackError) as error:
        return [_silent(model, one, str(error)) for one in batch]
    if style is None:
        return [_silent(model, one, f"{model.name} is no language model") for one in batch]
    if batch:
        claims = "1 claim" if len(batch) == 1 else f"{len(batch)} claims"
        progress(f"asking {model.name} closed-book about {claims}")
    return list(_each(model, style, batch, clock))


def _each(
    model: Model, style: Style, batch: Sequence[Finding], clock: Callable[[], float]
) -> Iterator[ClosedBook]:
    until, asked, over = clock() + MOST_S, 0, ""
    for finding in batch:
        why = unfit(finding.claim, style) or over
        if why:
            yield _silent(model, finding, why)
            continue
        told = _one(model, style, finding)
        over, asked = told.why, asked + 1
        if asked == MOST_CLAIMS:
            over = over or f"{MOST_CLAIMS} claims of this run were asked about"
        elif clock() > until:
            over = over or "the time for asking was used up"
        yield told


def _one(model: Model, style: Style, finding: Finding) -> ClosedBook:
    """Put one claim's questions to a model, until their replies settle its grade."""
    asked: list[Asked] = []
    usage, why = Usage(), ""
    for put in questions(finding.claim, style):
        if settled([one.says for one in asked]):
            break
        sampling = Sampling(max_tokens=MOST_TOKENS if style == "plain" else _RECITAL)
        try:
            made = model.generate([Message(role="user", content=put.text)], [], sampling)
        except (ModelError, LackError) as error:
            why = str(error)
            break
        usage = added(usage, made.usage)
        if style == "plain" and made.stop == "length":
            why = f"a reply did not end within {MOST_TOKENS} tokens"
            break
        reply = heard(made.message.content)
        asked.append(Asked(question=put.text, answer=reply, says=graded(put, reply)))
    return _record(model, finding, style, tuple(asked), why, usage)


def _silent(model: Model, finding: Finding, why: str) -> ClosedBook:
    return _record(model, finding, "plain", (), why, Usage())


def _record(
    model: Model,
    finding: Finding,
    style: Style,
    asked: tuple[Asked, ...],
    why: str,
    usage: Spent,
) -> ClosedBook:
    return ClosedBook(
        finding=finding.id,
        model=model.name,
        checkpoint=getattr(model, "checkpoint", None),
        style=style,
        asked=asked,
        why=why.encode("utf-8", "replace").decode()[:_REASON],
        usage=usage,
    )


def added(one: Spent, other: Spent) -> Usage:
    """Return the sum; what one of them does not count is left out."""
    return Usage(
        prompt_tokens=_sum(one.prompt_tokens, other.prompt_tokens),
        completion_tokens=_sum(one.completion_tokens, other.completion_tokens),
        cost_usd=_sum(one.cost_usd, other.cost_usd),
    )


def whole_cost(run: Spent, asked: Spent) -> float | None:
    """Return what a run and its closed-book questions cost, in US dollars; None: unknown."""
    if asked.prompt_tokens is None:  # nothing was asked
        return run.cost_usd
    if run.cost_usd is None or asked.cost_usd is None:
        return None
    return run.cost_usd + asked.cost_usd


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other
