"""Which search services can be named; every refusal stands beside what is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import LackError, UsageError
from earnest.sandbox import exchanges
from earnest.tools.web import pointed
from earnest.tools.web_providers import RECORDED, read_provider

MINE = {"url": "https://find.example/q?w={query}&p={page}", "results": "/hits"}


def read(tmp_path: Path, entry: Any, name: str = "mine") -> Any:
    path = tmp_path / "search.json"
    path.write_text(json.dumps({"providers": {name: entry}}))
    return read_provider(path, name)


def test_presets_need_no_file_and_fill_a_query_in(tmp_path: Path) -> None:
    brave = read_provider(tmp_path / "none.json", "brave")
    assert brave.host == "api.search.brave.com"
    assert brave.variables == ("BRAVE_API_KEY",)
    assert brave.paged
    url, body = brave.asked("a&b {page} é", 2)
    assert url.endswith("/search?q=a%26b%20%7Bpage%7D%20%C3%A9&count=10&offset=1")
    assert body == b""
    tavily = read_provider(tmp_path / "none.json", "tavily")
    url, body = tavily.asked('say "{page0}"', 1)
    assert json.loads(body) == {"query": 'say "{page0}"', "max_results": 20}
    assert (tavily.method, tavily.paged) == ("POST", False)


def test_a_service_of_ones_own_is_described_in_a_file(tmp_path: Path) -> None:
    mine = read(tmp_path, {**MINE, "headers": {"Authorization": "Bearer ${MY_KEY}"}})
    assert (mine.host, mine.results, mine.link) == ("find.example", "/hits", "/url")
    own = {"preset": "searxng", "url": "http://127.0.0.1:8888/search?q={query}&format=json"}
    assert read(tmp_path, own).snippet == "/content"
    body = {"w": "{query}", "n": "{page}", "more": ["{page0}", 1]}
    posted = read(tmp_path, {"url": "https://a.example/", "method": "POST", "body": body})
    assert json.loads(posted.asked("x", 3)[1]) == {"w": "x", "n": 3, "more": [2, 1]}
    # The user's own goes before a preset.
    assert read(tmp_path, MINE, "brave").host == "find.example"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "ftp://find.example/{query}"}, "give it a url"),
        ({"url": "https://user@find.example/{query}"}, "give it a url"),
        ({"url": "https://find.example/"}, "{query} has to stand"),
        ({"url": "https://{query}.example/"}, "{query} has to stand"),
        ({"url": "https://find.example/?q={query}&key=${KEY}"}, "only stand in a header"),
        ({"method": "POST", "body": {"q": "{query}", "key": "${KEY}"}}, "only stand in a header"),
        ({"headers": {"User-Agent": "${KEY}"}}, "is recorded"),
        ({"headers": {"X-Key": "${KEY}"}, "url": "http://find.example/?q={query}"}, "https only"),
        ({"method": "PUT"}, "GET without a body"),
        ({"method": "POST"}, "POST with one"),
        ({"body": {}}, "GET without a body"),
        ({"results": "hits"}, "no JSON pointer"),
        ({"link": 3}, "is a text"),
        ({"headers": {"a": 1}}, "headers are texts"),
        ({"headers": []}, "mine"),
        ({"preset": "nobody"}, "no preset"),
        ({"key": "abc"}, "it has no key"),
    ],
)  # fmt: skip
def test_what_can_t_be_asked_or_would_write_a_key_down_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    read(tmp_path, MINE)
    with pytest.raises(UsageError, match="mine") as caught:
        read(tmp_path, {**MINE, **change})
    assert words in str(caught.value)
    assert "search.json" in caught.value.mend


def test_a_name_that_is_none_and_a_file_that_is_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no search provider 'bing'") as caught:
        read_provider(tmp_path / "search.json", "bing")
    assert "brave" in caught.value.mend
    (tmp_path / "search.json").write_text("[]")
    with pytest.raises(UsageError, match="no list of search providers"):
        read_provider(tmp_path / "search.json", "brave")


def test_a_key_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brave = read_provider(tmp_path / "none", "brave")
    monkeypatch.delenv("BRAVE_API_KEY", raising=False)
    with pytest.raises(LackError, match="BRAVE_API_KEY is not set"):
        brave.keys()
    monkeypatch.setenv("BRAVE_API_KEY", " k\n")
    assert brave.keys() == {"BRAVE_API_KEY": "k"}
    assert "k" not in {brave.url, *brave.headers.values()}


def test_every_header_that_is_recorded_is_no_place_for_a_key() -> None:
    assert all(RECORDED.match(name) for name in exchanges._KEPT)
    assert not any(map(RECORDED.match, ("authorization", "x-subscription-token", "x-api-key")))


NAMES = st.text(max_size=3)


@given(
    st.recursive(
        st.none() | st.integers() | NAMES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=10,
    )
)
def test_a_pointer_leads_to_every_part_of_an_answer(value: Any) -> None:
    def walk(part: Any, pointer: str) -> None:
        assert pointed(value, pointer) == part
        inner = part if isinstance(part, dict) else {}
        inner = dict(enumerate(part)) if isinstance(part, list) else inner
        for name, one in inner.items():
            walk(one, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")

    walk(value, "")
    assert pointed(value, "/not/there/at/all") is None
