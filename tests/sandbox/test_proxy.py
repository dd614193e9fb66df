"""The proxy, driven over loopback by real clients against real servers.

Every refusal stands beside a control that is let through, and the server's own log says what
reached it.
"""

import contextlib
import gzip
import json
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from earnest.core.errors import LackError, SandboxError
from earnest.core.home import BlobStore
from earnest.sandbox.exchanges import Exchanges
from earnest.sandbox.proxy import Proxy, ProxyLimits, Replay
from earnest.sandbox.wire import proxy_environment

pytest.importorskip("cryptography")


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def give(self, body=b"", status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        size = int(self.headers.get("Content-Length", 0))
        sent = self.rfile.read(size)
        self.server.seen.append((self.command, self.path, dict(self.headers), sent))
        path, _, query = self.path.partition("?")
        if path == "/redirect":
            self.give(status=302, Location=query)
        elif path == "/chunked":
            self.give(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Transfer_Encoding="chunked")
        elif path == "/gzip":
            self.give(gzip.compress(b"unpacked", mtime=0), Content_Encoding="gzip")
        elif path == "/count":
            self.give(str(len(self.server.seen)).encode(), Set_Cookie="sid=v4lue", X_Kept="1")
        elif path == "/big":
            self.give(b"x" * int(query))
        elif path == "/slow":
            self.server.hold.wait(20)
            self.give(b"late")
        elif path == "/both":
            self.give(b"0\r\n\r\n", Transfer_Encoding="chunked", Content_Length="3")
        elif path == "/missing":
            self.give(b"no such page", 404)
        else:
            self.give(b"hello " + sent)

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def site(context=None):
    server = Server(("127.0.0.1", 0), Site)
    server.seen, server.hold = [], threading.Event()
    server.port = server.server_port
    server.at = f"127.0.0.1:{server.port}"
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def plain():
    with site() as server:
        yield server


@pytest.fixture(scope="session")
def certified(tmp_path_factory):
    """A CA of the tests' own, and a server's certificate by it for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tests")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("req", *curve, "-keyout", "key.pem", "-out", "req.pem", "-subj", "/CN=server")
    signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    openssl("x509", "-req", "-in", "req.pem", *signer, "-extfile", "ext", "-out", "cert.pem")
    return folder


@pytest.fixture
def secure(certified):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified / "cert.pem", certified / "key.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with site(context) as server:
        yield server


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "earnest-proxy"]


@pytest.fixture
def serve(tmp_path):
    """Make a proxy serve on a port of its own. Afterwards nothing of it may be left."""
    before, made = descriptors(), []

    def start(proxy):
        listener = socket.create_server(("127.0.0.1", 0))
        proxy.port = listener.getsockname()[1]
        proxy.serve(listener)
        made.append(proxy)
        return proxy

    yield start
    for proxy in made:
        proxy.close()
    end = time.monotonic() + 60  # a server of the test may still be ending its side
    while workers() or descriptors() > before:
        assert time.monotonic() < end, (workers(), descriptors(), before)
        time.sleep(0.01)


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def proxy(serve, blobs, certified):
    """Start a proxy with an allow-list."""

    def start(*allowed, **settings):
        settings.setdefault("ca_file", certified / "ca.pem")
        return serve(Proxy(allowed, Exchanges(blobs), **settings))

    return start


def opener(proxy):
    at = f"http://127.0.0.1:{proxy.port}"
    context = ssl.create_default_context(cadata=proxy.certificate.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # what later Pythons do by themselves
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": at, "https": at}),
        urllib.request.HTTPSHandler(context=context),
    )


def fetch(proxy, url, data=None, **headers):
    """Return status and body, as Python's own client gets them."""
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with opener(proxy).open(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def raw(proxy, data, *, shut=False):
    """Send bytes; return what comes back until the proxy ends the connection."""
    with socket.create_connection(("127.0.0.1", proxy.port), 20) as sock:
        sock.sendall(data)
        if shut:
            sock.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while more := sock.recv(65536):
                found += more
        return found


def get(url, host=None, extra=""):
    host = url.split("/")[2] if host is None else host
    return f"GET {url} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode()


def outcomes(proxy):
    return [(item.outcome, item.method, item.url) for item in proxy.recorder.items]


# What is let through


def test_http_passes_and_is_recorded(proxy, plain, blobs):
    ours = proxy(plain.at)
    status, body = fetch(
        ours, f"http://{plain.at}/a?b=1", b"sent", Authorization="v4lue", Accept="text/csv"
    )
    assert (status, body) == (200, b"hello sent")
    method, path, headers, sent = plain.seen[0]
    assert (method, path, sent) == ("POST", "/a?b=1", b"sent")
    assert headers["Host"] == plain.at
    assert headers["Authorization"] == "v4lue"
    (item,) = ours.recorder.items
    assert (item.outcome, item.method, item.status) == ("answered", "POST", 200)
    assert item.url == f"http://{plain.at}/a?b=1"
    assert item.address == "127.0.0.1"
    assert (blobs.get(item.request_body), blobs.get(item.response_body)) == (b"sent", b"hello sent")
    assert ("Accept", "text/csv") in item.request_headers
    assert "authorization" in item.request_left_out
    assert b"v4lue" not in ours.recorder.to_bytes()


def test_https_passes_and_is_recorded(proxy, secure, blobs):
    ours = proxy(secure.at)
    assert fetch(ours, f"https://{secure.at}/x", b"sent") == (200, b"hello sent")
    assert [seen[:2] for seen in secure.seen] == [("POST", "/x")]
    assert outcomes(ours) == [("answered", "POST", f"https://{secure.at}/x")]
    assert blobs.get(ours.recorder.items[0].response_body) == b"hello sent"


def test_bodies_pass_whole(proxy, plain):
    ours = proxy(plain.at)
    at = f"http://{plain.at}"
    assert fetch(ours, f"{at}/chunked") == (200, b"abcde")
    assert gzip.decompress(fetch(ours, f"{at}/gzip")[1]) == b"unpacked"
    assert fetch(ours, f"{at}/big?3000000") == (200, b"x" * 3_000_000)
    assert fetch(ours, f"{at}/put", b"y" * 2_000_000)[1] == b"hello " + b"y" * 2_000_000
    assert fetch(ours, f"{at}/missing") == (404, b"no such page")
    head = raw(ours, get(f"{at}/big?77").replace(b"GET", b"HEAD"))
    assert b"Content-Length: 77\r\n" in head
    assert head.endswith(b"\r\n\r\n")


def test_a_program_finds_the_proxy_by_its_environment(proxy, plain, secure, tmp_path):
    ours = proxy(plain.at, secure.at)
    pem = tmp_path / "ca.pem"
    pem.write_bytes(ours.certificate)
    found = proxy_environment(ours.port, str(pem))
    script = (
        "import sys, urllib.request as r\nfor url in sys.argv[1:]: print(r.urlopen(url).read())"
    )
    urls = [f"http://{plain.at}/", f"https://{secure.at}/"]
    done = subprocess.run([sys.executable, "-c", script, *urls], env=found, capture_output=True)
    assert done.stdout.split(b"\n")[:2] == [b"b'hello '"] * 2, done.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_passes(proxy, plain, secure, tmp_path):
    ours = proxy(plain.at, secure.at)
    pem, data = tmp_path / "ca.pem", tmp_path / "data"
    pem.write_bytes(ours.certificate)
    data.write_bytes(b"z" * 2_000_000)  # with which curl asks for 100 Continue

    def curl(*words):
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "20", *words],
            env=proxy_environment(ours.port, str(pem)),
            capture_output=True,
        )
        return done.stdout, done.stderr

    assert curl(f"http://{plain.at}/") == (b"hello ", b"")
    assert curl(f"https://{secure.at}/") == (b"hello ", b"")
    sent = curl("--data-binary", f"@{data}", "-H", "Expect: 100-continue", f"https://{secure.at}/")
    assert sent == (b"hello " + b"z" * 2_000_000, b"")
    assert b"403" in curl("https://a.example/")[1]


def test_requests_passes(proxy, plain, secure, tmp_path):
    requests = pytest.importorskip("requests")
    ours = proxy(plain.at, secure.at)
    (tmp_path / "ca.pem").write_bytes(ours.certificate)
    at = f"http://127.0.0.1:{ours.port}"
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": at, "https": at}
        session.verify = str(tmp_path / "ca.pem")
        for url in (f"http://{plain.at}/", f"https://{secure.at}/") * 2:
            assert session.get(url, timeout=60).text == "hello "
        assert session.get("http://a.example/", timeout=60).status_code == 403
    assert len(ours.recorder.items) == 5


def test_only_http_1_1_is_offered(proxy, secure):
    ours = proxy(secure.at)
    context = ssl.create_default_context(cadata=ours.certificate.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        tunnel(ours, secure.at) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
    ):
        assert tls.selected_alpn_protocol() == "http/1.1"
        tls.sendall(get(f"https://{secure.at}/").replace(b"https://" + secure.at.encode(), b""))
        assert tls.recv(100).startswith(b"HTTP/1.1 200 ")


def test_many_at_a_time_pass(proxy, plain):
    ours = proxy(plain.at, limits=ProxyLimits(connections=4))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch(ours, f"http://{plain.at}/")))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(200, b"hello ")] * 20
    assert len(ours.recorder.items) == 20


# What is denied


def test_what_is_not_listed_is_denied_with_its_mend(proxy, plain):
    ours = proxy(plain.at)
    status, body = fetch(ours, "http://a.example:81/x")
    assert status == 403
    assert b'add "a.example:81"' in body
    assert outcomes(ours) == [("denied", "GET", "http://a.example:81/x")]
    assert fetch(ours, f"http://{plain.at}/")[0] == 200


def test_a_tunnel_to_what_is_not_listed_is_denied(proxy, secure):
    ours = proxy(secure.at)
    with pytest.raises(OSError, match=r"403 https to a.example port 443 is not allowed"):
        fetch(ours, "https://a.example/")
    assert outcomes(ours) == [("denied", "CONNECT", "https://a.example")]
    assert fetch(ours, f"https://{secure.at}/")[0] == 200


SPELLINGS = """localhost 2130706433 0x7f.1 0x7f000001 0177.0.0.1 127.1 127.0.0.1. 127.0.0.2 0.0.0.0
[::1] [::ffff:127.0.0.1] [::ffff:7f00:1] 169.254.169.254"""


@pytest.mark.parametrize("host", SPELLINGS.split())
def test_other_names_of_a_listed_address_are_denied(proxy, plain, host):
    ours = proxy(plain.at)
    answer = raw(ours, get(f"http://{host}:{plain.port}/"))
    assert answer.startswith(b"HTTP/1.1 403 ")
    answer = raw(ours, f"CONNECT {host}:{plain.port} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert plain.seen == []
    assert [item[0] for item in outcomes(ours)] == ["denied", "denied"]
    assert raw(ours, get(f"http://{plain.at}/")).startswith(b"HTTP/1.1 200 ")


def test_a_redirect_to_what_is_not_listed_is_denied(proxy, plain):
    with site() as other:
        ours = proxy(plain.at)
        url = f"http://{plain.at}/redirect?http://{other.at}/x"
        assert fetch(ours, url)[0] == 403
        assert other.seen == []
        assert [item.outcome for item in ours.recorder.items] == ["answered", "denied"]
        wider = proxy(plain.at, other.at)
        assert fetch(wider, url) == (200, b"hello ")


def test_a_name_that_leads_inside_is_denied(proxy, plain):
    asked = []

    def rebinding(name, port):
        asked.append(name)
        return ["93.184.216.34", "127.0.0.1"] if name == "two.example" else ["127.0.0.1"]

    entries = [f"{name}.example:{plain.port}" for name in ("one", "two")]
    ours = proxy(*entries, plain.at, resolver=rebinding)
    for name in ("one", "two"):
        status, body = fetch(ours, f"http://{name}.example:{plain.port}/")
        assert status == 403
        assert b"127.0.0.1" not in body
    assert plain.seen == []
    assert asked == ["one.example", "two.example"]
    assert [item.address for item in ours.recorder.items] == ["127.0.0.1"] * 2


@pytest.mark.parametrize("host", ["a.example", "127.0.0.1", "localhost", "[::1]"])
def test_fronting_is_denied(proxy, plain, secure, host):
    ours = proxy(plain.at, secure.at, f"a.example:{plain.port}")
    answer = raw(ours, get(f"http://{plain.at}/", host=host))
    assert answer.startswith(b"HTTP/1.1 403 the Host header names ")
    line = f"CONNECT {secure.at} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    assert raw(ours, line.encode()).startswith(b"HTTP/1.1 403 ")
    assert fetch(ours, f"https://{secure.at}/", Host=host)[0] == 403
    assert plain.seen == secure.seen == []
    assert [item.outcome for item in ours.recorder.items] == ["denied"] * 3
    assert fetch(ours, f"https://{secure.at}/", Host=secure.at)[0] == 200


def tunnel(proxy, authority):
    sock = socket.create_connection(("127.0.0.1", proxy.port), 20)
    sock.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    return sock


def test_fronting_by_tls_is_denied(proxy, secure):
    ours = proxy(secure.at)
    context = ssl.create_default_context(cadata=ours.certificate.decode())
    context.check_hostname = False
    with (
        tunnel(ours, secure.at) as sock,
        context.wrap_socket(sock, server_hostname="a.example") as tls,
    ):
        assert tls.recv(100).startswith(b"HTTP/1.1 403 TLS names a.example")
    assert outcomes(ours) == [("denied", "TLS", "https://a.example")]


# What can't be read


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (400, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        (400, "Content-Length: 3\r\nContent-Length: 4\r\n"),
        (501, "Transfer-Encoding: chunked, identity\r\n"),
        (400, "A: b\r\n c\r\n"),
        (400, "Transfer-Encoding : chunked\r\n"),
        (400, "Host: 127.0.0.1\r\n"),
        (417, "Expect: 200-ok\r\n"),
        (431, "A: " + "b" * 40_000 + "\r\n"),
        (431, "A: b\r\n" * 1000),
        (413, "Content-Length: 99999999\r\n"),
    ],
)
def test_smuggling_and_oversize_are_refused(proxy, plain, lines, status):
    ours = proxy(plain.at)
    hidden = get(f"http://{plain.at}/hidden")
    answer = raw(ours, get(f"http://{plain.at}/", extra=lines) + b"0\r\n\r\n" + hidden)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert plain.seen == []
    assert raw(ours, get(f"http://{plain.at}/")).startswith(b"HTTP/1.1 200 ")


def test_what_is_for_the_proxy_does_not_reach_the_server(proxy, plain):
    ours = proxy(plain.at)
    lines = (
        "Proxy-Authorization: v4lue\r\nConnection: X-Hop\r\nX-Hop: 1\r\nTE: gzip\r\nX-Kept: 1\r\n"
    )
    assert raw(ours, get(f"http://{plain.at}/", extra=lines)).startswith(b"HTTP/1.1 200 ")
    assert plain.seen[0][2] == {"Host": plain.at, "X-Kept": "1", "Connection": "close"}


def test_what_follows_a_request_is_not_read(proxy, plain):
    ours = proxy(plain.at)
    request = get(f"http://{plain.at}/one", extra="Content-Length: 2\r\n") + b"ab"
    answer = raw(ours, request + get(f"http://{plain.at}/two"))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [seen[1] for seen in plain.seen] == ["/one"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET https://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET ftp://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://u:p@127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"TRACE http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT 127.0.0.1 HTTP/1.1\r\nContent-Length: 1\r\n\r\na",
        b"CONNECT u@127.0.0.1:443 HTTP/1.1\r\n\r\n",
        b"\x05\x01\x00\r\n\r\n",
        bytes(range(11, 256)) + b"\n",
    ],
)
def test_garbage_is_told_so_and_leads_nowhere(proxy, data):
    ours = proxy("127.0.0.1")
    answer = raw(ours, data, shut=True)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 "))
    assert ours.recorder.items == []
    assert ours.malformed == 1


def test_a_tunnel_without_tls_ends(proxy, plain):
    ours = proxy(plain.at)
    with tunnel(ours, plain.at) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while more := sock.recv(1000):
                data += more
    assert b"HTTP/" not in data
    assert plain.seen == []
    assert ours.malformed == 1


# Servers that are not as they should be


def test_a_server_with_a_certificate_of_its_own_is_not_trusted(proxy, secure, certified):
    other = proxy(secure.at, ca_file=None)
    status, body = fetch(other, f"https://{secure.at}/")
    assert status == 502
    assert b"certificate" in body
    assert secure.seen == []
    assert [item.outcome for item in other.recorder.items] == ["failed"]


@contextlib.contextmanager
def answering(data, context=None, *, parting=False):
    """A server that says these bytes to every connection and ends it, in TLS with a word or not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    if context:
                        sock = context.wrap_socket(sock, server_side=True)
                    with sock, contextlib.suppress(OSError):
                        sock.recv(65536)
                        sock.sendall(data)
                        if parting:
                            sock.unwrap()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 40_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"c" * 2000,
    ],
)
def test_a_bad_answer_fails_and_is_recorded(proxy, data):
    with answering(data) as at:
        ours = proxy(at, limits=ProxyLimits(body_bytes=1000))
        status, body = fetch(ours, f"http://{at}/")
    assert status == 502
    assert b"earnest's proxy" in body
    assert [item.outcome for item in ours.recorder.items] == ["failed"]


def test_a_good_answer_without_a_length_passes(proxy):
    with answering(b"HTTP/1.0 200 OK\r\n\r\nall of it") as at:
        assert fetch(proxy(at), f"http://{at}/") == (200, b"all of it")


@pytest.mark.parametrize(("parting", "status"), [(True, 200), (False, 502)])
def test_an_answer_over_tls_that_is_cut_short_fails(proxy, certified, parting, status):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified / "cert.pem", certified / "key.pem")
    with answering(b"HTTP/1.1 200 OK\r\n\r\nall of it?", context, parting=parting) as at:
        found, body = fetch(proxy(at), f"https://{at}/")
    assert found == status
    assert (b"broke off" in body) == (status == 502)


def test_an_unreachable_server_fails(proxy):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        at = f"127.0.0.1:{closed.getsockname()[1]}"
    ours = proxy(at)
    status, body = fetch(ours, f"http://{at}/")
    assert (status, b"can't be reached" in body) == (502, True)


def test_a_name_without_an_address_fails(proxy):
    def nowhere(name, port):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    status, body = fetch(proxy("a.example", resolver=nowhere), "http://a.example/")
    assert (status, b"a.example has no address" in body) == (502, True)


# Limits


def test_a_slow_server_is_given_up(proxy, plain):
    ours = proxy(plain.at, limits=ProxyLimits(exchange_s=0.5))
    assert fetch(ours, f"http://{plain.at}/slow")[0] == 504
    assert [item.outcome for item in ours.recorder.items] == ["failed"]


def test_hanging_clients_do_not_stop_others(proxy, plain):
    ours = proxy(plain.at, limits=ProxyLimits(connections=3, head_s=1.5))
    hanging = [socket.create_connection(("127.0.0.1", ours.port)) for _ in range(6)]
    for sock in hanging:
        sock.sendall(b"GET http://127")
    assert fetch(ours, f"http://{plain.at}/") == (200, b"hello ")
    for sock in hanging:
        sock.close()
    assert ours.malformed >= 3


def test_dripping_clients_do_not_get_more_time(proxy, plain):
    ours = proxy(plain.at, limits=ProxyLimits(head_s=0.5))
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", ours.port), 0.1) as sock:
        answer = b""
        while not answer and time.monotonic() < start + 60:
            if select.select([sock], [], [], 0.1)[0]:
                answer = sock.recv(100)
            else:
                sock.send(b"G")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - start < 20


def test_a_client_that_hangs_in_its_tunnel_is_given_up(proxy, secure):
    ours = proxy(secure.at, limits=ProxyLimits(connections=1, head_s=1.5))
    with tunnel(ours, secure.at) as sock:
        sock.sendall(b"\x16\x03\x01")
        assert fetch(ours, f"https://{secure.at}/")[0] == 200
    assert ours.malformed == 1


def test_a_client_that_does_not_read_is_given_up(proxy, plain, monkeypatch):
    monkeypatch.setattr("earnest.sandbox.proxy_front._SEND_S", 0.5)
    ours = proxy(plain.at, limits=ProxyLimits(connections=1))
    with socket.create_connection(("127.0.0.1", ours.port)) as sock:
        sock.sendall(get(f"http://{plain.at}/big?16000000"))
        assert fetch(ours, f"http://{plain.at}/")[0] == 200


def test_the_number_of_exchanges_is_bounded(proxy, plain):
    ours = proxy(plain.at, limits=ProxyLimits(exchanges=3))
    found = [fetch(ours, f"http://{plain.at}/")[0] for _ in range(5)]
    assert found == [200, 200, 200, 429, 429]
    assert len(ours.recorder.items) == 3
    for _ in range(98):
        raw(ours, get("http://a.example/"))
    for thread in workers():
        thread.join(60)
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", ours.port)):
        pass


def test_the_bytes_are_bounded(proxy, plain):
    ours = proxy(plain.at, limits=ProxyLimits(body_bytes=1000, total_bytes=8000))
    at = f"http://{plain.at}"
    assert fetch(ours, f"{at}/big?1000")[0] == 200
    assert fetch(ours, f"{at}/big?1001")[0] == 502
    assert fetch(ours, f"{at}/x", b"a" * 1001)[0] == 413
    assert [item.outcome for item in ours.recorder.items] == ["answered", "failed", "failed"]
    left = ours.budget.left
    assert fetch(ours, f"{at}/")[0] == 200
    each = left - ours.budget.left
    assert len(get(f"{at}/")) < each < 1000
    left, passed = ours.budget.left, 0
    while fetch(ours, f"{at}/")[0] == 200:
        passed += 1
    assert passed == left // each > 4
    assert b"as many bytes as it may" in raw(ours, get(f"{at}/"))


def test_what_can_not_be_recorded_is_not_given(proxy, plain, blobs):
    ours = proxy(plain.at)
    blobs.root.write_bytes(b"a file where the folder should be")
    status, body = fetch(ours, f"http://{plain.at}/count")
    assert (status, b"could not be recorded" in body) == (502, True)
    assert ours.unrecorded == 1


def test_closing_ends_what_is_under_way(proxy, plain):
    ours = proxy(plain.at)
    idle = socket.create_connection(("127.0.0.1", ours.port))
    waiting = threading.Thread(
        target=lambda: raw(ours, get(f"http://{plain.at}/slow")), name="waiting"
    )
    waiting.start()
    while not plain.seen:
        time.sleep(0.01)
    start = time.monotonic()
    ours.close()
    ours.close()
    assert time.monotonic() - start < 20
    assert not workers()
    waiting.join(60)
    assert not waiting.is_alive()
    idle.close()
    with socket.create_server(("127.0.0.1", 0)) as late, pytest.raises(SandboxError):
        ours.serve(late)


def test_what_is_no_listener_is_refused(proxy):
    ours = proxy()
    ours_end, theirs = socket.socketpair()
    with ours_end, theirs, socket.socket() as unbound, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for sock in (ours_end, unbound, udp):
            with pytest.raises(SandboxError):
                ours.serve(sock)


def test_a_listener_that_its_other_holder_spoils_ends(proxy, plain):
    ours = proxy(plain.at)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours.serve(listener.dup())
        listener.setblocking(True)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\xff\0\0\0")
        listener.shutdown(socket.SHUT_RDWR)
    assert fetch(ours, f"http://{plain.at}/")[0] == 200
    start = time.monotonic()
    ours.close()
    assert time.monotonic() - start < 20


def test_a_lingering_listener_does_not_hold_the_proxy(serve, blobs, plain, monkeypatch):
    monkeypatch.setattr("earnest.sandbox.proxy_front._SEND_S", 0.3)
    ours = Proxy([plain.at], Exchanges(blobs), limits=ProxyLimits(connections=1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\x3c\0\0\0")
        ours.port = listener.getsockname()[1]
        ours.serve(listener.dup())
        with socket.create_connection(("127.0.0.1", ours.port)) as sock:
            sock.sendall(get(f"http://{plain.at}/big?16000000"))
            start = time.monotonic()
            assert fetch(ours, f"http://{plain.at}/")[0] == 200
            assert time.monotonic() - start < 30
    ours.close()


def test_without_cryptography_the_mend_is_named(tmp_path):
    script = """
import sys
sys.modules["cryptography"] = None
from earnest.core.errors import LackError
from earnest.sandbox.proxy import Proxy
try:
    Proxy([], None)
except LackError as error:
    print(error.mend)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "pip install 'earnest[net]'\n", done.stderr
    assert issubclass(LackError, Exception)


def test_importing_it_is_light():
    script = "import sys, earnest.sandbox.proxy; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_the_keys_are_not_on_disk(proxy, secure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = proxy(secure.at)
    fetch(ours, f"https://{secure.at}/")
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"PRIVATE KEY" not in path.read_bytes()
    assert b"PRIVATE" not in ours.certificate


# Replay


def test_a_replay_gives_the_same_without_a_network(proxy, serve, plain, secure, blobs):
    ours = proxy(plain.at, secure.at)
    urls = [
        (f"http://{plain.at}/count", None),
        (f"http://{plain.at}/count", None),
        (f"https://{secure.at}/x", b"one"),
        (f"https://{secure.at}/x", b"two"),
        (f"http://{plain.at}/missing", None),
        (f"http://{plain.at}/both", None),
        (f"http://{plain.at}/redirect?http://127.0.0.3/", None),
        ("http://a.example/", b"body"),
    ]
    first = [fetch(ours, *ask) for ask in urls]
    with pytest.raises(OSError, match="403"):
        fetch(ours, "https://a.example/")
    assert {status for status, _ in first} == {200, 404, 502, 403}
    assert first[0] != first[1]
    data, name, before = ours.recorder.to_bytes(), ours.recorder.id, len(plain.seen)
    ours.close()

    again = serve(Replay(Exchanges.from_bytes(data, blobs, expect=name)))
    assert [fetch(again, *ask) for ask in urls] == first
    with pytest.raises(OSError, match=r"403 https to a\.example"):
        fetch(again, "https://a.example/")
    assert (again.misses, again.left, len(plain.seen)) == (0, 0, before)


def test_what_is_not_recorded_is_a_miss(proxy, serve, plain, secure, blobs):
    ours = proxy(plain.at, secure.at)
    assert fetch(ours, f"http://{plain.at}/x", b"one")[0] == 200
    assert fetch(ours, f"https://{secure.at}/y")[0] == 200
    ours.close()
    again = serve(Replay(ours.recorder))
    at = f"http://{plain.at}"
    missed = [(f"{at}/x", None), (f"{at}/x", b"two"), (f"{at}/z", b"one"), (f"{at}/x?", b"one")]
    missed.append((f"https://{secure.at}/z", None))
    for number, ask in enumerate(missed, 1):
        status, body = fetch(again, *ask)
        assert (status, again.misses) == (504, number)
        assert b"not in the recording" in body
    with pytest.raises(OSError, match="504"):
        fetch(again, "https://a.example/")
    assert again.misses == 6
    assert again.missed[-1] == "CONNECT https://a.example"
    assert fetch(again, f"{at}/x", b"one")[0] == 200
    assert fetch(again, f"{at}/x", b"one")[0] == 504
    assert (again.misses, again.left) == (7, 1)


def test_a_replay_without_its_bodies_is_a_miss(proxy, serve, plain, blobs):
    ours = proxy(plain.at)
    fetch(ours, f"http://{plain.at}/x")
    blobs.path(ours.recorder.items[0].response_body).write_bytes(b"forged")
    again = serve(Replay(ours.recorder))
    assert fetch(again, f"http://{plain.at}/x")[0] == 504
    assert again.misses == 1


def test_a_recording_is_json_that_a_person_can_read(proxy, plain):
    ours = proxy(plain.at)
    fetch(ours, f"http://{plain.at}/count?token=v4lue&n=1")
    body = json.loads(ours.recorder.to_bytes())
    (item,) = body["exchanges"]
    assert item["url"].endswith("/count?token=(left-out)&n=1")
    assert item["response_left_out"] == ["set-cookie"]
    assert ["X-Kept", "1"] in item["response_headers"]
    assert plain.seen[0][1] == "/count?token=v4lue&n=1"
