import numpy as np
import pytest

from earnest.ledger.lord import LEVEL, share
from earnest.ledger.simulate import BATCH, lord, saffron, simulate, stream, table


def test_the_simulated_rule_is_the_ledgers():
    p, _ = stream("fading", 0.3, np.random.default_rng(3))
    known: list[int] = []
    for place, batch in enumerate(p[:20]):
        numbers = range(place * BATCH + 1, (place + 1) * BATCH + 1)
        rejected = [one <= share(number, known) for number, one in zip(numbers, batch, strict=True)]
        assert lord(p)[place].tolist() == rejected
        known += [(place + 1) * BATCH] * sum(rejected)


def test_a_rule_that_credits_less_rejects_less():
    p, _ = stream("fading", 0.0, np.random.default_rng(4))
    every, capped, late = lord(p), lord(p, most=20), lord(p, late=True)
    assert every.sum() > capped.sum()
    assert every.sum() > late.sum()
    assert not (late & ~every).any()


def test_saffron_does_not_pay_for_hopeless_tests_and_stays_below_its_level():
    p = np.full((100, BATCH), 0.9)
    p[-1] = 1e-4  # after 1,188 nulls that were all charged
    assert not saffron(p).any()
    p[:-1] = 0.4  # none was charged: all the start is left for the last batch
    assert saffron(p)[-1].any()


@pytest.mark.slow
def test_false_discoveries_stay_below_the_level_and_what_is_uncorrected_does_not():
    told = {(one.stream, one.rho, one.rule): one for one in simulate(streams=60)}
    for (kind, rho, rule), one in told.items():
        if rule != "none":
            assert one.false <= LEVEL, (kind, rho, rule)
        assert one.found <= told[kind, rho, "none"].found
    assert told["pairs", 0.0, "none"].false > 0.3
    # What decides between the rules: strong effects are found by both, e-values find few.
    for kind, rho in (("fading", 0.0), ("pairs", 0.9)):
        assert told[kind, rho, "lord"].strong > 0.85
        assert told[kind, rho, "lord"].false < told[kind, rho, "saffron"].false
        assert told[kind, rho, "e-lond"].found < 0.5 * told[kind, rho, "lord"].found
    assert len(table(list(told.values())).splitlines()) == len(told) + 2
