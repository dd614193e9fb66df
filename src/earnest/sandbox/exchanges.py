"""The record of what a program exchanged with the network: what a verifier replays.

An exchange is one request and its answer. Bodies are content-addressed blobs; the rest is canonical
JSON, so that a recording has bytes and a hash of its own. An answer that the proxy gave itself (a
refusal, a failure) is an exchange as well, so that a replay is the same for the program.

Credentials stay out. Of a request only the headers in `_KEPT` are recorded; of an answer all but
those that look like credentials; for the others their names, under "left out". In a URL, also that
of a redirect, the value of a parameter that is named like a credential becomes `(left-out)`.

Not covered: a credential in a path, in a body or under another name is recorded. Two URLs that
differ in a left-out value only are one URL for a replay.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args
from urllib.parse import unquote

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import RecordError
from earnest.core.protocols import Blobs

Headers = tuple[tuple[str, str], ...]
Outcome = Literal["answered", "denied", "failed"]

LEFT_OUT: Final = "(left-out)"
_RECORD, _VERSION = "exchanges", 2
_SINCE_2: Final = ("at", "by")
_KEPT: Final = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-encoding",
        "content-language",
        "content-type",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "origin",
        "pragma",
        "range",
        "user-agent",
    }
)
_SECRET: Final = re.compile(
    r"auth|cookie|credential|passw|secret|session|signature|token|api[-_.]?key|access[-_.]?key"
)
_SECRET_PARAMETERS: Final = frozenset(
    {
        "accesskey",
        "accesstoken",
        "apikey",
        "appid",
        "appkey",
        "auth",
        "authorization",
        "authtoken",
        "awsaccesskeyid",
        "clientsecret",
        "credential",
        "credentials",
        "idtoken",
        "key",
        "passwd",
        "password",
        "pwd",
        "refreshtoken",
        "secret",
        "sessionid",
        "sig",
        "signature",
        "subscriptionkey",
        "token",
        "xamzcredential",
        "xamzsecuritytoken",
        "xamzsignature",
        "xgoogcredential",
        "xgoogsignature",
    }
)
_URLS: Final = ("location", "content-location")
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Asked:
    """A request. `body` is None where it was refused before its body was read."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes | None = None


@dataclass(frozen=True)
class Answered:
    """What came back; of the body, transfer codings are undone and content codings are not."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True)
class Exchange:
    """One exchange as it is recorded. Bodies are named by their hashes.

    `outcome`: `answered` by the server; `denied` by the rules; `failed` on the way. `reason` says
    why in words where it was not answered. `address`: the one that was connected to, or "".
    `at`: when the answer was there (UTC, ISO 8601); `by`: who asked. Both are "" in recordings of
    version 1.
    """

    outcome: Outcome
    reason: str
    method: str
    url: str
    request_headers: Headers
    request_left_out: tuple[str, ...]
    request_body: str | None
    status: int
    response_headers: Headers
    response_left_out: tuple[str, ...]
    response_body: str
    address: str
    at: str = ""
    by: str = ""

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What a replay finds it by."""
        return self.method, self.url, self.request_body


def recorded_url(url: str) -> str:
    """Return a URL as it is recorded: without fragment and without credentials in its query."""
    path, mark, query = url.partition("#")[0].partition("?")
    parts = re.split(r"([&;])", query)
    for at, part in enumerate(parts):
        name, equals, _ = part.partition("=")
        if equals and re.sub(r"[^a-z]", "", unquote(name).lower()) in _SECRET_PARAMETERS:
            parts[at] = f"{name}={LEFT_OUT}"
    return f"{path}{mark}{''.join(parts)}"


def _parted(headers: Headers, *, request: bool) -> tuple[Headers, tuple[str, ...]]:
    """Return the headers that are recorded, and the names of those that are left out."""
    kept: list[tuple[str, str]] = []
    left: list[str] = []
    for name, value in headers:
        low = name.lower()
        if low in _KEPT if request else not _SECRET.search(low):
            kept.append((name, recorded_url(value) if low in _URLS else value))
        else:
            left.append(low)
    return tuple(kept), tuple(left)


def key_of(asked: Asked) -> tuple[str, str, str | None]:
    """Return what a replay finds the exchange of a request by."""
    body = None if asked.body is None else digest(asked.body)
    return asked.method, recorded_url(asked.url), body


@dataclass
class Exchanges:
    """A recording, in the order of the answers. Several threads may add to it.

    `blobs`: where the bodies go and come from.
    """

    blobs: Blobs
    items: list[Exchange] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def record(
        self,
        asked: Asked,
        answered: Answered,
        *,
        outcome: Outcome = "answered",
        reason: str = "",
        address: str = "",
        by: str = "",
    ) -> Exchange:
        """Add an exchange and return it. Raises what the blobs raise where a body can't be kept."""
        asked_kept, asked_left = _parted(asked.headers, request=True)
        kept, left = _parted(answered.headers, request=False)
        exchange = Exchange(
            outcome=outcome,
            reason=reason,
            method=asked.method,
            url=recorded_url(asked.url),
            request_headers=asked_kept,
            request_left_out=asked_left,
            request_body=None if asked.body is None else self.blobs.put(asked.body),
            status=answered.status,
            response_headers=kept,
            response_left_out=left,
            response_body=self.blobs.put(answered.body),
            address=address,
            at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            by=by,
        )
        with self._lock:
            self.items.append(exchange)
        return exchange

    def answer(self, exchange: Exchange) -> Answered:
        """Return a recorded answer. Raises `RecordError` where its body is gone or changed."""
        body = self.blobs.get(exchange.response_body)
        return Answered(exchange.status, exchange.response_headers, body)

    def to_bytes(self) -> bytes:
        """Return the recording's canonical bytes; the bodies are not among them."""
        with self._lock:
            items = [asdict(item) for item in self.items]
        return canonical({"record": _RECORD, "version": _VERSION, "exchanges": items})

    @property
    def id(self) -> str:
        """`sha256:` of the canonical bytes, and through them of every body."""
        return digest(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes, blobs: Blobs, *, expect: str = "") -> Exchanges:
        """Read a recording back; with `expect`, re-verify its hash first. Raises `RecordError`."""
        if expect and digest(data) != expect:
            raise RecordError(f"the bytes of {expect} have changed: they hash to {digest(data)}")
        found = parse(data)
        if not isinstance(found, Mapping) or set(found) != {"record", "version", "exchanges"}:
            raise RecordError(f"not {_RECORD}")
        if found["record"] != _RECORD or found["version"] not in (1, _VERSION):
            raise RecordError(
                f"expected {_RECORD} {_VERSION}, got {found['record']} {found['version']}"
            )
        new = {} if found["version"] == _VERSION else dict.fromkeys(_SINCE_2, "")
        items = [_read(item, new) for item in _sequence(found["exchanges"])]
        return cls(blobs, items)


def _sequence(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise RecordError(f"not a list in {_RECORD}: {str(value)[:80]!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RecordError(f"not text in {_RECORD}: {str(value)[:80]!r}")
    return value


def _headers(value: Any) -> Headers:
    pairs = [_sequence(pair) for pair in _sequence(value)]
    if any(len(pair) != 2 for pair in pairs):
        raise RecordError("a header is a name and a value")
    return tuple((_text(name), _text(content)) for name, content in pairs)


def _names(value: Iterable[Any]) -> tuple[str, ...]:
    return tuple(_text(item) for item in _sequence(value))


def _hash(value: Any) -> str:
    if not _HASH.fullmatch(_text(value)):
        raise RecordError(f"not a hash: {value[:80]!r}")
    return str(value)


def _read(item: Any, new: Mapping[str, str]) -> Exchange:
    """Read one exchange; `new`: fields that its version lacks. Raises `RecordError`."""
    names = {part.name for part in fields(Exchange)} - set(new)
    if not isinstance(item, Mapping) or set(item) != names:
        raise RecordError("not an exchange")
    item = {**item, **new}
    status, outcome, asked_body = item["status"], item["outcome"], item["request_body"]
    if type(status) is not int or not 100 <= status <= 599 or outcome not in get_args(Outcome):
        raise RecordError(f"no exchange is {outcome!r} with status {status!r}")
    return Exchange(
        outcome=outcome,
        reason=_text(item["reason"]),
        method=_text(item["method"]),
        url=_text(item["url"]),
        request_headers=_headers(item["request_headers"]),
        request_left_out=_names(item["request_left_out"]),
        request_body=None if asked_body is None else _hash(asked_body),
        status=status,
        response_headers=_headers(item["response_headers"]),
        response_left_out=_names(item["response_left_out"]),
        response_body=_hash(item["response_body"]),
        address=_text(item["address"]),
        at=_text(item["at"]),
        by=_text(item["by"]),
    )
