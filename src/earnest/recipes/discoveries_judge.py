"""What becomes of claims on simulated tables: the real error budget and the real estimators.

A claim's word comes from `earnest.verify`'s `estimate` and `judge`, at the share that
`earnest.ledger.lord` gives it. To make a hundred thousand of them affordable, the permutation draws
of claims on independent rows are spared where the exact moments of the permutation distribution
tell how they must end; near the share, the number of draws as extreme is itself drawn, from the
binomial distribution that the estimator's count has. A part of both is taken the long way, and
compared: `counts` says how many agreed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from earnest.core.canon import digest
from earnest.core.likeness import claim_key
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef
from earnest.ledger.budget import CREDITED, SEEN
from earnest.ledger.lord import share
from earnest.recipes.discoveries_tables import Half, Laid, draw_seed, measure, measure_within
from earnest.verify.estimate import Estimate, estimate
from earnest.verify.permute import draws_for
from earnest.verify.units import LEAST_UNITS, NotTestableError, testable
from earnest.verify.verifier import judge

_CHECKED_IN: Final = 400
_NEAR_CHECKED_IN: Final = 12
_CHECKED_FROM: Final = 2e-4
_LEAST_ROWS: Final = 50
_FAR: Final = 0.03
_NOWHERE: Final = digest(b"simulated")


class Estimator(Protocol):
    """What `earnest.verify.estimate.estimate` does; broken ones prove the figures."""

    def __call__(
        self, sealed: object, claim: Claim, design: str, *, alpha: float | None, seed: int
    ) -> Estimate:
        """Estimate and test a claim on sealed rows. Raises `NotTestableError`."""
        ...


@dataclass
class Stream:
    """One principal's tests in order, with the ledger's rule for the conflict set: the table.

    A batch's shares are computed when it is frozen, from rejections on other tables, each of which
    counts from when its batch was settled; less on a table that an earlier batch has looked at.
    """

    tests: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def freeze(self, table: str, count: int) -> tuple[list[int], list[float]]:
        """Return the numbers and the shares of a batch of `count` tests on a table."""
        known = [when for when, where in self.rejected if where != table][-CREDITED:]
        numbers = list(range(self.tests + 1, self.tests + count + 1))
        self.tests += count
        part = SEEN if table in self.seen else 1.0
        self.seen.add(table)
        return numbers, [part * share(number, known) for number in numbers]

    def settle(self, table: str, numbers: Sequence[int]) -> None:
        """Note which tests on a table rejected."""
        self.rejected += [(self.tests, table)] * len(numbers)


@dataclass(frozen=True)
class Fate:
    """What became of one claim: confirmed, rejected at its share, and p on the sealed rows."""

    confirmed: bool
    rejected: bool
    p: float


def _window(alpha: float) -> float:
    """Return within which factor of `alpha` p is estimated by draws.

    At 20 / alpha draws, counts of 20 / 3 and of 60 are more than 4 standard deviations from 20; the
    normal tail itself gets worse further out.
    """
    return 3.0 if alpha > 5e-4 else 5.0 if alpha > 1e-5 else 20.0


def _counted(p: float, alpha: float, seed: int) -> float:
    """Return (1 + b) / (m + 1), b of m draws being as extreme, each with probability p."""
    import numpy as np

    draws = draws_for(alpha)
    return float((1 + np.random.Generator(np.random.PCG64(seed)).binomial(draws, p)) / (draws + 1))


@dataclass
class Court:
    """Judges the claims on one table after another; `counts` says how.

    `estimator`: the trusted one by default. With a broken one no short cut is taken.
    """

    estimator: Estimator = estimate  # type: ignore[assignment]
    counts: Counter[str] = field(default_factory=Counter)
    _known: dict[tuple[str, int, str], tuple[float, Estimate | None]] = field(default_factory=dict)
    _quick: dict[tuple[str, int, str], float | None] = field(default_factory=dict)

    def testable(self, laid: Laid, claim: Claim) -> bool:
        """Say whether the verifier has a valid test for a claim."""
        return testable(_finding(laid, claim))

    def fate(self, laid: Laid, claim: Claim, alpha: float) -> Fate:
        """Return what becomes of a claim at its share of the budget."""
        quick = self.quick(laid, claim)
        if quick is None or self.estimator is not estimate:
            return self._long_way(laid, claim, alpha)
        if laid.world.design != "iid":  # few units: a guide to what is far from the share only
            far = quick > max(8 * alpha, _FAR)
            return Fate(False, False, quick) if far else self._long_way(laid, claim, alpha)
        factor = _window(alpha)
        if quick > alpha * factor or (quick < alpha / factor and claim.threshold is None):
            below = quick < alpha
            self._check("clear", laid, claim, alpha, _CHECKED_IN, below)
            return Fate(below, below, quick)
        if claim.threshold is not None:
            return self._long_way(laid, claim, alpha)
        p = _counted(quick, alpha, draw_seed(laid, claim))
        self._check("near", laid, claim, alpha, _NEAR_CHECKED_IN, p <= alpha)
        return Fate(p <= alpha, p <= alpha, p)

    def _check(
        self, what: str, laid: Laid, claim: Claim, alpha: float, one_in: int, below: bool
    ) -> None:
        """Take one short cut in so many the long way as well, and count whether the two agree."""
        self.counts[what] += 1
        if alpha >= _CHECKED_FROM and self.counts[what] % one_in == 0:
            self.counts[f"{what}, checked"] += 1
            long = self._long_way(laid, claim, alpha)
            self.counts[f"{what}, agreed"] += long.confirmed == below
            self.counts[f"{what}, below"] += below
            self.counts[f"{what}, below the long way"] += long.rejected

    def _long_way(self, laid: Laid, claim: Claim, alpha: float) -> Fate:
        found = self._estimate(laid, claim, alpha)
        if found is None or found.p is None:
            return Fate(confirmed=False, rejected=False, p=1.0)
        word, _ = judge(_finding(laid, claim), found, alpha)
        return Fate(word == "confirmed", found.p.p <= alpha, found.p.p)

    def _estimate(self, laid: Laid, claim: Claim, alpha: float) -> Estimate | None:
        key = laid.name, laid.seed, claim_key(claim)
        at, found = self._known.get(key, (2.0, None))
        if at > 4 * alpha:
            self.counts["estimates"] += 1
            try:
                found = self.estimator(
                    laid.sealed.frame,
                    claim,
                    laid.world.design,
                    alpha=alpha,
                    seed=draw_seed(laid, claim),
                )
            except NotTestableError:
                found = None
            # Fewer draws than asked for: it stopped early, and would at any smaller share.
            stopped = found is None or (found.p is not None and found.p.p > 0.1)
            self._known[key] = (0.0 if stopped else alpha, found)
        return found

    def quick(self, laid: Laid, claim: Claim) -> float | None:
        """Return p by the exact moments of the null distribution; None where it is no guide.

        That is where units are blocks, or few rows.
        """
        key = laid.name, laid.seed, claim_key(claim)
        if key not in self._quick:
            if laid.world.group:
                self._quick[key] = _by_groups(laid.sealed, claim)
            else:
                self._quick[key] = (
                    _by_rows(laid.sealed, claim) if laid.world.design == "iid" else None
                )
        return self._quick[key]

    def alone(self, laid: Laid, claim: Claim) -> float:
        """Return p on the sealed rows where no budget is kept."""
        quick = self.quick(laid, claim) if self.estimator is estimate else None
        if quick is not None:
            return quick
        found = self._estimate(laid, claim, 0.05)
        return 1.0 if found is None or found.p is None else found.p.p

    def forget(self) -> None:
        """Forget what is known of the tables so far; a table is not asked about again."""
        self._known.clear()
        self._quick.clear()


def _by_rows(half: Half, claim: Claim) -> float | None:
    from scipy.special import ndtr

    rows = half.rows(claim)
    if rows is None or len(rows[0]) < _LEAST_ROWS:
        return None
    return float(ndtr(-claim.sign * measure(*rows, claim.kind == "difference")[1]))


def _by_groups(half: Half, claim: Claim) -> float | None:
    """Return p of a claim of two columns within groups, or between their means."""
    import numpy as np
    from scipy.special import ndtr

    if claim.subset or claim.adjust_for:
        return None
    y, x, groups = half.groups(claim)
    names, first, code, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    if len(names) < LEAST_UNITS or y.min() == y.max() or x.min() == x.max():
        return None
    if (x != x[first][code]).any():
        z, used = measure_within(y, x, groups, claim.kind == "difference")
        return float(ndtr(-claim.sign * z)) if used >= LEAST_UNITS else None
    means = np.bincount(code, weights=y) / sizes
    alike = np.zeros(len(names), dtype=np.intp)
    z = measure(means, x[first], alike, claim.kind == "difference")[1]
    return float(ndtr(-claim.sign * z))


def _finding(laid: Laid, claim: Claim) -> Finding:
    """Return the claim as a finding; its evidence is not looked at here."""
    columns = tuple(name or laid.world.group for name in laid.visible.values)
    return Finding(
        claim=claim,
        evidence=Evidence(
            script=_NOWHERE, inputs={}, results={"effect": 0.0}, supports="effect == 0"
        ),
        exposure="sealed",
        author=Author(principal="simulated", model="simulated"),
        run="simulated",
        task=_NOWHERE,
        table=TableRef(
            name=laid.name,
            table=_NOWHERE,
            visible=_NOWHERE,
            design=laid.world.design,
            rows=len(laid.visible.frame),
            columns=columns,
        ),
    )
