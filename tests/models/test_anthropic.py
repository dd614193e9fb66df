"""The client of Anthropic's API against a server that speaks the published protocol."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("anthropic")

from tests.models.anthropic_server import KEY, Failed, Said, Server, broken_rules

from earnest.core.errors import LackError, ModelError, TooLongError
from earnest.core.home import BlobStore
from earnest.core.messages import Message, Picture, Sampling, ToolSpec
from earnest.models.anthropic import AnthropicModel
from earnest.models.prices import Price, Rates

TOOL = ToolSpec(
    name="notes",
    description="Take notes.",
    parameters={"type": "object", "properties": {"text": {"type": "string"}}},
)
ASK = [Message(role="system", content="Be brief."), Message(role="user", content="Hello")]
HI = Said([("text", ["Hel", "lo."])])
OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    monkeypatch.setattr("earnest.models.patience._FIRST_S", 0.01)
    found = Server()
    yield found
    found.close()


def model(server: Server, **more: Any) -> AnthropicModel:
    return AnthropicModel("m", base_url=server.url, **{"timeout_s": 60.0, "retries": 1, **more})


def calls(*pieces: list[str]) -> Said:
    blocks = [("tool_use", (f"toolu_{n}", "notes", p)) for n, p in enumerate(pieces)]
    return Said([("text", ["So: "]), *blocks], "tool_use")


def test_an_answer_is_heard_as_it_comes(server: Server) -> None:
    server.replies = [HI]
    asked, heard = model(server), list[str]()
    asked.heard = heard.append
    found = asked.generate(ASK, [], Sampling(max_tokens=77))
    assert (found.message.content, found.stop, found.message.calls) == ("Hello.", "end", ())
    assert heard == ["Hel", "lo."]
    (body,) = server.requests
    assert (body["max_tokens"], body["model"], body["stream"]) == (77, "m", True)
    assert body["system"][0]["text"] == "Be brief."
    assert "temperature" not in body


def test_parallel_calls_there_and_back(server: Server) -> None:
    server.replies = [calling := calls(['{"text"', ': "a"}'], ['{"text": "é"}'], []), HI]
    first = model(server).generate(ASK, [TOOL], Sampling())
    assert first.stop == "calls"
    assert [dict(call.arguments) for call in first.message.calls] == [
        {"text": "a"},
        {"text": "é"},
        {},
    ]
    results = [Message(role="tool", content=f"r{n}", call=f"toolu_{n}") for n in range(3)]
    model(server).generate([*ASK, first.message, *results], [TOOL], Sampling())
    assert server.refused == []
    assistant, user = server.requests[1]["messages"][1:]
    assert [block["type"] for block in assistant["content"]] == ["text", *["tool_use"] * 3]
    assert [block["tool_use_id"] for block in user["content"]] == ["toolu_0", "toolu_1", "toolu_2"]
    assert calling.stop == "tool_use"


@pytest.mark.parametrize("text", ['{"text": ', "[1]", '{"a": NaN}', '{"a": 1, "a": 2}'])
def test_malformed_arguments_are_a_problem_not_a_guess(server: Server, text: str) -> None:
    server.replies = [calls([text], ['{"text": "good"}']), HI]
    first = model(server).generate(ASK, [TOOL], Sampling())
    bad, good = first.message.calls
    assert "can't be read" in bad.problem
    assert (bad.arguments, good.problem) == ({}, "")
    told = [Message(role="tool", content=c.problem or "ok", call=c.id) for c in (bad, good)]
    model(server).generate([*ASK, first.message, *told], [TOOL], Sampling())
    assert server.refused == []
    assert server.requests[1]["messages"][1]["content"][1]["input"] == {}


def test_signed_thoughts_go_back_unchanged_and_to_no_other_model(server: Server) -> None:
    thought = Said([("thinking", ["Hm, ", "é."]), *calls(['{"text": "a"}']).blocks], "tool_use")
    server.replies = [thought, HI, HI]
    first = model(server).generate(ASK, [TOOL], Sampling())
    assert first.message.thoughts == "Hm, é."
    assert first.message.content == "So: "
    back = [*ASK, first.message, Message(role="tool", content="r", call="toolu_0")]
    again = [Message.model_validate_json(one.model_dump_json()) for one in back]
    model(server).generate(again, [TOOL], Sampling())
    other = AnthropicModel("n", base_url=server.url)
    other.generate(again, [TOOL], Sampling())
    kinds = [[b["type"] for b in body["messages"][1]["content"]] for body in server.requests[1:]]
    assert kinds == [["thinking", "text", "tool_use"], ["text", "tool_use"]]
    assert server.refused == []


def test_what_a_record_can_not_hold_is_not_kept(server: Server) -> None:
    server.replies = [Said([("thinking", ["a\ud800b"]), ("text", ["c\ud800d"])])]
    message = model(server).generate(ASK, [], Sampling()).message
    assert (message.content, message.thoughts, message.kept) == ("c?d", "a?b", None)


def test_the_stable_part_is_marked_and_cached_tokens_are_priced(server: Server) -> None:
    counts = {"input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": 7}
    server.replies = [Said(HI.blocks, usage={**counts, "cache_creation_input_tokens": 10})]
    price = Price(Rates(2.0, 10.0, 0.2, 2.5))
    turn = [Message(role="assistant", content="a"), Message(role="user", content="u")]
    usage = model(server, price=price).generate([*ASK, *turn, *turn], [TOOL], Sampling()).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (1110, 7)
    assert (usage.cached_tokens, usage.cache_written_tokens) == (1000, 10)
    assert usage.cost_usd == pytest.approx((100 * 2 + 7 * 10 + 1000 * 0.2 + 10 * 2.5) / 1e6)
    (body,) = server.requests
    marks = [["cache_control" in block for block in turn["content"]] for turn in body["messages"]]
    assert marks == [[False], [False], [True], [False], [True]]
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}


def test_pictures_go_with_the_result_to_who_can_see(server: Server, tmp_path: Path) -> None:
    server.replies = [HI, HI]
    blobs = BlobStore(tmp_path)
    picture = Picture(name="a.png", media="image/png", blob=blobs.put(b"PNG bytes"))
    odd = Picture(name="a.svg", media="image/svg+xml", blob=blobs.put(b"<svg/>"))
    call = calls(['{"text": "a"}'])
    server.replies = [call, HI, HI]
    seeing, blind = model(server), model(server, sees=False)
    seeing.blobs = blind.blobs = blobs
    first = seeing.generate(ASK, [TOOL], Sampling()).message
    result = Message(role="tool", content="r", call="toolu_0", pictures=(picture, odd))
    for one in (seeing, blind):
        one.generate([*ASK, first, result], [TOOL], Sampling())
    (seen,), (unseen,) = (body["messages"][2]["content"] for body in server.requests[1:])
    assert [part["type"] for part in seen["content"]] == ["text", "image"]
    assert base64.b64decode(seen["content"][1]["source"]["data"]) == b"PNG bytes"
    assert [part["type"] for part in unseen["content"]] == ["text"]
    assert server.refused == []


def test_an_answer_that_was_cut_off(server: Server) -> None:
    server.replies = [Said([("tool_use", ("t", "notes", ['{"text": "a']))], "max_tokens")]
    found = model(server).generate(ASK, [TOOL], Sampling())
    assert found.stop == "length"
    assert "length limit" in found.message.calls[0].problem


def test_a_pause_is_gone_on_with(server: Server) -> None:
    server.replies = [Said([("text", ["One. "])], "pause_turn"), Said([("text", ["Two."])])]
    found = model(server).generate(ASK, [], Sampling())
    assert found.message.content == "One. Two."
    assert server.requests[1]["messages"][-1]["role"] == "assistant"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (20, 2)


def test_a_refusal_is_said(server: Server) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "It looks like an attack."}
    server.replies = [Said([("text", ["I"])], "refusal", details=details)]
    with pytest.raises(ModelError, match="declined to answer: It looks like an attack"):
        model(server).generate(ASK, [], Sampling())


@pytest.mark.parametrize(
    "failed",
    [
        Failed(429, "rate_limit_error", headers={"retry-after": "0"}),
        Failed(529, "overloaded_error", "Overloaded"),
        Failed(500, "api_error"),
    ],
)
def test_what_may_pass_is_tried_again(server: Server, failed: Failed) -> None:
    server.replies = [failed, HI]
    assert model(server).generate(ASK, [], Sampling()).message.content == "Hello."
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("failed", "kind", "mend"),
    [
        (Failed(400, "invalid_request_error"), ModelError, "message"),
        (Failed(400, "invalid_request_error", "prompt is too long: 9 > 8"), TooLongError, "short"),
        (Failed(404, "not_found_error"), ModelError, "name"),
        (Failed(429, "rate_limit_error", headers={"retry-after": "4000"}), ModelError, "wait"),
        (Failed(529, "overloaded_error", headers={"x-should-retry": "false"}), ModelError, "later"),
    ],
)
def test_what_will_not_pass_is_not(
    server: Server, failed: Failed, kind: type[ModelError], mend: str
) -> None:
    server.replies = [failed, HI]
    with pytest.raises(ModelError, match=str(failed.status)) as caught:
        model(server).generate(ASK, [], Sampling())
    assert caught.type is kind
    assert mend in caught.value.mend
    assert len(server.requests) == 1


@pytest.mark.parametrize("error", [None, OVERLOADED])
def test_a_stream_that_breaks_is_asked_for_again_whole(server: Server, error: Any) -> None:
    server.replies = [Said(HI.blocks, breaks_after=4, error=error), HI]
    asked, heard = model(server), list[str]()
    asked.heard = heard.append
    found = asked.generate(ASK, [], Sampling())
    assert found.message.content == "Hello."
    assert heard[0] == "Hel"
    assert "the answer begins anew" in heard[1]
    assert heard[2:] == ["Hel", "lo."]
    assert found.usage.prompt_tokens == 20, "what broke off was paid for too"


def test_a_stream_that_keeps_breaking_is_an_error(server: Server) -> None:
    server.replies = [Said(HI.blocks, breaks_after=4)] * 2
    with pytest.raises(ModelError, match="broke off, 2 tries"):
        model(server).generate(ASK, [], Sampling())


def test_an_error_in_a_stream_that_will_not_pass_is_final(server: Server) -> None:
    error = {"type": "invalid_request_error", "message": "no such thing"}
    server.replies = [Said(HI.blocks, breaks_after=4, error=error), HI]
    with pytest.raises(ModelError, match="no such thing"):
        model(server).generate(ASK, [], Sampling())
    assert len(server.requests) == 1


def test_ctrl_c_stops_a_stream_at_once(server: Server) -> None:
    server.replies, server.gap_s = [Said([("text", ["x"] * 500)])], 0.05
    asked, began = model(server), time.monotonic()

    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    asked.heard = interrupted
    with pytest.raises(KeyboardInterrupt):
        asked.generate(ASK, [], Sampling())
    assert time.monotonic() - began < 15, "500 pieces take 25 s"
    assert server.left.wait(10), "the server goes on talking to nobody"


def test_a_temperature_is_refused_before_it_is_sent(server: Server) -> None:
    with pytest.raises(ModelError, match="takes no temperature"):
        model(server).generate(ASK, [], Sampling(temperature=0.5))
    assert server.requests == []


def test_the_key_is_asked_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong")
    with pytest.raises(ModelError, match="invalid x-api-key") as caught:
        model(server).generate(ASK, [], Sampling())
    assert "ANTHROPIC_API_KEY" in caught.value.mend
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(LackError, match="no key") as lacking:
        model(server).generate(ASK, [], Sampling())
    assert lacking.value.exit_status == 3


def test_the_server_is_strict() -> None:
    """The broken cases of the server itself."""
    right: dict[str, Any] = {
        "model": "m",
        "max_tokens": 9,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
    }
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    text = {"type": "text", "text": "a"}
    assert broken_rules(right) == []
    for change, says in (
        ({"seed": 1}, "Extra inputs"),
        ({"temperature": 0.5}, "Extra inputs"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": [{"role": "assistant", "content": [text]}]}, "first message"),
        ({"messages": [*right["messages"], {"role": "assistant", "content": []}]}, "non-empty"),
        (
            {
                "messages": [
                    *right["messages"],
                    {"role": "assistant", "content": [call]},
                    {"role": "user", "content": [text]},
                ]
            },
            "without tool_result",
        ),
        ({"system": [{**text, "cache_control": {"type": "ephemeral"}}] * 5}, "maximum of 4"),
    ):
        (said,) = broken_rules({**right, **change})
        assert says in said


def test_a_stream_without_an_end_is_no_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earnest.models.anthropic_parts.MOST_ANSWER", 3)
    server.replies = [HI]
    with pytest.raises(ModelError, match="more than 3 characters"):
        model(server).generate(ASK, [], Sampling())
    assert len(server.requests) == 1
