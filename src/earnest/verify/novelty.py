"""How new a claim is, as a graded answer: against the ledger it is made for.

Not covered: what the model answers closed-book, a catalogue of what is known elsewhere.
"""

from __future__ import annotations

from typing import Final

from earnest.core.likeness import grade
from earnest.core.protocols import LedgerView
from earnest.core.records import Check, Finding

_SAYS: Final = {
    "known": "says the same as",
    "extends": "answers the question of",
    "contradicts": "answers the opposite of",
}


def novelty(finding: Finding, ledger: LedgerView) -> Check:
    """Return the check that names a finding's grade and the finding that it is about."""
    word, one = grade(ledger.related(finding))
    if one is None:
        detail = "novel: no earlier finding is like it"
    else:
        what = f"{one.finding} ({one.word}, on {one.table})"
        detail = (
            f"{word}: {_SAYS[word]} {what}" if word in _SAYS else f"novel: the nearest is {what}"
        )
    return Check(name="novelty", passed=None, detail=detail)
