"""Reports and exported pages, opened in a browser: no script runs, no request leaves.

Two controls. The same texts put raw into a page without our policy do run, and do ask; put raw
into a page with it they do not, so that a slip in escaping alone would not be enough. (What a
policy in a page can't stop, a `refresh`, is left out of the second.)
"""

from __future__ import annotations

import base64
import json
import shutil
import struct
import subprocess
import threading
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.injections import TEXTS
from tests.recipes.testbed_runs import SECURE, write_run

from earnest.core.canon import digest
from earnest.core.messages import Picture
from earnest.core.records import Author, Check, Claim, Evidence, Finding, Verdict
from earnest.recipes.report import page, run_report
from earnest.recipes.testbed_report import report as runs_report
from earnest.tasks.registry import Registry

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium on the PATH")

OURS = {
    *("html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p"),
    *("ul", "li", "blockquote", "figure", "figcaption", "article", "span", "code", "pre", "br"),
    *("details", "summary", "table", "tr", "th", "td", "img", "svg", "text", "line", "rect"),
    *("circle", "polyline", "polygon", "g", "div", "thead", "tbody", "em", "strong"),
}
RUN = "document.documentElement.setAttribute('data-ran','yes')"
REFRESH = '<meta http-equiv="refresh" content="0;url=URL/refresh">'
PAYLOADS = (
    f"<script>{RUN};fetch('URL/script')</script>",
    f"<img src=URL/img onerror=\"{RUN}\">",
    f"'\"><svg onload=\"{RUN}\"><image href='URL/svg'/></svg>",
    f"</title></style></pre></code><script src='URL/src'></script><script>{RUN}</script>",
    "<style>@import url(URL/import);body{background:url(URL/background)}</style>",
    "<link rel=stylesheet href=URL/link><link rel=prefetch href=URL/prefetch>",
    f"<iframe src=URL/frame></iframe><iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    "<object data=URL/object></object><embed src=URL/embed><video src=URL/video autoplay></video>",
    f"<details open ontoggle=\"{RUN}\">x</details><input autofocus onfocus=\"{RUN}\">",
    f"<a href='javascript:{RUN}' id=x>here</a><base href='URL/base/'>",
    f"{{{{ 7*7 }}}}{{% raw %}}<body onload=\"{RUN}\" background=URL/body>",
    f"--><math><mtext></mtext><script>{RUN}</script></math>]]><!--",
)  # fmt: skip


@pytest.fixture
def asked():
    """A server on the loopback, and what it was asked for."""
    seen: list[str] = []

    class Takes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


def opened(path, profile):
    """Open a page as a user would; return the document after two seconds of its time."""
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--virtual-time-budget=2000", f"--user-data-dir={profile}", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout


class Read(HTMLParser):
    """What of a page is not text: elements and attributes that ours do not have."""

    def __init__(self):
        super().__init__()
        self.wrong = []

    def handle_starttag(self, tag, attrs):
        if tag not in OURS:
            self.wrong.append(tag)
        for name, value in attrs:
            if name in ("href", "style") or name.startswith("on"):
                self.wrong.append(name)
            if name == "src" and not value.startswith("data:image/png;base64,"):
                self.wrong.append(value)


def more_than_text(told):
    read = Read()
    read.feed(told)
    return read.wrong


def texts(url):
    return [one.replace("URL", url) for one in (*PAYLOADS, REFRESH)]


def hostile(home, tmp_path, text):
    """A finding with its verdict that says this text wherever an author can."""
    rows = [f"{n * 37 % 101},{n * 11 % 17},l{n % 2}" for n in range(120)]
    head = [text + mark for mark in "abc"]
    quoted = ",".join('"' + name.replace('"', '""').replace("\n", " ") + '"' for name in head)
    (tmp_path / "t.csv").write_text("\n".join([quoted, *rows]) + "\n")
    ref = Registry(home).seal(tmp_path / "t.csv", design="iid")
    return [
        _finding(home, ref, text, claim)
        for claim in (
            Claim(kind="association", table=text, outcome=ref.columns[0],
                  exposure=ref.columns[1], direction="positive"),
            Claim(kind="difference", table=text, outcome=ref.columns[0],
                  exposure=ref.columns[2], direction="higher", group="l1", versus=text),
        )
    ]  # fmt: skip


def _finding(home, ref, text, claim):
    finding = Finding(
        claim=claim,
        evidence=Evidence(
            script=home.blobs.put(text.encode("utf-8", "replace")), inputs={}, results={"p": 1},
            supports="p > 0",
        ),
        exposure="sealed", author=Author(principal=text, model=text), run=text,
        task=digest(b"x"), table=ref, prose=text,
    )  # fmt: skip
    verdict = Verdict(
        finding=finding.id, word="confirmed", reason=text,
        checks=(Check(name=text, passed=True, detail=text),), effect=0.5, interval=(0.1, 0.7),
        p=0.001, alpha=0.01, seed=1, verifier=text, estimator=text, not_covered=(text,),
    )  # fmt: skip
    return finding, verdict


def png(extra=b""):
    """A small PNG, with something hidden in a comment and after its end."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"tEXt", b"Comment\0" + extra),
             chunk(b"IDAT", zlib.compress(bytes(14))), chunk(b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + extra


def test_a_report_of_hostile_texts_runs_nothing_and_asks_for_nothing(home, tmp_path, asked):
    url, seen = asked
    text = " ".join(texts(url)) + " ".join(one for one in TEXTS.values() if len(one) < 300)
    found = hostile(home, tmp_path, text)
    script = f"<script>{RUN};fetch('{url}/png')</script>".encode()
    pictures = [
        Picture(name=text, media="image/png", blob=home.blobs.put(png(script))),
        Picture(name="x.svg", media="image/svg+xml", blob=home.blobs.put(b"<svg onload='1'/>")),
    ]
    report = run_report(home, "r", text, text, text, found, [found[0][0].table], pictures=pictures)
    told = report.read_text()
    assert told.count("<svg") == 3  # the effects, and a drawing of each finding
    assert told.count("<img") == 1
    assert base64.b64encode(script)[4:-4] not in told.encode()
    document = opened(report, tmp_path / "profile")
    assert "</html>" in document
    assert 'data-ran="yes"' not in document
    assert seen == []
    assert "style-src 'sha256-" in document
    assert more_than_text(told) == []


def test_an_exported_run_of_hostile_texts_does_neither(home, tmp_path, asked):
    from earnest.agent.replay import Turn
    from earnest.core.messages import Message, Observation, ToolCall, Usage

    url, seen = asked
    text = " ".join(texts(url))
    call = ToolCall(id=text, name=text, arguments={text: text, "n": [text]}, problem=text)
    message = Message(role="assistant", content=text, calls=(call,))
    turn = Turn(1, message, Usage(), "calls", text, effects={0: Observation(content=text)})
    values = {"run": text, "prompt": text, "model": text, "status": text, "turns": [turn],
              "opening": [{"role": text, "content": text}], "figures": []}  # fmt: skip
    path = tmp_path / "page.html"
    path.write_text(page("trajectory.html", values))
    assert more_than_text(path.read_text()) == []
    document = opened(path, tmp_path / "profile")
    assert "</html>" in document
    assert 'data-ran="yes"' not in document
    assert seen == []


def test_a_testbed_report_of_hostile_words_does_neither(tmp_path, asked):
    url, seen = asked
    text = " ".join(texts(url)) + " ".join(one for one in TEXTS.values() if len(one) < 300)
    course = replace(SECURE, arm=text)
    folder = write_run(tmp_path / "run", course, seeds=(0,), generations=1, each=2)
    for name, changed in (
        ("generations.jsonl", {"reasons": [text], "quarantined": [text]}),
        ("samples.jsonl", {"family": text, "spec": text, "offers": [text], "reply": text,
                           "files": {text: text}, "why": text}),
    ):  # fmt: skip
        rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        if name == "generations.jsonl":
            changed = changed | {"families": {text: {"hacks": 1, "attempts": 1, "n": 2}}}
        (folder / name).write_text("".join(json.dumps(row | changed) + "\n" for row in rows))
    runs_report([folder], tmp_path / "page.html")
    told = (tmp_path / "page.html").read_text()
    assert told.count("srcdoc") > 20
    assert more_than_text(told) == []
    document = opened(tmp_path / "page.html", tmp_path / "profile")
    assert "</html>" in document
    assert 'data-ran="yes"' not in document
    assert seen == []


def test_raw_and_without_a_policy_the_same_texts_do_run_and_ask(tmp_path, asked):
    url, seen = asked
    path = tmp_path / "raw.html"
    path.write_text("<!doctype html><html><body>" + " ".join(texts(url)[:-1]) + "</body></html>")
    document = opened(path, tmp_path / "profile")
    assert 'data-ran="yes"' in document
    assert {"/img", "/script", "/frame"} <= set(seen)
    path.write_text(f"<!doctype html><html><body>{texts(url)[-1]}</body></html>")
    opened(path, tmp_path / "profile")
    assert "/refresh" in seen


def test_raw_within_our_policy_they_do_neither(home, tmp_path, asked):
    url, seen = asked
    report = run_report(home, "r", "p", "MARK", "done", []).read_text()
    path = tmp_path / "policy.html"
    path.write_text(report.replace("MARK", " ".join(texts(url)[:-1])))
    document = opened(path, tmp_path / "profile")
    assert "</html>" in document
    assert 'data-ran="yes"' not in document
    assert seen == []
