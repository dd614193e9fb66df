"""The `http` tool: one request to a host that the run may reach; data of this moment, recorded.

It goes the way that a jail's requests go (`sandbox/proxy.py`): the same list of hosts, the same
refusal of addresses that are not of the open internet, the same record, with its time.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote, urljoin, urlsplit

from pydantic import Field

from earnest.core.acts import Act, writes
from earnest.core.errors import ToolError
from earnest.core.messages import Observation, ToolSpec
from earnest.sandbox.exchanges import Answered, Asked, Headers, recorded_url
from earnest.sandbox.proxy_rules import DeniedError
from earnest.tools.arguments import Arguments, legible
from earnest.tools.files import Files
from earnest.tools.network import Network

_MOST: Final = 20_000
_MOST_UNPACKED: Final = 64 * 2**20
_HOPS: Final = 5
_MOVED: Final = (301, 302, 303, 307, 308)
_READING: Final = ("GET", "HEAD")
_TOLD: Final = ("content-type", "date", "last-modified", "etag", "retry-after", "link", "location")
_SAFE: Final = "%/:=&?~#+!$,;'@()*[]"


class _Http(Arguments):
    url: str = Field(min_length=8, max_length=4000, description="http:// or https://")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Mapping[str, str] = Field(default_factory=dict, description="Such as Accept.")
    body: str = Field(default="", max_length=2**20, description="Text; for POST, PUT, PATCH.")
    save: str = Field(
        default="", description="A path of your workspace that gets the answer's whole body."
    )
    timeout_s: float = Field(default=20.0, gt=0, le=30)

    @property
    def host(self) -> str:
        """The host and port as they stand in the URL."""
        return legible(urlsplit(self.url).netloc)[:300]


class HttpTool:
    """Makes a request, follows redirects to allowed hosts where it only reads, gives the answer.

    Not repeatable: what a POST did before a crash is not known.
    """

    repeatable: bool = False

    def __init__(self, net: Network, files: Files) -> None:
        self.net, self.files = net, files
        self.spec: ToolSpec = _Http.spec(
            "http",
            f"Ask a host over HTTP, for data of this moment: {', '.join(net.hosts)} only. You get "
            f"status, time and up to {_MOST} characters of the answer; `save` keeps all of it as a "
            "file for python. Each exchange is recorded.",
        )

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading from a host, or what may change something there. Raises `ToolError`."""
        asked = _http(arguments)
        reads = asked.method in _READING
        act = Act(
            kind="network-read" if reads else "network-change",
            what=f"{asked.method} {legible(recorded_url(asked.url))[:500]}",
            target=asked.host,
            reach="what the host is told by the request"
            if reads
            else "whatever the host lets this request change",
        )
        kept = writes("save the answer", asked.save) if asked.save else ()
        return (act, *kept)

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`; `BudgetError` where the bytes to save are not left."""
        asked = _http(arguments)
        name = self.files.own(asked.save) if asked.save else ""
        url, hops = asked.url, 0
        while True:
            answered, why = self._one(asked, url)
            at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            if why:
                raise ToolError(f"{asked.method} {recorded_url(url)}: {why}")
            there = _header(answered.headers, "location")
            if asked.method not in _READING or answered.status not in _MOVED or not there:
                break
            hops += 1
            if hops > _HOPS:
                raise ToolError(f"{asked.url} leads on more than {_HOPS} times")
            try:
                url = urljoin(url, there)
            except ValueError as error:
                raise ToolError(f"{recorded_url(url)} leads to what is no URL") from error
        body = unpacked(answered)
        said = [f"{answered.status} from {recorded_url(url)} at {at}, {len(body)} bytes"]
        said += [f"{key}: {value}" for key, value in answered.headers if key.lower() in _TOLD]
        if name:
            self.files.workspace.write(name, body)
            said.append(f"saved to {asked.save}")
        return Observation(
            content=legible("\n".join([*said, "", _text(body)])), failed=answered.status >= 400
        )

    def _one(self, asked: _Http, url: str) -> tuple[Answered, str]:
        """Make one request. Credentials go to no other host by a redirect, nor without TLS."""
        headers: Headers = tuple(asked.headers.items())
        if urlsplit(url)[:2] != urlsplit(asked.url)[:2]:
            headers = tuple((key, value) for key, value in headers if key.lower() == "accept")
        own = {key.lower() for key, _ in headers}
        more = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "earnest"}
        if asked.body:
            more["Content-Type"] = "application/json"
        headers += tuple((key, value) for key, value in more.items() if key.lower() not in own)
        plain = quote(url.partition("#")[0], safe=_SAFE)
        request = Asked(asked.method, plain, headers, asked.body.encode())
        try:
            return self.net.ask(request, asked.timeout_s)
        except DeniedError as error:
            raise ToolError(legible(str(error))) from error


def _http(arguments: Mapping[str, Any]) -> _Http:
    """Read a call. Raises `ToolError`."""
    asked = _Http.read(arguments)
    try:
        parts = urlsplit(asked.url)
        _ = parts.port
    except ValueError as error:
        raise ToolError(f"{asked.url[:300]!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ToolError(
            f"{asked.url[:300]!r} is no URL of a host",
            mend="write https://HOST/PATH, without a user",
        )
    if asked.body and asked.method in _READING:
        raise ToolError(f"a {asked.method} has no body", mend="use POST, or leave body out")
    return asked


def _header(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


def unpacked(answered: Answered) -> bytes:
    """Return a body without its content coding. Raises `ToolError`."""
    coding = _header(answered.headers, "content-encoding").lower().strip()
    if coding in ("", "identity") or not answered.body:
        return answered.body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ToolError(f"the answer is packed as {coding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        body = unpacker.decompress(answered.body, _MOST_UNPACKED)
    except zlib.error as error:
        raise ToolError("the answer can't be unpacked") from error
    if unpacker.unconsumed_tail:
        raise ToolError(f"the answer has more than {_MOST_UNPACKED} bytes, unpacked")
    return body


def _text(body: bytes) -> str:
    """Return the beginning of a body as text, and what else there is."""
    if b"\0" in body[:8192]:
        return f"[no text, beginning {body[:16].hex(' ')}; save it to look at it]"
    text = body[: 4 * _MOST].decode("utf-8", "replace")
    left = len(text) > _MOST or len(body) > 4 * _MOST
    more = "\n[more follows: save it, and read the file]" if left else ""
    return text[:_MOST] + more
