"""`earnest serve` and `earnest token`, as they are typed: a real server on a free port."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import httpx2 as httpx
import pytest
from tests.homes import home_at
from tests.recipes.test_desk import arguments, frame, text_cells
from tests.serve.conftest import filled

from earnest.cli import main
from earnest.serve.tokens import TokenStore
from earnest.tasks.registry import Registry


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = home_at(tmp_path / "home")
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    return home


class Server:
    """A server as a process of its own; `said` is what it wrote to standard error."""

    def __init__(self, *options):
        command = [sys.executable, "-m", "earnest", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if "earnest token create" in line:
                break
        self.url = re.search(r"http://\S+", self.said)[0]

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        _, rest = self.process.communicate(timeout=120)
        self.said += rest
        return self.process.returncode


@pytest.fixture
def serving():
    servers = []

    def started(*options):
        servers.append(Server(*options))
        return servers[-1]

    yield started
    for one in servers:
        one.process.kill()
        one.process.communicate()


def test_a_token_is_made_listed_and_revoked(home, capsys):
    assert main(["token", "create", "laptop", "--scope", "read", "--scope", "submit"]) == 0
    secret = capsys.readouterr().out.strip()
    assert TokenStore(home.tokens).find(secret).name == "laptop"
    assert stat.S_IMODE(home.tokens.stat().st_mode) == 0o600
    command = ["token", "create", "phone", "--scope", "sync", "--days", "2", "--principal", "me"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["scopes"], told["principal"]) == (1, ["sync"], "me")
    assert TokenStore(home.tokens).find(told["token"]).name == "phone"
    assert main(["token", "revoke", "laptop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "revoked"
    assert TokenStore(home.tokens).find(secret) is None
    assert main(["token", "list", "--json"]) == 0
    out = capsys.readouterr().out
    listed = {one["name"]: one["state"] for one in json.loads(out)["tokens"]}
    assert listed == {"laptop": "revoked", "phone": "active"}
    assert main(["token", "list"]) == 0
    for text in (out, capsys.readouterr().out):
        assert secret not in text
        assert told["token"] not in text
        assert "hash" not in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["token", "create"], "NAME"),
        (["token", "create", "a"], "--scope"),
        (["token", "create", "a", "--scope", "write"], "read, submit, sync"),
        (["token", "create", "a b", "--scope", "read"], "letters"),
        (["token", "revoke", "nobody"], "token list"),
        (["serve", "--json"], "--json"),
        (["serve", "--host", "0.0.0.0"], "--behind-proxy"),  # noqa: S104
        (["serve", "--host", "::"], "--behind-proxy"),
        (["serve", "--host", "example.org"], "TLS"),
        (["serve", "--behind-proxy", "nginx"], "10.0.0.2"),
        (["serve", "--port", "65536"], "--port 0"),
        (["serve", "--port=-1"], "--port 0"),
    ],
)
@pytest.mark.usefixtures("home")
def test_errors_name_the_mend(arguments, says, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""


@pytest.mark.usefixtures("home")
def test_a_port_that_is_taken_is_told(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "--port 0" in capsys.readouterr().err


def raw(url, data):
    """Send bytes as they are; return what comes back until the server closes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        with contextlib.suppress(OSError):  # it may have answered, and closed, before it read all
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while part := line.recv(65536):
                found += part
        return found


def test_a_real_server_from_the_first_token_to_the_end(home, serving, capsys):
    made = filled(home)
    server = serving()
    assert httpx.get(f"{server.url}/health", timeout=60).json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/v1/findings").status_code == 401
    assert main(["token", "create", "a", "--scope", "read", "--scope", "submit"]) == 0
    secret = capsys.readouterr().out.strip()
    headers = {"Authorization": f"Bearer {secret}"}
    told = httpx.get(f"{server.url}/v1/findings", params={"query": "engine"}, headers=headers)
    assert {one["id"] for one in told.json()["findings"]} == {one.id for one in made.values()}
    assert "server" not in told.headers
    # What is not HTTP, or not for us, ends without a word of ours in it.
    bearer = f"Authorization: Bearer {secret}\r\n"
    post = f"POST /v1/findings HTTP/1.1\r\nHost: localhost\r\n{bearer}"
    json_ = "Content-Type: application/json\r\n"
    hostile = {
        f"GET /v1/findings HTTP/1.1\r\nHost: evil.example\r\n{bearer}\r\n": 400,
        f"GET /v1/findings HTTP/1.1\r\n{bearer}\r\n": 400,
        "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n": 400,
        f"GET http://evil.example/v1/findings HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n": 404,
        "GET /v1/findings HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \0\r\n\r\n": 400,
        f"{post}{json_}Content-Length: 2000000\r\n\r\n{{": 413,
        f"{post}{json_}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{{}}": 400,
        f"{post}{json_}Content-Length: x\r\n\r\n{{}}": 400,
        f"{post}{json_}Transfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
        f"{post}Content-Length: 2\r\n\r\n{{}}": 415,
        "GET /" + "x" * 10_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n": 401,
        "GET /" + "x" * 1_000_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
        "\x16\x03\x01 hello": 400,
    }
    for data, status in hostile.items():
        answer = raw(server.url, data.encode())
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (data[:200], answer[:300])
        assert secret.encode() not in answer
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = f"{post}{json_}Transfer-Encoding: chunked\r\n\r\n".encode()
    assert b" 413 " in raw(server.url, head + chunk * 17 + b"0\r\n\r\n").split(b"\r\n")[0]
    # A body that breaks off is not acted on, though what came of it is JSON.
    assert b"202" not in raw(server.url, head + b"2\r\n{}\r\n").split(b"\r\n")[0]
    assert main(["token", "revoke", "a"]) == 0
    assert httpx.get(f"{server.url}/v1/findings", headers=headers).status_code == 401
    assert server.end(signal.SIGINT) == 130
    assert "Traceback" not in server.said
    assert secret not in server.said


@pytest.mark.usefixtures("home")
def test_a_server_is_ended_by_sigterm_and_asked_by_its_names(serving):
    server = serving("--host-name", "ledger.example", "--behind-proxy")
    for host, status in (("ledger.example", 200), ("other.example", 400)):
        assert httpx.get(f"{server.url}/health", headers={"Host": host}).status_code == status
    wrong = {"Authorization": "Bearer wrong"}
    with httpx.Client(base_url=server.url, headers=wrong, timeout=60) as client:
        for address, count, kinds in (("10.0.0.1", 130, {401, 429}), ("10.0.0.2", 1, {401})):
            start = time.monotonic()
            told = [
                client.get("/v1/tables", headers={"X-Forwarded-For": address}).status_code
                for _ in range(count)
            ]
            assert set(told) == kinds
            again_s = time.monotonic() - start  # one more may be tried each second
            assert told.count(401) <= 101 + again_s
    assert server.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert "Traceback" not in server.said


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
def test_fifty_clients_at_once(home, serving):
    """Each searches, and every fifth submits; all are answered, and each finding once."""
    Registry(home).seal_frame(text_cells(frame(1, columns="abcdefghij")), "first", design="iid")
    filled(home)
    server = serving("--per-hour", "1000")
    store, answers, lock = TokenStore(home.tokens), [], threading.Lock()
    secrets = [store.create(f"t{n}", ["read", "submit"])[0] for n in range(50)]

    def client(number):
        headers = {"Authorization": f"Bearer {secrets[number]}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=120) as http:
            for _ in range(20):
                told = http.get("/v1/findings", params={"query": "engine", "limit": 5})
                with lock:
                    answers.append(("search", told.status_code, len(told.json()["findings"])))
            if number % 5 == 0:
                column = "abcdefghij"[number // 5]
                told = http.post("/v1/findings", json=arguments(column))
                while told.status_code == 429:
                    told = http.post("/v1/findings", json=arguments(column))
                settled = http.post(told.json()["settle"])
                stands = http.get(told.json()["ask"])
                with lock:
                    answers.append(("submit", settled.status_code, stands.json()["verdict"]))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    searched = [one for one in answers if one[0] == "search"]
    assert len(searched) == 1000
    assert {one[1] for one in searched} == {200}
    submitted = [one for one in answers if one[0] == "submit"]
    assert len(submitted) == 10
    assert {one[1] for one in submitted} == {202}
    headers = {"Authorization": f"Bearer {secrets[0]}"}
    found = httpx.get(
        f"{server.url}/v1/findings", params={"query": "first", "limit": 50}, headers=headers
    ).json()["findings"]
    assert len([one for one in found if one["table"]["name"] == "first"]) == 10
    assert server.end(signal.SIGINT) == 130
    assert "Traceback" not in server.said
    assert os.path.exists(home.ledger)  # noqa: PTH110
