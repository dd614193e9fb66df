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
