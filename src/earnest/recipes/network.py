"""A run's network: an allow-list of hosts, and the recording of all that passed, in its folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earnest.core.budget import Purse
from earnest.core.errors import BudgetError
from earnest.core.home import Home, write_whole
from earnest.sandbox.exchanges import Answered, Asked, Exchange, Exchanges
from earnest.tools.network import Network
from earnest.tools.web import WebSearch, scrubbed
from earnest.tools.web_providers import Provider

RECORDING = "exchanges.json"
OF_CODE = ("GET", "HEAD", "OPTIONS")
"""What a run's code may ask hosts for: what changes nothing there, as far as the protocol says."""


@dataclass
class _Kept(Exchanges):
    """A recording that is on disk before a program sees the answer."""

    path: Path = Path()
    hidden: tuple[str, ...] = ()
    """Keys of the user's, which are written down nowhere."""

    def record(self, asked: Asked, answered: Answered, **more: Any) -> Exchange:
        """Add an exchange, and write the recording."""
        if self.hidden:
            answered = self._without_keys(answered)
        exchange = super().record(asked, answered, **more)
        write_whole(self.path, self.to_bytes())
        return exchange

    def _without_keys(self, answered: Answered) -> Answered:
        told = [
            (name, scrubbed(value.encode("latin-1", "replace"), self.hidden).decode("latin-1"))
            for name, value in answered.headers
        ]
        return replace(answered, headers=tuple(told), body=scrubbed(answered.body, self.hidden))


@contextlib.contextmanager
def network(
    home: Home,
    run: str,
    hosts: Sequence[str],
    purse: Purse | None = None,
    web: Provider | None = None,
) -> Iterator[tuple[Network | None, WebSearch | None]]:
    """Yield a run's way to some hosts, None where there are none, and to a search service.

    A run that goes on finds what it fetched before in its recording. Each request that would reach
    a host is taken from the purse first. Only web search reaches the service's host, where it is
    not among `hosts`. Raises `UsageError` for a host that can't be listed, `LackError` without the
    package `cryptography`, or the service's key.
    """
    if not hosts and web is None:
        yield None, None
        return
    from earnest.sandbox.proxy import Proxy, ResumedProxy
    from earnest.sandbox.proxy_rules import DeniedError

    def admit() -> None:
        try:
            if purse is not None:
                purse.take("network_calls")
        except BudgetError as error:
            raise DeniedError(str(error)) from error

    path = home.runs / run / RECORDING
    before = Exchanges.from_bytes(path.read_bytes(), home.blobs).items if path.exists() else []
    hidden = tuple(web.keys().values()) if web else ()
    recording = _Kept(home.blobs, before, path=path, hidden=hidden)
    with contextlib.ExitStack() as stack:

        def made(
            kind: type[Proxy],
            by: str,
            methods: Sequence[str] | None = OF_CODE,
            reached: Sequence[str] = hosts,
        ) -> Any:
            proxy = kind(reached, recording, methods=methods, admit=admit, by=by)
            stack.callback(proxy.close)
            return proxy

        search = None
        if web is not None:
            search = WebSearch(web, made(Proxy, "web_search", (web.method,), (web.host,)).ask)
        if not hosts:
            yield None, search
            return
        cells = made(ResumedProxy, "python")
        net = Network(
            cells,
            tuple(hosts),
            cells.caught_up,
            made(Proxy, "shell"),
            made(Proxy, "http", None).ask,
            lambda: tuple(recording.items),
        )
        yield net, search
