"""Asking a proxy without a jail: the same rules, the same record. Each refusal has its control."""

import calendar
import socket
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from earnest.core.home import BlobStore
from earnest.sandbox.exchanges import Answered, Asked, Exchanges
from earnest.sandbox.proxy import Proxy, ProxyLimits, ResumedProxy
from earnest.sandbox.proxy_rules import DeniedError

pytest.importorskip("cryptography")


class Site(BaseHTTPRequestHandler):
    def answer(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, sent))
        if self.path == "/slow":
            self.server.hold.wait(20)
        body = b"x" * 5000 if self.path == "/big" else b"hello %d" % len(self.server.seen)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    server.seen, server.hold = [], threading.Event()
    server.at = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def made(tmp_path):
    """Makes proxies on one recording, and closes them."""
    recording, proxies = Exchanges(BlobStore(tmp_path / "blobs")), []

    def make(*allowed, kind=Proxy, **more):
        proxies.append(kind(allowed, recording, **more))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


def test_what_is_asked_is_recorded_with_its_time(site, made):
    proxy = made(site.at, by="http")
    answered, why = proxy.ask(Asked("POST", f"http://{site.at}/p?q=1", (), b"sent"))
    assert (answered.status, answered.body, why) == (200, b"hello 1", "")
    assert site.seen == [("POST", "/p?q=1", b"sent")]
    (item,) = proxy.recorder.items
    assert (item.method, item.url, item.outcome) == ("POST", f"http://{site.at}/p?q=1", "answered")
    assert item.by == "http"
    stamp = time.strptime(item.at[:19], "%Y-%m-%dT%H:%M:%S")
    assert abs(calendar.timegm(stamp) - time.time()) < 60


def test_another_host_is_denied_and_recorded(site, made):
    proxy = made("data.example.org", f"localhost:{site.server_port}")
    answered, why = proxy.ask(Asked("GET", f"http://{site.at}/", (), b""))
    assert (answered.status, "is not allowed" in why) == (403, True)
    # a name that is on the list, and leads to this machine
    answered, why = proxy.ask(Asked("GET", f"http://localhost:{site.server_port}/", (), b""))
    assert (answered.status, "not of the open internet" in why) == (403, True)
    assert site.seen == []
    assert [item.outcome for item in proxy.recorder.items] == ["denied", "denied"]


@pytest.mark.parametrize("url", [
    "ftp://{}/", "http://u:p@{}/", "http://{}/a b", "http://{}/\r\nX: y", "http://{}/\udc80",
    "//{}/", "http:///x", "http://{}/ä",
])  # fmt: skip
def test_what_is_no_url_leads_nowhere(site, made, url):
    proxy = made(site.at)
    with pytest.raises(DeniedError):
        proxy.ask(Asked("GET", url.format(site.at), (), b""))
    with pytest.raises(DeniedError):
        proxy.ask(Asked("GET /", f"http://{site.at}/", (), b""))
    for header in (("Host", "other"), ("X", "a\r\nY: b"), ("A b", "c"), ("X", "\u20ac")):
        with pytest.raises(DeniedError, match="header"):
            proxy.ask(Asked("GET", f"http://{site.at}/", (header,), b""))
    assert site.seen == []
    assert proxy.recorder.items == []
    assert proxy.ask(Asked("GET", f"http://{site.at}/", (("X", "ok"),), b""))[0].status == 200


def test_bounds(site, made):
    proxy = made(site.at, limits=ProxyLimits(body_bytes=4000))
    assert proxy.ask(Asked("GET", f"http://{site.at}/", (), b""))[1] == ""
    answered, why = proxy.ask(Asked("GET", f"http://{site.at}/big", (), b""))
    assert (answered.status, "more than 4000 bytes" in why) == (502, True)
    answered, why = proxy.ask(Asked("POST", f"http://{site.at}/", (), b"x" * 4001))
    assert (answered.status, "more than 4000 bytes" in why) == (403, True)
    began = time.monotonic()
    answered, why = proxy.ask(Asked("GET", f"http://{site.at}/slow", (), b""), 0.3)
    assert (answered.status, "took too long" in why) == (504, True)
    assert time.monotonic() - began < 5


def through(proxy, method, url):
    """Ask as a program in a jail would."""
    listener = socket.create_server(("127.0.0.1", 0))
    at = f"http://127.0.0.1:{listener.getsockname()[1]}"
    proxy.serve(listener)
    client = urllib.request.build_opener(urllib.request.ProxyHandler({"http": at}))
    try:
        with client.open(urllib.request.Request(url, method=method), timeout=20) as got:  # noqa: S310
            return got.status, got.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_only_the_methods_that_are_named(site, made):
    proxy = made(site.at, methods=("GET", "HEAD"))
    url = f"http://{site.at}/"
    assert through(proxy, "GET", url) == (200, b"hello 1")
    for method in ("POST", "DELETE"):
        status, said = through(proxy, method, url)
        assert (status, b"only GET, HEAD" in said) == (403, True)
    assert [seen[0] for seen in site.seen] == ["GET"]
    assert through(made(site.at), "DELETE", url)[0] == 200


def test_each_request_is_admitted_before_it_is_made(site, made):
    left = [1]

    def admit():
        if not left:
            raise DeniedError("none is left")
        left.pop()

    proxy = made(site.at, admit=admit)
    url = f"http://{site.at}/"
    assert through(proxy, "GET", url)[0] == 200
    status, said = through(proxy, "GET", url)
    assert (status, b"none is left" in said) == (403, True)
    assert proxy.ask(Asked("GET", url, (), b""))[0].status == 403
    assert len(site.seen) == 1


def test_a_resumed_proxy_answers_from_what_it_asked_itself(site, made):
    first = made(site.at, by="python")
    url = f"http://{site.at}/"
    first.recorder.record(Asked("GET", url, (), b""), Answered(200, (), b"other's"), by="http")
    first.recorder.record(Asked("GET", url, (), b""), Answered(200, (), b"own"), by="python")
    first.recorder.record(Asked("GET", url, (), b""), Answered(200, (), b"old"))
    again = made(site.at, kind=ResumedProxy, by="python")
    got = [again.ask(Asked("GET", url, (), b""))[0].body for _ in range(3)]
    assert got == [b"own", b"old", b"hello 1"]
