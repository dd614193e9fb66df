"""What a model is told before it begins."""

import pytest

from earnest.agent.prompt import RULES
from earnest.core.kinds import FORMAL, FORMS

PLAIN = ("anomaly", "value", *FORMAL)  # one direction, or the tool's own description tells


@pytest.mark.parametrize(("kind", "direction"), FORMS)
def test_every_claim_that_can_be_made_is_named(kind, direction):
    assert f"`{kind}`" in RULES
    assert kind in PLAIN or f"`{direction}`" in RULES


def test_a_kind_that_is_not_there_is_not_named():
    assert "`cause`" not in RULES
