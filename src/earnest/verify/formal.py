"""The verdict on a claim that speaks of no table: what is tried is drawn anew by the verifier.

Its seed follows from the verifier's key, so no author can know the inputs: whatever an author has
seen caps nothing, and nothing is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from earnest.core.kinds import Claim
from earnest.core.protocols import Sandbox
from earnest.core.records import Check, Word
from earnest.verify.identity import counterexample, identity
from earnest.verify.instances import RARE, Tried
from earnest.verify.program import NotAFunctionError, program, pure
from earnest.verify.prove import proof
from earnest.verify.results import Estimate
from earnest.verify.units import NotTestableError

NOT_COVERED: Final = {
    "identity": (
        f"failures on fewer than {RARE:g} of the inputs as drawn, where not all were tried",
        "values that the inputs don't give the variables",
        "inputs at which a side is not defined",
    ),
    "program": (
        f"differences on fewer than {RARE:g} of the inputs as drawn, where not all were tried",
        "inputs of other types or sizes; how long the programs take",
        "state that shows after more calls than were made",
    ),
}


@dataclass(frozen=True)
class Judged:
    """A word, why, the checks that it rests on (the last one decides), and the estimate if any."""

    word: Word
    reason: str
    checks: tuple[Check, ...]
    found: Estimate | None = None


def examined(claim: Claim, sandbox: Sandbox, *, alpha: float, seed: int) -> Judged:
    """Try an honest claim on fresh inputs. Raises `SandboxError`."""
    try:
        if claim.kind == "identity":
            return _identity(claim, sandbox, alpha, seed)
        return _program(claim, sandbox, alpha, seed)
    except NotAFunctionError as error:
        check = Check(name="function", passed=False, detail=str(error))
        return Judged("invalid", str(error), (check,))
    except NotTestableError as error:
        check = Check(name="fresh", passed=None, detail=str(error))
        return Judged("inconclusive", str(error), (check,))


def _identity(claim: Claim, sandbox: Sandbox, alpha: float, seed: int) -> Judged:
    found, estimate = identity(claim, alpha=alpha, seed=seed)
    if found.failure is not None:
        return _judged(claim, found, estimate, alpha, counterexample(claim, found.failure))
    if found.undefined > found.counted:
        raise NotTestableError(
            f"a side is not defined at {found.undefined} of {found.undefined + found.counted} "
            "inputs: there is little to compare"
        )
    judged = _judged(claim, found, estimate, alpha, "")
    shown = proof(claim, sandbox)
    reason = f"{judged.reason}; {shown.detail}" if shown.passed else judged.reason
    return Judged(judged.word, reason, (shown, *judged.checks), estimate)


def _program(claim: Claim, sandbox: Sandbox, alpha: float, seed: int) -> Judged:
    if (check := pure(claim)) is not None:
        return Judged("invalid", check.detail, (check,))
    found, estimate, failure = program(claim, sandbox, alpha=alpha, seed=seed)
    detail = "asked again in fresh jails and in another order, they give the same"
    again = Check(name="function", passed=True, detail=detail)
    judged = _judged(claim, found, estimate, alpha, failure)
    return Judged(judged.word, judged.reason, (again, *judged.checks), estimate)


def _judged(claim: Claim, found: Tried, estimate: Estimate, alpha: float, failure: str) -> Judged:
    word, reason = _word(claim, found, estimate, alpha, failure)
    observed = {
        "effect": estimate.effect,
        "low": estimate.interval[0],
        "high": estimate.interval[1],
        "inputs": float(found.counted),
        "undefined": float(found.undefined),
    }
    method = ""
    if estimate.p is not None:
        observed["p"] = estimate.p.p
        method = f" ({estimate.p.method})"
    check = Check(
        name="fresh", passed=word == "confirmed", detail=reason + method, observed=observed
    )
    return Judged(word, reason, (check,), estimate)


def _word(
    claim: Claim, found: Tried, estimate: Estimate, alpha: float, failure: str
) -> tuple[Word, str]:
    least = 1.0 if claim.threshold is None else claim.threshold
    p = estimate.p.p if estimate.p is not None else 1.0
    tried = f"all {found.counted} inputs" if found.listed else f"{found.counted} fresh inputs"
    if failure and (least >= 1 or estimate.interval[1] < least):
        return "refuted", f"true of {estimate.effect:.4g} of {tried} only: {failure}"
    if p > alpha and found.late:
        reached = f"{found.counted} inputs were tried when time was over, and reach p = {p:.2g}"
        return "inconclusive", f"too slow: {reached}; {alpha:.2g} was needed"
    if p > alpha:
        return "inconclusive", f"p = {p:.2g} on {tried}, {alpha:.2g} was needed"
    if claim.threshold is not None and estimate.interval[0] < least:
        return "inconclusive", f"the interval on {tried} reaches below the threshold {least:g}"
    of = "" if estimate.effect >= 1 else f"{estimate.effect:.4g} of "
    return "confirmed", f"true of {of}{tried}: p = {p:.2g}, within the budget of {alpha:.2g}"
