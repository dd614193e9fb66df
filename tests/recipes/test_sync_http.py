"""A ledger syncs with another one's server, over a real connection; and with bad ones."""

from __future__ import annotations

import json
import threading
import time

import httpx2
import pytest
import uvicorn
from tests.homes import home_at
from tests.ledger.offers import formal, said
from tests.ledger.test_ledger import submit

from earnest.cli import main
from earnest.core.errors import UsageError
from earnest.core.sign import KeyFolder, fingerprint
from earnest.core.trusted import trust
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.recipes.sync import Synced
from earnest.recipes.sync_http import Remote, RemoteError, pull_http, push_http, read_token, sync_of
from earnest.serve.answers import Answers
from earnest.serve.api import Served, create_app
from earnest.serve.tokens import TokenStore

RIGHT = [f"2*n + {number} - {number}" for number in range(5)]


def user(root, *right):
    """A home with findings of its own that are confirmed and signed."""
    home = home_at(root)
    with Ledger(home.ledger, KeyFolder(home.verifier)) as ledger:
        home.blobs.put(b"script")
        for one in right:
            made = formal(one).model_copy(update={"run": root.name})
            submit(ledger, made)
            ledger.conclude(said(made))
        ledger.stamp()
    return home


@pytest.fixture
def there(tmp_path):
    return user(tmp_path / "there", *RIGHT[:3])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.delenv("EARNEST_TOKEN", raising=False)
    return user(tmp_path / "here", *RIGHT[3:])


@pytest.fixture
def url(there):
    """The address of a real server of the other home."""
    app = create_app(
        TokenStore(there.tokens),
        Served(Answers(there.ledger, there.blobs), list),
        parts=[sync_of(there)],
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 120
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def token(there):
    return TokenStore(there.tokens).create("here", ("sync",))[0]


def key(home):
    return KeyFolder(home.verifier).public()


def outcomes(done):
    return [one.outcome for one in done.taken]


def test_both_ways_and_again(here, there, url, token, tmp_path, capsys):
    path = tmp_path / "token"
    path.write_text(token + "\n")
    asked = ["ledger", "sync", url, "--token-file", str(path), "--home", str(here.root), "--json"]
    assert main(asked) == 2  # nobody is trusted by being met
    said_ = capsys.readouterr().err
    assert fingerprint(key(there)) in said_
    assert f"earnest ledger trust add NAME {key(there)}" in said_
    trust(here.trusted, "there", key(there))
    trust(there.trusted, "here", key(here))
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["offered"], told["new"], told["counts"]) == (2, 2, {"taken": 3})
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["offered"], told["counts"]) == (0, {})
    assert main([*asked, "--whole"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["offered"], told["new"], told["counts"]) == (2, 0, {"known": 3})
    for home, count in ((here, 3), (there, 2)):
        with Ledger(home.ledger) as ledger:
            assert len(ledger.imports()) == count
        assert audit(home.ledger, keys=KeyFolder(home.verifier)).clean
    with Ledger(there.ledger) as ledger:
        ledger.retract(ledger.findings()[0][0].id, by="them", why="no")
    assert main(asked) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"withdrawn": 1}


def test_who_pushes_to_one_that_does_not_trust_learns_why(here, url, token):
    done = Synced()
    remote = Remote(url, token)
    push_http(here, remote, done)
    remote.close()
    assert (done.offered, done.new) == (2, 0)
    assert all("not trusted here" in one["reason"] for one in done.left_out)


def test_a_wrong_token_is_told(here, url):
    with pytest.raises(RemoteError, match="401: a token is needed"):
        pull_http(here, Remote(url, "earnest_wrong"), Synced())


def test_a_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("EARNEST_TOKEN", raising=False)
    for path in (None, tmp_path / "none"):
        with pytest.raises(UsageError):
            read_token(path)
    monkeypatch.setenv("EARNEST_TOKEN", "earnest_a")
    assert read_token(None) == "earnest_a"
    (tmp_path / "file").write_text("earnest_b\n")
    assert read_token(tmp_path / "file") == "earnest_b"
    (tmp_path / "file").write_text("two\nlines")
    with pytest.raises(UsageError, match="no token"):
        read_token(tmp_path / "file")


@pytest.mark.parametrize(
    "address",
    ["http://ledger.example.org", "ftp://127.0.0.1", "https://", "http://a:b@127.0.0.1", "://"],
)
def test_a_token_goes_nowhere_unsafe(address):
    with pytest.raises(UsageError):
        Remote(address, "earnest_a")


def answering(*answers):
    """A server that gives these answers in turn, the last one for ever, and counts."""
    asked = []

    def answer(request):
        asked.append(request)
        found = answers[min(len(asked), len(answers)) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    pauses: list[float] = []
    remote = Remote(
        "https://ledger.example.org/base/",
        "earnest_a",
        transport=httpx2.MockTransport(answer),
        pause=pauses.append,
    )
    return remote, asked, pauses


def test_what_may_pass_is_tried_again_and_not_for_ever():
    busy = httpx2.Response(503, headers={"Retry-After": "7"})
    remote, asked, pauses = answering(
        httpx2.ConnectError("down"), busy, httpx2.Response(200, json={"source": ""})
    )
    assert remote.ask("GET") == {"source": ""}
    assert asked[0].url == "https://ledger.example.org/base/v1/sync"
    assert pauses == [1.0, 7.0]
    remote, asked, _ = answering(httpx2.ReadTimeout("slow"))
    with pytest.raises(RemoteError, match="slow"):
        remote.ask("GET")
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx2.Response(200, content=b"x" * (35 * 2**20)), "too long"),
        (httpx2.Response(200, content=b'{"a":1,"a":2}'), "not an answer of this API"),
        (httpx2.Response(200, json=[1]), "not an answer of this API"),
        (httpx2.Response(302, headers={"Location": "http://evil"}), "it answers 302"),
        (httpx2.Response(500, json={"error": "a\nb\u202e" * 500}), r"500: a\\u\{a\}b\\u\{202e\}"),
        (httpx2.Response(200, json={"source": "## obey"}), "it names no key"),
        (httpx2.Response(200, json={"source": 5}), "it names no key"),
    ],
)
def test_a_bad_server_is_refused(here, answer, says):
    remote, _, _ = answering(answer)
    with pytest.raises(RemoteError, match=says) as told:
        pull_http(here, remote, Synced())
    assert len(str(told.value)) < 700


def test_a_server_can_not_keep_one_busy(here, there):
    trust(here.trusted, "there", key(there))
    same = httpx2.Response(200, json={"source": key(there), "items": [], "next": 5})
    remote, asked, _ = answering(same)
    with pytest.raises(RemoteError, match="do not go on"):
        pull_http(here, remote, Synced())
    assert len(asked) == 3
    remote, _, _ = answering(httpx2.Response(200, json={"source": key(there), "items": {}}))
    with pytest.raises(RemoteError, match="no items"):
        pull_http(here, remote, Synced())
    odd = [1, {"outcome": "refused", "reason": "a\u202e" * 999, "id": 3}, {"outcome": "taken"}]
    remote, _, _ = answering(httpx2.Response(200, json={"position": "x", "items": odd}))
    done = Synced()
    push_http(here, remote, done)
    assert done.new == 1
    assert "\u202e" not in done.left_out[0]["reason"]


def test_a_server_that_drips_is_not_waited_for():
    class Drips(httpx2.SyncByteStream):
        def __iter__(self):
            for _ in range(2_000):
                time.sleep(0.01)
                yield b" "

    def answer(_):
        return httpx2.Response(200, stream=Drips())

    remote = Remote(
        "https://there.example.org", "t", transport=httpx2.MockTransport(answer), whole_s=0.1
    )
    began = time.monotonic()
    with pytest.raises(RemoteError, match="takes too long"):
        remote.ask("GET")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("address", ["http://[::1", "http://localhost:port", "https://a:99999999"])
def test_what_is_no_address_is_said(address):
    with pytest.raises(UsageError, match="is no address"):
        Remote(address, "earnest_a")
