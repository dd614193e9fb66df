"""A finding over HTTP, from the POST to its verdict, at a real desk with a real verifier."""

import contextlib
import json
import threading
import time

import pytest
from starlette.testclient import TestClient
from tests.homes import home_at
from tests.recipes.test_desk import arguments, frame, text_cells

from earnest.core.sign import KeyFolder
from earnest.ledger.audit import audit
from earnest.recipes import apart
from earnest.recipes.desk import OutsideDesk, submission
from earnest.recipes.quota import Quota
from earnest.sandbox import choose
from earnest.serve import submitting
from earnest.serve.answers import Answers
from earnest.serve.api import Served, create_app
from earnest.serve.door import Limits
from earnest.serve.submitting import Intake
from earnest.tasks.registry import Registry


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = home_at(tmp_path_factory.mktemp("world") / "home")
    Registry(home).seal_frame(text_cells(frame(1)), "first", design="iid")
    return home


def app(home, tokens, desk, **settings):
    intake = Intake(desk, submission().parameters)
    served = Served(Answers(home.ledger, home.blobs), desk.tables, intake)
    app = create_app(tokens, served, **settings)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture
def served(home, tokens, sandbox):
    """Return a client of an app with a desk of these settings, whose threads don't run."""

    def opened(limits=None, **settings):
        desk = OutsideDesk(home, lambda _: None, **{"sandbox": sandbox, **settings})
        return app(home, tokens, desk, limits=limits)

    return opened


@pytest.fixture
def verifying(home, tokens, sandbox):
    """A client of an app with a desk that verifies."""
    desk = OutsideDesk(home, lambda _: None, sandbox=sandbox, pause_s=60)
    desk.open()
    yield app(home, tokens, desk)
    assert desk.close(30)


def verdict(client, headers, ask, within_s=300):
    until = time.monotonic() + within_s
    while (told := client.get(ask, headers=headers).json())["state"] != "verified":
        assert time.monotonic() < until, told
        time.sleep(0.1)
    return told


def test_a_finding_is_taken_verified_and_found_by_somebody_else(verifying, bearer, home):
    client, author = verifying, bearer("read", "submit", principal="ann")
    other = bearer("read", principal="bob")
    sent = arguments("y", model="some-model", prose="as \u202e expected")
    told = client.post("/v1/findings", params={"session": "s1"}, headers=author, json=sent)
    assert told.status_code == 202, told.text
    queued = told.json()
    assert told.headers["location"] == queued["ask"]
    # Its author may ask at once; nobody else learns of a batch that is open.
    told = client.get(queued["ask"], headers=author).json()
    assert (told["state"], told["verdict"], told["trust"]) == ("open", "queued", "unverified")
    assert client.get(queued["ask"], headers=other).status_code == 404
    # The same again is the same finding; the same claim in another form is not taken twice.
    again = client.post("/v1/findings", params={"session": "s1"}, headers=author, json=sent)
    assert again.json() == queued
    twice = {**sent, "prose": "in other words"}
    told = client.post("/v1/findings", params={"session": "s1"}, headers=author, json=twice)
    assert told.status_code == 409
    assert queued["id"] in told.json()["error"]
    told = client.post(queued["settle"], headers=author)
    assert (told.status_code, told.json()["state"]) == (202, "settled")
    assert verdict(client, other, queued["ask"])["verdict"] == "confirmed"
    found = client.get("/v1/findings", params={"query": "y x"}, headers=other).json()["findings"]
    assert [one["id"] for one in found] == [queued["id"]]
    assert (found[0]["trust"], found[0]["exposure"]) == ("verified", "sealed")
    whole = client.get(f"/v1/findings/{queued['id']}", headers=other).json()
    assert whole["author"] == {"principal": "ann", "model": "some-model", "generation": 0}
    assert "\u202e" not in whole["prose"]
    assert audit(home.ledger, keys=KeyFolder(home.verifier)).clean


def test_a_session_belongs_to_its_principal(served, bearer):
    client, author = served(), bearer("read", "submit", principal="cat")
    other = bearer("read", "submit", principal="dan")
    queued = client.post("/v1/findings", headers=author, json=arguments("z")).json()
    assert client.post(queued["settle"], headers=other).status_code == 202
    assert client.get(queued["ask"], headers=author).json()["state"] == "open"
    same = bearer("read", "submit", principal="cat")
    assert client.post(queued["settle"], headers=same).status_code == 202
    assert client.get(queued["ask"], headers=author).json()["state"] == "queued"


WRONG = [
    ({"kind": "nonsense"}, 422, "kind"),
    ({"extra": 1}, 422, "extra"),
    ({"script": 5}, 422, "script"),
    ({"prose": "\ud800"}, 422, ""),
    ({"table": "../../etc/passwd"}, 409, "no registered table"),
    ({"table": "/etc/first.csv"}, 409, "no registered table"),
    ({"outcome": "nowhere"}, 409, "nowhere"),
    ({"direction": "rising"}, 409, "association"),
    ({"supports": "rho > 0.99"}, 409, "do not support"),
    ({"supports": "__import__('os')"}, 409, "supports"),
    ({"script": "raise SystemExit('no\\x1b[2J')"}, 409, "the script"),
    ({"script": "x = 1\n" * 50_000}, 409, "bytes"),
]


def test_what_is_submitted_wrongly_is_told_and_not_taken(served, bearer, home):
    client, headers = served(), bearer("read", "submit")
    before = client.get("/v1/findings", headers=headers).json()["findings"]
    for change, status, said in WRONG:
        sent = {**arguments("u"), **change}
        body = json.dumps(sent)
        told = client.post(
            "/v1/findings",
            headers={**headers, "Content-Type": "application/json"},
            params={"session": "wrong"},
            content=body,
        )
        assert told.status_code == status, (change, told.text)
        problem = told.json()
        assert said in problem["error"], (change, problem)
        assert "\x1b" not in problem["error"]
        assert str(home.root) not in str(problem)
    client.post("/v1/sessions/wrong/settle", headers=headers)
    assert client.get("/v1/findings", headers=headers).json()["findings"] == before


def test_a_session_is_handed_out_where_none_is_named(served, bearer):
    client, headers = served(), bearer("submit", principal="hal")
    first, second = (
        client.post("/v1/findings", headers=headers, json=arguments(column)).json()
        for column in "vw"
    )
    assert first["session"] != second["session"]
    for one in (first, second):
        assert one["settle"] == f"/v1/sessions/{one['session']}/settle"
        assert client.post(one["settle"], headers=headers).status_code == 202


def test_a_session_has_a_plain_name(served, bearer):
    client, headers = served(), bearer("submit")
    for name in ("../up", "a b", "x" * 65, "line\nbreak", "\u202e", ".hidden"):
        told = client.post(
            "/v1/findings", params={"session": name}, headers=headers, json=arguments()
        )
        assert told.status_code == 422, name
    assert client.post("/v1/sessions/a%20b/settle", headers=headers).status_code == 422


def test_a_quota_that_is_used_up_is_told(served, bearer, home):
    client, headers = served(quota=Quota(home, submissions=1)), bearer("submit", principal="eve")
    assert client.post("/v1/findings", headers=headers, json=arguments("v")).status_code == 202
    told = client.post("/v1/findings", headers=headers, json=arguments("w"))
    assert told.status_code == 429
    assert int(told.headers["retry-after"]) > 0
    assert "until" in told.json()["error"]


def test_where_no_sandbox_can_be_had_reading_still_works(served, bearer, monkeypatch):
    monkeypatch.setattr(choose, "BACKENDS", {})
    client, headers = served(sandbox=None), bearer("read", "submit")
    told = client.post("/v1/findings", headers=headers, json=arguments("w"))
    assert told.status_code == 503, told.text
    assert "no sandbox" in told.json()["error"]
    assert told.json()["mend"]
    assert client.get("/v1/tables", headers=headers).json()["tables"][0]["name"] == "first"
    assert client.get("/v1/findings", headers=headers).status_code == 200


def test_one_principal_does_not_take_all_turns(served, bearer, monkeypatch):
    taken, one = threading.Event(), submitting._Turns.one

    @contextlib.contextmanager
    def told_of(turns, principal):
        with one(turns, principal):
            taken.set()
            yield

    monkeypatch.setattr(submitting._Turns, "one", told_of)
    client = served(limits=Limits(at_once=3, at_once_each=1))
    slow = "import time; time.sleep(1.5); raise SystemExit('done')"
    mine, other = (bearer("submit", principal=name) for name in ("fay", "gus"))
    told = []

    def submit(headers, name):
        sent = arguments("w", script=slow)
        asked = {"session": name}
        told.append((name, client.post("/v1/findings", params=asked, headers=headers, json=sent)))

    first = threading.Thread(target=submit, args=(mine, "first"))
    first.start()
    assert taken.wait(60)
    submit(mine, "second")
    others = threading.Thread(target=submit, args=(other, "other"))
    others.start()
    first.join()
    others.join()
    statuses = {name: one.status_code for name, one in told}
    assert statuses == {"first": 409, "second": 429, "other": 409}
