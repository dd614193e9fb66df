"""Every operation of the OpenAPI document asks for a token with its scope: generated from it."""

from typing import Annotated

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from earnest.recipes.desk import OutsideDesk
from earnest.recipes.serve_verbs import app_of
from earnest.serve.access import needs
from earnest.serve.api import Part
from earnest.serve.door import OPEN
from earnest.serve.tokens import SCOPES, Token


def operations(document):
    """Each operation: its method, a path that fits, and the scopes that it asks for."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            filled = path.replace("{id}", "0" * 64).replace("{session}", "s")
            assert "{" not in filled, f"say here what {path} may be asked with"
            (asked,) = operation.get("security", [{"token": []}])
            yield method.upper(), filled, set(asked["token"])


@pytest.fixture
def client(home):
    """A client of all that `earnest serve` serves."""
    return TestClient(app_of(home, OutsideDesk(home, print)), base_url="http://127.0.0.1")


def test_no_endpoint_without_a_token_but_health(client):
    asked = list(operations(client.app.app.openapi()))
    assert {scope for _, _, scopes in asked for scope in scopes} == set(SCOPES)
    assert [path for _, path, scopes in asked if not scopes] == list(OPEN)
    for method, path, scopes in asked:
        told = client.request(method, path)
        assert told.status_code == (401 if scopes else 200), path
        assert ("WWW-Authenticate" in told.headers) == bool(scopes)


def test_no_endpoint_with_a_token_of_other_scopes(client, tokens):
    for method, path, scopes in operations(client.app.app.openapi()):
        if not scopes:
            continue
        others = [scope for scope in SCOPES if scope not in scopes]
        name = f"{method}{len(tokens.tokens())}"
        headers = {"Authorization": f"Bearer {tokens.create(name, others)[0]}"}
        told = client.request(method, path, headers=headers)
        assert told.status_code == 403, path
        assert set(told.json()) == {"error", "mend"}


def test_another_module_adds_endpoints_with_scopes(open_app, tokens, reader):
    router = APIRouter(prefix="/v1/sync")

    @router.get("/who")
    def who(caller: Annotated[Token, needs("sync")]) -> str:
        return caller.principal

    client = open_app(parts=[Part(router)])
    assert client.get("/v1/sync/who").status_code == 401
    assert client.get("/v1/sync/who", headers=reader).status_code == 403
    secret, _ = tokens.create("peer", ["sync"], principal="them")
    told = client.get("/v1/sync/who", headers={"Authorization": f"Bearer {secret}"})
    assert (told.status_code, told.json()) == (200, "them")
