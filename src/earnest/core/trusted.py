"""Which other ledgers this user takes findings from: their public keys, under names of their own.

Nobody is trusted by being met: a person adds a key, and compares its fingerprint with the one that
its owner reads out. The file is `trusted.json` in `EARNEST_HOME`, readable by its owner only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import RecordError, UsageError
from earnest.core.home import write_whole
from earnest.core.sign import fingerprint

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def read_trusted(path: Path) -> dict[str, str]:
    """Return the trusted keys by the names they have here. Raises `RecordError`."""
    try:
        body = parse(path.read_bytes())
        sources = body["sources"]
        for name, key in sources.items():
            fingerprint(key)
            if not _NAME.fullmatch(name):
                raise RecordError(f"{name!r} is no name")
    except FileNotFoundError:
        return {}
    except (RecordError, AttributeError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged: {error}") from error
    return dict(sources)


def _write(path: Path, sources: Mapping[str, str]) -> None:
    write_whole(path, canonical({"version": 1, "sources": sources}), mode=0o600)


def trust(path: Path, name: str, key: str) -> None:
    """Take findings from the ledger with this public key, under this name; again changes nothing.

    Raises `UsageError` for what is no name or no key, and where the name or the key is taken.
    """
    try:
        fingerprint(key)
    except RecordError as error:
        raise UsageError(str(error), mend="there: earnest verifier show") from error
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name", mend="letters, digits, dots, - and _, at most 64")
    known = read_trusted(path)
    if known.get(name, key) != key:
        mend = f"earnest ledger trust remove {name}"
        raise UsageError(f"{name} is trusted with another key, {known[name]}", mend=mend)
    for other, its in known.items():
        if its == key and other != name:
            raise UsageError(f"this key is trusted already, as {other}")
    _write(path, {**known, name: key})


def distrust(path: Path, name: str) -> str:
    """Take nothing more from a source; return its key. Raises `UsageError` for an unknown name."""
    known = read_trusted(path)
    if name not in known:
        raise UsageError(f"{name!r} is not trusted", mend="earnest ledger trust list")
    key = known.pop(name)
    _write(path, known)
    return key
