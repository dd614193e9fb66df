"""What may be shown of a finding and its verdict: to its author, to other agents, on a page."""

from __future__ import annotations

import re
from typing import Any, Final

from earnest.core.claims import sentence
from earnest.core.novelty import PARTS, read_novelty
from earnest.core.records import Claim, Finding, Verdict


def rounded(value: float | None) -> float | None:
    """Return a number at two significant digits: what may be shown of sealed rows."""
    return None if value is None else float(f"{value:.2g}")


def _whole(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


_OF_SEALED: Final = ("sealed", "fragility", "lurking", "replication")
_WITHHELD: Final = {
    "inconclusive": "not significant on the sealed rows within its share of the error budget, or "
    "weaker than claimed",
    "refuted": "the sealed rows exclude it",
}


def shown(verdict: Verdict) -> Verdict:
    """Return a verdict as anyone may see it.

    What the sealed rows said is rounded where the claim was confirmed, and withheld where it was
    not: an author who saw it could put a new claim together that fits these very rows, and twenty
    looks at two digits are enough (docs/discoveries.md). So it is where the claim was tested as
    another finding's, and where it was confirmed and is open again; the reason is told there.
    """
    sealed = {check.passed for check in verdict.checks if check.name == "sealed"}
    withheld = _WITHHELD.get(verdict.word, "") if False in sealed else ""
    checks = tuple(
        check.model_copy(
            update={"observed": {}, "detail": withheld}
            if withheld
            else {"observed": {name: rounded(value) for name, value in check.observed.items()}}
        )
        if check.name in _OF_SEALED
        else check
        for check in verdict.checks
    )
    changed: dict[str, Any] = {"checks": checks}
    known = any(check.name == "known" for check in verdict.checks)
    if verdict.word in _WITHHELD and (sealed - {None} or known):
        changed |= {"effect": None, "interval": None, "p": None}
    if withheld:
        changed["reason"] = withheld
    return verdict.model_copy(update=changed)


def row(finding: Finding, verdict: Verdict | None, *, retracted: bool = False) -> dict[str, Any]:
    """Return a finding as `run --json` and `findings list --json` print it.

    One that was withdrawn has a key of its own, `retracted`. Numbers are as in `shown`, and of
    claims of no table at six digits: they tell nothing of sealed rows.
    """
    verdict = shown(verdict) if verdict else None
    told = _whole if finding.claim.formal else rounded
    interval = verdict.interval if verdict else None
    gone = {"retracted": True} if retracted else {}
    return gone | {
        "id": finding.id,
        "sentence": sentence(finding.claim),
        "claim": finding.claim.model_dump(mode="json"),
        "verdict": verdict.word if verdict else "queued",
        "effect": told(verdict.effect) if verdict else None,
        "interval": [told(bound) for bound in interval] if interval else None,
        "p": told(verdict.p) if verdict else None,
    }


def how_new(verdict: Verdict | None) -> str:
    """Return how new a claim is and to whom, in a line; empty where the verdict does not say."""
    told = read_novelty(verdict)
    if told is None:
        return ""
    parts = (f"{name} {told[name] or 'not asked'}" for name in PARTS)
    return f"{told['grade']} ({', '.join(parts)})"


def programs(claim: Claim) -> dict[str, str]:
    """Return the code that a claim is about, by what it is called there."""
    found = {"rule" if claim.given else "program": claim.program, "reference": claim.reference}
    return {name: code.strip("\n") for name, code in found.items() if code}


def brief(said: str) -> str:
    """Return a sentence with the code in it cut short, for a place where it stands in full too."""
    return re.sub(r"«([^»]{60})[^»]*»", r"«\1 …»", said)
