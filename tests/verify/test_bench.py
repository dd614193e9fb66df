import pytest

from earnest.core.errors import LackError
from earnest.verify.bench import GOALS, bench_verify, permutations


def test_the_permutations_are_all_made():
    spent, draws = permutations()
    assert draws == 100_000
    assert spent > 0


@pytest.mark.slow
def test_it_prints_the_contract(home):
    try:
        found = bench_verify(home.images)
    except LackError as error:
        pytest.skip(f"no warm sandbox here: {error}")
    assert found["name"] == "verify"
    assert set(found["ratios"]) == {"warm_over_cold_all_checks"}
    assert {"what", "value", "unit", "n"} == set(found["rows"][0])
    assert set(found["goals"]) == set(GOALS)
    assert 0 < found["ratios"]["warm_over_cold_all_checks"] < 0.5
