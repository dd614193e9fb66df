"""Where things lie on disk: `EARNEST_HOME`, its folders, its secret, its blobs."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from earnest.core.canon import digest
from earnest.core.errors import LackError, RecordError

_SECRET_BYTES = 32


def default_home() -> Path:
    """Return `$EARNEST_HOME`, else the platform's user data folder."""
    if named := os.environ.get("EARNEST_HOME"):
        return Path(named).absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "earnest"
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base).absolute() / "earnest"


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Home:
    """The folders of one user's Earnest. Making one creates the root, readable by its owner."""

    root: Path

    def __post_init__(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LackError(
                f"can't make {self.root}: {error.strerror}",
                mend="name a folder you can write to: --home DIR",
            ) from error

    @property
    def ledger(self) -> Path:
        """The ledger's database."""
        return self.root / "ledger.sqlite"

    @property
    def runs(self) -> Path:
        """One folder a run."""
        return self.root / "runs"

    @property
    def tables(self) -> Path:
        """Registered tables: what agents may see."""
        return self.root / "tables"

    @property
    def sealed(self) -> Path:
        """Registered tables: what they may not."""
        return self.root / "sealed"

    @property
    def models(self) -> Path:
        """Checkpoints."""
        return self.root / "models"

    @property
    def images(self) -> Path:
        """What jails see of the installed packages."""
        return self.root / "images"

    @property
    def catalogue(self) -> Path:
        """What the user says is known elsewhere: a file for each time that entries were added."""
        return self.root / "catalogue"

    @property
    def trusted(self) -> Path:
        """The other ledgers whose word is taken, by name, with their public keys."""
        return self.root / "trusted.json"

    @property
    def tokens(self) -> Path:
        """Who may ask over HTTP: hashes of tokens, names and scopes."""
        return self.root / "tokens.json"

    @property
    def verifier(self) -> Path:
        """The verifier's key: `$EARNEST_VERIFIER`, where it runs under an account of its own."""
        return Path(os.environ.get("EARNEST_VERIFIER") or self.root / "verifier").absolute()

    @property
    def blobs(self) -> BlobStore:
        """The content-addressed store."""
        return BlobStore(self.root / "blobs")

    def secret(self) -> bytes:
        """Return the ledger's secret (32 bytes), made on first use."""
        path = self.root / "secret.key"
        if not path.exists():
            draft = path.with_name(f".secret.{os.getpid()}.{secrets.token_hex(4)}")
            write_whole(draft, secrets.token_bytes(_SECRET_BYTES))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        data = path.read_bytes()
        if len(data) != _SECRET_BYTES:
            raise RecordError(f"{path} is not a secret of {_SECRET_BYTES} bytes")
        return data


@dataclass(frozen=True)
class BlobStore:
    """Files named by the hash of their content."""

    root: Path

    def path(self, name: str) -> Path:
        """Return where the blob of this hash lies or would lie."""
        bare = name.removeprefix("sha256:")
        if len(bare) != 64 or not set(bare) <= set("0123456789abcdef"):
            raise RecordError(f"{name!r} is not a hash")
        return self.root / bare[:2] / bare

    def put(self, data: bytes) -> str:
        """Store bytes; return their hash."""
        name = digest(data)
        path = self.path(name)
        if not path.exists():
            write_whole(path, data)
        return name

    def get(self, name: str) -> bytes:
        """Return the bytes, re-verified. Raises `RecordError` if they are gone or changed."""
        try:
            data = self.path(name).read_bytes()
        except FileNotFoundError as error:
            raise RecordError(f"no blob {name}") from error
        if digest(data) != name:
            raise RecordError(f"the blob {name} has changed")
        return data
