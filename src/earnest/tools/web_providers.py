"""Which search services a user may name, and how each is asked: `--web NAME`.

`search.json` in Earnest's own folder adds to, or goes before, the ones listed here:
`{"providers": {NAME: {"url": …, "method", "headers", "body", "results", "title", "link",
"snippet"}}}`, or `{NAME: {"preset": "searxng", "url": …}}`. `{query}` stands in the URL or in the
texts of the JSON body; so may `{page}` (from 1) or `{page0}` (from 0). What is found is named by
JSON pointers (RFC 6901): `results` in the answer, the others in each result. A key is `${VARIABLE}`
in a header, taken from the environment as it is sent, and stands nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from earnest.core.errors import LackError, UsageError

VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)*")
# What a recording keeps of a request's headers (`sandbox/exchanges.py`): no place for a key.
RECORDED: Final = re.compile(r"accept|cache-control|content-|if-|origin$|pragma|range$|user-agent")
_FIELDS: Final = ("url", "method", "headers", "body", "results", "title", "link", "snippet")
_TEXTS: Final = ("url", "method", "results", "title", "link", "snippet")

# Sources, read on 2026-11-26 as far as a search index had them; no test has asked the services.
# brave: api-dashboard.search.brave.com/api-reference/web/search/get (its page is `offset`, 0 to 9).
# tavily: docs.tavily.com/api-reference/introduction (at most 20 results, no pages).
# searxng: docs.searxng.org/dev/search_api (one's own server, with `json` among its formats).
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "brave": {
        "url": "https://api.search.brave.com/res/v1/web/search?q={query}&count=10&offset={page0}",
        "headers": {"X-Subscription-Token": "${BRAVE_API_KEY}"},
        "results": "/web/results",
        "snippet": "/description",
    },
    "tavily": {
        "url": "https://api.tavily.com/search",
        "method": "POST",
        "headers": {"Authorization": "Bearer ${TAVILY_API_KEY}"},
        "body": {"query": "{query}", "max_results": 20},
        "results": "/results",
        "snippet": "/content",
    },
    "searxng": {"results": "/results", "snippet": "/content"},
}


@dataclass(frozen=True)
class Provider:
    """A search service. `headers` hold names of variables, never their values."""

    name: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    results: str = "/results"
    title: str = "/title"
    link: str = "/url"
    snippet: str = "/snippet"

    @property
    def host(self) -> str:
        """The host, with the port where the URL has one: the one place that it may ask."""
        return urlsplit(self.url).netloc.lower()

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it needs."""
        found = (name for text in self.headers.values() for name in VARIABLE.findall(text))
        return tuple(dict.fromkeys(found))

    @property
    def paged(self) -> bool:
        """Whether the service itself is asked for a page."""
        written = self.url + json.dumps(self.body)
        return "{page}" in written or "{page0}" in written

    def keys(self) -> dict[str, str]:
        """Return the values of its variables. Raises `LackError` where one is not set."""
        found = {name: os.environ.get(name, "").strip() for name in self.variables}
        for name, value in found.items():
            if not value:
                raise LackError(
                    f"no key for web search by {self.name}: the variable {name} is not set",
                    mend=f"export {name}=… (your key)",
                )
        return found

    def asked(self, query: str, page: int) -> tuple[str, bytes]:
        """Return the URL and the body of a question."""
        words = {"{query}": query, "{page}": str(page), "{page0}": str(page - 1)}
        url = _filled(self.url, {mark: quote(word, safe="") for mark, word in words.items()})
        body = b"" if self.body is None else json.dumps(_in_all(self.body, words)).encode()
        return url, body


def _filled(text: str, words: Mapping[str, str]) -> str:
    """Fill all marks in at once, so that a query which has one in it is sent as it is."""
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


def _in_all(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        number = value in ("{page}", "{page0}")
        return int(words[value]) if number else _filled(value, words)
    if isinstance(value, Mapping):
        return {name: _in_all(inner, words) for name, inner in value.items()}
    return [_in_all(inner, words) for inner in value] if isinstance(value, list) else value


def read_provider(path: Path, name: str) -> Provider:
    """Return the provider that a user named: of their file, or a preset. Raises `UsageError`."""
    entries: Mapping[str, Any] = {}
    if path.exists():
        try:
            entries = dict(json.loads(path.read_bytes())["providers"])
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{path} is no list of search providers",
                mend='its form: {"providers": {"NAME": {"url": "https://…{query}…"}}}',
            ) from error
    if name not in entries and name not in PRESETS:
        known = ", ".join(dict.fromkeys([*entries, *PRESETS]))
        raise UsageError(
            f"no search provider {name!r}", mend=f"choose {known}, or describe it in {path}"
        )
    try:
        return _provider(name, entries.get(name, {"preset": name}))
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"search provider {name}: {error}", mend=f"put it right in {path}") from (
            error
        )


def _provider(name: str, entry: Mapping[str, Any]) -> Provider:
    """Return a provider from its entry. Raises `ValueError` and its like, for `read_provider`."""
    given = dict(entry)
    preset = given.pop("preset", None)
    if preset is not None and preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}: {', '.join(PRESETS)}")
    whole = {**PRESETS.get(preset or "", {}), **given}
    if not _NAME.fullmatch(name):
        raise ValueError("a name is 1 to 32 letters, digits, - and _")
    if unknown := sorted(set(whole) - set(_FIELDS)):
        raise ValueError(f"it has no {', '.join(unknown)}; it has {', '.join(_FIELDS)}")
    for key in _TEXTS:
        if not isinstance(whole.get(key, ""), str):
            raise TypeError(f"{key} is a text")
    headers = whole.get("headers", {})
    if not all(isinstance(part, str) for pair in headers.items() for part in pair):
        raise TypeError("headers are texts by name")
    found = Provider(name=name, **{"url": "", **whole, "headers": dict(headers)})
    _check(found)
    return found


def _check(provider: Provider) -> None:
    """Raise `ValueError` where a provider can't be asked, or its key would be written down."""
    parts = urlsplit(provider.url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError("give it a url: https://HOST/PATH?q={query}")
    written = json.dumps(provider.body)
    if provider.method not in ("GET", "POST") or (provider.method == "GET") != (written == "null"):
        raise ValueError("it is a GET without a body, or a POST with one")
    if "{query}" not in provider.url + written or "{" in parts.netloc:
        raise ValueError("{query} has to stand in the url's path or query, or in the body")
    if VARIABLE.search(provider.url) or VARIABLE.search(written):
        raise ValueError("a key can only stand in a header: URLs and bodies are recorded")
    for name, text in provider.headers.items():
        if VARIABLE.search(text) and RECORDED.match(name.lower()):
            raise ValueError(f"the header {name} is recorded: a key can't stand in it")
    if provider.variables and parts.scheme == "http" and not _own(parts.hostname or ""):
        raise ValueError("a key goes over https only, but to a loopback address")
    for what in ("results", "title", "link", "snippet"):
        if not _POINTER.fullmatch(getattr(provider, what)):
            raise ValueError(f"{what} is no JSON pointer, such as /web/results")


def _own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
