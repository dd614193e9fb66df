"""The client against a small server that replays exact protocol JSON over real HTTP."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.verify.test_verifier import finding

from earnest.core.closed_book import grade, questions
from earnest.core.errors import LackError, ModelError, TooLongError
from earnest.core.home import BlobStore
from earnest.core.messages import Message, Picture, Sampling, ToolCall, ToolSpec, Usage
from earnest.models.openai import OpenAIModel
from earnest.models.prices import Price, Rates
from earnest.recipes.closed_book import ask

pytest.importorskip("openai")

Reply = tuple[int, dict[str, str], Any]
TOOL = ToolSpec(
    name="notes",
    description="Take notes.",
    parameters={"type": "object", "properties": {"text": {"type": "string"}}},
)
PRICE = Price(Rates(2.0, 10.0, 0.2, 2.5))
ASK = [Message(role="system", content="Be brief."), Message(role="user", content="Hello")]


@dataclass
class Streamed:
    """An answer in parts, `gap_s` apart, and whether it says that it is done."""

    parts: list[dict[str, Any]]
    done: bool = True
    gap_s: float = 0.0


class Server:
    """Answers each request with the next reply of a list, and keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.delay = 0.0
        self.left = threading.Event()
        self.on_request: Callable[[], Any] = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.requests.append(json.loads(self.rfile.read(length)))
                outer.on_request()
                outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                time.sleep(outer.delay)
                status, headers, body = outer.replies.pop(0)
                if isinstance(body, Streamed):
                    self.stream(body)
                    return
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                headers = {"Content-Type": "application/json", **headers}
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # a client that gave up waiting
                    self.wfile.write(data)

            def stream(self, body: Streamed) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for part in body.parts:
                        self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
                        self.wfile.flush()
                        time.sleep(body.gap_s)
                    if body.done:
                        self.wfile.write(b"data: [DONE]\n\n")
                outer.left.set()
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("earnest.models.patience._FIRST_S", 0.01)
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()


def answer(message: dict[str, Any], finish: str = "stop", **more: Any) -> Reply:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, **message},
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
        **more,
    }
    return 200, {}, body


def part(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "choices": choices, **more}


def words(*texts: str) -> list[dict[str, Any]]:
    counted = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    counted["prompt_tokens_details"] = {"cached_tokens": 10, "cache_write_tokens": 1}
    said = [part({"role": "assistant", "content": ""}), *(part({"content": t}) for t in texts)]
    return [*said, part({}, "stop"), {"id": "c", "choices": [], "usage": counted}]


def streamed(*parts: dict[str, Any], **more: Any) -> Reply:
    return 200, {}, Streamed(list(parts), **more)


def calling(*arguments: str) -> Reply:
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "notes", "arguments": text}}
        for n, text in enumerate(arguments)
    ]
    return answer({"tool_calls": calls}, "tool_calls")


def refusal(status: int, text: str, **headers: str) -> Reply:
    return status, headers, {"error": {"message": text, "type": "x", "param": None, "code": None}}


def model(server: Server, **more: Any) -> OpenAIModel:
    return OpenAIModel("m", base_url=server.url, **{"timeout_s": 30.0, "retries": 1, **more})


def test_an_answer_in_words(server: Server) -> None:
    server.replies = [answer({"content": "Hi."})]
    found = model(server, price=PRICE).generate(ASK, [], Sampling(max_tokens=77, seed=3))
    assert (found.message.content, found.stop, found.message.calls) == ("Hi.", "end", ())
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (12, 5)
    assert found.usage.cost_usd == pytest.approx((12 * 2 + 5 * 10) / 1e6)
    (body,) = server.requests
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert (body["max_tokens"], body["seed"], body["model"]) == (77, 3, "m")
    assert not {"tools", "temperature"} & set(body)


def test_tool_calls_there_and_back(server: Server) -> None:
    server.replies = [calling('{"text": "a"}', '{"text": "é"}'), answer({"content": "ok"})]
    first = model(server).generate(ASK, [TOOL], Sampling(temperature=0.5))
    assert first.stop == "calls"
    assert [call.arguments for call in first.message.calls] == [{"text": "a"}, {"text": "é"}]
    results = [Message(role="tool", content=f"r{n}", call=f"c{n}") for n in range(2)]
    model(server).generate([*ASK, first.message, *results], [TOOL], Sampling())
    body = server.requests[0]
    assert body["temperature"] == 0.5
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "notes",
                "description": "Take notes.",
                "parameters": dict(TOOL.parameters),
            },
        }
    ]
    sent = server.requests[1]["messages"][2:]
    assert sent[0]["tool_calls"][1] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "notes", "arguments": '{"text":"é"}'},
    }
    assert sent[1:] == [
        {"role": "tool", "content": "r0", "tool_call_id": "c0"},
        {"role": "tool", "content": "r1", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    "text",
    ['{"text": ', "[1]", '"x"', '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": "\\ud800"}', "{'a': 1}"],
)
def test_malformed_arguments_are_a_problem_not_a_guess(server: Server, text: str) -> None:
    server.replies = [calling(text, '{"text": "good"}')]
    bad, good = model(server).generate(ASK, [TOOL], Sampling()).message.calls
    assert "can't be read" in bad.problem
    assert bad.arguments == {}
    assert (good.problem, good.arguments) == ("", {"text": "good"})


def test_empty_arguments_are_none(server: Server) -> None:
    server.replies = [calling("")]
    (call,) = model(server).generate(ASK, [TOOL], Sampling()).message.calls
    assert call == ToolCall(id="c0", name="notes")


def test_an_answer_that_was_cut_off(server: Server) -> None:
    server.replies = [answer({"content": "I was ab"}, "length")]
    assert model(server).generate(ASK, [], Sampling()).stop == "length"


def test_no_usage_is_unknown_not_nought(server: Server) -> None:
    server.replies = [answer({"content": "Hi"}, usage=None)]
    usage = model(server, price=PRICE).generate(ASK, [], Sampling()).usage
    assert (usage.prompt_tokens, usage.cost_usd) == (None, None)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(server: Server, status: int) -> None:
    server.replies = [refusal(status, "wait", **{"Retry-After": "0.01"}), answer({"content": "ok"})]
    assert model(server).generate(ASK, [], Sampling()).message.content == "ok"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "mend"), [(400, "message"), (401, "OPENAI_API_KEY"), (404, "base URL")]
)
def test_what_will_not_pass_is_not_tried_again(server: Server, status: int, mend: str) -> None:
    server.replies = [refusal(status, "not so")]
    with pytest.raises(ModelError, match=f"{status}: not so") as caught:
        model(server).generate(ASK, [], Sampling())
    assert mend in caught.value.mend
    assert len(server.requests) == 1


def test_patience_ends(server: Server) -> None:
    server.replies = [refusal(429, "quota", **{"Retry-After": "0.01"})] * 2
    with pytest.raises(ModelError, match="429") as caught:
        model(server).generate(ASK, [], Sampling())
    assert "rate limit" in caught.value.mend
    assert len(server.requests) == 2


def test_a_time_out(server: Server) -> None:
    server.delay, server.replies = 1.0, [answer({"content": "late"})]
    with pytest.raises(ModelError, match=r"no answer within 0\.2 s"):
        model(server, timeout_s=0.2, retries=0).generate(ASK, [], Sampling())


def test_nobody_there() -> None:
    with pytest.raises(ModelError, match="can't be reached"):
        OpenAIModel("m", base_url="http://127.0.0.1:9/v1", retries=0).generate(ASK, [], Sampling())


@pytest.mark.parametrize("body", [b"<html>", {"choices": []}, {"other": 1}, [1]])
def test_an_answer_outside_the_protocol(server: Server, body: Any) -> None:
    server.replies = [(200, {}, body)]
    with pytest.raises(ModelError):
        model(server, retries=0).generate(ASK, [], Sampling())


def test_the_key_comes_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(LackError, match="no key") as caught:
        OpenAIModel("m").generate(ASK, [], Sampling())
    assert "export OPENAI_API_KEY" in caught.value.mend
    monkeypatch.setenv("MY_KEY", "k-1")
    server.replies = [answer({"content": "ok"})]
    model(server, key_variable="MY_KEY").generate(ASK, [], Sampling())
    assert server.headers[0]["authorization"] == "Bearer k-1"


def test_lone_surrogates_do_not_get_through(server: Server) -> None:
    server.replies = [answer({"content": "a\ud800b"})]
    found = model(server).generate(ASK, [], Sampling())
    assert found.message.content == "a?b"


def test_a_stream_is_heard_as_it_comes_and_its_cache_is_priced(server: Server) -> None:
    server.replies = [streamed(*words("Hel", "lo."))]
    asked, heard = model(server, price=PRICE), list[str]()
    asked.heard = heard.append
    found = asked.generate(ASK, [], Sampling())
    assert (found.message.content, found.stop) == ("Hello.", "end")
    assert heard == ["Hel", "lo."]
    assert (found.usage.cached_tokens, found.usage.cache_written_tokens) == (10, 1)
    assert found.usage.cost_usd == pytest.approx((1 * 2 + 5 * 10 + 10 * 0.2 + 1 * 2.5) / 1e6)
    assert server.requests[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("numbered", [True, False])
def test_calls_in_pieces_are_put_together(server: Server, numbered: bool) -> None:
    def piece(index: int, text: str, **more: Any) -> dict[str, Any]:
        call = {"index": index if numbered else 0, "function": {"arguments": text, **more}}
        return call | ({"id": f"c{index}", "type": "function"} if more else {})

    first = [piece(0, '{"te', name="notes"), piece(0, 'xt": "a"}')]
    second = [piece(1, "", name="notes"), piece(1, '{"text":'), piece(1, ' "é"}')]
    parts = [part({"tool_calls": [one]}) for one in (*first, *second)]
    server.replies = [streamed(part({"content": "So:"}), *parts, part({}, "tool_calls"))]
    found = model(server).generate(ASK, [TOOL], Sampling())
    assert [(call.id, call.arguments) for call in found.message.calls] == [
        ("c0", {"text": "a"}),
        ("c1", {"text": "é"}),
    ]
    assert (found.stop, found.message.content) == ("calls", "So:")


def test_a_call_that_was_cut_off_says_so(server: Server) -> None:
    call = {"index": 0, "id": "c", "function": {"name": "notes", "arguments": '{"text": "a'}}
    server.replies = [streamed(part({"tool_calls": [call]}), part({}, "length"))]
    found = model(server).generate(ASK, [TOOL], Sampling())
    assert found.stop == "length"
    assert "length limit" in found.message.calls[0].problem


def test_thoughts_are_kept_apart(server: Server) -> None:
    thought = part({"reasoning_content": "Hm."})
    server.replies = [streamed(thought, *words("Yes."))]
    message = model(server).generate(ASK, [], Sampling()).message
    assert (message.thoughts, message.content) == ("Hm.", "Yes.")


@pytest.mark.parametrize("last", [None, {"error": {"message": "overloaded", "code": 503}}])
def test_a_stream_that_breaks_is_asked_for_again_whole(server: Server, last: Any) -> None:
    begun = [*words("Hel", "lo.")[:2], *([last] if last else [])]
    server.replies = [streamed(*begun, done=False), streamed(*words("Hello."))]
    asked, heard = model(server), list[str]()
    asked.heard = heard.append
    assert asked.generate(ASK, [], Sampling()).message.content == "Hello."
    assert [heard[0], heard[2:]] == ["Hel", ["Hello."]]
    assert "the answer begins anew" in heard[1]


def test_an_error_in_a_stream_that_will_not_pass_is_final(server: Server) -> None:
    error = {"message": "maximum context length is 9", "code": "context_length_exceeded"}
    server.replies = [streamed({"error": error}), streamed(*words("Hello."))]
    with pytest.raises(TooLongError):
        model(server).generate(ASK, [], Sampling())
    assert len(server.requests) == 1


def test_a_conversation_too_long_is_told_apart(server: Server) -> None:
    server.replies = [refusal(400, "This model's maximum context length is 9 tokens")]
    with pytest.raises(TooLongError) as caught:
        model(server).generate(ASK, [], Sampling())
    assert "shorter" in caught.value.mend


def test_a_quota_that_is_used_up_is_not_asked_again(server: Server) -> None:
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    server.replies = [(429, {}, body), answer({"content": "ok"})]
    with pytest.raises(ModelError, match="exceeded your quota"):
        model(server).generate(ASK, [], Sampling())
    assert len(server.requests) == 1


def test_what_a_server_refuses_by_name_is_left_out_once_and_for_good(server: Server) -> None:
    server.replies = [
        refusal(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        (422, {}, {"detail": "Unexpected fields in the request: {'stream_options', 'seed'}"}),
        streamed(*words("one")),
        streamed(*words("two")),
    ]
    asked = model(server)
    for text in ("one", "two"):
        assert asked.generate(ASK, [], Sampling()).message.content == text
    sent = [set(body) - {"model", "messages"} for body in server.requests]
    assert sent == [
        {"max_tokens", "seed", "stream", "stream_options"},
        {"max_completion_tokens", "seed", "stream", "stream_options"},
        {"max_completion_tokens", "stream"},
        {"max_completion_tokens", "stream"},
    ]


def test_a_server_that_can_not_stream_answers_in_one_piece(server: Server) -> None:
    server.replies = [refusal(400, "this model does not support stream"), answer({"content": "x"})]
    assert model(server).generate(ASK, [], Sampling()).message.content == "x"
    assert not {"stream", "stream_options"} & set(server.requests[1])


def test_what_is_refused_without_a_name_is_not_tried_in_other_ways(server: Server) -> None:
    server.replies = [refusal(400, "bad request upstream")]
    with pytest.raises(ModelError, match="bad request"):
        model(server).generate(ASK, [], Sampling())
    assert len(server.requests) == 1


def test_pictures_follow_the_results_to_who_can_see(server: Server, tmp_path: Path) -> None:
    server.replies = [calling("{}", "{}"), answer({"content": "ok"}), answer({"content": "ok"})]
    blobs = BlobStore(tmp_path)
    picture = Picture(name="a.png", media="image/png", blob=blobs.put(b"PNG bytes"))
    seeing, blind = model(server, sees=True), model(server)
    seeing.blobs = blind.blobs = blobs
    first = seeing.generate(ASK, [TOOL], Sampling()).message
    results = [
        Message(role="tool", content="r", call="c0", pictures=(picture,)),
        Message(role="tool", content="r", call="c1"),
    ]
    for one in (seeing, blind):
        one.generate([*ASK, first, *results], [TOOL], Sampling())
    seen, unseen = (body["messages"][3:] for body in server.requests[1:])
    assert [message["role"] for message in seen] == ["tool", "tool", "user"]
    url = seen[-1]["content"][1]["image_url"]["url"]
    assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == b"PNG bytes"
    assert [message["role"] for message in unseen] == ["tool", "tool"]


_SITTING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from earnest.core.messages import Message, Sampling
from earnest.models.openai import OpenAIModel
asked = OpenAIModel("m", base_url=sys.argv[1])
asked.heard = lambda text: print(text, flush=True)
try:
    asked.generate([Message(role="user", content="x")], [], Sampling())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def interrupted(server: Server, ready: threading.Event | None) -> float:
    """How long a sitting goes on after Ctrl-C, in seconds."""
    sitting = subprocess.Popen(
        [sys.executable, "-c", _SITTING, server.url], stdout=subprocess.PIPE, text=True
    )
    assert sitting.stdout is not None
    try:
        if ready is None:
            assert sitting.stdout.readline().strip() == "x"
        else:
            assert ready.wait(60)
            time.sleep(0.3)
        began = time.monotonic()
        sitting.send_signal(signal.SIGINT)
        while (said := sitting.stdout.readline().strip()) == "x":
            pass
        assert said == "interrupted"
        return time.monotonic() - began
    finally:
        sitting.kill()
        sitting.communicate()


def test_ctrl_c_stops_a_stream_at_once(server: Server) -> None:
    server.replies = [streamed(*words(*["x"] * 900), gap_s=0.1)]
    assert interrupted(server, None) < 2
    assert server.left.wait(5), "the server goes on talking to nobody"


@pytest.mark.slow
def test_ctrl_c_stops_a_pause_at_once(server: Server) -> None:
    asked = threading.Event()
    server.on_request = asked.set
    server.replies = [refusal(429, "wait", **{"Retry-After": "50"})]
    assert interrupted(server, asked) < 2


def test_it_is_asked_closed_book_with_nothing_at_hand(server: Server) -> None:
    one = finding()
    puts = questions(one.claim, "plain")
    for put in puts:
        word = next((w for w, says in put.means.items() if says == "agrees"), "unknown")
        server.replies.append(answer({"content": f"<think>Hm.</think>\n**{word.upper()}**."}))
    (told,) = ask(model(server), [one], lambda _: None)
    word, says = grade(one.claim, told)
    assert word == "known"
    assert says.startswith(f"{server.url}#m says so in 4 wordings, asked by the run")
    assert told.usage.prompt_tokens == 12 * len(puts)
    for put, body in zip(puts, server.requests, strict=True):
        assert body["messages"] == [{"role": "user", "content": put.text}]
        assert body["max_tokens"] == 1024
        assert not {"tools", "temperature"} & set(body)


def test_a_server_that_fails_while_it_is_asked_stops_nothing(server: Server) -> None:
    one, word = finding(), "fall"
    server.replies = [answer({"content": word}), refusal(500, "broken"), refusal(500, "broken")]
    told = ask(model(server, retries=1), [one, one], lambda _: None)
    assert [len(each.asked) for each in told] == [1, 0]
    assert all("500: broken" in each.why for each in told)
    assert len(server.requests) == 3


@pytest.mark.parametrize("given", [-100_000, 1.5, [12], 2**60])
def test_a_server_that_counts_nonsense_counts_nothing(server: Server, given: Any) -> None:
    """Fewer than none would be given back to the budget."""
    usage = {"prompt_tokens": given, "completion_tokens": 3, "total_tokens": 3}
    server.replies = [answer({"content": "hi"}, usage=usage)]
    assert model(server, price=PRICE).generate(ASK, [], Sampling()).usage == Usage()


def test_a_stream_without_an_end_is_no_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earnest.models.openai_stream.MOST_ANSWER", 1000)
    thinks = [part({"reasoning_content": "x" * 300}) for _ in range(9)]
    for parts in (words(*["x" * 300] * 9), [*thinks, part({}, "stop")]):
        server.replies = [streamed(*parts)]
        with pytest.raises(ModelError, match="more than 1000 characters"):
            model(server).generate(ASK, [], Sampling())
    server.replies = [streamed(*words("x" * 1000))]
    assert len(model(server).generate(ASK, [], Sampling()).message.content) == 1000
    assert len(server.requests) == 3
