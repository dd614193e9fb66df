"""Hosts, tokens, rates, bodies: what every request passes first."""

import asyncio
import itertools
import threading
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body

from earnest.serve.access import needs
from earnest.serve.api import Part
from earnest.serve.buckets import Rate
from earnest.serve.door import Bodies, Limits


@pytest.fixture
def echo():
    """A part that takes bodies, and one that fails."""
    router = APIRouter(prefix="/v1/echo")

    @router.post("", dependencies=[needs("submit")])
    def post(body: Annotated[dict[str, Any], Body()]) -> int:
        return len(body)

    @router.get("/broken", dependencies=[needs("submit")])
    def broken() -> int:
        raise RuntimeError("the secret is 12345")

    return Part(router)


def problem(told, status):
    assert told.status_code == status, told.text
    assert set(told.json()) == {"error", "mend"}
    assert told.headers["content-type"] == "application/json"
    return told.json()


def test_every_answer_has_the_safe_headers(open_app, reader):
    client = open_app()
    paths = ("/health", "/v1/tables", "/nothing")
    for path, headers in itertools.product(paths, ({}, reader)):
        told = client.get(path, headers=headers).headers
        assert told["x-content-type-options"] == "nosniff"
        assert told["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in told
        assert "server" not in told


HOSTILE_HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:80",
    "evil.example#127.0.0.1",
    "127.0.0.1@evil.example",
    "[::1].evil.example",
    "[evil.example]",
    "0.0.0.0",  # noqa: S104
    "",
    "localhost\x00",
]


def test_a_host_that_is_not_ours_is_refused_before_all_else(open_app, reader):
    client = open_app()
    for host, path in itertools.product(HOSTILE_HOSTS, ("/health", "/v1/tables")):
        problem(client.get(path, headers={**reader, "Host": host}), 400)


def test_our_own_hosts_are_served(open_app):
    client = open_app(hosts=["Ledger.Example"])
    for host in ("127.0.0.1", "localhost:8422", "LOCALHOST", "[::1]:80", "[::1]", "ledger.example"):
        assert client.get("/health", headers={"Host": host}).status_code == 200, host
    both = [("Host", "127.0.0.1"), ("Host", "evil.example")]
    problem(client.get("/health", headers=both), 400)


def test_what_is_no_good_token_is_answered_alike(open_app, tokens):
    client, (secret, _) = open_app(), tokens.create("a", ["read"])
    expired, _ = tokens.create("b", ["read"], days=1e-9)
    garbled = [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {secret}",
        secret,
        f"Bearer {secret[:-1]}",
        f"Bearer {secret}x",
        f"Bearer {expired}",
        "Bearer " + "A" * 100_000,
        "Bearer \xe9\xff",
        f"Bearer {secret}, Bearer {secret}",
    ]
    said = set()
    for shown in garbled:
        headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
        told = client.get("/v1/tables", headers=headers)
        problem(told, 401)
        assert told.headers["www-authenticate"].startswith("Bearer")
        assert secret not in told.text
        said.add(told.text)
    assert len(said) == 1
    twice = [("Authorization", f"Bearer {secret}")] * 2
    problem(client.get("/v1/tables", headers=twice), 401)
    assert client.get("/v1/tables", headers=dict(twice)).status_code == 200
    assert (
        client.get("/v1/tables", headers={"Authorization": f"bearer {secret}"}).status_code == 200
    )


def test_a_token_is_no_part_of_an_address(open_app, tokens):
    secret, _ = tokens.create("a", ["read"])
    problem(open_app().get("/v1/tables", params={"token": secret, "access_token": secret}), 401)


def test_a_revocation_holds_on_a_running_server(open_app, tokens, bearer):
    client, headers = open_app(), bearer("read")
    assert client.get("/v1/tables", headers=headers).status_code == 200
    tokens.revoke("token-0")
    problem(client.get("/v1/tables", headers=headers), 401)


def test_damaged_tokens_close_the_door_and_leave_health(open_app, tokens, reader):
    client = open_app()
    tokens.path.write_bytes(b"{")
    told = problem(client.get("/v1/tables", headers=reader), 500)
    assert str(tokens.path) not in str(told)
    assert client.get("/health").status_code == 200


def test_a_token_and_a_principal_have_a_rate_each(open_app, bearer):
    limits = Limits(token=Rate(3, 1), principal=Rate(5, 1))
    client = open_app(limits=limits)
    first, second = (bearer("read", principal="them") for _ in range(2))
    assert [client.get("/v1/tables", headers=first).status_code for _ in range(3)] == [200] * 3
    told = client.get("/v1/tables", headers=first)
    problem(told, 429)
    assert 50 <= int(told.headers["retry-after"]) <= 60
    assert [client.get("/v1/tables", headers=second).status_code for _ in range(3)] == [
        200,
        200,
        429,  # the principal's: it has five in all
    ]
    assert client.get("/v1/tables", headers=bearer("read")).status_code == 200
    assert client.get("/health").status_code == 200


def test_failures_are_limited_and_keep_nobody_else_out(open_app, reader):
    client = open_app(limits=Limits(failures=Rate(4, 1)))
    wrong = {"Authorization": "Bearer earnest_wrong"}
    told = [client.get("/v1/tables", headers=wrong) for _ in range(6)]
    assert [one.status_code for one in told] == [401] * 4 + [429] * 2
    assert "retry-after" in told[-1].headers
    assert client.get("/v1/tables", headers=reader).status_code == 200


def test_a_body_is_measured_as_it_comes(open_app, bearer, echo):
    client, headers = open_app(parts=[echo], limits=Limits(body=1000)), bearer("submit")
    sent = []

    def endless():
        yield b"{"
        for _ in range(10_000):
            sent.append(1)
            yield b" " * 100

    json = {**headers, "Content-Type": "application/json"}
    assert client.post("/v1/echo", headers=json, content=b'{"a": 1}').json() == 1
    fits = b'{"a": "' + b"x" * (1000 - 9) + b'"}'
    assert client.post("/v1/echo", headers=json, content=fits).status_code == 200
    problem(client.post("/v1/echo", headers=json, content=fits + b" "), 413)
    problem(client.post("/v1/echo", headers=json, content=endless()), 413)
    problem(client.get("/health", headers={"Content-Length": "9" * 17}), 413)
    for length in ("-1", "1e3", "+5", "\xb2".encode("latin-1"), "9" * 5000):
        assert (
            client.post("/v1/echo", headers={**json, "Content-Length": length}).status_code == 400
        )


def test_a_body_that_does_not_come_is_not_waited_for(open_app, bearer, echo):
    door = open_app(parts=[echo], limits=Limits(body_s=0.05)).app
    shown = bearer("submit")["Authorization"].encode()
    headers = [(b"host", b"localhost"), (b"authorization", shown)]
    scope = {"type": "http", "method": "POST", "path": "/v1/echo", "headers": headers}
    sent = []

    async def send(message):
        sent.append(message)

    def ask(receive):
        sent.clear()
        asyncio.run(door(dict(scope), receive, send))
        return [one["status"] for one in sent if one["type"] == "http.response.start"]

    async def trickling():
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def gone():
        return {"type": "http.disconnect"}

    assert ask(trickling) == [408]
    assert (b"connection", b"close") in sent[0]["headers"]
    assert ask(gone) == []  # nobody is there to be answered, and nothing was acted on


def test_many_large_bodies_at_once_do_not_take_all_memory(open_app, bearer, echo):
    door = open_app(parts=[echo], limits=Limits(body=1000, held=1500, body_s=5)).app
    shown = bearer("submit")["Authorization"].encode()

    async def ask(sent, length, go):
        headers = [(b"host", b"localhost"), (b"authorization", shown), length]
        scope = {"type": "http", "method": "POST", "path": "/v1/none", "headers": headers}
        scope |= {"query_string": b"", "root_path": ""}

        async def receive():
            await go.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message.get("status"))

        await door(scope, receive, send)

    async def all_of_them():
        go, sent = asyncio.Event(), [[] for _ in range(5)]
        chunked, long = (b"transfer-encoding", b"chunked"), (b"content-length", b"600")
        lengths = [chunked, long, (b"content-length", b"400"), (b"content-length", b"0")]
        held = [asyncio.create_task(ask(sent[n], one, go)) for n, one in enumerate(lengths)]
        await asyncio.sleep(0.05)
        before = [one[0] if one else None for one in sent[:4]]
        go.set()
        await asyncio.gather(*held)
        await ask(sent[4], long, go)
        return before, [one[0] for one in sent]

    before, after = asyncio.run(all_of_them())
    assert before == [None, 429, None, None]  # 1000 are held, 600 more are too many, 400 are not
    assert after == [404, 429, 404, 404, 404]


def test_a_part_may_take_more_and_of_other_types(open_app, bearer, echo):
    part = Part(echo.router, Bodies(most=5000, media=("application/x-ndjson",)))
    client, headers = open_app(parts=[part], limits=Limits(body=1000)), bearer("submit")
    lines = {**headers, "Content-Type": "application/x-ndjson; charset=utf-8"}
    # Let in by the door; that the endpoint itself wants JSON is another matter.
    problem(client.post("/v1/echo", headers=lines, content=b" " * 4000), 422)
    problem(client.post("/v1/echo", headers=lines, content=b" " * 6000), 413)
    problem(client.post("/v1/echobis", headers=lines, content=b" " * 1001), 413)
    json = {**headers, "Content-Type": "application/json"}
    problem(client.post("/v1/echo", headers=json, content=b"{}"), 415)


def test_a_body_is_json(open_app, bearer, echo):
    client, caller = open_app(parts=[echo]), bearer("submit")
    for media in (None, "text/plain", "application/jsonx", "x", "multipart/form-data"):
        headers = caller | ({"Content-Type": media} if media else {})
        problem(client.post("/v1/echo", headers=headers, content=b"{}"), 415)


NO_OBJECTS = [
    b"{",
    b"",
    b"[]",
    b"nul",
    b"\xff\xfe",
    b'{"a": 1' + b"0" * 5000 + b"}",
    b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
]


def test_a_body_that_is_no_object_is_told(open_app, bearer, echo):
    client, headers = open_app(parts=[echo]), bearer("submit")
    for content in NO_OBJECTS:
        told = client.post(
            "/v1/echo", headers=headers | {"Content-Type": "application/json"}, content=content
        )
        problem(told, 400 if told.status_code == 400 else 422)


def test_what_nobody_foresaw_is_told_without_its_words(open_app, bearer, echo):
    told = open_app(parts=[echo]).get("/v1/echo/broken", headers=bearer("submit"))
    assert "12345" not in str(problem(told, 500))
    assert told.headers["x-content-type-options"] == "nosniff"


ELSEWHERE = [
    "/v1/findings/../../etc/passwd",
    "/v1/findings/..%2f..%2fetc%2fpasswd",
    "/v1/findings/%00",
    "/v1//findings",
    "/v1/findings/",
    "/docs",
    "/redoc",
    "/health/",
    "/HEALTH",
    "//health",
    "/%2e%2e/health",
]


def test_no_other_path_is_open_or_leads_anywhere(open_app, reader):
    client = open_app()
    for path in ELSEWHERE:
        assert client.get(path).status_code == 401
        problem(client.get(path, headers=reader), 422 if path.endswith("00") else 404)


def test_methods_that_are_not_there_are_told(open_app, reader):
    client = open_app()
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        told = client.request(method, "/v1/findings", headers=reader)
        problem(told, 405)
        assert told.headers["allow"] == "GET"
        problem(client.request(method, "/v1/findings"), 401)
    router = APIRouter(prefix="/v1/findings", dependencies=[needs("submit")])
    router.post("")(lambda: 1)
    told = open_app(parts=[Part(router)]).request("PUT", "/v1/findings", headers=reader)
    assert told.headers["allow"] == "GET, POST"  # of two routers


def test_many_ask_at_once(open_app, reader):
    client = open_app(limits=Limits(token=Rate(1000, 1), principal=Rate(1000, 1)))
    found = []

    def ask():
        found.extend(client.get("/v1/findings", headers=reader).status_code for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 50
