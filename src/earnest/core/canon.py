"""Canonical bytes (RFC 8785) and their hashes: what a record *is*, independent of who wrote it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from earnest.core.errors import RecordError

GENESIS: Final = "sha256:" + "0" * 64
_EXACT_INTEGER: Final = 2**53


def _encodable(value: Any) -> Any:
    """Integers that a JSON number can't carry exactly become strings (DESIGN.md, section 4)."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_INTEGER - 1 else str(value)
    if isinstance(value, Mapping):
        return {str(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(item) for item in value]
    raise RecordError(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON-like value.

    Raises `RecordError` for NaN, infinities, lone surrogates and types that JSON doesn't have.
    """
    try:
        return rfc8785.dumps(_encodable(value))
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
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
