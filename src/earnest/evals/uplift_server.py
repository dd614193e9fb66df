"""The API that `uplift` asks: gauges on 127.0.0.1 whose reading changes with each look.

Driven by looks and not by a clock, so that an item is the same on a slow machine. A gauge that
nobody has set is not found; so is one after `forget`. Not covered: values that change by the clock.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

_PATH: Final = "/gauges/"


class GaugeServer:
    """Serves gauges until it is closed. `looks`: how often each was looked at."""

    def __init__(self) -> None:
        self._readings: dict[str, list[str]] = {}
        self.looks: dict[str, int] = {}
        self._lock = threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = server._answer(self.path)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing on standard error."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def host(self) -> str:
        """Its address and port, as an allow-list names it."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Its address as a prompt names it."""
        return f"http://{self.host}"

    def set(self, world: Mapping[str, Any]) -> None:
        """Put up the gauge of an item, at its first reading."""
        with self._lock:
            self._readings[world["gauge"]] = list(world["readings"])
            self.looks[world["gauge"]] = 0

    def forget(self, world: Mapping[str, Any]) -> None:
        """Take the gauge of an item down."""
        with self._lock:
            self._readings.pop(world["gauge"], None)

    def _answer(self, path: str) -> tuple[int, dict[str, str]]:
        gauge = path.removeprefix(_PATH)
        with self._lock:
            readings = self._readings.get(gauge) if path.startswith(_PATH) else None
            if readings is None:
                return 404, {"error": "no such gauge"}
            at = min(self.looks[gauge], len(readings) - 1)
            self.looks[gauge] += 1
        state = "settled" if at == len(readings) - 1 else "moving"
        return 200, {"gauge": gauge, "reading": readings[at], "state": state}

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> GaugeServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
