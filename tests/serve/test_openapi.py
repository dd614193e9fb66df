"""The API keeps to its own OpenAPI document: schemathesis, with what fits it and what doesn't."""

from collections import Counter
from typing import Annotated

import pytest
import schemathesis
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.engine import Status, StopReason, events, from_schema
from tests.homes import home_at
from tests.serve.conftest import filled

from earnest.recipes.desk import OutsideDesk
from earnest.recipes.quota import Quota
from earnest.recipes.serve_verbs import app_of
from earnest.serve.access import needs
from earnest.serve.api import Part
from earnest.serve.buckets import Rate
from earnest.serve.door import Limits
from earnest.serve.shapes import Table
from earnest.serve.tokens import TokenStore

MANY = Rate(10**6, 10**6)
CHECKS = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "ignored_auth",
    "unsupported_method",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = home_at(tmp_path_factory.mktemp("served") / "home")
    filled(home)
    return home


@pytest.fixture(scope="module")
def token(home):
    return TokenStore(home.tokens).create("all", ["read", "submit", "sync"])[0]


@pytest.fixture
def made(home, sandbox):
    """Return the app that `earnest serve` serves, at a real desk, with further parts."""
    quota = Quota(home, submissions=10**6, seconds=10**6)
    desk = OutsideDesk(home, lambda _: None, quota=quota, sandbox=sandbox)
    limits = Limits(MANY, MANY, MANY)
    return lambda *parts: app_of(home, desk, hosts=["testserver"], limits=limits, parts=parts)


def tried(app, token, examples, seed, *, coverage=False, below="/"):
    """Have schemathesis try an app's own document: return which checks it made, and what failed.

    `coverage`: also each bound of each argument, one by one; `below`: only what is there.
    """
    generation = GenerationConfig(max_examples=examples, deterministic=True)
    phases = PhasesConfig(coverage=CoveragePhaseConfig(enabled=coverage))
    project = ProjectConfig(generation=generation, phases=phases, continue_on_failure=True)
    config = SchemathesisConfig(seed=seed, projects=ProjectsConfig(default=project))
    schema = schemathesis.openapi.from_dict(app.app.openapi(), config=config)
    schema.app = app
    schema = schema.include(path_regex=f"^{below}")
    schema.config.update(headers={"Authorization": f"Bearer {token}"})
    checks, wrong = Counter(), []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for case, found in event.recorder.checks.items():
                asked = event.recorder.interactions[case].request
                checks.update(one.name for one in found)
                wrong += [
                    (asked.method, asked.uri, asked.body, one.name, str(one.failure_info))
                    for one in found
                    if one.status is not Status.SUCCESS
                ]
        elif isinstance(event, events.NonFatalError):
            wrong.append(("", event.label, b"", "error", str(event.value)))
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.EngineFinished):
            assert event.stop_reason is StopReason.COMPLETED
    return checks, wrong


def told(wrong):
    """The first failures, in full."""
    return "\n".join(str(one)[:3000] for one in wrong[:3])


def test_the_api_keeps_to_its_document(made, token):
    checks, wrong = tried(made(), token, 10, 1)
    assert not wrong, told(wrong)
    assert set(checks) >= CHECKS
    assert min(checks.values()) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_the_api_keeps_to_its_document_whatever_is_tried(made, token, seed):
    checks, wrong = tried(made(), token, 100, seed, coverage=True)
    assert not wrong, told(wrong)
    assert min(checks.values()) >= 1000


def test_an_api_that_does_not_keep_to_its_document_is_found(made, token):
    router = APIRouter(prefix="/v1/broken", dependencies=[needs("read")])

    @router.get("/fails")
    def fails(number: Annotated[int, Query(ge=0)]) -> int:
        return 1 // (number % 2)

    @router.get("/teapot")
    def teapot() -> int:
        raise HTTPException(418)

    @router.get("/shape", responses={200: {"model": Table}}, response_model=None)
    def shape() -> dict[str, str]:
        return {"name": "cars"}

    @router.get("/takes-all", response_model=None)
    def takes_all(request: Request, number: Annotated[str, Query()]) -> JSONResponse:
        return JSONResponse(number)

    app = made(Part(router))
    app.app.openapi()["paths"]["/v1/broken/takes-all"]["get"]["parameters"][0]["schema"] = {
        "type": "integer"
    }
    _, wrong = tried(app, token, 10, 1, below="/v1/broken")
    found = {(asked[1].rpartition("/")[2].partition("?")[0], asked[3]) for asked in wrong}
    assert found >= {
        ("fails", "error"),
        ("teapot", "status_code_conformance"),
        ("shape", "response_schema_conformance"),
        ("takes-all", "negative_data_rejection"),
    }
