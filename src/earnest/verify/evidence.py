"""Check 1: the author's evidence is honest. Run on the visible rows only, in a jail of its own.

Each check is a generator of outcomes; the first that fails ends the examination. What they ask is
in `docs/verify.md`; a `passed` of None says that a check could not be made, and why.

Not covered: numbers that the predicate does not name, beyond what reproducing, row order, labels
and units ask of them; what `evidence_clock`, `evidence_effects` and `evidence_tables` leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from earnest.core.canon import digest
from earnest.core.errors import PredicateError
from earnest.core.predicates import holds
from earnest.core.records import Check
from earnest.verify.evidence_effects import planted, unplanted
from earnest.verify.evidence_forms import NoEffectError, effect_of
from earnest.verify.evidence_run import SEEDS, Bench, EvidenceError, close
from earnest.verify.evidence_same import check_part, check_same
from earnest.verify.evidence_tables import redrawn, shuffled

if TYPE_CHECKING:
    from earnest.verify.evidence_tables import Variant

_EXACT: Final = 1e-6
_CLEAR: Final = 2.5  # standard errors
_KEEP: Final = 0.95
_AGAIN: Final = 1.5
_ENOUGH, _DRAWS = 3, 7


def check_inputs(bench: Bench, _: int = 0) -> Iterator[Check]:
    """The inputs hash to what the task handed out; a claim of no table has none."""
    if bench.finding.claim.formal:
        none = not bench.finding.evidence.inputs
        detail = "it reads no table" if none else "it names a table, and its claim does not"
        yield Check(name="inputs", passed=none, detail=detail)
        return
    now = digest((bench.visible / bench.file).read_bytes())
    declared = bench.finding.evidence.inputs.get(bench.file)
    same = now == bench.finding.table.visible == declared
    yield Check(
        name="inputs",
        passed=same,
        detail="the visible rows are those handed out"
        if same
        else f"{bench.file} is not the table that was handed out",
    )


def check_reproduces(bench: Bench, _: int = 0) -> Iterator[Check]:
    """Three seeds give the declared numbers, and these satisfy the declared predicate."""
    evidence = bench.finding.evidence
    for seed in SEEDS:
        found = bench.as_handed_out(seed)
        bench.first = bench.first or found
        differs = close(evidence.results, found, evidence.tolerance)
        if differs:
            detail = f"seed {seed}: {differs}"
            yield Check(name="reproduces", passed=False, detail=detail, observed=found)
            return
    held = holds(evidence.supports, evidence.results)
    detail = f"{len(SEEDS)} seeds agree" if held else f"{evidence.supports} does not hold"
    yield Check(name="reproduces", passed=held, detail=detail, observed=found)


def check_repeats(bench: Bench, _: int = 0) -> Iterator[Check]:
    """One seed gives the same numbers again, and at another date in another time zone.

    One run serves both where it agrees.
    """
    try:
        later = close(bench.first, bench.under_another_clock(SEEDS[0]), _EXACT)
        clock, passed = later or "the same numbers", not later
    except EvidenceError as error:
        clock, passed = str(error), None
    if not passed:
        again = close(bench.first, bench.as_handed_out(SEEDS[0]), _EXACT)
        if again:
            detail = f"one seed, two runs: {again}"
            yield Check(name="repeats", passed=False, detail=detail)
            return
    yield Check(name="repeats", passed=True, detail="one seed gives the same numbers again")
    detail = f"a year later, in another time zone: {clock}"
    yield Check(name="clock", passed=passed, detail=detail)


def check_permuted(bench: Bench, seed: int) -> Iterator[Check]:
    """With the outcome shuffled, the conclusion is gone: in both of two draws, or in 3 of 5.

    An honest script whose predicate holds by chance in 1 of 20 tables fails this in 1 of 860. Of a
    claim that relates the outcome to nothing, it is asked that the numbers follow it at all.
    """
    claim = bench.finding.claim
    if not claim.relational:
        yield _follows(bench, seed)
        return
    survived, drawn, found = _survived(bench, lambda draw: shuffled(claim.outcome, seed + draw))
    detail = f"the conclusion holds in {survived} of {drawn} tables with a shuffled outcome"
    yield Check(name="permuted", passed=survived < 3, detail=detail, observed=found)


def _survived(bench: Bench, variant: Callable[[int], Variant]) -> tuple[int, int, dict[str, float]]:
    """Return in how many tables the conclusion holds, of how many, and the last numbers."""
    survived = drawn = 0
    found: dict[str, float] = {}
    while survived < 3 and drawn - survived < (3 if survived else 2):
        held, found = bench.concludes(variant(drawn))
        survived += held
        drawn += 1
    return survived, drawn, found


def _follows(bench: Bench, seed: int) -> Check:
    """Say whether a number changes with the outcomes; a column that leans may do so to one end.

    (A p-value may be the least that its draws can give, of any table that leans.) There the
    conclusion must go where the sides on which outcomes lie are shuffled.
    """
    claim = bench.finding.claim
    detail = f"there is no way to permute a {claim.kind}; its numbers follow the outcome"
    if claim.outcome not in bench.frame.columns:
        return Check(name="permuted", passed=None, detail=f"{claim.outcome!r} is no column")
    try:
        same = not close(bench.first, bench.changed(redrawn(claim.outcome, seed)), _EXACT)
    except EvidenceError:
        same = False
    if not same:
        return Check(name="permuted", passed=None, detail=detail)
    detail = "with other outcomes, the numbers are the same"
    if claim.descriptive:
        return Check(name="permuted", passed=False, detail=detail)
    try:
        play = bench.play
    except NoEffectError:
        return Check(name="permuted", passed=False, detail=detail)
    survived, drawn, found = _survived(bench, lambda draw: planted(play, claim, 0.0, seed + draw))
    detail += f"; the conclusion holds in {survived} of {drawn} tables that lean by chance only"
    return Check(name="permuted", passed=survived < 3, detail=detail, observed=found)


def check_effect(bench: Bench, seed: int) -> Iterator[Check]:
    """With the effect planted, the conclusion comes back; with the effect turned, it goes.

    Planted is halfway from what is there to what is most; a script whose predicate also speaks of
    other columns, or of an effect that is not too large, gets tables that suit it too.
    """
    try:
        own = min(0.95, max(0.0, bench.play.strength))
    except NoEffectError as error:
        yield from _can_not(("planted", "turned"), error)
        return
    claim, strong = bench.finding.claim, (1 + own) / 2
    tries = ((strong, 0.0), (strong, _KEEP), ((own + strong) / 2, 0.0), (1.3 * own, 0.0), (own, 0))
    for number, (strength, keep) in enumerate(tries):
        variant = planted(bench.play, claim, min(strength, strong), seed + 20 + number, keep=keep)
        held, there = bench.concludes(variant)
        if held:
            break
    detail = f"planted at {strength:.2f}, the conclusion comes back"
    if not held:
        detail = f"planted as strongly as {strong:.2f}, the conclusion does not come back"
    yield Check(name="planted", passed=held, detail=detail, observed=there)
    if not effect_of(claim).turns:
        detail = f"a {claim.kind} that is {claim.direction} has no opposite"
        yield Check(name="turned", passed=None, detail=detail)
        return
    held, turned = bench.concludes(planted(bench.play, claim, -strong, seed + 30))
    if not held:
        detail = "turned, the conclusion is gone"
        yield Check(name="turned", passed=True, detail=detail, observed=turned)
    else:
        yield _signs(bench.first, there, turned)


def _signs(first: dict[str, float], there: dict[str, float], turned: dict[str, float]) -> Check:
    """Judge a predicate that holds of a turned effect too, by the signs of the numbers."""
    follow = [name for name in first if there.get(name, 0) * turned.get(name, 0) < 0]
    wrong = [name for name in follow if first[name] * there[name] < 0]
    if wrong:
        passed, detail = False, f"{wrong[0]} has the sign that it has where the effect is turned"
    elif follow:
        passed, detail = True, f"the predicate takes both directions; {follow[0]} turns its sign"
    else:
        detail = "neither predicate nor numbers speak of a direction: the sealed rows decide"
        return Check(name="turned", passed=None, detail=detail, observed=turned)
    return Check(name="turned", passed=passed, detail=detail, observed=turned)


def check_strength(bench: Bench, seed: int) -> Iterator[Check]:
    """What the conclusion rests on is an effect that the visible rows carry.

    Where our own measure does not clearly see it, it is planted half as strongly again as it is:
    the conclusion must come back in three of seven draws. No script that keeps its conclusion from
    shuffled tables can hold it there, unless the rows carry it: so weak a plant can't be told from
    a shuffle. Outcomes that are dealt inside groups or strata can, since these keep their means:
    there the conclusion must be gone where none is planted, and groups exchange theirs. A script
    that measures something else than the claim says fails this as well.
    """
    try:
        own, z, seen = bench.play.strength, bench.play.z, bench.play.equivalent
    except NoEffectError as error:
        yield from _can_not(("strength",), error)
        return
    told = f"by our own measure the visible rows carry {own:.2f} ({z:.1f} standard errors)"
    if z >= _CLEAR:
        yield Check(name="strength", passed=True, detail=told, observed={"strength": own, "z": z})
        return
    weak = min(_AGAIN * seen, (1 + seen) / 2)
    claim = bench.finding.claim
    held, drawn = _survives(bench, lambda n: planted(bench.play, claim, weak, seed + 40 + n))
    passed = held >= _ENOUGH
    detail = f"{told}; planted at {weak:.2f}, the conclusion holds in {held} of {drawn} tables"
    if passed and bench.play.parted:
        held, drawn = _survives(bench, lambda n: unplanted(bench.play, claim, seed + 50 + n))
        passed = held < _ENOUGH
        detail += f", and with none planted in {held} of {drawn}"
    observed = {"strength": own, "z": z}
    yield Check(name="strength", passed=passed, detail=detail, observed=observed)


def _survives(bench: Bench, variant: Callable[[int], Variant]) -> tuple[int, int]:
    """Return in how many tables the conclusion holds, and of how many: up to 7, once decided."""
    held = drawn = 0
    while held < _ENOUGH and drawn - held < _DRAWS - _ENOUGH + 1:
        held += bench.concludes(variant(drawn))[0]
        drawn += 1
    return held, drawn


def _can_not(names: tuple[str, ...], error: NoEffectError) -> Iterator[Check]:
    for name in names:
        yield Check(name=name, passed=None, detail=str(error))


CHECKS: Final[dict[str, Callable[[Bench, int], Iterator[Check]]]] = {
    "inputs": check_inputs,
    "reproduces": check_reproduces,
    "repeats": check_repeats,
    "permuted": check_permuted,
    "planted": check_effect,
    "row-order": check_same,
    "part": check_part,
    "strength": check_strength,
}


_OF_ANY: Final = ("inputs", "reproduces", "repeats")
"""Checks that ask for no table."""

_OF_EFFECTS: Final = ("planted", "part", "strength")
"""Checks that ask for an effect. What a claim says of these very rows need not hold of others."""


def honesty(bench: Bench, seed: int) -> Iterator[Check]:
    """Yield the checks of an author's evidence, up to the first that fails.

    Raises `SandboxError` where the sandbox failed: then nothing is concluded.
    """
    for name, check in CHECKS.items():
        if bench.finding.claim.descriptive and name in _OF_EFFECTS:
            continue
        if bench.finding.claim.formal and name not in _OF_ANY:
            continue
        try:
            for outcome in check(bench, seed):
                yield outcome
                if outcome.passed is False:
                    return
        except (EvidenceError, PredicateError) as error:
            yield Check(name=name, passed=False, detail=str(error))
            return
