"""Which format a transcript has, and the importer for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from earnest.capture import atif, chat, claude, codex, inspect_log, swe
from earnest.capture.lenient import mapping, read
from earnest.capture.pieces import document, lines
from earnest.capture.turns import Piece, Turn
from earnest.core.errors import CaptureError

FORMATS: Final = ("claude-code", "codex", "atif", "chat", "chat-lines", "inspect", "swe-agent")
LINES: Final = frozenset(("claude-code", "codex", "chat-lines"))
"""Formats of lines, which grow; the others are documents, written as a whole."""

_TURNS: Final[Mapping[str, Callable[[Iterable[Piece]], Iterator[Turn]]]] = {
    "claude-code": claude.turns,
    "codex": codex.turns,
    "atif": atif.turns,
    "chat": chat.turns,
    "chat-lines": chat.turns,
    "inspect": inspect_log.turns,
    "swe-agent": swe.turns,
}
_SNIFFED = 1 << 20
_LOOKED_AT = 20


def turns(form: str, pieces: Iterable[Piece]) -> Iterator[Turn]:
    """Yield the turns of a transcript's pieces."""
    return _TURNS[form](pieces)


def about(form: str, pieces: Iterable[Piece]) -> dict[str, str]:
    """Return what a transcript's first pieces say of its session."""
    found: dict[str, str] = {}
    for number, piece in enumerate(pieces):
        if number >= _LOOKED_AT:
            break
        value, problem = read(piece.raw)
        if problem:
            continue
        if form in ("claude-code", "codex"):
            module = claude if form == "claude-code" else codex
            said = module.about(mapping(value))
        else:
            told: Any = {"atif": atif, "inspect": inspect_log, "swe-agent": swe}.get(form, chat)
            said = told.about(value, piece.place)
        found = {**said, **found}
    return found


def sniff(path: Path) -> str:
    """Return the format of a transcript, by its beginning. Raises `CaptureError`."""
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return "inspect"
            file.seek(0)
            first = [
                piece
                for piece, _ in zip(lines(file, most=_SNIFFED), range(_LOOKED_AT), strict=False)
            ]
            file.seek(0)
            found = _by_lines(first) or _by_members(document(file, most=_SNIFFED))
    except OSError as error:
        raise CaptureError(f"{path} can't be read: {error.strerror}") from error
    if not found:
        raise CaptureError(
            f"{path} is no transcript of a known format",
            mend=f"name its format: --format {'|'.join(FORMATS)}",
        )
    return found


def _by_lines(first: list[Piece]) -> str:
    """Return the format of a file whose lines are objects; empty: they are not."""
    for piece in first:
        value, problem = read(piece.raw)
        if problem or not isinstance(value, dict):
            continue
        if "payload" in value and "type" in value:
            return "codex"
        if {"sessionId", "uuid", "parentUuid", "leafUuid"} & set(value):
            return "claude-code"
        if "role" in value or (isinstance(value.get("messages"), list) and len(first) > 1):
            return "chat-lines"
    return ""


def _by_members(pieces: Iterable[Piece]) -> str:
    """Return the format of a document, by its members; empty: of none that is known."""
    places: set[str] = set()
    for number, piece in enumerate(pieces):
        places.add(piece.place)
        if piece.place == "[]" and "role" in mapping(read(piece.raw)[0]):
            return "chat"
        if piece.place in ("steps[]", "trajectory[]", "history[]") or number > 2000:
            break
        if piece.place == "messages[]" and places & {"info", "trajectory_format"}:
            return "swe-agent"
    if places & {"trajectory[]", "history[]", "trajectory_format"}:
        return "swe-agent"
    if "messages[]" in places:
        return "swe-agent" if "info" in places else "chat"
    return "atif" if "steps[]" in places else ""


def is_format(name: str) -> bool:
    """Say whether there is a format of this name."""
    return name in FORMATS
