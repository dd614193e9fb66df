"""Who may ask: bearer tokens, each with a name, a principal and scopes, kept as hashes.

A token is 256 random bits, so its SHA-256 is as good as a slow hash would be. The file is read at
every request (it is small), so that a revocation holds at once, on a running server too.

Not covered: somebody who may read this home; a token that its owner gave away.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AwareDatetime, Field, ValidationError

from earnest.core.canon import canonical, parse
from earnest.core.errors import RecordError, UsageError
from earnest.core.frozen import Value
from earnest.core.home import write_whole

Scope = Literal["read", "submit", "sync"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
PREFIX: Final = "earnest_"
"""What a token begins with, so that whoever looks for leaked secrets can tell one."""

MOST_TOKENS: Final = 1000
MOST_DAYS: Final = 3650
_BYTES: Final = 32
_LONGEST: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HEX: Final = r"^[0-9a-f]{64}$"


class Token(Value):
    """What is kept of a token: everything but itself."""

    name: str
    principal: str
    scopes: tuple[Scope, ...]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    hash: Annotated[str, Field(pattern=_HEX)]

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Say whether it is good at a time."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and now >= self.expires else "active"

    def told(self, now: datetime) -> dict[str, Any]:
        """Return it as a list shows it: its hash left out."""
        return {**self.model_dump(mode="json", exclude={"hash"}), "state": self.state(now)}


def _now() -> datetime:
    return datetime.now(UTC)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def checked_name(name: str, what: str) -> str:
    """Return a name that may stand in a log; a wrong one is not repeated: it may be a token."""
    if name.startswith(PREFIX) or not _NAME.fullmatch(name):
        raise UsageError(
            f"that is no {what}",
            mend="1 to 64 letters, digits and . _ @ -, such as: laptop. A token itself is never "
            "named: `earnest token list` shows what yours is called",
        )
    return name


class TokenStore:
    """The tokens of one home, in a file that its owner alone can read.

    Safe for several threads and processes.
    """

    def __init__(self, path: Path) -> None:
        """`path`: the file, which need not exist yet."""
        self.path = path
        self._lock = threading.Lock()
        self._read: tuple[bytes, tuple[Token, ...]] = (b"", ())

    def tokens(self) -> tuple[Token, ...]:
        """Return all tokens, oldest first, as the file has them now. Raises `RecordError`."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise RecordError(f"can't read {self.path}: {error.strerror}") from error
        with self._lock:
            if data != self._read[0]:
                self._read = (data, self._parsed(data))
            return self._read[1]

    def _parsed(self, data: bytes) -> tuple[Token, ...]:
        try:
            return tuple(Token.model_validate(one) for one in parse(data)["tokens"]) if data else ()
        except (RecordError, ValidationError, KeyError, TypeError):
            # Not chained: the message of what went wrong may hold what the file holds.
            raise RecordError(
                f"{self.path} is damaged", mend="move it away, and make new tokens"
            ) from None

    def find(self, token: str) -> Token | None:
        """Return what is kept of a token that is good now; None: there is no such token.

        Takes the same time whichever of the tokens it is, or none.
        """
        if len(token) > _LONGEST:
            return None
        asked, found = _hash(token), None
        for one in self.tokens():
            if hmac.compare_digest(one.hash, asked):
                found = one
        return found if found and found.state(_now()) == "active" else None

    def create(
        self, name: str, scopes: list[Scope], *, principal: str = "", days: float | None = None
    ) -> tuple[str, Token]:
        """Make a token; return it (this is the only time) and what is kept of it.

        `principal`: whose quotas and error budget it uses (default: one of its own, by its name);
        `days`: how long it is good (default: until it is revoked). Raises `UsageError`.
        """
        if not scopes or not set(scopes) <= set(SCOPES):
            raise UsageError(
                "a token has scopes", mend=f"--scope SCOPE, of {', '.join(SCOPES)}; more than once"
            )
        if days is not None and not 0 < days <= MOST_DAYS:
            raise UsageError(f"a token is good for up to {MOST_DAYS} days", mend="--days 30")
        now, secret = _now(), PREFIX + secrets.token_urlsafe(_BYTES)
        made = Token(
            name=checked_name(name, "name of a token"),
            principal=checked_name(principal or name, "name of a principal"),
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            created=now,
            expires=None if days is None else now + timedelta(days=days),
            hash=_hash(secret),
        )
        with self._alone():
            there = self.tokens()
            if any(one.name == name for one in there):
                # Revoked ones too: a name in a log means one token, for ever.
                raise UsageError(f"there is a token {name} already", mend="take another name")
            if len(there) >= MOST_TOKENS:
                raise UsageError(f"there are {MOST_TOKENS} tokens", mend=f"rm {self.path}")
            self._write((*there, made))
        return secret, made

    def revoke(self, name: str) -> Token:
        """Make a token worthless for good, at once; a second time changes nothing.

        Raises `UsageError`.
        """
        checked_name(name, "name of a token")
        with self._alone():
            there = self.tokens()
            for one in there:
                if one.name == name:
                    gone = one.model_copy(update={"revoked": one.revoked or _now()})
                    self._write(tuple(gone if other is one else other for other in there))
                    return gone
        raise UsageError(f"there is no token {name}", mend="earnest token list")

    def _write(self, tokens: tuple[Token, ...]) -> None:
        body = {"version": 1, "tokens": [one.model_dump(mode="json") for one in tokens]}
        write_whole(self.path, canonical(body))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers out, in this process and in others."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
