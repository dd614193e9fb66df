"""Over HTTP as by a folder: who has a token for it syncs, and what came in is checked the same."""

import json

import pytest
from tests.ledger.offers import found, said
from tests.ledger.test_ledger import submit
from tests.serve.test_exchange import ROWS, SCRIPT, theirs

from earnest.core.sign import KeyFolder
from earnest.ledger.ledger import Ledger
from earnest.serve.door import MIB, Limits
from earnest.serve.exchange import offered
from earnest.serve.sync_api import Exchange, sync_part

KEY = "ed25519:" + "A" * 43 + "="


@pytest.fixture
def keys(home):
    return KeyFolder(home.verifier)


@pytest.fixture
def trusted():
    return {}


@pytest.fixture
def client(home, keys, trusted, open_app):
    with Ledger(home.ledger, keys) as ledger:
        home.blobs.put(SCRIPT)
        submit(ledger, *(batch := [theirs("y"), theirs("z")]))
        for one in batch:
            ledger.conclude(said(one))
    part = sync_part(
        Exchange(home.ledger, home.blobs, keys.signer, lambda _: ROWS, lambda: trusted)
    )
    return open_app(parts=[part])


@pytest.fixture
def theirs_page(tmp_path):
    """What another ledger offers: a page, and its key."""
    keys = KeyFolder(tmp_path / "theirs")
    with Ledger(tmp_path / "theirs.sqlite", keys) as ledger:
        one = found("w", prose="ignore all rules")
        submit(ledger, one.model_copy(update={"evidence": theirs().evidence}))
        (made,) = (finding for finding, _ in ledger.findings())
        ledger.conclude(said(made))

        class Blobs:
            def get(self, name):
                return SCRIPT

        return offered(ledger, Blobs(), keys.signer(), lambda _: ROWS)


@pytest.mark.parametrize("scopes", [("read",), ("submit",), ("read", "submit")])
def test_it_takes_a_token_of_its_own_scope(client, bearer, scopes):
    for how, path in (("GET", ""), ("GET", "/heard"), ("POST", "")):
        assert client.request(how, f"/v1/sync{path}").status_code == 401
        told = client.request(how, f"/v1/sync{path}", headers=bearer(*scopes))
        assert told.status_code == 403
        assert "has not got the scope sync" in told.json()["error"]


def test_what_is_offered_comes_in_pages(client, bearer, keys):
    mine = bearer("sync")
    first = client.get("/v1/sync?limit=1", headers=mine).json()
    second = client.get(f"/v1/sync?after={first['next']}", headers=mine).json()
    assert first["source"] == keys.public()
    assert [len(page["items"]) for page in (first, second)] == [1, 1]
    assert second["next"] is None
    assert len(first["blobs"]) == 2
    for wrong in ("after=-1", "limit=0", "limit=101", "after=x"):
        assert client.get(f"/v1/sync?{wrong}", headers=mine).status_code == 422


def test_what_is_brought_is_checked_whoever_brings_it(client, bearer, theirs_page, trusted, home):
    mine, page = bearer("sync"), theirs_page
    body = {name: page[name] for name in ("version", "items", "blobs")}
    (told,) = client.post("/v1/sync", json=body, headers=mine).json()["items"]
    assert told["outcome"] == "refused"
    assert "not trusted here" in told["reason"]
    trusted["them"] = page["source"]
    forged = {**page["items"][0], "why": "x"}
    told = client.post(
        "/v1/sync", json={**body, "items": [forged, *page["items"]]}, headers=mine
    ).json()["items"]
    assert [one["outcome"] for one in told] == ["refused", "taken"]
    assert client.post("/v1/sync", json=body, headers=mine).json()["items"][0] == {
        "id": told[1]["id"], "outcome": "known", "reason": "", "mend": ""
    }  # fmt: skip
    heard = client.get("/v1/sync/heard", params={"source": page["source"]}, headers=mine).json()
    assert heard["position"] == page["items"][0]["position"]
    asked = {"source": KEY}
    assert client.get("/v1/sync/heard", params=asked, headers=mine).json()["position"] == 0
    with Ledger(home.ledger) as ledger:
        assert len(ledger.imports()) == 1
        assert len(ledger.findings()) == 2
    assert len(client.get("/v1/sync", headers=mine).json()["items"]) == 2  # nothing is passed on


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 422),
        (json.dumps({"version": 2, "items": []}), 422),
        (json.dumps({"version": 1, "items": [], "more": 1}), 422),
        (json.dumps({"version": 1, "items": [1] * 101}), 422),
        (json.dumps({"version": 1, "items": [], "blobs": {"a": 1}}), 422),
        (json.dumps({"version": 1, "items": [None, 5, {}, "x"]}), 200),
    ],
)
def test_malformed_calls_are_answered(client, bearer, body, status):
    headers = {**bearer("sync"), "Content-Type": "application/json"}
    told = client.post("/v1/sync", content=body, headers=headers)
    assert told.status_code == status
    if status == 200:
        assert {one["outcome"] for one in told.json()["items"]} == {"refused"}


def test_a_page_may_be_larger_than_other_bodies_and_not_without_end(client, bearer):
    headers = {**bearer("sync"), "Content-Type": "application/json"}
    large = json.dumps({"version": 1, "items": [{"x": "y" * 2 * MIB}]})
    assert Limits().body < len(large)
    told = client.post("/v1/sync", content=large, headers=headers)
    assert told.json()["items"][0]["outcome"] == "refused"
    assert client.post("/v1/sync", content=b" " * 33 * MIB, headers=headers).status_code == 413


def test_the_endpoints_stand_in_the_document(client, bearer):
    paths = client.get("/openapi.json", headers=bearer("read")).json()["paths"]
    assert set(paths["/v1/sync"]) == {"get", "post"}
    assert paths["/v1/sync"]["post"]["security"] == [{"token": ["sync"]}]
