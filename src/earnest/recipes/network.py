"""A run's network: an allow-list of hosts, and the recording of all that passed, in its folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earnest.core.budget import Purse
from earnest.core.errors import BudgetError
from earnest.core.home import Home, write_whole
from earnest.sandbox.exchanges import Exchange, Exchanges
from earnest.tools.network import Network

RECORDING = "exchanges.json"
OF_CODE = ("GET", "HEAD", "OPTIONS")
"""What a run's code may ask hosts for: what changes nothing there, as far as the protocol says."""


@dataclass
class _Kept(Exchanges):
    """A recording that is on disk before a program sees the answer."""

    path: Path = Path()

    def record(self, *words: Any, **more: Any) -> Exchange:
        """Add an exchange, and write the recording."""
        exchange = super().record(*words, **more)
        write_whole(self.path, self.to_bytes())
        return exchange


@contextlib.contextmanager
def network(
    home: Home, run: str, hosts: Sequence[str], purse: Purse | None = None
) -> Iterator[Network | None]:
    """Yield a run's way to some hosts; None where there are none.

    A run that goes on finds what it fetched before in its recording. Each request that would reach
    a host is taken from the purse first. Raises `UsageError` for a host that can't be listed,
    `LackError` without the package `cryptography`.
    """
    if not hosts:
        yield None
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
    recording = _Kept(home.blobs, before, path=path)
    with contextlib.ExitStack() as stack:

        def made(kind: type[Proxy], by: str, methods: Sequence[str] | None = OF_CODE) -> Any:
            proxy = kind(hosts, recording, methods=methods, admit=admit, by=by)
            stack.callback(proxy.close)
            return proxy

        cells = made(ResumedProxy, "python")
        yield Network(
            cells,
            tuple(hosts),
            cells.caught_up,
            made(Proxy, "shell"),
            made(Proxy, "http", None).ask,
            lambda: tuple(recording.items),
        )
