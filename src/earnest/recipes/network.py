"""A run's network: an allow-list of hosts, and the recording of all that passed, in its folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earnest.core.home import Home, write_whole
from earnest.sandbox.exchanges import Exchange, Exchanges
from earnest.tools.python import Network

RECORDING = "exchanges.json"


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
def network(home: Home, run: str, hosts: Sequence[str]) -> Iterator[Network | None]:
    """Yield a run's way to some hosts; None where there are none.

    A run that goes on finds what it fetched before in its recording. Raises `UsageError` for a host
    that can't be listed, `LackError` without the package `cryptography`.
    """
    if not hosts:
        yield None
        return
    from earnest.sandbox.proxy import ResumedProxy

    path = home.runs / run / RECORDING
    before = Exchanges.from_bytes(path.read_bytes(), home.blobs).items if path.exists() else []
    proxy = ResumedProxy(hosts, _Kept(home.blobs, before, path=path))
    try:
        yield Network(proxy, tuple(hosts), proxy.caught_up)
    finally:
        proxy.close()
