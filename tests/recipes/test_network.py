"""A run whose code may reach a host: what passes is recorded, and found again by a resumed run."""

import http.server
import threading

import pytest

from earnest.agent.replay import logged_calls
from earnest.core.budget import Budget
from earnest.core.events import read_events
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes.network import RECORDING
from earnest.recipes.research import explore, make_task
from earnest.sandbox.exchanges import Exchanges
from earnest.tasks.registry import Registry

pytest.importorskip("cryptography")


def test_a_resumed_run_finds_what_it_fetched(home, sandbox, tmp_path):
    if sandbox.name not in ("warm", "bwrap"):
        pytest.skip(f"{sandbox.name} has no network")
    asked = []

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"answer %d" % len(asked))

        def log_message(self, *words):
            pass

    def interrupted(_):
        raise KeyboardInterrupt

    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))
    task = make_task("What is there?", [Registry(home).seal(tmp_path / "t.csv", design="iid")])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        fetch = f"import urllib.request as r\ngot = r.urlopen('http://{host}/x').read()\ngot"
        first = use("python", {"code": fetch})
        model = ScriptedModel([first, interrupted])
        quiet = {"sandbox": sandbox, "progress": lambda _: None, "hosts": [host]}
        assert explore(home, "r", task, model, **quiet).status == "stopped"
        server.shutdown()
    assert asked == ["/x"]
    turns = [first, use("python", {"code": "got"}), use("python", {"code": fetch}), say("over")]
    assert explore(home, "r", task, ScriptedModel(turns), **quiet).status == "done"
    calls = logged_calls(read_events(home.runs / "r" / "events.jsonl"), "python")
    told = [observation.content for _, observation in calls]
    assert ["answer 1" in one for one in told] == [True, True, False]
    data = (home.runs / "r" / RECORDING).read_bytes()
    outcomes = [item.outcome for item in Exchanges.from_bytes(data, home.blobs).items]
    assert outcomes == ["answered", "failed"]


def test_without_hosts_there_is_no_recording(home, sandbox, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))
    task = make_task("What is there?", [Registry(home).seal(tmp_path / "t.csv", design="iid")])
    reach = "import socket\nsocket.create_connection(('127.0.0.1', 80), 2)"
    turns = [use("python", {"code": reach}), say("over")]
    assert explore(home, "r", task, ScriptedModel(turns), sandbox, lambda _: None).status == "done"
    [(_, observation)] = logged_calls(read_events(home.runs / "r" / "events.jsonl"), "python")
    assert observation.failed
    assert not (home.runs / "r" / RECORDING).exists()


def test_code_only_reads_at_hosts_and_each_asker_is_recorded(home, sandbox, tmp_path):
    if sandbox.name not in ("warm", "bwrap"):
        pytest.skip(f"{sandbox.name} has no network")
    asked = []

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"answer %d" % len(asked))

        do_POST = do_GET  # noqa: N815

        def log_message(self, *words):
            pass

    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))
    task = make_task("What is there?", [Registry(home).seal(tmp_path / "t.csv", design="iid")])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        code = f"import urllib.request as r\nr.urlopen('{url}/python').read()\n"
        shell = "python3 -c \"import urllib.request as r; print(r.urlopen('{}').read())\""
        turns = [
            use("python", {"code": code}),
            use("python", {"code": f"r.urlopen('{url}/changed', b'x')"}),
            use("shell", {"command": shell.format(f"{url}/shell")}),
            use("http", {"url": f"{url}/http", "method": "POST", "body": "{}", "save": "kept"}),
            use("http", {"url": f"{url}/over"}),
            say("over"),
        ]
        budget = Budget(network_calls=3)
        host = url.removeprefix("http://")
        how = {"sandbox": sandbox, "progress": lambda _: None, "hosts": [host], "budget": budget}
        yes = {"policy": "ask", "ask": lambda _: True}  # a POST is for a person to allow
        assert explore(home, "r", task, ScriptedModel(turns), **how, **yes).status == "done"
        server.shutdown()
    assert asked == ["GET /python", "GET /shell", "POST /http"]
    data = (home.runs / "r" / RECORDING).read_bytes()
    items = Exchanges.from_bytes(data, home.blobs).items
    assert [(item.by, item.method, item.outcome) for item in items] == [
        ("python", "GET", "answered"),
        ("python", "POST", "denied"),
        ("shell", "GET", "answered"),
        ("http", "POST", "answered"),
        ("http", "GET", "denied"),
    ]
    assert (home.runs / "r" / "workspace" / "kept").read_bytes() == b"answer 3"
