"""The client's side of a proxy: connections from a jail, one exchange each, within bounds.

The listener comes from a jail and its other holder may be hostile: it can take connections away,
end the listener or change its flags, and harms itself only.

Not covered: a look-up of a name that hangs keeps its thread until the machine's resolver gives up,
`close` or not.
"""

from __future__ import annotations

import contextlib
import errno
import re
import selectors
import socket
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from earnest.core.errors import SandboxError
from earnest.sandbox.exchanges import Answered, Asked
from earnest.sandbox.proxy_certificates import Authority
from earnest.sandbox.proxy_http import (
    Budget,
    Head,
    MalformedError,
    Stream,
    TooMuchError,
    answer_bytes,
    check_length,
    read_request,
    read_request_body,
)
from earnest.sandbox.proxy_rules import DeniedError, Target, target

_ABSOLUTE: Final = re.compile(r"(?i:http)://([^/?]*)(.*)")
_SHORT_S: Final = 0.1
_SEND_S: Final = 10.0
_LINGER_S: Final = 1.0
_LINGER_BYTES: Final = 1 << 20
_CLOSE_S: Final = 5.0
_TOLD: Final = 100  # connections beyond the bound that are still told why
_NO_LINGER: Final = struct.pack("ii", 0, 0)


@dataclass(frozen=True)
class ProxyLimits:
    """Bounds of one proxy: counts, bytes, seconds.

    `exchanges`: in all, refused ones included. `connections`: at a time. `body_bytes`,
    `head_bytes`: of one message. `total_bytes`: read from both sides, in all. `head_s`: until the
    head of a request has come; `exchange_s`: for an exchange as a whole.
    """

    exchanges: int = 1000
    body_bytes: int = 16 << 20
    total_bytes: int = 256 << 20
    head_bytes: int = 32 << 10
    head_s: float = 10.0
    exchange_s: float = 30.0
    connections: int = 16


class AtOnceError(Exception):
    """Ends an exchange with this answer."""

    def __init__(self, answered: Answered, phrase: str) -> None:
        super().__init__(phrase)
        self.answered, self.phrase = answered, phrase


def own_answer(status: int, words: str) -> Answered:
    """Return an answer in the proxy's own words."""
    headers = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
    return Answered(status, headers, f"earnest's proxy: {words}\n".encode())


@dataclass
class _Talk:
    """One connection. `asked` is set as soon as it is known what is asked for."""

    number: int
    stream: Stream
    end: float
    asked: Asked | None = None
    method: str = "GET"


class Front(ABC):
    """What `Proxy` and `Replay` share. `certificate`: the PEM of the authority a jail must trust.

    `malformed`: how many connections brought no request that can be read; they are answered with
    400 or closed, lead nowhere and are not recorded. Raises `LackError` without `cryptography`.
    """

    def __init__(self, limits: ProxyLimits) -> None:
        self.limits = limits
        self._authority = Authority()
        self.certificate = self._authority.certificate
        self.malformed = 0
        self.budget = Budget(limits.total_bytes)
        self._slots = threading.Semaphore(limits.connections)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._wake, self._waker = socket.socketpair()  # closing one wakes who waits for the other
        self._live: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._begun = 0

    @abstractmethod
    def _permit(self, asked: Asked, where: Target) -> None:
        """Raise `DeniedError` or `AtOnceError` where nothing more is to be read."""

    @abstractmethod
    def _refuse(self, asked: Asked, status: int, error: Exception) -> tuple[Answered, str]:
        """Return the answer to a request that is refused, and its phrase."""

    @abstractmethod
    def _answer(self, asked: Asked, where: Target, path: str, end: float) -> tuple[Answered, str]:
        """Return the answer to a request that may be made, and its phrase. Raises nothing."""

    def serve(self, listener: socket.socket) -> None:
        """Take connections from a listening TCP socket, which is this object's from now on.

        May be called for several. Raises `SandboxError` where it is none.
        """
        ip = listener.family in (socket.AF_INET, socket.AF_INET6)
        stream = listener.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        if not ip or not stream or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise SandboxError("the proxy was given something else than a listening TCP socket")
        listener.setblocking(False)
        try:
            self._hold(listener)
        except OSError as error:
            self._drop(listener)
            raise SandboxError("the proxy is closed") from error
        if not self._start(self._listen, listener):
            self._drop(listener)
            raise SandboxError("the proxy can't start a thread")

    def close(self) -> None:
        """End everything: listeners, connections, threads. May be called again."""
        with self._lock:
            self._closed.set()
            for sock in self._live:
                _cut(sock)
            threads = list(self._threads)
        self._waker.close()
        for _ in threads:
            self._slots.release()
        end = time.monotonic() + _CLOSE_S
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        if not any(thread.is_alive() for thread in threads):
            self._wake.close()

    def _start(self, work: Callable[[socket.socket], None], sock: socket.socket) -> bool:
        """Work on a socket in a thread of its own; False where none is to be had."""

        def run() -> None:
            try:
                work(sock)
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, daemon=True, name="earnest-proxy")
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads.discard(thread)
            return False
        return True

    def _hold(self, sock: socket.socket, instead: socket.socket | None = None) -> None:
        """Remember a socket, to cut it on `close`. Raises `OSError` where that was called."""
        with self._lock:
            if instead:
                self._live.discard(instead)
            self._live.add(sock)
            if self._closed.is_set():
                raise OSError(errno.ECANCELED, "the proxy is closed")

    def _drop(self, sock: socket.socket) -> None:
        with self._lock:
            self._live.discard(sock)
            sock.close()

    def _listen(self, listener: socket.socket) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(listener, selectors.EVENT_READ)
                selector.register(self._wake, selectors.EVENT_READ)
                while not self._closed.is_set() and self._begun < self.limits.exchanges + _TOLD:
                    selector.select()
                    self._slots.acquire()
                    if self._closed.is_set() or not self._accept(listener):
                        break
        finally:
            self._drop(listener)

    def _accept(self, listener: socket.socket) -> bool:
        """Start on the next connection, in a slot that is taken. False: there will be no more."""
        try:
            sock, _ = listener.accept()
        except OSError as error:
            self._slots.release()
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._closed.wait(_SHORT_S)
            return error.errno not in (errno.EINVAL, errno.EBADF)
        with self._lock:
            self._begun += 1
            number = self._begun
        if not self._start(partial(self._connection, number), sock):
            sock.close()
            self._slots.release()
        return True

    def _connection(self, number: int, sock: socket.socket) -> None:
        now = time.monotonic()
        stream = Stream(sock, now + self.limits.head_s, self.budget.take)
        talk = _Talk(number, stream, now + self.limits.exchange_s)
        try:
            self._hold(sock)
            # A listener hands its settings down; to linger would let a jail hold this thread.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            answered, phrase = self._converse(talk)
            if isinstance(talk.stream.sock, ssl.SSLSocket) and not talk.stream.sock.version():
                return  # there was no handshake: nothing can be said
            talk.stream.deadline = time.monotonic() + _SEND_S
            talk.stream.send(answer_bytes(talk.method, answered, phrase))
            _part(talk.stream.sock)
        except OSError:  # it went away, or `close` was called
            pass
        finally:
            self._drop(talk.stream.sock)
            self._slots.release()

    def _converse(self, talk: _Talk) -> tuple[Answered, str]:
        """Read a request; return its answer. Raises `OSError` where no one is there to answer."""
        try:
            return self._request(talk)
        except AtOnceError as done:
            return done.answered, done.phrase
        except (DeniedError, TooMuchError) as error:
            status = 403 if isinstance(error, DeniedError) else 413
            if talk.asked:
                return self._refuse(talk.asked, status, error)
            return own_answer(status, str(error)), str(error)
        except MalformedError as error:
            self._count_malformed()
            return own_answer(error.status, str(error)), str(error)
        except TimeoutError:
            self._count_malformed()
            return own_answer(408, "the request did not come in time"), ""
        except OSError:
            self._count_malformed()
            raise

    def _count_malformed(self) -> None:
        with self._lock:
            self.malformed += 1

    def _request(self, talk: _Talk) -> tuple[Answered, str]:
        if talk.number > self.limits.exchanges:
            words = f"the job has had the {self.limits.exchanges} exchanges that it may have"
            raise AtOnceError(own_answer(429, words), words)
        head = read_request(talk.stream, self.limits.head_bytes)
        if head.first[0] == "CONNECT":
            where = self._tunnel(talk, head)
            head = read_request(talk.stream, self.limits.head_bytes)
            path = head.first[1]
        else:
            where, path = self._absolute(talk, head)
        method = talk.method = head.first[0]
        if method in ("CONNECT", "TRACE"):
            raise MalformedError(f"{method} is not spoken here", 405)
        if not path.startswith("/"):
            raise MalformedError("the target is not a path")
        check_length(head)
        asked = talk.asked = Asked(method, where.origin + path, head.end_to_end())
        _agree(head, where)
        self._permit(asked, where)
        talk.stream.deadline = talk.end
        if expected := head.all("expect"):
            if [word.lower() for word in expected] != ["100-continue"]:
                raise MalformedError("nothing but 100-continue can be expected", 417)
            talk.stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = read_request_body(talk.stream, head, self.limits.body_bytes)
        asked = talk.asked = replace(asked, body=body)
        return self._answer(asked, where, path, talk.end)

    def _absolute(self, talk: _Talk, head: Head) -> tuple[Target, str]:
        """Return where an absolute `http:` URL leads, and its path with its query."""
        found = _ABSOLUTE.fullmatch(head.first[1])
        if not found:
            raise MalformedError("ask a proxy for http://HOST/PATH, or for CONNECT HOST:PORT")
        path = found[2] if found[2].startswith("/") else "/" + found[2]
        _no_user(found[1])
        talk.asked = Asked(head.first[0], f"http://{found[1]}{path}")
        return target("http", found[1]), path

    def _tunnel(self, talk: _Talk, head: Head) -> Target:
        """Take up a `CONNECT`: from then on this end is the server, with a certificate of ours."""
        authority = head.first[1]
        _no_user(authority)
        talk.method, talk.asked = "CONNECT", Asked("CONNECT", "https://" + authority)
        where = target("https", authority)
        talk.asked = Asked("CONNECT", where.origin)
        if head.all("host"):
            _agree(head, where)
        if head.all("content-length") or head.all("transfer-encoding") or talk.stream.buffer:
            raise MalformedError("nothing may follow a CONNECT before it is answered")
        self._permit(talk.asked, where)
        talk.stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        talk.asked, talk.method = None, "GET"
        context = self._authority.context(where.host)
        self._authority.heard.name = None
        try:
            self._secure(talk, context)
        finally:
            name = self._authority.heard.name
            if name is not None and name.lower() != where.host:
                talk.asked = Asked("TLS", f"https://{name}")
                raise DeniedError(f"TLS names {name[:300]}, but the tunnel leads to {where.host}")
        return where

    def _secure(self, talk: _Talk, context: ssl.SSLContext) -> None:
        """Shake hands with a client. Raises `OSError`."""
        plain = talk.stream
        tls = context.wrap_socket(plain.sock, server_side=True, do_handshake_on_connect=False)
        talk.stream = Stream(tls, plain.deadline, self.budget.take)
        self._hold(tls, instead=plain.sock)
        talk.stream.wait()
        tls.do_handshake()


def _no_user(authority: str) -> None:
    if "@" in authority:
        raise MalformedError("a URL with a user or a password in it is not taken")


def _agree(head: Head, where: Target) -> None:
    """Raise where the `Host` header names another place than the request goes to."""
    hosts = head.all("host")
    if len(hosts) != 1:
        raise MalformedError("there is not one Host header")
    if target(where.scheme, hosts[0]) != where:
        raise DeniedError(
            f"the Host header names {hosts[0][:300]}, but the request goes to {where.authority}"
        )


def _cut(sock: socket.socket) -> None:
    """End a socket's traffic from another thread; whoever waits for it wakes up."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the TLS one's own would race


def _part(sock: socket.socket) -> None:
    """End a connection so that what was sent last arrives: read on for a moment."""
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(0)
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()
    sock.shutdown(socket.SHUT_WR)
    end, left = time.monotonic() + _LINGER_S, _LINGER_BYTES
    while left > 0 and (wait := end - time.monotonic()) > 0:
        sock.settimeout(wait)
        data = sock.recv(1 << 16)
        if not data:
            return
        left -= len(data)
