"""HTTP/1.1 is read strictly: one reading or none."""

import contextlib
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.sandbox.exchanges import Answered
from earnest.sandbox.proxy_http import (
    Budget,
    MalformedError,
    Stream,
    TooMuchError,
    answer_bytes,
    read_answer,
    read_request,
    read_request_body,
)


def said(data: bytes, seconds: float = 5.0) -> Stream:
    ours, theirs = socket.socketpair()

    def send():
        with theirs, contextlib.suppress(OSError):
            theirs.sendall(data)

    threading.Thread(target=send, daemon=True).start()
    return Stream(ours, time.monotonic() + seconds)


def request(data: bytes, head: int = 2000, most: int = 1000):
    stream = said(data)
    with stream.sock:
        found = read_request(stream, head)
        return found, read_request_body(stream, found, most)


GOOD = [
    (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET", b"abc"),
    (
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0A\r\n0123456789\r\n"
        b"0\r\nT: 1\r\n\r\n",
        b"ab0123456789",
    ),
]


@pytest.mark.parametrize(("data", "body"), GOOD)
def test_plain_requests_are_read(data, body):
    assert request(data)[1] == body


def chunked(rest: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + rest


def with_headers(lines: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\nabc"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\rHost: c\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\n\r\n",
        with_headers(b"A : b\r\n"),
        with_headers(b"A: b\r\n folded\r\n"),
        with_headers(b": b\r\n"),
        with_headers(b"A\r\n"),
        with_headers(b"A: \x00\r\n"),
        with_headers(b"A: \x7f\r\n"),
        with_headers(b"Content-Length: 3\r\nContent-Length: 3\r\n"),
        with_headers(b"Content-Length: 3, 3\r\n"),
        with_headers(b"Content-Length: +3\r\n"),
        with_headers(b"Content-Length: 0x3\r\n"),
        with_headers("Content-Length: \uff13\r\n".encode()),
        with_headers(b"Content-Length:\r\n"),
        with_headers(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        with_headers(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
        with_headers(b"Transfer-Encoding: gzip, chunked\r\n"),
        with_headers(b"Transfer-Encoding: identity\r\n"),
        with_headers(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        with_headers(b"Transfer-Encoding: xchunked\r\n"),
        with_headers(b"Transfer-Encoding: \x0bchunked\r\n"),
        with_headers(b"Transfer-Encoding:\r\n"),
        with_headers(b"Content-Length: 4\r\n"),
        with_headers(b"A: b\r\n" * 200),
        with_headers(b"A: " + b"b" * 3000 + b"\r\n"),
        chunked(b"3;a=b\r\nabc\r\n0\r\n\r\n"),
        chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
        chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
        chunked(b"-1\r\nabc\r\n0\r\n\r\n"),
        chunked(b"\r\nabc\r\n0\r\n\r\n"),
        chunked(b"3\nabc\r\n0\r\n\r\n"),
        chunked(b"2\r\nabc\r\n0\r\n\r\n"),
        chunked(b"3\r\nabc0\r\n\r\n"),
        chunked(b"000000003\r\nabc\r\n0\r\n\r\n"),
        chunked(b"3\r\nabc\r\n"),
        chunked(b"3\r\nabc\r\n0\r\n"),
        b"GET / HTTP/1.1\r\nHost:",
        b"GET /" + b"a" * 5000,
        b"",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data):
    with pytest.raises(MalformedError):
        request(data)


@pytest.mark.parametrize(
    "data",
    [
        with_headers(b"Content-Length: 1001\r\n"),
        chunked(b"3E9\r\n"),
        chunked(b"3E8\r\n" + b"a" * 1000 + b"\r\n1\r\na\r\n0\r\n\r\n"),
    ],
)
def test_a_body_beyond_the_bound_is_refused(data):
    with pytest.raises(TooMuchError):
        request(data)


def answer(data: bytes, method: str = "GET", most: int = 100):
    stream = said(data)
    with stream.sock:
        return read_answer(stream, method, 1000, most)


def test_answers_are_read_with_and_without_a_length():
    assert answer(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").body == b"until the end"
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc").body == b"ab"
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204\r\n\r\nmore"
    assert (answer(early).status, answer(early).body) == (204, b"")
    assert answer(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").body == b""


def test_an_answer_to_head_keeps_its_length():
    found = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD")
    assert found.headers == (("Content-Length", "9"),)
    assert answer_bytes("HEAD", found).count(b"Content-Length") == 1
    assert answer_bytes("HEAD", found).endswith(b"\r\n\r\n")


def test_what_is_between_two_hops_is_not_passed_on():
    data = (
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
        b"Upgrade: h2c\r\nAlt-Svc: h3\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer(data).headers == (("X-Kept", "1"),)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + b"HTTP/1.1 200 OK\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_is_none_is_refused(data):
    with pytest.raises(MalformedError):
        answer(data)


def test_an_answer_without_an_end_is_refused():
    with pytest.raises(TooMuchError):
        answer(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 101)


def test_a_silent_other_end_costs_its_time_only():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"GET / HT")
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            read_request(Stream(ours, start + 0.2), 100)
        assert time.monotonic() - start < 20


def test_a_budget_is_spent_once():
    budget = Budget(10)
    budget.take(6)
    budget.take(4)
    with pytest.raises(TooMuchError):
        budget.take(1)


def test_a_phrase_can_not_add_a_header():
    data = answer_bytes("GET", Answered(403), "no\r\nX-Added: 1")
    assert b"\r\nX-Added" not in data


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(MalformedError, TooMuchError):
        request(b"POST / HTTP/1.1\r\n" + data)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5))
def test_chunks_are_put_together(parts):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    assert request(chunked(body + b"0\r\n\r\n"))[1] == b"".join(parts)
