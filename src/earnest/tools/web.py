"""The `web_search` tool: asks the one search service that the user chose for this run.

It goes the way of `http` (`sandbox/proxy.py`): recorded with its time, held to the run's purse; but
its list of hosts is the service's own host, which no other tool gets. What comes back is data, and
shown as that: a page of results, each a title, a link as text, and a few words.

The key is put in as it is sent. Recordings leave its header out; where a service says the key
back, it is taken out of what is recorded and shown.

Not covered: a key that is said back in another form (escaped, packed, in parts); what a service
makes of a query. Redirects are not followed.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from earnest.core.acts import Act
from earnest.core.errors import LackError, ToolError
from earnest.core.messages import Observation, ToolSpec
from earnest.core.quoted import unseen
from earnest.sandbox.exchanges import LEFT_OUT, Answered, Asked
from earnest.sandbox.proxy_rules import DeniedError
from earnest.tools.arguments import Arguments, legible
from earnest.tools.http import unpacked
from earnest.tools.network import Ask
from earnest.tools.web_providers import VARIABLE, Provider

_PAGE: Final = 10
_MOST: Final = 2 * 2**20
_TIMEOUT_S: Final = 20.0
_TITLE, _LINK, _SNIPPET = 200, 500, 500
_MARKUP: Final = re.compile(r"</?(?:strong|b|em|i|mark)>", re.IGNORECASE)
_KEY: Final = (401, 403)
_USED_UP: Final = (402, 429)
_MOVED: Final = range(300, 400)


class _Search(Arguments):
    query: str = Field(min_length=1, max_length=400)
    page: int = Field(default=1, ge=1, le=10, description=f"{_PAGE} results each, from 1.")


class WebSearch:
    """Asks a provider. Asked twice it changes nothing, so that a call may be made again."""

    repeatable: bool = True

    def __init__(self, provider: Provider, ask: Ask) -> None:
        self.provider, self._ask = provider, ask
        self.spec: ToolSpec = _Search.spec(
            "web_search",
            f"Search the web through {provider.host}: title, link and a few words of each result. "
            "The links are not fetched. Each exchange is recorded.",
        )

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading from the provider's host. Raises `ToolError`."""
        asked = _Search.read(arguments)
        what = f"search the web by {self.provider.name} for {_clean(asked.query, 400)!r}"
        reach = "what the host is told by the query; a paid service counts it"
        return (Act(kind="network-read", what=what, target=self.provider.host, reach=reach),)

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`."""
        asked = _Search.read(arguments)
        try:
            keys = self.provider.keys()
        except LackError as error:
            raise ToolError(str(error), mend=error.mend) from error
        answered = self._answer(asked, keys)
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        hidden = tuple(keys.values())
        if answered.status != 200:
            raise self._refused(answered, hidden)
        rows = self._rows(scrubbed(unpacked(answered), hidden))
        start = 0 if self.provider.paged else (asked.page - 1) * _PAGE
        shown = rows[start : start + _PAGE]
        if not shown:
            return Observation(content=f"{self.provider.host} has no results on page {asked.page}")
        first = (asked.page - 1) * _PAGE + 1
        said = [f"results {first} to {first + len(shown) - 1} from {self.provider.host} at {at}"]
        said += [self._told(number, row) for number, row in enumerate(shown, first)]
        if self.provider.paged or len(rows) > start + _PAGE:
            said.append(f"[for more: page={asked.page + 1}]")
        return Observation(content=legible("\n".join(said)))

    def _answer(self, asked: _Search, keys: Mapping[str, str]) -> Answered:
        """Ask. Raises `ToolError`."""
        url, body = self.provider.asked(asked.query, asked.page)
        given = {
            name: VARIABLE.sub(lambda found: keys[found[1]], text)
            for name, text in self.provider.headers.items()
        }
        more = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "earnest",
        } | ({"Content-Type": "application/json"} if body else {})
        own = {name.lower() for name in given}
        given |= {name: text for name, text in more.items() if name.lower() not in own}
        try:
            answered, why = self._ask(
                Asked(self.provider.method, url, tuple(given.items()), body), _TIMEOUT_S
            )
        except DeniedError as error:
            raise ToolError(legible(str(error))) from error
        if why:
            raise ToolError(f"web search: {legible(why)}")
        return answered

    def _refused(self, answered: Answered, hidden: Sequence[str]) -> ToolError:
        """Return what a status other than 200 means, and what would put it right."""
        host, status = self.provider.host, answered.status
        names = " or ".join(self.provider.variables)
        if status in _MOVED:
            return ToolError(
                f"{host} leads elsewhere ({status}), which is not followed",
                mend="put the right url into search.json",
            )
        words = _clean(scrubbed(answered.body[:2000], hidden).decode("utf-8", "replace"), 300)
        said = f"{host} answered {status}: {words}"
        if status in _KEY:
            key = f"the user has to set the right key in {names}" if names else "it asks for a key"
            return ToolError(said, mend=f"{key}, or let the service give out JSON")
        if status in _USED_UP:
            wait = next((v for k, v in answered.headers if k.lower() == "retry-after"), "")
            later = f"wait {_clean(wait, 40)} s" if wait else "wait"
            return ToolError(said, mend=f"{later}, or ask less: the quota may be used up")
        return ToolError(said, mend="try other words, or later")

    def _rows(self, body: bytes) -> list[Any]:
        """Return the results in an answer. Raises `ToolError`."""
        host, where = self.provider.host, self.provider.results
        if len(body) > _MOST:
            raise ToolError(f"the answer of {host} has more than {_MOST} bytes")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            words = _clean(body[:400].decode("utf-8", "replace"), 100)
            raise ToolError(f"the answer of {host} is no JSON: {words}") from error
        rows = pointed(answer, where)
        if not isinstance(rows, list):
            names = list(answer) if isinstance(answer, Mapping) else []
            has = _clean(", ".join(names[:10]), 200) or "no fields"
            raise ToolError(
                f"no results, or they lie elsewhere: {host} gave no list at {where} (it has {has})",
                mend='other words; if it is always so, "results" in search.json is wrong',
            )
        if rows and not any(isinstance(pointed(row, self.provider.link), str) for row in rows):
            raise ToolError(
                f"no result of {host} has a link at {self.provider.link}",
                mend='put "link" right in search.json',
            )
        return rows

    def _told(self, number: int, row: Any) -> str:
        """Return one result: title, link, words, each a line."""
        title, link, snippet = (
            value if isinstance(value, str) else ""
            for value in (
                pointed(row, where)
                for where in (self.provider.title, self.provider.link, self.provider.snippet)
            )
        )
        lines = [f"{number}. {_clean(title, _TITLE) or '(no title)'}", f"   {_address(link)}"]
        return "\n".join(
            [*lines, *([f"   {words}"] if (words := _clean(snippet, _SNIPPET)) else [])]
        )


def scrubbed(data: bytes, hidden: Sequence[str]) -> bytes:
    """Return bytes without the keys that a service said back."""
    for key in hidden:
        data = data.replace(key.encode(), LEFT_OUT.encode())
    return data


def pointed(value: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) leads to; None: nothing."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and len(name) < 9:
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def _clean(text: str, most: int) -> str:
    """Return text in one line, without markup for emphasis and what does not show; cut."""
    words = html.unescape(_MARKUP.sub("", text[: 10 * most]))
    words = " ".join("".join(" " if unseen(char) else char for char in words).split())
    return words if len(words) <= most else f"{words[:most]} …"


def _address(link: str) -> str:
    """Return a link as plain text; what is none of http or https is not shown."""
    try:
        there = urlsplit(link).scheme in ("http", "https") and link.isprintable()
    except ValueError:
        there = False
    return _clean(link, _LINK) if there and " " not in link else "(no web link)"
