"""The sentence of a claim: rendered by us, in words that say association and not cause."""

from __future__ import annotations

from earnest.core.records import Claim

_STATISTICS = {
    "mean": "the mean of {}",
    "median": "the median of {}",
    "sum": "the sum of {}",
    "sd": "the standard deviation of {}",
    "variance": "the variance of {}",
    "min": "the least {}",
    "max": "the greatest {}",
    "count": "the number of rows with {}",
    "distinct": "the number of different values of {}",
    "missing": "the number of rows without {}",
}


def _column(name: str) -> str:
    return f"`{name}`"


def _levels(levels: tuple[str, ...]) -> str:
    return ", ".join(map(repr, levels))


def _where(claim: Claim, column: str) -> tuple[str, str]:
    """Return where a group's rows are, and where those are that it is compared with."""
    versus = "elsewhere" if claim.versus is None else f"where it is {claim.versus!r}"
    return f"where {column} is {claim.group!r}", versus


def _difference(claim: Claim) -> str:
    outcome = _column(claim.outcome)
    here, there = _where(claim, _column(claim.exposure))
    if claim.direction in ("highest", "lowest"):
        than = "higher" if claim.direction == "highest" else "lower"
        return f"{outcome} tends to be {than} {here} than where it is any other level"
    return f"{outcome} tends to be {claim.direction} {here} than {there}"


def _association(claim: Claim) -> str:
    outcome, exposure = _column(claim.outcome), _column(claim.exposure)
    if claim.direction == "dependent":
        return f"{outcome} is distributed differently for different {exposure}"
    how = "rise" if claim.sign > 0 else "fall"
    return f"{outcome} tends to {how} as {exposure} rises"


def _trend(claim: Claim) -> str:
    return f"{_column(claim.outcome)} tends to be {claim.direction} along {_column(claim.exposure)}"


def _distribution(claim: Claim) -> str:
    outcome = _column(claim.outcome)
    if not claim.exposure:
        side = "higher" if claim.sign > 0 else "lower"
        return f"the distribution of {outcome} has its longer tail on the {side} side"
    here, there = _where(claim, _column(claim.exposure))
    if claim.direction == "different":
        return f"{outcome} has another shape {here} than {there}, location and spread apart"
    return f"{outcome} is spread {claim.direction} {here} than {there}"


def _interaction(claim: Claim) -> str:
    outcome, exposure = _column(claim.outcome), _column(claim.exposure)
    modifier = _column(claim.modifier)
    if claim.direction in ("stronger", "weaker"):
        here, there = _where(claim, modifier)
        return (
            f"{outcome} and {exposure} go together in rank, in either direction, "
            f"{claim.direction} {here} than {there}"
        )
    up = claim.direction == "positive-overall"
    if claim.group is None:
        one, other = ("rise", "fall") if up else ("fall", "rise")
        return (
            f"{outcome} tends to {one} as {exposure} rises, and to {other} as it rises "
            f"among rows alike in {modifier}"
        )
    one, other = ("higher", "lower") if up else ("lower", "higher")
    here, there = _where(claim, exposure)
    return (
        f"{outcome} tends to be {one} {here} than {there}, and {other} there "
        f"among rows alike in {modifier}"
    )


def _anomaly(claim: Claim) -> str:
    rows = "row satisfies" if claim.count == 1 else "rows satisfy"
    return f"{_column(claim.outcome)} is odd where {claim.where}: {claim.count} {rows} that"


def _value(claim: Claim) -> str:
    outcome, exposure = _column(claim.outcome), _column(claim.exposure)
    if claim.statistic == "share":
        measured = f"the share, among rows with {outcome}, of those with {claim.where}"
    elif claim.statistic == "correlation":
        measured = f"Pearson's correlation of {outcome} with {exposure}"
    else:
        measured = _STATISTICS[claim.statistic or ""].format(outcome)
    if claim.direction != "equal":
        return f"{measured} is {claim.direction} where {exposure} is {claim.group!r}"
    within = f", within {claim.tolerance:g}" if claim.tolerance is not None else ""
    return f"{measured} is {claim.value:.6g}{within}"


def _code(program: str) -> str:
    """Return a program on one line; a sign stands for each new one."""
    return f"«{' ⏎ '.join(filter(None, map(str.rstrip, program.splitlines())))}»"


def _rule(claim: Claim) -> str:
    outcome, given = _column(claim.outcome), ", ".join(map(_column, claim.given))
    rule = f"from {given} by the rule {_code(claim.program)}"
    if claim.direction == "predicts":
        return f"{outcome} is predicted {rule} better than by a constant"
    within = f", within {claim.tolerance:g}," if claim.tolerance is not None else ""
    return f"{outcome} follows{within} {rule} in at least {claim.threshold:.6g} of the rows"


def _program(claim: Claim) -> str:
    share = "" if claim.threshold is None else f" at least {claim.threshold:.6g} of"
    return (
        f"The programs {_code(claim.program)} and {_code(claim.reference)} give the same on"
        f"{share or ' all'} inputs drawn as {_levels(claim.inputs)}"
    )


def _identity(claim: Claim) -> str:
    return f"{claim.left} = {claim.right}, for all {'; '.join(claim.inputs)}"


_CORES = {
    "difference": _difference,
    "association": _association,
    "trend": _trend,
    "distribution": _distribution,
    "interaction": _interaction,
    "anomaly": _anomaly,
    "value": _value,
    "rule": _rule,
    "program": _program,
    "identity": _identity,
}


def sentence(claim: Claim) -> str:
    """Return the claim as one English sentence, without its evidence or verdict."""
    if claim.formal:
        return f"{_CORES[claim.kind](claim)}."
    parts = [f"In {claim.table}"]
    if claim.descriptive:
        parts.append(", as its author saw it")
    if claim.subset:
        parts.append(f", among rows with {claim.subset}")
    parts.append(f", {_CORES[claim.kind](claim)}")
    for name, levels in ((claim.exposure, claim.order), (claim.outcome, claim.outcome_order)):
        if levels:
            parts.append(f", {_column(name)} in the order {_levels(levels)}")
    if claim.adjust_for:
        parts.append(f", {', '.join(map(_column, claim.adjust_for))} held fixed")
    if claim.threshold is not None and claim.direction != "holds":
        parts.append(f", by at least {claim.threshold:g} on the scale of its estimator")
    return "".join(parts) + "."
