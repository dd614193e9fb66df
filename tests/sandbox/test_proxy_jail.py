"""The proxy and a jail without a network: the listener is made inside and answered outside.

The programs here are benign; what they may reach is shown by what they get.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import earnest
from earnest.core.home import BlobStore
from earnest.sandbox.exchanges import Exchanges
from earnest.sandbox.proxy import Proxy, Replay

pytest.importorskip("cryptography")
pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

INSIDE = """
import json, os, socket, sys, urllib.error, urllib.request

line = socket.socket(fileno=int(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", 0))
socket.send_fds(line, [b"L"], [listener.fileno()])
os.environ["http_proxy"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
listener.close()
found = {}
for url in sys.argv[2:]:
    try:
        found[url] = [200, urllib.request.urlopen(url, timeout=60).read().decode()]
    except urllib.error.HTTPError as error:
        found[url] = [error.code, error.read().decode()]
    except OSError as error:
        found[url] = [0, str(error)]
    host, _, port = url.split("/")[2].partition(":")
    for address in (host, "192.0.2.1"):
        try:
            socket.create_connection((address, int(port or 80)), 3).close()
            found["direct " + address] = True
        except OSError as error:
            found["direct " + address] = False
print(json.dumps(found))
"""


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from outside")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def site():
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def jailed(urls, proxy, *, network=False):
    """Run the program in a jail, answered by the proxy; return what it found."""
    ours, theirs = socket.socketpair()
    words = ["bwrap", "--die-with-parent", "--unshare-pid", "--ro-bind", "/", "/"]
    words += ["--proc", "/proc", "--dev", "/dev", *([] if network else ["--unshare-net"])]
    words += ["--", sys.executable, "-c", INSIDE, str(theirs.fileno()), *urls]
    with ours:
        with theirs:
            process = subprocess.Popen(
                words,
                stdout=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={"PATH": "/usr/bin:/bin"},
            )
        ours.settimeout(60)
        _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
        proxy.serve(socket.socket(fileno=descriptor))
        try:
            output, _ = process.communicate(timeout=120)
        finally:
            process.kill()
            process.wait()
            proxy.close()
    return json.loads(output)


def test_a_jail_reaches_what_is_allowed_and_nothing_else(tmp_path):
    recording = Exchanges(BlobStore(tmp_path))
    with site() as good, site() as other:
        allowed = f"http://127.0.0.1:{good.server_port}/a"
        denied = f"http://127.0.0.1:{other.server_port}/b"
        found = jailed([allowed, denied], Proxy([f"127.0.0.1:{good.server_port}"], recording))
        assert found[allowed] == [200, "from outside"]
        assert found[denied][0] == 403
        assert not found["direct 127.0.0.1"]
        assert not found["direct 192.0.2.1"]
        assert (good.seen, other.seen) == (["/a"], [])
        assert [item.outcome for item in recording.items] == ["answered", "denied"]

        again = Replay(recording)
        found = jailed([allowed, denied, allowed], again)
        assert found[denied][0] == 403
        assert found[allowed][0] == 504  # it was recorded once only
        assert (again.misses, again.left, good.seen) == (1, 0, ["/a"])


def test_without_a_jail_the_same_program_connects_directly(tmp_path):
    """The control: it is the jail that keeps it from doing so."""
    with site() as other:
        url = f"http://127.0.0.1:{other.server_port}/b"
        found = jailed([url], Proxy([], Exchanges(BlobStore(tmp_path))), network=True)
        assert found[url][0] == 403
        assert found["direct 127.0.0.1"]


NAMED = """
import fcntl, json, socket, struct, sys, threading, urllib.error, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from earnest.core.home import BlobStore
from earnest.sandbox.exchanges import Exchanges
from earnest.sandbox.proxy import Proxy

public = sys.argv[1]
with socket.socket(type=socket.SOCK_DGRAM) as sock:
    address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(public))
    fcntl.ioctl(sock, 0x8916, address)  # SIOCSIFADDR

seen = []
class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append((self.server.server_address[0], self.headers["Host"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *_):
        pass

for at in (public, "127.0.0.1"):
    server = HTTPServer((at, 8000), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
recording = Exchanges(BlobStore(Path("/tmp/blobs")))
proxy = Proxy(["*.example.org:8000"], recording)
listener = socket.create_server(("127.0.0.1", 0))
at = f"http://127.0.0.1:{listener.getsockname()[1]}"
proxy.serve(listener)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": at}))
found = {}
for name in ("good", "inside", "both", "metadata", "absent"):
    try:
        with opener.open(f"http://{name}.example.org:8000/", timeout=60) as answer:
            found[name] = [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        found[name] = [error.code, error.read().decode()]
proxy.close()
items = [[item.outcome, item.address] for item in recording.items]
print(json.dumps({"found": found, "seen": seen, "items": items}))
"""


def test_names_are_resolved_by_the_machine_and_checked(tmp_path):
    """In a network of its own, with a public address on its loopback and a table of hosts."""
    public = "93.184.216.34"
    hosts = tmp_path / "hosts"
    hosts.write_text(
        f"{public} good.example.org both.example.org\n"
        "127.0.0.1 inside.example.org both.example.org\n169.254.169.254 metadata.example.org\n"
    )
    words = ["bwrap", "--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-net"]
    words += ["--uid", "0", "--gid", "0", "--cap-add", "CAP_NET_ADMIN"]
    words += ["--ro-bind", "/", "/", "--proc", "/proc"]
    words += ["--dev", "/dev", "--tmpfs", "/tmp/", "--ro-bind", str(hosts), "/etc/hosts"]
    paths = [str(Path(earnest.__file__).parents[1]), *filter(None, sys.path)]
    for path in dict.fromkeys(paths):
        if Path(path).is_relative_to("/tmp") and Path(path).is_dir():
            words += ["--ro-bind", path, path]
    if Path(sys.prefix).is_relative_to("/tmp"):
        words += ["--ro-bind", sys.prefix, sys.prefix]
    done = subprocess.run(
        [*words, "--", sys.executable, "-c", NAMED, public],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "bwrap:" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip(f"no network of its own to be had here: {done.stderr[-200:]}")
    told = json.loads(done.stdout or done.stderr)
    assert told["found"]["good"] == [200, "hello"]
    assert told["seen"] == [[public, "good.example.org:8000"]]
    for name in ("inside", "both", "metadata"):
        assert told["found"][name][0] == 403
    assert told["found"]["absent"][0] == 502
    assert [outcome for outcome, _ in told["items"]] == ["answered"] + ["denied"] * 3 + ["failed"]
    assert told["items"][0][1] == public
