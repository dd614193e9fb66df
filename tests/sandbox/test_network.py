"""A job with a network, in the sandbox itself: an allowed host, a refused one, a replay."""

import http.server
import threading

import pytest

from earnest.core.errors import UsageError
from earnest.core.home import BlobStore
from earnest.core.jobs import Job, Limits

pytest.importorskip("cryptography")

PROGRAM = """
import socket, sys, urllib.request
def told(url):
    try: return urllib.request.urlopen(url, timeout=60).read().decode()
    except OSError as error: return str(error)
for url in sys.argv[2:]: print(told(url))
try: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 3); print("reached")
except OSError: print("no way round")
try: socket.socket(socket.AF_INET6); print("another family")
except OSError: print("no other family")
"""


@pytest.fixture
def site():
    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from outside")

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def job(site, gateway, **more):
    port = site.server_port
    words = (str(port), f"http://127.0.0.1:{port}/a", "http://example.com/")
    files = {"main.py": PROGRAM.encode()}
    limits = Limits(wall_s=30)
    return Job(("python", "main.py", *words), files=files, net=gateway, limits=limits, **more)


def test_an_allowed_host_is_reached_recorded_and_replayed(sandbox, site, tmp_path):
    from earnest.sandbox.exchanges import Exchanges
    from earnest.sandbox.proxy import Proxy, Replay

    if sandbox.name not in ("warm", "bwrap"):
        pytest.skip(f"{sandbox.name} has no network")
    recording = Exchanges(BlobStore(tmp_path))
    proxy = Proxy([f"127.0.0.1:{site.server_port}"], recording)
    said = sandbox.run(job(site, proxy)).stdout.splitlines()
    proxy.close()
    assert said[0] == "from outside"
    assert "example.com port 80 is not allowed" in said[1]
    assert said[2:] == ["no way round", "no other family"]
    assert [item.outcome for item in recording.items] == ["answered", "denied"]

    site.shutdown()
    replay = Replay(Exchanges.from_bytes(recording.to_bytes(), BlobStore(tmp_path)))
    again = sandbox.run(job(site, replay, pool="verify"))
    replay.close()
    assert again.stdout.splitlines() == said
    assert replay.misses == 0


def test_without_one_there_is_none(sandbox, site):
    said = sandbox.run(job(site, None)).stdout.splitlines()
    assert "from outside" not in said
    assert said[2:] == ["no way round", "no other family"]


def test_what_may_see_sealed_rows_gets_no_live_network(sandbox, site, tmp_path):
    from earnest.sandbox.exchanges import Exchanges
    from earnest.sandbox.proxy import Proxy

    proxy = Proxy(["example.com"], Exchanges(BlobStore(tmp_path)))
    with pytest.raises(UsageError, match="no network"):
        sandbox.run(job(site, proxy, pool="verify"))
    proxy.close()
