"""Exchange over HTTP with another ledger's `/v1/sync`, and this home's own end of it.

The token comes from a file or from `EARNEST_TOKEN`, never from the command line, and goes to this
machine or over TLS only. Answers are bounded in bytes and time, redirects are not followed, and
what can be tried again is. Each way goes on behind the last place that was heard, so a sync that
was interrupted is gone on with; `whole` asks for everything again. Nothing that a server answers is
trusted: items are checked as from anywhere, its own words are shown in one line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from earnest.core.canon import canonical, parse
from earnest.core.errors import EarnestError, LackError, RecordError, UsageError
from earnest.core.home import Home
from earnest.core.quoted import plain
from earnest.core.sign import fingerprint, need_package
from earnest.core.trusted import read_trusted
from earnest.ledger.ledger import Ledger
from earnest.recipes.sync import Synced, manifests, pages, signer_of
from earnest.serve.exchange import MOST_PAGE, files_of, take

if TYPE_CHECKING:
    from httpx2 import Client, Response

    from earnest.serve.api import Part

_TRIES: Final = 4
_PAUSE_S: Final = 0.5
_MOST_PAUSE_S: Final = 30.0
_TIMEOUT_S: Final = 60.0
_WHOLE_S: Final = 600.0
_AGAIN: Final = (429, 502, 503, 504)
_LOCAL: Final = ("127.0.0.1", "::1", "localhost")
_MOST_PAGES: Final = 100_000
_TOLD: Final = 300


class RemoteError(EarnestError):
    """Another ledger could not be reached, or answered outside its protocol."""


def sync_of(home: Home) -> Part:
    """Return the endpoints by which other ledgers sync with this home's."""
    from earnest.serve.sync_api import Exchange, sync_part

    return sync_part(
        Exchange(
            home.ledger,
            home.blobs,
            lambda: signer_of(home),
            manifests(home),
            lambda: read_trusted(home.trusted),
        )
    )


def read_token(path: Path | None) -> str:
    """Return the token to show, from a file or `EARNEST_TOKEN`. Raises `UsageError`."""
    if path is None:
        token = os.environ.get("EARNEST_TOKEN", "")
    else:
        try:
            token = path.read_text("utf-8")[:4096]
        except (OSError, UnicodeError) as error:
            raise UsageError(f"the token file {path} can't be read: {error}") from error
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            "there is no token to show the other ledger",
            mend="set EARNEST_TOKEN, or name --token-file FILE (there: earnest token create NAME "
            "--scope sync)",
        )
    return token


def _base(url: str) -> str:
    """Return where the endpoints are. Raises `UsageError`: a token needs a safe way."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # of no number: `ValueError`
    except ValueError as error:
        raise UsageError(f"{plain(url)!r} is no address", mend="https://HOST[:PORT]") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise UsageError(f"{plain(url)!r} is no address", mend="https://HOST[:PORT]")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise UsageError(
            "a token goes to another machine over TLS only", mend=f"https://{parts.netloc}"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/v1/sync"


class Remote:
    """Another ledger's `/v1/sync`. `transport`: how it is reached (default: the network)."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        transport: Any = None,
        pause: Callable[[float], None] = time.sleep,
        whole_s: float = _WHOLE_S,
    ) -> None:
        """`whole_s`: seconds that an answer may take. Raises `UsageError`, `LackError`."""
        try:
            import httpx2
        except ImportError as error:
            raise LackError(
                "a sync over HTTP needs the package httpx2", mend="pip install 'earnest[sync]'"
            ) from error
        self.url, self._pause, self._whole_s = _base(url), pause, whole_s
        self._client: Client = httpx2.Client(
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            timeout=_TIMEOUT_S,
            follow_redirects=False,
            trust_env=self.url.startswith("https:"),
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, method: str, path: str = "", **how: Any) -> dict[str, Any]:
        """Return the JSON object that is answered. Raises `RemoteError`."""
        import httpx2

        wait, error = _PAUSE_S, "no answer"
        for number in range(_TRIES):
            if number:
                self._pause(wait)
            try:
                with self._client.stream(method, self.url + path, **how) as answer:
                    body = _bounded(answer, time.monotonic() + self._whole_s)
            except httpx2.TransportError as failed:
                wait, error = min(2 * wait, _MOST_PAUSE_S), str(failed) or type(failed).__name__
                continue
            if answer.status_code not in _AGAIN:
                return _object(answer, body)
            wait, error = _wait(answer, wait), f"it answers {answer.status_code}"
        raise RemoteError(f"{self.url}: {plain(error)[:_TOLD]}", mend="try again later")


def _wait(answer: Response, before: float) -> float:
    asked = answer.headers.get("Retry-After", "")
    if asked.isascii() and asked.isdigit():
        return min(float(asked[:6]), _MOST_PAUSE_S)
    return min(2 * before, _MOST_PAUSE_S)


def _bounded(answer: Response, until: float) -> bytes:
    body = bytearray()
    for part in answer.iter_bytes():
        body += part
        if time.monotonic() > until:  # a byte a minute would be in time each time
            raise RemoteError("its answer takes too long", mend="try again later")
        if len(body) > MOST_PAGE + 2**20:
            raise RemoteError("its answer is too long")
    return bytes(body)


def _object(answer: Response, body: bytes) -> dict[str, Any]:
    """Return an answer's JSON object. Raises `RemoteError`, with what the server says is wrong."""
    try:
        found = parse(body)
    except RecordError:
        found = None
    if answer.status_code == 200 and isinstance(found, dict):
        return found
    said = found if isinstance(found, dict) else {}
    error = plain(str(said.get("error", "")))[:_TOLD] or "not an answer of this API"
    mend = plain(str(said.get("mend", "")))[:_TOLD]
    raise RemoteError(f"it answers {answer.status_code}: {error}", mend=mend)


def pull_http(home: Home, remote: Remote, done: Synced, *, whole: bool = False) -> None:
    """Take what another ledger offers. Raises `RemoteError`, `UsageError`: nobody trusts it."""
    need_package()
    trusted = read_trusted(home.trusted)
    source = remote.ask("GET", params={"limit": 1}).get("source")
    if not source:
        return
    _require_trusted(source, trusted)
    with Ledger(home.ledger) as ledger:
        after = 0 if whole else ledger.heard(str(source))
    for _ in range(_MOST_PAGES):
        page = remote.ask("GET", params={"after": after})
        items = page.get("items")
        if not isinstance(items, list):
            raise RemoteError("its answer holds no items")
        with Ledger(home.ledger) as ledger:
            done.taken += take(ledger, home.blobs, items, trusted, files_of(page))
        onward = page.get("next")
        if onward is None:
            return
        if not isinstance(onward, int) or onward <= after:
            raise RemoteError("its pages do not go on")
        after = onward


def _require_trusted(source: object, trusted: Mapping[str, str]) -> None:
    """Raise `UsageError` unless a source is trusted: meeting it is no reason to."""
    try:
        told = fingerprint(str(source))
    except RecordError as error:
        raise RemoteError(f"it names no key: {plain(str(error))[:_TOLD]}") from error
    if source not in trusted.values():
        raise UsageError(
            f"that ledger is not trusted here: its key is {source}, fingerprint {told}",
            mend="compare the fingerprint with its owner's (there: earnest verifier show); then "
            f"earnest ledger trust add NAME {source}",
        )


def push_http(home: Home, remote: Remote, done: Synced, *, whole: bool = False) -> None:
    """Offer another ledger what this one verified. Raises `RemoteError`."""
    signer = signer_of(home)
    if signer is None:
        return
    after = 0
    if not whole:
        heard = remote.ask("GET", "/heard", params={"source": signer.public}).get("position")
        after = heard if isinstance(heard, int) and 0 <= heard < 2**53 else 0
    for page in pages(home, after):
        done.left_out += page["left_out"]
        done.offered += len(page["items"])
        if not page["items"]:
            continue
        body = canonical({"version": 1, "items": page["items"], "blobs": page["blobs"]})
        told = remote.ask("POST", content=body, headers={"Content-Type": "application/json"})
        _answered(told.get("items"), done)


def _answered(items: object, done: Synced) -> None:
    """Note what became of pushed items there."""
    for one in items if isinstance(items, list) else []:
        if not isinstance(one, dict):
            continue
        done.new += one.get("outcome") in ("taken", "withdrawn")
        if one.get("outcome") == "refused":
            told = {name: plain(str(one.get(name, "")))[:_TOLD] for name in ("id", "reason")}
            done.left_out.append(told)
