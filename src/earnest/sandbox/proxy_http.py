"""HTTP/1.1 as a proxy has to read it: strictly, within bounds, against a clock.

What two readers could take for two different messages is refused: bare line feeds, folded lines,
a length that stands twice or beside a transfer coding, any coding but `chunked`, chunk extensions.
Source: RFC 9110, RFC 9112.

Not covered: HTTP/2 and 3, trailers (read and dropped), upgrades (WebSocket), more than one exchange
a connection.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import responses
from typing import Final

from earnest.sandbox.exchanges import Answered, Headers

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_REQUEST: Final = re.compile(
    rb"(?:(?P<tunnel>CONNECT) (?P<authority>[\x21-\x7e]+) HTTP/1\.[01]"
    rb"|(?P<method>[A-Z][A-Z-]{0,31}) (?P<target>[\x21\x22\x24-\x7e]+) HTTP/1\.1)"
)
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_MOST_HEADERS: Final = 128
_MOST_INTERIM: Final = 8
_LONGEST_PHRASE: Final = 500
_READ: Final = 1 << 16
_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "alt-svc",
    }
)


class MalformedError(Exception):
    """Not HTTP/1.1 as it is read here. `status`: what a client is told."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class TooMuchError(Exception):
    """More bytes than may be exchanged; the message says which bound."""


@dataclass
class Budget:
    """Bytes that may still be read, for all connections together."""

    left: int
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, count: int) -> None:
        """Spend some. Raises `TooMuchError`."""
        with self._lock:
            self.left -= count
            if self.left < 0:
                raise TooMuchError("the job has exchanged as many bytes as it may")


class Stream:
    """A connected socket, read and written until a moment of `time.monotonic`.

    Every method raises `TimeoutError` after it, and `OSError` where the connection breaks.
    """

    def __init__(
        self, sock: socket.socket, deadline: float, take: Callable[[int], None] = lambda _: None
    ) -> None:
        self.sock, self.deadline, self._take = sock, deadline, take
        self.buffer = bytearray()

    def wait(self) -> None:
        """Give the socket the time that is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("it took too long")
        self.sock.settimeout(left)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        while view:
            self.wait()
            view = view[self.sock.send(view[:_READ]) :]

    def fill(self) -> bool:
        """Read some more; False at the end of the stream."""
        self.wait()
        data = self.sock.recv(_READ)
        self._take(len(data))
        self.buffer += data
        return bool(data)

    def line(self, most: int) -> bytes:
        """Return a line without its CR LF. Raises `MalformedError` beyond `most` bytes."""
        seen = 0
        while (end := self.buffer.find(b"\n", seen)) < 0:
            seen = len(self.buffer)
            if seen > most:
                break
            if not self.fill():
                raise MalformedError("the message is cut short")
        if end < 0 or end > most:
            raise MalformedError("a line is too long", 431)
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise MalformedError("a line does not end in CR LF")
        return line[:-1]

    def exactly(self, count: int) -> bytes:
        """Return so many bytes. Raises `MalformedError` where there are fewer."""
        while len(self.buffer) < count:
            if not self.fill():
                raise MalformedError("the body is cut short")
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def rest(self, most: int) -> bytes:
        """Return everything until the stream ends. Raises `TooMuchError` beyond `most` bytes."""
        while len(self.buffer) <= most:
            if not self.fill():
                data = bytes(self.buffer)
                self.buffer.clear()
                return data
        raise TooMuchError(f"a body has more than {most} bytes")


@dataclass(frozen=True)
class Head:
    """A message's first line, its words apart, and its headers."""

    first: tuple[str, ...]
    headers: Headers

    def all(self, name: str) -> list[str]:
        """Return every value of a header, by its lower-case name."""
        return [value for key, value in self.headers if key.lower() == name]

    def end_to_end(self) -> Headers:
        """Return the headers that are for the other end, without the body's length."""
        named = {
            word.strip().lower() for value in self.all("connection") for word in value.split(",")
        }
        return tuple(
            (key, value)
            for key, value in self.headers
            if key.lower() not in _HOP and key.lower() not in named
        )


def _fields(stream: Stream, most: int) -> Headers:
    """Read header lines until the empty one; `most` bytes in all."""
    found: list[tuple[str, str]] = []
    while line := stream.line(most):
        most -= len(line) + 2
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise MalformedError("a header is not `name: value` on one line")
        if len(found) >= _MOST_HEADERS:
            raise MalformedError(f"there are more than {_MOST_HEADERS} headers", 431)
        found.append((name.decode(), value.decode("latin-1")))
    return tuple(found)


def read_request(stream: Stream, most: int) -> Head:
    """Read a request's head of `most` bytes at most: method, target. Raises `MalformedError`.

    `CONNECT` may say HTTP/1.0, as Python's own client did until 3.11.
    """
    line = stream.line(most)
    found = _REQUEST.fullmatch(line)
    if not found:
        if re.fullmatch(rb"\S+ [^\s#]+ HTTP/\d(\.\d)?", line):
            raise MalformedError("only HTTP/1.1 is spoken here", 505)
        raise MalformedError("the first line is not METHOD TARGET HTTP/1.1")
    method, target = found["tunnel"] or found["method"], found["authority"] or found["target"]
    return Head((method.decode(), target.decode()), _fields(stream, most - len(line)))


def _bare(method: str, status: int) -> bool:
    """Say whether an answer has no body, whatever its headers say."""
    return method == "HEAD" or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


def _length(head: Head) -> int | None:
    """Return the length of a body; -1 where it is chunked, None where nothing is said."""
    codings, lengths = head.all("transfer-encoding"), head.all("content-length")
    if codings:
        if lengths:
            raise MalformedError("both a length and a transfer coding are given")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise MalformedError("the only transfer coding spoken here is chunked", 501)
        return -1
    if not lengths:
        return None
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise MalformedError("the body's length is not one number")
    return int(lengths[0])


def _chunked(stream: Stream, most: int) -> bytes:
    body = bytearray()  # pieces in a list would take up to thirty times their bytes
    while True:
        line = stream.line(32)
        if not _CHUNK.fullmatch(line):
            raise MalformedError("a chunk does not begin with its length alone")
        size = int(line, 16)
        if size == 0:
            _fields(stream, 4096)
            return bytes(body)
        if len(body) + size > most:
            raise TooMuchError(f"a body has more than {most} bytes")
        body += stream.exactly(size)
        if stream.line(2):
            raise MalformedError("a chunk is longer than it says")


def _sized(stream: Stream, size: int, most: int) -> bytes:
    if size < 0:
        return _chunked(stream, most)
    if size > most:
        raise TooMuchError(f"a body has more than {most} bytes")
    return stream.exactly(size)


def check_length(head: Head) -> None:
    """Raise `MalformedError` where a message does not say plainly where it ends."""
    _length(head)


def read_request_body(stream: Stream, head: Head, most: int) -> bytes:
    """Read a request's body. Raises `MalformedError`, `TooMuchError`."""
    size = _length(head)
    return _sized(stream, 0 if size is None else size, most)


def read_answer(stream: Stream, method: str, head_bytes: int, most: int) -> Answered:
    """Read a server's answer to a request, its body at most `most` bytes, chunks put together.

    Raises `MalformedError`, `TooMuchError`.
    """
    for _ in range(_MOST_INTERIM):
        line = stream.line(head_bytes)
        found = _STATUS.fullmatch(line)
        if not found:
            raise MalformedError("it does not begin as HTTP/1.1")
        head = Head((found[1].decode(),), _fields(stream, head_bytes - len(line)))
        status = int(found[1])
        if status >= 200:
            break
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise MalformedError("it changes the protocol")
    else:
        raise MalformedError("it never comes to an answer")
    size = _length(head)
    headers = head.end_to_end()
    if _bare(method, status):
        if size is not None and size >= 0 and method == "HEAD":
            headers += (("Content-Length", str(size)),)
        return Answered(status, headers)
    return Answered(
        status, headers, stream.rest(most) if size is None else _sized(stream, size, most)
    )


def request_bytes(method: str, path: str, host: str, headers: Headers, body: bytes) -> bytes:
    """Return a request as it is sent to a server: with our own `Host` and length."""
    kept = [(key, value) for key, value in headers if key.lower() not in ("host", "expect")]
    kept += [("Connection", "close")]
    if body or method in ("POST", "PUT", "PATCH"):
        kept.append(("Content-Length", str(len(body))))
    return _bytes(f"{method} {path} HTTP/1.1", (("Host", host), *kept)) + body


def answer_bytes(method: str, answer: Answered, phrase: str = "") -> bytes:
    """Return an answer as it is sent to a client; the connection ends after it."""
    phrase = phrase or responses.get(answer.status, "")
    headers = [*answer.headers, ("Connection", "close")]
    bare = _bare(method, answer.status)
    if not bare:
        headers.append(("Content-Length", str(len(answer.body))))
    clean = re.sub(r"[^\x20-\x7e]", "?", phrase[:_LONGEST_PHRASE])
    data = _bytes(f"HTTP/1.1 {answer.status} {clean}", tuple(headers))
    return data if bare else data + answer.body


def _bytes(first: str, headers: Headers) -> bytes:
    lines = [first, *(f"{key}: {value}" for key, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")
