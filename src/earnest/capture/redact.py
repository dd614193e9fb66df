"""Secrets and mail addresses are taken out of a text before anything of it is stored.

What finds them is Kingfisher (Apache-2.0, extra `capture`), run in this process on its own rules:
it contacts nobody, since only its separate validator would. Our own patterns add what it leaves:
mail addresses, keys that are cut off or line-numbered, passwords that are named as such. Without
Kingfisher nothing is stored.

A text is redacted as it reads once JSON is decoded; where nothing is found, its bytes stay as they
are. What was found is replaced by what it was taken for, here and further on in the transcript.

Not covered: a secret without a known form and without a word before it that names it; one that is
split over two messages; names, addresses and other personal data; pictures.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from earnest.capture.lenient import clean, mapped, read
from earnest.capture.patterns import found_by_us
from earnest.core.errors import LackError

_LEAST: Final = 12
"""A secret of fewer signs is taken out where it was found only: it may be an ordinary word."""
_WINDOW: Final = 64 << 10
_OVERLAP: Final = 8 << 10
"""No secret but a private key is longer, and these we find ourselves."""
_FEWEST: Final = 6
_DEEPEST: Final = 5
_ESCAPED: Final = re.compile(r'\\(["\\/nrt])')
_MEANT: Final = {"n": "\n", "r": "\r", "t": "\t"}
_MOST_KNOWN: Final = 200
_NAME: Final = re.compile(r"[^a-z0-9]+")


def _scanner(cache: Path | None) -> Any:
    try:
        from kingfisher_sdk import Rules, Scanner
    except ImportError as error:
        raise LackError(
            "transcripts are stored only with their secrets taken out, and nothing here finds them",
            mend="pip install 'earnest[capture]'",
        ) from error
    if cache is None:
        return Scanner(Rules(confidence="medium", cache=False))
    return Scanner(Rules(confidence="medium", cache_dir=str(cache)))


class Redactor:
    """Redacts one transcript: what it found once, it knows again. Raises `LackError` when made."""

    def __init__(self, cache: Path | None = None, *, like: Redactor | None = None) -> None:
        """`cache`: where compiled rules may be kept; `like`: another one, to share its rules."""
        self._scan: Any = like._scan if like else _scanner(cache)
        self.known: dict[bytes, str] = {}

    def spans(self, data: bytes) -> list[tuple[int, int, str]]:
        """Return where secrets are in a text, and what each is taken for; none overlap."""
        found = [
            (at + one.location["start_offset"], at + one.location["end_offset"], _kind(one.rule_id))
            for at, part in _windows(data.replace(b"\0", b" "))
            for one in self._scan.scan(part)
            if one.visible
        ]
        found += found_by_us(data)
        return list(_apart(found, len(data)))

    def text(self, text: str, count: Counter[str]) -> str:
        """Return a text without its secrets; what was taken out is added to the count."""
        data = clean(text).encode()
        kept = bytearray()
        at = 0
        for start, stop, kind in self.spans(data):
            secret = data[start:stop]
            lasting = len(secret) >= _LEAST and kind != "mail-address"  # known by its form alone
            if lasting and len(self.known) < _MOST_KNOWN:
                self.known[secret] = kind
            kept += data[at:start] + _mark(kind)
            count[kind] += 1
            at = stop
        kept += data[at:]
        fresh = self._again(bytes(kept), count).decode("utf-8", "replace")
        return _without(fresh, self._deeper(fresh), count) if "\\" in fresh else fresh

    def _again(self, data: bytes, count: Counter[str]) -> bytes:
        for secret, kind in self.known.items():
            if times := data.count(secret):
                data = data.replace(secret, _mark(kind))
                count[kind] += times
        return data

    def line(self, raw: bytes) -> tuple[bytes, Counter[str]]:
        """Return one line (or one JSON value) without its secrets, and what was taken out."""
        count: Counter[str] = Counter()
        value, problem = read(raw)
        if problem or not isinstance(value, dict | list):
            fresh = self.text(raw.decode("utf-8", "replace"), count) if raw else ""
            return (fresh.encode() if count else raw), count
        if not self._suspects(value, raw):
            return raw, count
        fresh_value = _each(value, lambda key, text: self._member(key, text, count))
        fresh_value = self._settled(fresh_value, count)
        if not count:
            return raw, count
        return json.dumps(fresh_value, ensure_ascii=False).encode(), count

    def _settled(self, value: Any, count: Counter[str]) -> Any:
        """Take out what is found in a value as a whole and was not in its texts one by one."""
        seen = "\n".join(_texts(value))
        left = {**self._found(seen), **self._deeper(seen)}

        def change(text: str) -> str:
            return _without(text, left, count)

        return mapped(value, change) if left else value

    def _found(self, text: str) -> dict[str, str]:
        """Return the secrets in a text, and what each is taken for."""
        data = clean(text).encode()
        return {
            data[start:stop].decode("utf-8", "replace"): kind
            for start, stop, kind in self.spans(data)
        }

    def _deeper(self, text: str) -> dict[str, str]:
        """Return the secrets in what a text is once it is decoded again: JSON in JSON, escaped."""
        found: dict[str, str] = {}
        for level in range(1, _DEEPEST):
            fresh = _unescaped(text)
            if fresh == text:
                break
            text = fresh
            for secret, kind in self._found(text).items():
                form = secret
                for _ in range(level):
                    form = json.dumps(form, ensure_ascii=False)[1:-1]
                found[form] = kind
        return found

    def _suspects(self, value: Any, raw: bytes) -> bool:
        """Say whether there is anything to take out of a value."""
        text = "\n".join(_texts(value))
        seen = text.encode("utf-8", "replace")
        if self.spans(seen) or any(secret in seen or secret in raw for secret in self.known):
            return True
        return "\\" in text and bool(self._deeper(text))

    def _member(self, key: str, text: str, count: Counter[str]) -> str:
        """Redact a text, read together with the name that it stands under."""
        if not key or not text or "\n" in key:
            return self.text(text, count)
        named = self.text(f"{key}: {text}", Counter())
        prefix = f"{key}: "
        if named.startswith(prefix) and named != prefix + text:
            self.text(prefix + text, count)
            return named[len(prefix) :]
        return self.text(text, count)


def _windows(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield a text in parts that overlap, where each begins: the detector's time grows faster."""
    at = 0
    while True:
        stop = _ends(data, at + _WINDOW)
        yield at, data[at:stop]
        if stop == len(data):
            return
        at = _ends(data, stop - _OVERLAP)


def _ends(data: bytes, at: int) -> int:
    """Return the nearest place not after this at which a sign of a text ends."""
    at = min(at, len(data))
    while 0 < at < len(data) and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _kind(rule: str) -> str:
    """Return a rule's name without who wrote it."""
    return _NAME.sub("-", rule.rpartition(".")[2].lower()).strip("-") or "secret"


def _unescaped(text: str) -> str:
    """Return a text with what JSON escapes in it written out."""
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), text)


def _without(text: str, secrets: Mapping[str, str], count: Counter[str]) -> str:
    """Return a text without these secrets, those of a few signs left in."""
    for secret, kind in secrets.items():
        if len(secret) >= _FEWEST and (times := text.count(secret)):
            text = text.replace(secret, _mark(kind).decode())
            count[kind] += times
    return text


def _mark(kind: str) -> bytes:
    return f"[redacted {kind}]".encode()


def _apart(found: list[tuple[int, int, str]], size: int) -> Iterator[tuple[int, int, str]]:
    """Yield spans in their order, those that touch joined, under the name of the first."""
    now: tuple[int, int, str] | None = None
    for start, stop, kind in sorted(found, key=lambda one: (one[0], -one[1])):
        if not 0 <= start < stop <= size:
            continue
        if now is None:
            now = (start, stop, kind)
        elif start < now[1]:
            now = (now[0], max(now[1], stop), now[2])
        else:
            yield now
            now = (start, stop, kind)
    if now is not None:
        yield now


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a JSON value, each after the name that it stands under."""
    queue: list[tuple[str, Any]] = [("", value)]
    while queue:
        key, found = queue.pop()
        if isinstance(found, str):
            yield f"{key}: {found}" if key else found
        elif isinstance(found, list):
            queue += [(key, one) for one in found]
        elif isinstance(found, dict):
            for name, one in found.items():
                if len(name) > _LEAST:
                    yield name
                queue.append((name, one))


def _each(value: Any, change: Any) -> Any:
    """Return a JSON value with each text changed, given the name that it stands under."""
    root: list[Any] = [value]
    queue: list[tuple[Any, Any, str]] = [(root, 0, "")]
    while queue:
        holder, at, key = queue.pop()
        found = holder[at]
        if isinstance(found, str):
            holder[at] = change(key, found)
        elif isinstance(found, list):
            holder[at] = copy = list(found)
            queue += [(copy, number, key) for number in range(len(copy))]
        elif isinstance(found, dict):
            fresh = {change("", name): one for name, one in found.items()}
            holder[at] = fresh
            queue += [(fresh, name, name) for name in fresh]
    return root[0]
