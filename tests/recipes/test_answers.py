"""Evidence on what a host answered: recorded with its time, verified and run again offline."""

import http.server
import json
import subprocess
import sys
import threading

import pytest
from tests.homes import home_at
from tests.recipes.test_again import claim, table

from earnest.agent.replay import logged_calls
from earnest.core.budget import Budget
from earnest.core.canon import digest
from earnest.core.events import read_events
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart
from earnest.recipes.export import export
from earnest.recipes.research import conclude, explore, make_task

pytest.importorskip("cryptography")

SCRIPT = """
import argparse, json, pathlib
import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
rate = json.loads(pathlib.Path("http/rate.json").read_text())["rate"]
(asked,) = json.loads(pathlib.Path("http/index.json").read_text())
assert asked["url"].endswith("/rate?day=1") and asked["at"].startswith("20")
table = pd.read_csv(pathlib.Path(options.data) / "first.csv")
rho = float(table["x"].corr(table["y"], method="spearman"))
pathlib.Path(options.out).write_text(json.dumps({"rho": rho, "paid": rho * rate}))
"""


@pytest.fixture
def site():
    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"no" if self.path == "/missing" else b'{"rate": 1.25}'
            self.send_response(404 if self.path == "/missing" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.slow
def test_a_finding_rests_on_what_a_host_answered(site, sandbox, tmp_path):
    if sandbox.name not in ("warm", "bwrap"):
        pytest.skip(f"{sandbox.name} has no network")
    home = home_at(tmp_path / "home")
    (ref,) = apart.seal(home, [table(tmp_path, "first", 0.8, 1)], design="iid")
    task = make_task("What goes together?", [ref])
    host = f"127.0.0.1:{site.server_port}"
    good = claim("rho > 0.1 and paid > 0.1", script=SCRIPT, answers=["in/rate.json"])
    turns = [
        use("http", {"url": f"http://{host}/rate?day=1", "save": "in/rate.json"}),
        use("http", {"url": f"http://{host}/missing", "save": "missing.json"}),
        use("write", {"path": "made.json", "content": '{"rate": 9.0}'}),
        use("submit_finding", {**good, "answers": ["made.json"]}),
        use("submit_finding", {**good, "answers": ["missing.json"]}),
        use("submit_finding", {**good, "answers": ["in/rate.json", "in/rate.json"]}),
        use("submit_finding", {**good, "answers": ["../exchanges.json"]}),
        use("submit_finding", {**good, "answers": []}),
        use("submit_finding", good),
        say("over"),
    ]
    quiet = {"sandbox": sandbox, "progress": lambda _: None, "hosts": [host], "budget": Budget()}
    result = explore(home, "r", task, ScriptedModel(turns), **quiet)
    site.shutdown()  # from here on, nothing answers
    calls = logged_calls(read_events(home.runs / "r" / "events.jsonl"), "submit_finding")
    said = [observation.content for _, observation in calls]
    for text, part in zip(
        said,
        ["not an answer as it came", "not an answer as it came", "two of the answers",
         "no path inside", "No such file", "queued sha256:"],
        strict=True,
    ):  # fmt: skip
        assert part in text
    (finding,) = result.findings
    rate = digest(b'{"rate": 1.25}')
    assert finding.evidence.inputs["http/rate.json"] == rate
    assert set(finding.evidence.inputs) == {"first.csv", "http/rate.json", "http/index.json"}
    ((_, verdict),) = conclude(home, task, [finding], lambda _: None)
    assert verdict.word == "confirmed", verdict
    done = export(home, finding, verdict, sandbox, tmp_path / "crate")
    assert done.differs == ""
    assert (done.folder / "data" / "http" / "rate.json").read_bytes() == b'{"rate": 1.25}'
    rerun = [sys.executable, "rerun.py"]
    again = subprocess.run(rerun, cwd=done.folder, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    (done.folder / "data" / "http" / "rate.json").write_text(json.dumps({"rate": 2}))
    changed = subprocess.run(rerun, cwd=done.folder, capture_output=True, text=True, check=False)
    assert changed.returncode == 1
    assert "http/rate.json" in changed.stdout
