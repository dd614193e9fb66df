"""The proofs of check 5: what must make a claim known, and what must not.

The evidence of these cases is bad on purpose: novelty is graded whatever the verdict, and a bundle
that fails its first check is quickly done with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from earnest.core.catalogue import Entry
from earnest.core.closed_book import Put, graded, questions
from earnest.core.history import Asked, ClosedBook
from earnest.core.kinds import Claim
from earnest.core.records import Finding
from earnest.verify.proofs_cases import HONEST, Case

Told = Callable[[Finding], ClosedBook]


def _entry(direction: str, table: str = "") -> Entry:
    claim = Claim.model_validate(
        {
            "kind": "association",
            "table": table,
            "outcome": "Response",
            "exposure": "DOSE",
            "direction": direction,
        }
    )
    return Entry(claim=claim, source="Smith 2020")


def _replies(model: Callable[[Put], str], stop: int = 9) -> Told:
    """Return what comes of putting a claim's questions to a model, or the first few of them."""

    def told(finding: Finding) -> ClosedBook:
        replies = [(put, model(put)) for put in questions(finding.claim, "plain")[:stop]]
        asked = tuple(
            Asked(question=put.text, answer=reply, says=graded(put, reply))
            for put, reply in replies
        )
        return ClosedBook(finding=finding.id, model="m", asked=asked)

    return told


def _meaning(says: str, otherwise: str = "unknown") -> Callable[[Put], str]:
    """Return a model that says what has this meaning, and where nothing has, something else."""
    return lambda put: next((word for word, s in put.means.items() if s == says), otherwise)


def _yes(put: Put) -> str:
    """Say yes, true, and of two choices the first."""
    return next((word for word in ("yes", "true") if word in put.means), next(iter(put.means)))


def _guesses(put: Put) -> str:
    """Be right by luck, and answer what nobody can know."""
    return _meaning("agrees", next(iter(put.means)))(put)


def _wordy(put: Put) -> str:
    return f"I would guess {_meaning('agrees')(put)}, since doses work."


def _written(finding: Finding) -> ClosedBook:
    """Return replies that say nothing, with grades that an author wrote beside them."""
    told = _replies(lambda _: "unknown")(finding)
    asked = tuple(one.model_copy(update={"says": "agrees"}) for one in told.asked)
    return told.model_copy(update={"asked": asked})


def _elsewhere(finding: Finding) -> ClosedBook:
    """Return good replies to questions about another claim."""
    claim = finding.claim.model_copy(update={"outcome": "id"})
    told = _replies(_meaning("agrees"))(finding.model_copy(update={"claim": claim}))
    return told.model_copy(update={"finding": finding.id})


def _case(
    name: str, grade: str, names: str, listed: tuple[Entry, ...] = (), told: Told | None = None
) -> Case:
    return Case(
        name,
        HONEST,
        "invalid",
        "inputs",
        changed=True,
        grade=grade,
        names=names,
        listed=listed,
        told=told,
    )


_NOT_COUNTED: Final = "closed-book: not counted"

NOVELTY: Final = (
    _case("nothing is known", "novel", "catalogue: empty"),
    _case("in the catalogue", "known", "Smith 2020", (_entry("positive"),)),
    _case("in it, of this table", "known", "Smith 2020", (_entry("positive", "Proof"),)),
    _case("in it, of another table", "novel", "the nearest is", (_entry("positive", "trial"),)),
    _case("the opposite is in it", "contradicts", "Smith 2020", (_entry("negative"),)),
    _case("the model knows it", "known", "m says so", told=_replies(_meaning("agrees"))),
    _case("the model says the opposite", "contradicts", "m says the opposite",
          told=_replies(_meaning("opposite"))),
    _case("a model that says yes", "novel", "and its opposite", told=_replies(_yes)),
    _case("a model that takes the first choice", "novel", "and its opposite",
          told=_replies(lambda put: next(iter(put.means)))),
    _case("a model that guesses", "novel", "made up as well", told=_replies(_guesses)),
    _case("a model that does not know", "novel", "does not say",
          told=_replies(lambda _: "unknown")),
    _case("a model that talks", "novel", "does not say", told=_replies(_wordy)),
    _case("a model that was not asked all", "novel", _NOT_COUNTED,
          told=_replies(_meaning("agrees"), stop=3)),
    _case("grades that the replies don't have", "novel", _NOT_COUNTED, told=_written),
    _case("replies to other questions", "novel", _NOT_COUNTED, told=_elsewhere),
)  # fmt: skip
