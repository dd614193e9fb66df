"""What a model is told before it begins."""

import pytest

from earnest.agent.prompt import RULES
from earnest.core.kinds import FORMS


@pytest.mark.parametrize(("kind", "direction"), FORMS)
def test_every_claim_that_can_be_made_is_named(kind, direction):
    named = RULES.partition(f"`{kind}`: ")[2].partition(";")[0]
    assert f"`{direction}`" in named


def test_a_kind_that_is_not_there_is_not_named():
    assert "`cause`" not in RULES
