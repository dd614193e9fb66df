"""The clients against a real server: `transformers serve` with a checkpoint that calls tools."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models.tiny import ASK, DONE, NOTES, RESULTS, checkpoint
from tests.verify.test_verifier import finding

from earnest.core.closed_book import grade, questions
from earnest.core.errors import ModelError
from earnest.core.messages import Completion, Message, Sampling
from earnest.models.local import LocalModel
from earnest.models.openai import OpenAIModel
from earnest.recipes.closed_book import ask

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIModel]:
    for package in ("torch", "transformers", "accelerate", "fastapi", "uvicorn", "openai"):
        pytest.importorskip(package)
    root = tmp_path_factory.mktemp("served")
    asked = [Message(role="user", content=put.text) for put in questions(finding().claim, "plain")]
    unknown = Message(role="assistant", content="unknown")
    folder = checkpoint(root / "tiny", plain=[(one, unknown) for one in asked], window=4096)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(root / "hf")}
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            found = OpenAIModel(str(folder), base_url=url, timeout_s=60.0, retries=1)
            patiently(found, process, root / "log")
            yield found
        finally:
            process.terminate()
            process.wait(30)


def patiently(served: OpenAIModel, process: subprocess.Popen[bytes], log: Path) -> Completion:
    """Ask until the server is up; it imports torch first."""
    until = time.monotonic() + 180
    while True:
        try:
            return served.generate(ASK, [NOTES], Sampling(max_tokens=8))
        except ModelError as error:
            up = "can't be reached" not in str(error)
            if up or process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from error
            time.sleep(1)


def test_calls_and_words_are_streamed(served: OpenAIModel) -> None:
    heard: list[str] = []
    served.heard = heard.append
    first = served.generate(ASK, [NOTES], Sampling(max_tokens=200))
    assert first.stop == "calls"
    assert [(call.name, dict(call.arguments)) for call in first.message.calls] == [
        ("notes", {"text": "a"}),
        ("notes", {"text": "b"}),
    ]
    assert heard == []
    ids = [call.id for call in first.message.calls]
    results = [
        told.model_copy(update={"call": id_}) for told, id_ in zip(RESULTS, ids, strict=True)
    ]
    last = served.generate([*ASK, first.message, *results], [NOTES], Sampling(max_tokens=200))
    assert (last.message.content.strip(), last.stop) == (DONE.content, "end")
    assert "".join(heard) == last.message.content
    assert len(heard) > 1
    served.heard = None


def test_served_and_loaded_it_says_and_counts_the_same(served: OpenAIModel) -> None:
    here = LocalModel(Path(served.model)).generate(ASK, [NOTES], Sampling(max_tokens=200))
    there = served.generate(ASK, [NOTES], Sampling(max_tokens=200))
    assert there.usage.prompt_tokens == here.usage.prompt_tokens
    assert there.usage.completion_tokens == here.usage.completion_tokens
    assert [c.arguments for c in there.message.calls] == [c.arguments for c in here.message.calls]


def test_in_one_piece_it_says_the_same(served: OpenAIModel) -> None:
    whole = OpenAIModel(served.model, base_url=served.base_url, timeout_s=60.0)
    whole._fields.without.add("stream")
    found = whole.generate(ASK, [NOTES], Sampling(max_tokens=200))
    assert [dict(call.arguments) for call in found.message.calls] == [{"text": "a"}, {"text": "b"}]
    assert found.usage.prompt_tokens


def test_a_length_limit_is_a_length_limit(served: OpenAIModel) -> None:
    found = served.generate(ASK, [NOTES], Sampling(max_tokens=3))
    assert found.stop == "length"
    assert found.usage.completion_tokens == 3


def test_a_model_that_is_not_there_is_said(served: OpenAIModel) -> None:
    other = OpenAIModel("no-such-model", base_url=served.base_url, retries=0)
    with pytest.raises(ModelError, match="no-such-model"):
        other.generate([Message(role="user", content="x")], [], Sampling())


def test_it_is_asked_closed_book(served: OpenAIModel) -> None:
    (told,) = ask(served, [finding()], lambda _: None)
    assert told.model == served.name
    assert told.usage.prompt_tokens, told.why
    assert {one.answer for one in told.asked} == {"unknown"}
    assert grade(finding().claim, told)[0] == "novel"
