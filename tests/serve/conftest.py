"""A real app over a real ledger, asked without a network."""

import pytest
from starlette.testclient import TestClient
from tests.ledger.test_ledger import finding, submit, verdict

from earnest.core.records import TableRef
from earnest.ledger.ledger import Ledger
from earnest.serve.answers import Answers
from earnest.serve.api import Served, create_app
from earnest.serve.tokens import TokenStore

TABLE = TableRef(
    name="trial",
    table="sha256:" + "1" * 64,
    visible="sha256:" + "2" * 64,
    design="iid",
    rows=180,
    columns=("dose", "resp\u202eonse"),
)


def filled(home):
    """Put findings with every word into a home's ledger, one withdrawn; return them by outcome."""
    words = ("confirmed", "refuted", "inconclusive", "reproduced", "invalid", "")
    made = {word or "queued": finding(f"y_{word}", run=f"run-{word}") for word in words}
    made["kin"] = finding("y_confirmed", run="run-kin")
    with Ledger(home.ledger) as ledger:
        for word, one in made.items():
            submit(ledger, one)
            if word not in ("queued", "kin"):
                ledger.conclude(verdict(one, word, alpha=ledger.alpha(one.id)))
        ledger.retract(made["invalid"].id, by="me", why="a\nmistake")
    return made


@pytest.fixture
def tokens(home):
    return TokenStore(home.tokens)


@pytest.fixture
def bearer(tokens):
    """Return the headers of one who has these scopes."""

    def made(*scopes, **more):
        secret, _ = tokens.create(f"token-{len(tokens.tokens())}", scopes, **more)
        return {"Authorization": f"Bearer {secret}"}

    return made


@pytest.fixture
def reader(bearer):
    return bearer("read")


@pytest.fixture
def open_app(home, tokens):
    """Return a client of an app with these settings."""

    def opened(intake=None, **settings):
        served = Served(Answers(home.ledger, home.blobs, home.trusted), lambda: [TABLE], intake)
        app = create_app(tokens, served, **settings)
        return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    return opened
