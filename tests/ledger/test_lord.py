import numpy as np
import pytest
from scipy.special import gammaincc

from earnest.ledger.lord import LEVEL, gamma, share


def test_the_weights_sum_to_at_most_one():
    # What lies beyond N: the integral of log(x) / (x exp(sqrt(log(x)))) from N on.
    last = 1_000_000
    beyond = 0.07720838 * 12 * gammaincc(4, np.sqrt(np.log(last)))
    assert 0.97 < sum(gamma(n) for n in range(1, last)) + beyond <= 1


def test_known_values():
    # gamma_1 = 0.07720838 * ln 2; LORD++ with w0 = alpha / 2 spends half of it first.
    assert share(1, []) == pytest.approx(0.07720838 * np.log(2) * LEVEL / 2)
    after_two = gamma(3) * LEVEL / 2 + LEVEL / 2 * gamma(2) + LEVEL * gamma(1)
    assert share(3, [1, 2]) == pytest.approx(after_two)


# The example of the R package onlineFDR (reference pages of LORD and LORDstar, version 2.5.1):
# 15 p-values, and the levels that it documents to 10 and to 7 digits.
P = (2.90e-08, 0.06743, 0.01514, 0.08174, 0.00171, 3.60e-05, 0.79149, 0.27201, 0.28295, 7.59e-08,
     0.69274, 0.30443, 0.00136, 0.72342, 0.54757)  # fmt: skip
ONE_BY_ONE = (
    0.0002675839, 0.0024664457, 0.0005732818, 0.0004872805, 0.0004059066, 0.0003447286,
    0.0029745013, 0.0008450114, 0.0007305648, 0.0006243143, 0.0032185913, 0.0010617227,
    0.0009256825, 0.0008019657, 0.0007059610,
)  # fmt: skip
LAGGED = (
    2.675839e-04, 5.819103e-05, 2.457817e-03, 5.649373e-04, 4.810068e-04, 4.011918e-04,
    3.410964e-04, 2.971630e-03, 8.426900e-04, 7.286513e-04, 6.227110e-04, 3.217229e-03,
    1.060551e-03, 9.246646e-04, 8.010731e-04,
)  # fmt: skip


@pytest.mark.parametrize(
    ("lag", "published", "exact"), [(0, ONE_BY_ONE, 6e-11), (1, LAGGED, 6e-10)]
)
def test_published_levels(lag, published, exact):
    """`lag`: each test conflicts with so many before it (LORD* in the package)."""
    known: list[int] = []
    for number, (p, level) in enumerate(zip(P, published, strict=True), start=1):
        found = share(number, [one for one in known if one < number], start=LEVEL / 10)
        assert found == pytest.approx(level, abs=exact)
        if p <= found:
            known.append(number + lag)
    assert len(known) == 3


def test_each_rejection_pays_out_once_whenever_it_becomes_known():
    rng = np.random.default_rng(1)
    for _ in range(20):
        known: list[int] = []
        spent = 0.0
        for number in range(1, 80):
            spent += share(number, [one for one in known if one < number])
            assert spent <= LEVEL * max(1, len(known))
            if rng.random() < 0.3:
                known.append(number + int(rng.integers(0, 10)))


def test_leaving_rejections_out_never_helps():
    assert share(9, [2, 5]) < share(9, [2, 5, 7])
    assert share(9, []) < share(9, [2])


def test_a_later_rejection_is_refused():
    with pytest.raises(ValueError, match="later"):
        share(3, [3])


def test_false_discoveries_stay_below_the_level_in_simulation():
    rng = np.random.default_rng(0)
    proportions, uncorrected = [], []
    for _ in range(300):
        truth = rng.random(60) < 0.3
        p = np.where(truth, rng.random(60) ** 12 * 1e-3, rng.random(60))
        rejected: list[int] = []
        for number, value in enumerate(p, start=1):
            if value <= share(number, rejected):
                rejected.append(number)
        false = sum(not truth[number - 1] for number in rejected)
        proportions.append(false / max(1, len(rejected)))
        naive = p <= LEVEL
        uncorrected.append((naive & ~truth).sum() / max(1, naive.sum()))
    assert np.mean(proportions) <= LEVEL
    assert np.mean(uncorrected) > LEVEL
