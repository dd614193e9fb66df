"""The `http` tool against a server on loopback; every refusal stands beside what is let through."""

from __future__ import annotations

import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError, ToolError
from earnest.core.home import Home
from earnest.core.messages import Observation
from earnest.recipes.network import RECORDING, network
from earnest.sandbox.exchanges import Answered, Asked, Exchanges
from earnest.sandbox.proxy import Proxy, ProxyLimits
from earnest.tools.files import Files
from earnest.tools.http import HttpTool
from earnest.tools.network import Network
from earnest.tools.workspace import Workspace

pytest.importorskip("cryptography")


class Site(BaseHTTPRequestHandler):
    server: Server

    def give(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), sent))
        path, _, query = self.path.partition("?")
        if path == "/to":
            self.give(status=302, Location=query)
        elif path == "/loop":
            self.give(status=307, Location="/loop")
        elif path == "/big":
            self.give(b"x" * int(query))
        elif path == "/slow":
            self.server.hold.wait(20)
        elif path == "/gzip":
            self.give(gzip.compress(b"unpacked"), Content_Encoding="gzip")
        elif path == "/bomb":
            self.give(gzip.compress(bytes(100 << 20), 1), Content_Encoding="gzip")
        elif path == "/raw":
            self.give(b"\x89PNG\0\1\2")
        elif path == "/missing":
            self.give(b"no such page", 404)
        else:
            self.give(b'{"n": %d}' % len(self.server.seen), Content_Type="application/json")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    seen: list[tuple[str, str, dict[str, str], bytes]]
    hold: threading.Event
    at: str

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made = []
    for _ in range(2):
        server = Server(("127.0.0.1", 0), Site)
        server.seen, server.hold = [], threading.Event()
        server.at = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        made.append(server)
    yield made
    for server in made:
        server.hold.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(servers: list[Server]) -> Server:
    return servers[0]


@pytest.fixture
def tool(site: Server, home: Home, tmp_path: Path) -> Iterator[HttpTool]:
    purse = Purse(Budget(network_calls=20, bytes_written=1000))
    with network(home, "r", [site.at, f"localhost:{site.server_port}"], purse) as (net, _):
        assert net is not None
        yield HttpTool(net, Files(Workspace(tmp_path / "w", purse)))


Asks = Callable[..., Observation]


@pytest.fixture
def ask(tool: HttpTool, site: Server) -> Asks:
    def one(path: str, **more: Any) -> Observation:
        return tool.call({"url": f"http://{site.at}{path}", **more})

    return one


def recorded(home: Home) -> list[Any]:
    data = (home.runs / "r" / RECORDING).read_bytes()
    return Exchanges.from_bytes(data, home.blobs).items


def test_an_answer_comes_with_its_time_and_is_recorded(
    ask: Asks, tool: HttpTool, site: Server, home: Home
) -> None:
    said = ask("/now?q=a b&ä=1")
    assert not said.failed
    assert said.content.startswith(f"200 from http://{site.at}/now?q=a b&ä=1 at 20")
    assert said.content.endswith('\n\n{"n": 1}')
    assert "Content-Type: application/json" in said.content
    assert site.seen[0][:2] == ("GET", "/now?q=a%20b&%C3%A4=1")
    (item,) = recorded(home)
    assert (item.by, item.outcome, item.status) == ("http", "answered", 200)
    (told,) = re.findall(r" at (20\S+Z)", said.content)
    apart = datetime.fromisoformat(told) - datetime.fromisoformat(item.at)
    assert abs(apart.total_seconds()) < 60
    assert home.blobs.get(item.response_body) == b'{"n": 1}'
    assert '{"n": 2}' in ask("/now?q=a b&ä=1").content  # asked anew, not from the recording
    assert tool.files.workspace.purse.used["network_calls"] == 2


def test_what_changes_something_is_said_to(ask: Asks, tool: HttpTool, site: Server) -> None:
    ask("/x", method="POST", body='{"a": 1}', headers={"X-Mine": "1"})
    command, path, headers, sent = site.seen[0]
    assert (command, path, sent, headers["X-Mine"]) == ("POST", "/x", b'{"a": 1}', "1")
    assert headers["Content-Type"] == "application/json"
    url = f"http://{site.at}/x?api_key=s3cret"
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        act, *rest = tool.acts({"url": url, "method": method})
        assert act.kind == ("network-read" if method in ("GET", "HEAD") else "network-change")
        assert act.target == site.at
        assert "s3cret" not in act.what
        assert not rest
    kinds = [act.kind for act in tool.acts({"url": url, "save": "a"})]
    assert kinds == ["network-read", "write"]
    assert not tool.repeatable


def test_an_answer_is_saved_whole(ask: Asks, tool: HttpTool) -> None:
    said = ask("/gzip", save="d/answer.txt")
    assert "saved to d/answer.txt" in said.content
    assert tool.files.workspace.read("d/answer.txt") == b"unpacked"
    assert "no text" in ask("/raw").content
    with pytest.raises(BudgetError, match="bytes_written"):
        ask("/big?1001", save="big")
    assert "big" not in tool.files.workspace.sizes()
    for path in ("../x", "/etc/x", "/earnest-jail/data/x"):
        with pytest.raises(ToolError):
            ask("/now", save=path)


def test_redirects_lead_to_allowed_hosts_only(
    ask: Asks, site: Server, servers: list[Server], home: Home
) -> None:
    assert (
        "/end at" in ask(f"/to?http://{site.at}/end", headers={"Authorization": "s3cret"}).content
    )
    assert site.seen[1][2]["Authorization"] == "s3cret"  # the same host
    other = servers[1]
    for there in (f"http://{other.at}/x", "http://169.254.169.254/latest", "file:///etc/passwd",
                  "http://[::1", f"http://localhost:{site.server_port}/x"):  # fmt: skip
        with pytest.raises(ToolError):
            ask(f"/to?{there}")
    assert other.seen == []
    assert [seen[1] for seen in site.seen if not seen[1].startswith("/to")] == ["/end"]
    with pytest.raises(ToolError, match="more than 5"):
        ask("/loop")
    moved = ask(f"/to?http://{site.at}/end", method="POST", body="x")
    assert moved.content.startswith("302 from")  # not followed: that would be another act
    assert "s3cret" not in (home.runs / "r" / RECORDING).read_text()


def test_credentials_do_not_follow_to_another_host(
    servers: list[Server], home: Home, tmp_path: Path
) -> None:
    first, second = servers
    with network(home, "r", [first.at, second.at]) as (net, _):
        assert net is not None
        tool = HttpTool(net, Files(Workspace(tmp_path / "w")))
        url = f"http://{first.at}/to?http://{second.at}/x"
        tool.call({"url": url, "headers": {"X-Api-Key": "s3cret", "Accept": "text/csv"}})
    assert first.seen[0][2]["X-Api-Key"] == "s3cret"
    assert "X-Api-Key" not in second.seen[0][2]
    assert second.seen[0][2]["Accept"] == "text/csv"


@pytest.mark.parametrize("url", [
    "http://example.org/", "http://127.0.0.1:1/", "http://2130706433/", "http://localhost:{port}/",
    "http://user:pw@{at}/", "ftp://{at}/", "http:///x", "http://{at}.evil.example/", "file:///etc/passwd",
    "http://[::1]:{port}/", "https://{at}/", "//{at}/x", "http://{at}\\@example.org/", "http://a:b:c/",
])  # fmt: skip
def test_no_other_place_is_reached(tool: HttpTool, site: Server, url: str) -> None:
    with pytest.raises(ToolError):
        tool.call({"url": url.format(at=site.at, port=site.server_port)})
    assert site.seen == []


def test_a_name_that_turns_to_loopback_is_refused(site: Server, home: Home, tmp_path: Path) -> None:
    """DNS rebinding: each look-up is checked, and what was checked is what is connected to."""
    answers = [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.7"]]
    looked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        looked.append(host)
        return answers[len(looked) - 1]

    name = f"data.example.org:{site.server_port}"
    proxy = Proxy([name], Exchanges(home.blobs), resolver=resolver)
    try:
        net = Network(proxy, (name,), lambda: None, proxy, proxy.ask)
        tool = HttpTool(net, Files(Workspace(tmp_path / "w")))
        for _ in answers:
            with pytest.raises(ToolError, match="not of the open internet"):
                tool.call({"url": f"http://{name}/"})
    finally:
        proxy.close()
    assert len(looked) == 4
    assert site.seen == []


def test_bounds_of_time_and_size(ask: Asks, site: Server, home: Home, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ToolError, match="took too long"):
        ask("/slow", timeout_s=0.3)
    assert time.monotonic() - began < 5
    with pytest.raises(ToolError, match="unpacked"):
        ask("/bomb")
    long = ask("/big?30000").content
    assert long.endswith("[more follows: save it, and read the file]")
    assert len(long) < 21_000
    proxy = Proxy([site.at], Exchanges(home.blobs), limits=ProxyLimits(body_bytes=100))
    try:
        net = Network(proxy, (site.at,), lambda: None, proxy, proxy.ask)
        tool = HttpTool(net, Files(Workspace(tmp_path / "x")))
        assert not tool.call({"url": f"http://{site.at}/big?100"}).failed
        with pytest.raises(ToolError, match="more than 100 bytes"):
            tool.call({"url": f"http://{site.at}/big?101"})
    finally:
        proxy.close()


def test_a_failure_is_told_as_one(ask: Asks) -> None:
    missing = ask("/missing")
    assert missing.failed
    assert missing.content.startswith("404 from")
    assert missing.content.endswith("no such page")


def test_calls_are_taken_from_the_purse_before_they_are_made(
    ask: Asks, tool: HttpTool, site: Server
) -> None:
    for _ in range(20):
        ask("/now")
    with pytest.raises(ToolError, match="the budget of 20 network_calls is used up"):
        ask("/now")
    assert len(site.seen) == 20


@pytest.mark.parametrize("asked", [
    {}, {"url": 3}, {"url": "http://x/", "method": "BREW"}, {"url": "http://x/", "body": "x"},
    {"url": "http://x/", "timeout_s": 0}, {"url": "http://x/", "headers": {"A": 1}},
])  # fmt: skip
def test_wrong_calls_are_told(tool: HttpTool, asked: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        tool.call(asked)
    with pytest.raises(ToolError):
        tool.acts(asked)


@pytest.mark.parametrize(
    "headers", [{"Host": "x"}, {"A\r\nB": "c"}, {"A": "b\r\nC: d"}, {"A": "ä€"}]
)
def test_headers_can_not_be_smuggled(ask: Asks, site: Server, headers: dict[str, str]) -> None:
    with pytest.raises(ToolError, match="header"):
        ask("/now", headers=headers)
    assert site.seen == []


def test_credentials_do_not_follow_to_where_all_can_read_them(
    servers: list[Server], home: Home, tmp_path: Path
) -> None:
    seen: list[Asked] = []

    def give(asked: Asked, timeout_s: float) -> tuple[Answered, str]:
        seen.append(asked)
        if len(seen) == 1:
            return Answered(302, (("Location", "http://api.example/b"),), b""), ""
        return Answered(200, (), b"done"), ""

    with network(home, "r", [servers[0].at]) as (net, _):
        assert net is not None
        tool = HttpTool(replace(net, ask=give), Files(Workspace(tmp_path / "w")))
        tool.call({"url": "https://api.example/a", "headers": {"Authorization": "s3cret"}})
    assert dict(seen[0].headers)["Authorization"] == "s3cret"
    assert "Authorization" not in dict(seen[1].headers)
