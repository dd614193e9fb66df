"""A real app over real files, asked without a network."""

import pytest
from starlette.testclient import TestClient

from earnest.core.records import TableRef
from earnest.serve.api import Served, create_app
from earnest.serve.tokens import TokenStore

TABLE = TableRef(
    name="trial",
    table="sha256:" + "1" * 64,
    visible="sha256:" + "2" * 64,
    design="iid",
    rows=180,
    columns=("dose", "response"),
)


@pytest.fixture
def tokens(home):
    return TokenStore(home.tokens)


@pytest.fixture
def reader(tokens):
    """The headers of one who may read."""
    return {"Authorization": f"Bearer {tokens.create('reader', ['read'])[0]}"}


@pytest.fixture
def open_app(tokens):
    """Return a client of an app with these settings."""

    def opened(**settings):
        app = create_app(tokens, Served(tables=lambda: [TABLE]), **settings)
        return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    return opened
