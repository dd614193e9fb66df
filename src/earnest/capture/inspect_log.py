"""Samples of Inspect's logs (`.eval`: a zip of JSON), read without Inspect.

Each sample is a session. What its messages only refer to (`attachment://…`) is fetched from the
sample's `attachments`, which stand behind them: so a sample's attachments are read first.

A zip's own figures are not believed: what is read is counted, and too much of it is an error.
"""

from __future__ import annotations

import re
import sys
import zipfile as plain_zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from earnest.capture.lenient import mapped, mapping, read, word
from earnest.capture.messages import broken, message
from earnest.capture.pieces import document
from earnest.capture.turns import Piece, Turn
from earnest.core.errors import CaptureError, LackError

MOST_BYTES: Final = 4 << 30
"""Bytes that a log may unpack to."""
MOST_MEMBERS: Final = 200_000
_MOST_RATIO: Final = 200
_SLACK: Final = 64 << 20
_SAMPLE: Final = re.compile(r"samples/[^/]+\.json")
_ATTACHED: Final = "attachment://"


class _Counted:
    """A member that is read within a budget. Raises `CaptureError` beyond it."""

    def __init__(self, file: IO[bytes], most: int, name: str) -> None:
        self.file, self.left, self.name = file, most, name

    def read(self, size: int = -1) -> bytes:
        block = self.file.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise CaptureError(f"{self.name} unpacks to more than a log of its size should")
        return block


def _zip() -> Any:
    """Return a `zipfile` that reads Zstandard, as newer logs are packed, if there is one."""
    if sys.version_info >= (3, 14):
        return plain_zipfile
    try:
        from backports.zstd import zipfile
    except ImportError:
        return plain_zipfile
    return zipfile


class Log:
    """An open log. Raises `CaptureError`; `LackError` where it is packed in a way unknown here."""

    def __init__(self, path: Path) -> None:
        """Open the log at a path."""
        zipfile = _zip()
        try:
            self.archive = zipfile.ZipFile(path)
            self.members = self.archive.infolist()
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise CaptureError(f"{path} can't be read as a log of Inspect's: {error}") from error
        if len(self.members) > MOST_MEMBERS:
            raise CaptureError(f"{path} has {len(self.members):,} members, too many for a log")
        self.size = path.stat().st_size
        self.left = MOST_BYTES
        self.bad = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile)

    def close(self) -> None:
        """Close it."""
        self.archive.close()

    def samples(self) -> list[str]:
        """Return the names of its samples."""
        return [one.filename for one in self.members if _SAMPLE.fullmatch(one.filename)]

    def pieces(self, name: str) -> Iterator[Piece]:
        """Yield a sample's pieces, its attachments first."""
        behind = [piece for piece in self._pieces(name) if piece.place == "attachments"]
        yield from behind
        for piece in self._pieces(name):
            if piece.place != "attachments":
                yield piece

    def _pieces(self, name: str) -> Iterator[Piece]:
        most = min(self.left, self.size * _MOST_RATIO + _SLACK)
        try:
            with self.archive.open(name) as file:
                counted = _Counted(file, most, name)
                yield from document(cast("BinaryIO", counted))
                self.left -= most - counted.left
        except NotImplementedError as error:
            raise LackError(
                f"{name} is packed with Zstandard, which this Python can't read",
                mend="pip install 'earnest[capture]'",
            ) from error
        except (*self.bad, zlib.error) as error:
            yield Piece(f"[{name}: {error}]".encode(), 0, 0, whole=False)


def about(value: Any, place: str) -> dict[str, str]:
    """Return what a member of a sample says of its session."""
    if place in ("uuid", "id"):
        return {"session_id": str(value)} if isinstance(value, str | int) else {}
    return {"model": word(mapping(value).get("model"))} if place == "output" else {}


def turns(pieces: Iterable[Piece]) -> Iterator[Turn]:
    """Yield the turns of a sample's messages."""
    attached: dict[str, Any] = {}
    for piece in pieces:
        if piece.place not in ("attachments", "messages[]", ""):
            continue
        value, problem = read(piece.raw)
        if piece.place == "attachments":
            attached.update(mapping(value))
        elif problem or not isinstance(value, dict):
            yield broken(piece, problem or "not an object")
        else:
            yield message(value, piece, resolve=_resolver(attached))


def _resolver(attached: dict[str, Any]) -> Callable[[Any], Any]:
    def one(text: str) -> str:
        if not text.startswith(_ATTACHED):
            return text
        return word(attached.get(text.removeprefix(_ATTACHED))) or text

    return lambda value: mapped(value, one)
