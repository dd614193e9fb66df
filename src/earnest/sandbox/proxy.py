"""A jail's way to the network: an allow-list of hosts, and a record of all that passes.

A jail has no network of its own. It makes a listening socket on its loopback, hands it out, and
`Proxy`, in a trusted process outside, answers on it: it alone connects to anything, and nothing
reaches the program before it is recorded. `Replay` answers from a recording, without a network.
What is allowed, refused and recorded: `docs/network.md`.

Not covered: what HTTP/1.1 over TCP is not (UDP, WebSocket, HTTP/2, streams without an end: an
answer is read whole before it is passed on); TLS clients with a certificate or with pinned ones;
machines that are themselves behind a proxy. An allowed host can be told anything: the list says
where data may go, not which.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import RecordError
from earnest.sandbox.exchanges import (
    Answered,
    Asked,
    Exchange,
    Exchanges,
    Outcome,
    key_of,
    recorded_url,
)
from earnest.sandbox.proxy_front import AtOnceError, Front, ProxyLimits, own_answer
from earnest.sandbox.proxy_http import (
    MalformedError,
    Stream,
    TooMuchError,
    read_answer,
    request_bytes,
)
from earnest.sandbox.proxy_rules import AllowList, DeniedError, Target, literal, resolve, target

__all__ = ["Proxy", "ProxyLimits", "Replay", "ResumedProxy"]

_CONNECT_S: Final = 10.0
_MOST_ADDRESSES: Final = 4
_MOST_MISSED: Final = 100
_URL: Final = re.compile(r"(?i:(https?))://([^/?#]*)([/?][\x21\x22\x24-\x7e]*)?")
_METHOD: Final = re.compile(r"(?!CONNECT|TRACE)[A-Z][A-Z-]{0,31}")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8000}")
_OURS: Final = (
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "expect",
    "upgrade",
    "te",
)


class Proxy(Front):
    """Lets requests to allowed hosts through, and records every exchange.

    `allowed`: see `AllowList`, whose `UsageError` it raises. `recorder`: what is recorded goes
    there. `ca_file`: the authorities that servers are verified with; None: this machine's.
    `resolver`: (name, port) → addresses, raising `OSError`. `methods`: which requests may be made;
    None: any. `admit`: called before each request that would reach a host; it raises `DeniedError`
    where none may be made any more. `by`: who asks, for the record. `unrecorded`: answers that
    could not be recorded, and so were not given. Raises `LackError` without the package
    `cryptography`.
    """

    live = True

    def __init__(
        self,
        allowed: Sequence[str],
        recorder: Exchanges,
        *,
        limits: ProxyLimits | None = None,
        ca_file: Path | None = None,
        resolver: Callable[[str, int], Sequence[str]] = resolve,
        methods: Sequence[str] | None = None,
        admit: Callable[[], None] = lambda: None,
        by: str = "",
    ) -> None:
        self.recorder, self.by = recorder, by
        self.unrecorded = 0
        self._methods, self._admit = methods, admit
        self._allowed = AllowList(allowed)
        self._ca_file, self._resolver = ca_file, resolver
        self._trusted: ssl.SSLContext | None = None
        super().__init__(limits or ProxyLimits())

    def ask(self, asked: Asked, timeout_s: float | None = None) -> tuple[Answered, str]:
        """Make a request for a program that is in no jail, by the same rules, and record it.

        Returns the answer, and why it is not the server's (empty: it is). `timeout_s` shortens the
        time that an exchange may take. Raises `DeniedError` for one that can't be asked for, which
        is not recorded.
        """
        limit = self.limits.exchange_s
        end = time.monotonic() + (limit if timeout_s is None else min(limit, timeout_s))
        where, path = _apart(asked)
        asked = replace(asked, url=where.origin + path)
        try:
            self._permit(asked, where)
            if len(asked.body or b"") > self.limits.body_bytes:
                raise DeniedError(f"a body has more than {self.limits.body_bytes} bytes")
        except DeniedError as error:
            return self._refuse(asked, 403, error)
        return self._answer(asked, where, path, end)

    def _permit(self, asked: Asked, where: Target) -> None:
        self._allowed.permit(where)
        if self._methods is not None and asked.method not in (*self._methods, "CONNECT"):
            raise DeniedError(
                f"{asked.method} is not allowed here, which may change something at "
                f"{where.authority}: only {', '.join(self._methods)}"
            )

    def _refuse(self, asked: Asked, status: int, error: Exception) -> tuple[Answered, str]:
        denied = isinstance(error, DeniedError)
        address = error.address if isinstance(error, DeniedError) else ""
        return self._own(asked, "denied" if denied else "failed", status, str(error), address)

    def _answer(self, asked: Asked, where: Target, path: str, end: float) -> tuple[Answered, str]:
        try:
            self._admit()
            addresses = self._addresses(where)
            answered, address = self._fetch(asked, where, path, addresses, end)
        except DeniedError as error:
            return self._refuse(asked, 403, error)
        except TimeoutError:
            return self._own(asked, "failed", 504, f"{where.authority} took too long")
        except (MalformedError, TooMuchError) as error:
            words = f"the answer of {where.authority} can't be taken: {error}"
            return self._own(asked, "failed", 502, words)
        except OSError as error:
            return self._own(asked, "failed", 502, _words(where, error))
        return self._note(asked, answered, "answered", "", address)

    def _own(
        self, asked: Asked, outcome: Outcome, status: int, words: str, address: str = ""
    ) -> tuple[Answered, str]:
        return self._note(asked, own_answer(status, words), outcome, words, address)

    def _note(
        self, asked: Asked, answered: Answered, outcome: Outcome, reason: str, address: str
    ) -> tuple[Answered, str]:
        """Record an exchange; what can't be recorded is not passed on."""
        try:
            self.recorder.record(
                asked, answered, outcome=outcome, reason=reason, address=address, by=self.by
            )
        except (OSError, RecordError):
            with self._lock:
                self.unrecorded += 1
            words = "the exchange could not be recorded"
            return own_answer(502, words), words
        return answered, reason

    def _addresses(self, where: Target) -> list[str]:
        """Return the checked addresses of a target; it is connected at these and no other."""
        found = [] if literal(where.host) else self._resolver(where.host, where.port)
        return self._allowed.check(where, found)[:_MOST_ADDRESSES]

    def _fetch(
        self, asked: Asked, where: Target, path: str, addresses: Sequence[str], end: float
    ) -> tuple[Answered, str]:
        """Ask the server; return its answer and the address it has."""
        sock, address = self._connect(addresses, where.port, end)
        try:
            if where.scheme == "https":
                sock = self._verified(sock, where.host, end)
            stream = Stream(sock, end, self.budget.take)
            request = request_bytes(
                asked.method, path, where.authority, asked.headers, asked.body or b""
            )
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stream.send(request)  # it may have answered before it read all
            limits = self.limits
            return read_answer(stream, asked.method, limits.head_bytes, limits.body_bytes), address
        finally:
            self._drop(sock)

    def _connect(
        self, addresses: Sequence[str], port: int, end: float
    ) -> tuple[socket.socket, str]:
        """Connect at the first address that takes it. Raises `OSError`."""
        failed = OSError("it has no address")
        for address in addresses:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            try:
                self._hold(sock)
                sock.settimeout(max(0.001, min(_CONNECT_S, end - time.monotonic())))
                sock.connect((address, port))
            except OSError as error:
                self._drop(sock)
                failed = error
            else:
                return sock, address
        raise failed

    def _verified(self, sock: socket.socket, host: str, end: float) -> socket.socket:
        """Shake hands with a server whose certificate is good for the host. Raises `OSError`."""
        tls = self._trust().wrap_socket(
            sock,
            server_hostname=host,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,  # else a body without a length could be cut short unseen
        )
        try:
            self._hold(tls, instead=sock)
            Stream(tls, end).wait()
            tls.do_handshake()
        except BaseException:
            self._drop(tls)
            raise
        return tls

    def _trust(self) -> ssl.SSLContext:
        with self._lock:
            if self._trusted is None:
                context = ssl.create_default_context(cafile=self._ca_file)
                context.set_alpn_protocols(["http/1.1"])
                # Python tells OpenSSL 3 to take a broken connection for the end of the answer.
                context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
                self._trusted = context
            return self._trusted


class ResumedProxy(Proxy):
    """Answers what was asked before from the recording, each answer once; else as `Proxy`.

    For a run that goes on: what its cells fetched, their replay finds again. `caught_up` ends that.
    """

    def __init__(self, allowed: Sequence[str], recorder: Exchanges, **more: Any) -> None:
        """`recorder`: the recording so far, which is also added to; `more`: as for `Proxy`.

        What others asked (`by`) is not answered from it.
        """
        self._earlier: dict[tuple[str, str, str | None], deque[Exchange]] = {}
        super().__init__(allowed, recorder, **more)
        for exchange in recorder.items:
            if exchange.by in ("", self.by):
                self._earlier.setdefault(exchange.key, deque()).append(exchange)

    def caught_up(self) -> None:
        """Forget what is left of the recording: from here on everything is asked anew."""
        with self._lock:
            self._earlier.clear()

    def _answer(self, asked: Asked, where: Target, path: str, end: float) -> tuple[Answered, str]:
        with self._lock:
            queue = self._earlier.get(key_of(asked))
            found = queue.popleft() if queue else None
        if found is None:
            return super()._answer(asked, where, path, end)
        return self.recorder.answer(found), found.reason


def _apart(asked: Asked) -> tuple[Target, str]:
    """Return where a request goes, and its path with its query. Raises `DeniedError`."""
    found = _URL.fullmatch(asked.url)
    if not found or not _METHOD.fullmatch(asked.method) or "@" in found[2]:
        raise DeniedError(
            f"{asked.method[:40]} {asked.url[:300]!r} can't be asked for: name a method and "
            "http://HOST/PATH or https://HOST/PATH, spaces and the like as %20"
        )
    for name, value in asked.headers:
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)) or name.lower() in _OURS:
            raise DeniedError(f"the header {name[:60]!r} can't be sent")
    path = found[3] or "/"
    return target(found[1].lower(), found[2]), path if path.startswith("/") else f"/{path}"


def _words(where: Target, error: OSError) -> str:
    """Say why a server could not be asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {where.authority} can't be verified: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError) or "EOF" in str(getattr(error, "reason", "")):
        return f"{where.authority} broke off"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {where.authority}: {error.reason}"
    if isinstance(error, socket.gaierror):
        return f"the name {where.host} has no address"
    return f"{where.authority} can't be reached: {error.strerror or error}"


class Replay(Front):
    """Answers from a recording alone: the same method, URL and body get the same answer.

    Repeated requests get the answers in their recorded order, each once. `misses` counts what was
    asked and is not in the recording, `missed` says what (the first 100); those are answered
    with 504, and a replay with any is not the recorded run. Raises `LackError` without
    the package `cryptography`.
    """

    live = False

    def __init__(self, exchanges: Exchanges, *, limits: ProxyLimits | None = None) -> None:
        self.misses = 0
        self.missed: list[str] = []
        self._exchanges = exchanges
        self._waiting: dict[tuple[str, str, str | None], deque[Exchange]] = {}
        for exchange in exchanges.items:
            self._waiting.setdefault(exchange.key, deque()).append(exchange)
        self._origins = {
            "/".join(item.url.split("/")[:3])
            for item in exchanges.items
            if item.method not in ("CONNECT", "TLS")
        }
        super().__init__(limits or ProxyLimits())

    @property
    def left(self) -> int:
        """How many recorded exchanges were not asked for."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def _permit(self, asked: Asked, where: Target) -> None:
        if asked.method == "CONNECT" and where.origin not in self._origins:
            raise AtOnceError(*self._find(asked, key_of(asked)))

    def _refuse(self, asked: Asked, status: int, error: Exception) -> tuple[Answered, str]:  # noqa: ARG002
        method, url, _ = key_of(asked)
        return self._find(asked, (method, url, None))

    def _answer(self, asked: Asked, where: Target, path: str, end: float) -> tuple[Answered, str]:  # noqa: ARG002
        method, url, body = key_of(asked)
        return self._find(asked, (method, url, body), (method, url, None))

    def _find(self, asked: Asked, *keys: tuple[str, str, str | None]) -> tuple[Answered, str]:
        """Return the next answer recorded under the first of the keys that has one left."""
        with self._lock:
            queue = next((self._waiting[key] for key in keys if self._waiting.get(key)), None)
            found = queue.popleft() if queue else None
        if found:
            try:
                return self._exchanges.answer(found), found.reason
            except (RecordError, OSError):
                pass  # its body is gone: as good as not recorded
        line = f"{asked.method} {recorded_url(asked.url)}"[:1000]
        with self._lock:
            self.misses += 1
            if len(self.missed) < _MOST_MISSED:
                self.missed.append(line)
        words = f"{line} is not in the recording, or not with this body or this often"
        return own_answer(504, words), words
