"""The catalogue of what is known elsewhere: where it is kept, and the verb `catalogue`."""

from __future__ import annotations

import argparse
import contextlib
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.catalogue import Catalogue, Entry, read_entries
from earnest.core.errors import RecordError, UsageError
from earnest.core.home import Home, write_whole
from earnest.recipes.answer import Answer

_MOST_BYTES: Final = 50 * 2**20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NEAR: Final = 20
_opened: dict[Path, tuple[object, Catalogue]] = {}  # of a process; read again where it has changed


def add(home: Home, file: Path, name: str = "") -> list[Entry]:
    """Keep the entries of a file under a name (default: the file's). Raises `UsageError`."""
    name = name or file.stem
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a catalogue",
            mend="--name NAME, of letters, digits, dots, dashes and underscores",
        )
    try:
        data = file.read_bytes() if file.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        raise UsageError(
            f"there is no file {file}: {error.strerror}", mend="earnest catalogue add FILE"
        ) from error
    if data is None:
        raise UsageError(f"{file} is larger than {_MOST_BYTES >> 20} MiB", mend="split it")
    entries = read_entries(data, file.name)
    kept = home.catalogue / f"{name}.jsonl"
    if kept.exists():
        raise UsageError(
            f"there is a catalogue {name!r} already",
            mend=f"earnest catalogue remove {name}, or give another --name",
        )
    lines = [canonical(entry.model_dump(mode="json")) + b"\n" for entry in entries]
    write_whole(kept, b"".join(lines), mode=0o644)
    return entries


def remove(home: Home, name: str) -> None:
    """Remove what was added under a name; verdicts that name it stay. Raises `UsageError`."""
    kept = home.catalogue / f"{name}.jsonl"
    if not _NAME.fullmatch(name) or not kept.exists():
        raise UsageError(f"there is no catalogue {name!r}", mend="earnest catalogue list")
    kept.unlink()


def catalogues(home: Home) -> dict[str, list[Entry]]:
    """Return all entries by the names that they were added under. Raises `RecordError`."""
    found = {}
    for path in _files(home):
        with contextlib.suppress(FileNotFoundError):  # removed this very moment
            found[path.stem] = [_entry(line, path) for line in path.read_bytes().splitlines()]
    return found


def open_catalogue(home: Home) -> Catalogue:
    """Return everything that was added, to compare claims with. Raises `RecordError`."""
    state = []
    for path in _files(home):
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            state.append((path.name, about.st_mtime_ns, about.st_size))
    known = _opened.get(home.root)
    if known is None or known[0] != state:
        entries = {
            f"{name}, entry {number}": entry
            for name, listed in catalogues(home).items()
            for number, entry in enumerate(listed, start=1)
        }
        texts = {where: entry.text for where, entry in entries.items() if entry.text}
        known = (state, Catalogue(entries, _by_text(texts) if texts else lambda _: ()))
        _opened[home.root] = known
    return known[1]


def _files(home: Home) -> list[Path]:
    return sorted(home.catalogue.glob("[!.]*.jsonl"))


def _entry(line: bytes, path: Path) -> Entry:
    try:
        return Entry.model_validate(parse(line))
    except (RecordError, ValueError) as error:
        raise RecordError(
            f"{path} is damaged: {error}", mend=f"earnest catalogue remove {path.stem}"
        ) from error


def _by_text(texts: Mapping[str, str]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Return what finds the texts that have all of some names, as the ledger's search finds one."""
    from earnest.ledger.search import names, search

    places = list(texts)
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.execute(
        "CREATE VIRTUAL TABLE text USING fts5 (sentence, prose, names, "
        "tokenize = 'porter unicode61')"
    )
    db.executemany(
        "INSERT INTO text (rowid, sentence, prose, names) VALUES (?, ?, '', ?)",
        [(number, text, names(text)) for number, text in enumerate(texts.values())],
    )

    def found(words: Sequence[str]) -> list[str]:
        # A name is looked up as one phrase, so that no part of it is left out.
        hits = [search(db, "_".join(word.split()), len(places)) for word in words]
        common = set(hits[0]).intersection(*hits[1:]) if hits else set()
        return [places[at] for at in (hits[0] if hits else ()) if at in common][:_NEAR]

    return found


def catalogue(options: argparse.Namespace, home: Home) -> Answer:
    """`catalogue add FILE|list|remove NAME`."""
    if options.what != "list" and not options.subject:
        wants = "FILE" if options.what == "add" else "NAME"
        raise UsageError(
            f"catalogue {options.what} needs one", mend=f"earnest catalogue {options.what} {wants}"
        )
    if options.what == "list":
        listed = [_row(name, entries) for name, entries in catalogues(home).items()]
        lines = [f"  {one['name']}: {one['typed']} typed, {one['text']} in text" for one in listed]
        return 0, {"version": 1, "catalogues": listed}, "\n".join(lines) or "  no catalogue"
    if options.what == "remove":
        remove(home, options.subject)
        return 0, {"version": 1, "removed": options.subject}, f"removed {options.subject}"
    file = Path(options.subject)
    told = _row(options.name or file.stem, add(home, file, options.name))
    words = f"{told['name']}: {told['typed']} typed entries, {told['text']} in text"
    return 0, {"version": 1, **told}, words


def _row(name: str, entries: Sequence[Entry]) -> dict[str, Any]:
    typed = sum(entry.claim is not None for entry in entries)
    return {"name": name, "typed": typed, "text": len(entries) - typed}
