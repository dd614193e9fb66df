"""The sentence of a claim: rendered by us, in words that say association and not cause."""

from __future__ import annotations

from earnest.core.canon import canonical, digest
from earnest.core.records import Claim


def claim_key(claim: Claim) -> str:
    """Return what two claims share when they claim the same; an association has no first column."""
    body = claim.model_dump(mode="json")
    if claim.kind == "association":
        body["outcome"], body["exposure"] = sorted((claim.outcome, claim.exposure))
    body["adjust_for"] = sorted(claim.adjust_for)
    return digest(canonical(body))


def _column(name: str) -> str:
    return f"`{name}`"


def sentence(claim: Claim) -> str:
    """Return the claim as one English sentence, without its evidence or verdict."""
    outcome, exposure = _column(claim.outcome), _column(claim.exposure)
    if claim.kind == "difference":
        other = "elsewhere" if claim.versus is None else f"where it is {claim.versus!r}"
        core = (
            f"{outcome} tends to be {claim.direction} where {exposure} is "
            f"{claim.group!r} than {other}"
        )
    elif claim.kind == "association":
        how = "rise" if claim.sign > 0 else "fall"
        core = f"{outcome} tends to {how} as {exposure} rises"
    else:
        core = f"{outcome} tends to be {claim.direction} along {exposure}"
    parts = [f"In {claim.table}"]
    if claim.subset:
        parts.append(f", among rows with {claim.subset}")
    parts.append(f", {core}")
    if claim.adjust_for:
        parts.append(f", {', '.join(map(_column, claim.adjust_for))} held fixed")
    if claim.threshold is not None:
        parts.append(f", by at least {claim.threshold:g} on the scale of its estimator")
    return "".join(parts) + "."
