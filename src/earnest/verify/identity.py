"""Identities on exact instances: fresh ones, or all there are.

p: of sides that are quotients of polynomials by the lemma of Schwartz and Zippel (`algebra`), on
evenly drawn inputs; of others that the identity fails on 1 in 1,000 of the inputs as drawn
(`instances`). Inputs at which a side is not defined count neither way; where they are more than
half, nothing is concluded.

Not covered: failures rarer than that; what SymPy's own conventions make of a side at which it is
not defined, or of a sum from a number to less than one below it (ours is 0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Final

from earnest.core.domains import Integer
from earnest.core.exact import TooMuchError, UndefinedError
from earnest.core.formal import Sides
from earnest.core.inputs import count, evenly, parse_inputs, simplest
from earnest.core.kinds import Claim
from earnest.verify.algebra import chance
from earnest.verify.instances import (
    FLOOR,
    MOST_LISTED,
    Told,
    Tried,
    Values,
    estimated,
    p_value,
    tried,
)
from earnest.verify.permute import PValue
from earnest.verify.results import Estimate
from earnest.verify.units import NotTestableError

SECONDS: Final = 60.0
_LEAST: Final = 20
_ALSO: Final = 200  # of the inputs on which sides tend to differ, where evenly drawn ones count
_MOST_BY_DEGREE: Final = 2_000
_NAME: Final = "share of inputs at which both sides are equal, in exact arithmetic"


class Identity(Sides):
    """A claim's two sides, asked about at an input."""

    def ask(self, values: Values) -> Told:
        """Say how the sides compare. Raises `NotTestableError` where that takes too much."""
        try:
            left, right = self.values(values)
        except UndefinedError:
            return "undefined"
        except TooMuchError as error:
            raise NotTestableError(f"at {self.told(values)}: {error}") from error
        return "same" if left == right else "differs"

    def fails(self, values: Values) -> bool:
        """Say whether the sides differ, as far as that can be computed."""
        try:
            return self.ask(values) == "differs"
        except NotTestableError:
            return False


def counterexample(claim: Claim, values: Values) -> str:
    """Return in words the simplest input found at which an identity fails, computed anew."""
    found = Identity.of(claim)
    domains = [one.domain for one in parse_inputs(claim.inputs)]
    return Identity.of(claim).differing(simplest(domains, values, found.fails))


def by_degree(identity: Identity, claim: Claim, alpha: float) -> tuple[float, int] | None:
    """Return the chance that unlike sides agree at an input, and how many inputs that takes."""
    bound = chance(identity.left, identity.right, parse_inputs(claim.inputs))
    if bound is None:
        return None
    if bound == 0:
        return FLOOR, _LEAST
    need = max(_LEAST, math.ceil(math.log(max(alpha, FLOOR)) / math.log(bound)))
    return (bound, need) if need <= _MOST_BY_DEGREE else None


def identity(claim: Claim, *, alpha: float, seed: int) -> tuple[Tried, Estimate]:
    """Try an identity on fresh instances, or on all. Raises `NotTestableError`."""
    one = Identity.of(claim)
    domains = [item.domain for item in parse_inputs(claim.inputs)]
    rng = Random(seed)  # noqa: S311 - its seed is secret
    number = count(domains)
    few = number is not None and number <= MOST_LISTED
    degree = None if few else by_degree(one, claim, alpha)
    if degree is None:
        found = tried(domains, one.ask, rng, alpha=alpha, seconds=SECONDS)
        return found, estimated(found, p_value(found, None), _NAME)
    odd = tried(domains, one.ask, rng, alpha=alpha, seconds=SECONDS, most=_ALSO)
    if odd.failure is not None:
        return odd, estimated(odd, p_value(odd, None), _NAME)
    bound, need = degree
    found = tried(domains, one.ask, rng, alpha=alpha, seconds=SECONDS, draw=evenly, most=need)
    asked = found.counted + found.undefined
    held = found.failure is None and not found.late
    p = PValue(
        max(FLOOR, bound**asked) if held else 1.0,
        asked,
        f"Schwartz and Zippel: unlike sides agree at an input with at most {bound:.2g}",
    )
    return found, estimated(found, p, _NAME)


def variables(claim: Claim) -> Mapping[str, str]:
    """Return what is assumed of each variable in a proof: of which sort, and from where on."""
    found = {}
    for one in parse_inputs(claim.inputs):
        if not isinstance(one.domain, Integer):
            found[one.name] = "rational"
        elif one.domain.low >= 1:
            found[one.name] = "positive integer"
        else:
            found[one.name] = "integer from 0 on" if one.domain.low == 0 else "integer"
    return found
