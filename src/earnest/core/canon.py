"""Canonical bytes (RFC 8785) and their hashes: what a record *is*, independent of who wrote it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring as _quoted
from typing import Any, Final

from earnest.core.errors import RecordError

GENESIS: Final = "sha256:" + "0" * 64
_EXACT_INTEGER: Final = 2**53
_CONSTANTS: Final[Mapping[bool | None, str]] = {None: "null", True: "true", False: "false"}


def _number(value: float) -> str:
    """Write a finite float as ECMAScript does (RFC 8785, section 3.2.2.3)."""
    if not math.isfinite(value):
        raise RecordError(f"{value} is not a JSON number")
    text = repr(value)  # the shortest digits that give the number back, as ECMAScript's are
    if text.endswith(".0"):
        return "0" if value == 0 else text[:-2]
    if "e" not in text:
        return text
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(text), "f")
    digits, _, exponent = text.partition("e")
    return f"{digits}e{int(exponent):+d}"


def _written(value: Any, out: list[str]) -> None:
    """Append the canonical text of a value, in pieces."""
    if isinstance(value, str):
        out.append(_quoted(value))
    elif value is None or isinstance(value, bool):
        out.append(_CONSTANTS[value])
    elif isinstance(value, int):
        # What a JSON number can't carry exactly becomes a string (DESIGN.md, section 4).
        out.append(str(value) if abs(value) < _EXACT_INTEGER else f'"{value}"')
    elif isinstance(value, float):
        out.append(_number(value))
    elif isinstance(value, Mapping):
        before, named = "{", {str(key): item for key, item in value.items()}
        for key in sorted(named, key=None if all(map(str.isascii, named)) else _units):
            out.append(f"{before}{_quoted(key)}:")
            _written(named[key], out)
            before = ","
        out.append("{}" if before == "{" else "}")
    elif isinstance(value, (list, tuple)):
        before = "["
        for item in value:
            out.append(before)
            _written(item, out)
            before = ","
        out.append("[]" if before == "[" else "]")
    else:
        raise RecordError(f"{type(value).__name__} has no canonical form")


def _units(key: str) -> bytes:
    """Return what keys are sorted by; for ASCII that is the order of the characters."""
    return key.encode("utf-16-be")


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON-like value.

    Raises `RecordError` for NaN, infinities, lone surrogates and types that JSON doesn't have.
    """
    out: list[str] = []
    try:
        _written(value, out)
        return "".join(out).encode()
    except (UnicodeError, RecursionError) as error:
        raise RecordError(f"no canonical form: {error}") from error


def digest(data: bytes) -> str:
    """Return `sha256:` and the hex digest of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def chained(previous: str, data: bytes) -> str:
    """Return the hash of an entry that names its predecessor: the link of a hash chain."""
    return digest(previous.encode() + b"\n" + data)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RecordError(f"the key {key!r} stands twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise RecordError(f"{name} is not a JSON number")


def _whole(text: str) -> int | float:
    """Beyond 2^53 a canonical number without a point was a float: integers there are strings."""
    return int(text) if abs(float(text)) < _EXACT_INTEGER else float(text)


def parse(data: bytes | str) -> Any:
    """Read strict JSON: no duplicate keys, no NaN or infinities. Raises `RecordError`."""
    try:
        return json.loads(
            data,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_whole,
        )
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}") from error
