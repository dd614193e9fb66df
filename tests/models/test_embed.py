"""Embedding models: a checkpoint made here, whose vectors are known, and a server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.embedding import MEANS, checkpoint

from earnest.core.errors import ModelError, UsageError
from earnest.models.embed import LocalEmbedder, ServedEmbedder, open_embedder
from earnest.tools.files import Files
from earnest.tools.meaning import Meaning, Vectors
from earnest.tools.search import SearchTool
from earnest.tools.workspace import Workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("embed"))


def likeness(one: Any, other: Any) -> float:
    return float(sum(a * b for a, b in zip(one, other, strict=True)))


def test_a_checkpoint_s_vectors_have_length_1_and_lie_by_meaning(folder: Path) -> None:
    model = open_embedder(f"hf:{folder}")
    model.ready()
    automobile, car, ship, padded = model.embed(["automobile", "car", "ship", "ship car car car"])
    assert likeness(car, car) == pytest.approx(1, abs=1e-5)
    assert likeness(automobile, car) == pytest.approx(1, abs=1e-5)
    assert likeness(automobile, ship) < 0.1
    # An average over a text's own tokens: what pads a batch has no part in it.
    assert likeness(padded, car) > likeness(padded, ship) > 0
    assert likeness(model.embed(["ship"])[0], ship) == pytest.approx(1, abs=1e-5)
    assert likeness(model.embed(["car " * 2000])[0], car) == pytest.approx(1, abs=1e-5)


def test_a_question_without_a_shared_word_finds_its_answer(folder: Path, tmp_path: Path) -> None:
    files = Files(Workspace(tmp_path / "w"))
    files.workspace.write("a.md", b"The boat left in a downpour.\n")
    files.workspace.write("b.md", b"A vehicle stood there.\n")
    query = {"query": "ship, rain", "where": "files"}
    assert SearchTool(files).call(query).content.startswith("nothing has any of these words")
    with closing(Vectors(LocalEmbedder(folder), tmp_path / "v.db")) as vectors:
        said = SearchTool(files, meaning=Meaning(vectors)).call(query).content
    assert said == "a.md:1, by meaning: The boat left in a downpour."


def test_pooling_is_the_folder_s_own_or_refused(folder: Path, tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "cls")
    told = other / "1_Pooling" / "config.json"
    told.parent.mkdir()
    told.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    first = open_embedder(f"hf:{other}").embed(["car ship ship ship"])[0]
    assert likeness(first, LocalEmbedder(folder).embed(["car"])[0]) == pytest.approx(1, abs=1e-5)
    told.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(UsageError, match="only mean"):
        open_embedder(f"hf:{other}").ready()


def test_another_checkpoint_has_another_name(folder: Path, tmp_path: Path) -> None:
    copy = checkpoint(tmp_path / folder.name)
    assert LocalEmbedder(copy).name != LocalEmbedder(folder).name
    assert LocalEmbedder(folder).name == LocalEmbedder(folder).name


def test_what_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint"):
        open_embedder(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="can't be loaded"):
        open_embedder(f"hf:{tmp_path}").embed(["x"])
    for spec in ("car", "http://127.0.0.1/v1", "http://127.0.0.1/v1#"):
        with pytest.raises(UsageError, match="no embedding model"):
            open_embedder(spec)


class Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rows = [
            {"object": "embedding", "index": n, "embedding": [float(len(text)), 1.0]}
            for n, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        good = {"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage}
        said = {"bad": b"<html>", "none": b'{"object": "list"}'}.get(
            body["model"], json.dumps(good).encode()
        )
        self.send_response(404 if self.path != "/v1/embeddings" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_server_s_vectors_come_in_the_order_of_the_texts(url: str) -> None:
    pytest.importorskip("openai")
    model = open_embedder(f"{url}#some")
    model.ready()
    assert [list(one) for one in model.embed(["a", "bbb"])] == [[1.0, 1.0], [3.0, 1.0]]
    for name in ("bad", "none"):
        with pytest.raises(ModelError, match=name):
            ServedEmbedder(url, name).embed(["a"])
    with pytest.raises(ModelError, match="404"):
        ServedEmbedder(f"{url}/x", "m").embed(["a"])
    gone = ServedEmbedder("http://127.0.0.1:9/v1", "m", timeout_s=1)
    with pytest.raises(ModelError, match="onnection") as caught:
        gone.embed(["a"])
    assert "server runs" in caught.value.mend


def test_the_words_of_the_checkpoint_are_known() -> None:
    assert MEANS["car"] == MEANS["automobile"] != MEANS["ship"]
