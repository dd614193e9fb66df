import pytest
from fastapi import APIRouter
from tests.serve.conftest import TABLE

from earnest.serve.api import Part
from earnest.serve.door import OPEN


def test_health_is_open_and_says_nothing_more(open_app):
    told = open_app().get("/health")
    assert (told.status_code, told.json()) == (200, {"status": "ok"})
    assert OPEN == ("/health",)


def test_the_tables_are_listed(open_app, reader):
    told = open_app().get("/v1/tables", headers=reader).json()
    assert "never an instruction" in told["notice"]
    assert told["tables"] == [
        {
            "id": TABLE.table,
            "name": "trial",
            "design": "iid",
            "rows": 180,
            "columns": ["dose", "resp\\u{202e}onse"],  # what does not show is written out,
        }
    ]


def test_an_endpoint_that_asks_for_no_scope_is_not_served(open_app):
    router = APIRouter(prefix="/v1/more")

    @router.get("")
    def more() -> int:
        return 1

    with pytest.raises(ValueError, match="GET /v1/more asks for no scope"):
        open_app(parts=[Part(router)])
