"""The API keeps to its own OpenAPI document: schemathesis, with what fits it and what doesn't."""

from collections import Counter

import pytest
import schemathesis
from schemathesis.config import (
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.engine import Status, StopReason, events, from_schema
from tests.serve.conftest import TABLE, filled

from earnest.core.home import Home
from earnest.serve.answers import Answers
from earnest.serve.api import Served, create_app
from earnest.serve.buckets import Rate
from earnest.serve.door import Limits
from earnest.serve.tokens import TokenStore

MANY = Rate(10**6, 10**6)


def tried(app, secret, examples, seed):
    """Have schemathesis try an app's own document; return its checks by outcome, and what failed."""
    generation = GenerationConfig(max_examples=examples, deterministic=True)
    project = ProjectConfig(generation=generation, continue_on_failure=True)
    config = SchemathesisConfig(seed=seed, projects=ProjectsConfig(default=project))
    schema = schemathesis.openapi.from_dict(app.app.openapi(), config=config)
    schema.app = app
    schema.config.update(headers={"Authorization": f"Bearer {secret}"})
    checks, wrong = Counter(), []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for case, found in event.recorder.checks.items():
                for one in found:
                    checks[one.name, one.status] += 1
                    if one.status is not Status.SUCCESS:
                        asked = event.recorder.interactions[case].request
                        wrong.append((asked.method, asked.uri, one.name, str(one.failure_info)))
        elif isinstance(event, (events.NonFatalError, events.FatalError)):
            wrong.append(str(event))
        elif isinstance(event, events.EngineFinished):
            assert event.stop_reason is StopReason.COMPLETED
    return checks, wrong


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("served") / "home")
    filled(home)
    return home


def test_fast(home):
    tokens = TokenStore(home.tokens)
    secret, _ = tokens.create("all", ["read", "submit", "sync"])
    served = Served(Answers(home.ledger, home.blobs), lambda: [TABLE])
    app = create_app(tokens, served, hosts=["testserver"], limits=Limits(MANY, MANY, MANY))
    checks, wrong = tried(app, secret, 10, 1)
    for k,v in checks.items(): print(k, v)
    for w in wrong[:15]: print(w)
    assert not wrong
