"""The endpoints of a sync keep to the OpenAPI document too, whatever is tried on them."""

import pytest
from tests.ledger.offers import said
from tests.ledger.test_ledger import submit
from tests.serve.test_exchange import ROWS, SCRIPT, theirs
from tests.serve.test_openapi import MANY, tried

from earnest.core.sign import KeyFolder
from earnest.ledger.ledger import Ledger
from earnest.serve.answers import Answers
from earnest.serve.api import Served, create_app
from earnest.serve.door import Limits
from earnest.serve.sync_api import Exchange, sync_part
from earnest.serve.tokens import TokenStore


@pytest.mark.parametrize(
    ("examples", "coverage"), [(5, False), pytest.param(200, True, marks=pytest.mark.slow)]
)
def test_a_sync_keeps_to_its_document(home, examples, coverage):
    keys = KeyFolder(home.verifier)
    with Ledger(home.ledger, keys) as ledger:
        home.blobs.put(SCRIPT)
        submit(ledger, one := theirs())
        ledger.conclude(said(one))
    part = sync_part(Exchange(home.ledger, home.blobs, keys.signer, lambda _: ROWS, dict))
    tokens = TokenStore(home.tokens)
    token, _ = tokens.create("all", ["read", "submit", "sync"])
    app = create_app(
        tokens,
        Served(Answers(home.ledger, home.blobs), list),
        hosts=["testserver"],
        limits=Limits(MANY, MANY, MANY),
        parts=[part],
    )
    checks, wrong = tried(app, token, examples, 1, coverage=coverage, below="/v1/sync")
    assert not wrong, wrong[:3]
    assert sum(checks.values()) >= 50
    with Ledger(home.ledger) as ledger:
        assert ledger.imports() == []
