"""How new a claim is, as graded answers: to the ledger, to a model, to a catalogue.

It decides nothing. What the model answered was recorded by the run that submitted the finding;
here the replies are graded anew. Not covered: whoever runs models under this account can write
such a record for a finding of its own, to no other end than the word of novelty; what a model
knows and does not say; what no catalogue lists.
"""

from __future__ import annotations

from typing import Final

from earnest.core import closed_book
from earnest.core.catalogue import Catalogue
from earnest.core.likeness import Grade, Related, grade
from earnest.core.novelty import Part, novelty_check
from earnest.core.protocols import LedgerView
from earnest.core.records import Check, Finding

_SAYS: Final = {
    "known": "it says the same as",
    "extends": "it answers the question of",
    "contradicts": "it answers the opposite of",
    "novel": "the nearest is",
}


def novelty(finding: Finding, ledger: LedgerView, catalogue: Catalogue) -> Check:
    """Return the check that names a finding's grade, and what each part of it rests on.

    Its figures: the grade and its parts as places in `core.novelty.GRADES`; how many earlier
    findings and entries it is like; how many replies agree, say the opposite, and were asked for.
    """
    told = ledger.closed_book(finding.id)
    known, heard = closed_book.grade(finding.claim, told)
    listed, found, entries = catalogue.grade(finding.claim)
    related = ledger.related(finding)
    parts = {
        "ledger": _ledger(*grade(related)),
        "closed-book": Part(known, heard),
        "catalogue": Part(listed, found),
    }
    figures = {"findings": float(len(related)), "entries": float(entries)}
    if told is not None and known is not None:
        said = [one.says for one in told.asked]
        figures |= {
            "asked": float(len(said)),
            "agree": float(said.count("agrees")),
            "opposite": float(said.count("opposite")),
        }
    return novelty_check(parts, figures)


def _ledger(word: Grade, one: Related | None) -> Part:
    if one is None:
        return Part("novel", "no earlier finding is like it")
    return Part(word, f"{_SAYS[word]} {one.finding} ({one.word}, on {one.table})")
