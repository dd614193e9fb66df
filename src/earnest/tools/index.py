"""A full-text index in memory (SQLite FTS5, ranked by BM25), filled a document at a time.

A document is cut into pieces of about a thousand characters at line ends; a hit is a piece, and the
line in it that has most of the words. Several threads may use one.

Not covered: words of scripts that are written without spaces are found as whole runs only; other
forms of a word beyond English endings (Porter).
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from earnest.core.errors import LackError

_PIECE: Final = 1_000
_LONGEST_LINE: Final = 4_000
_MOST_WORDS: Final = 40
_WORD: Final = re.compile(r'"([^"]+)"|(\S+)')
_LETTERS: Final = re.compile(r"\w+")
_SHOWN: Final = 240
_SCHEMA: Final = """\
CREATE VIRTUAL TABLE pieces USING fts5(
  text, kind UNINDEXED, name UNINDEXED, line UNINDEXED, tokenize = 'porter unicode61'
);
CREATE TABLE documents (
  kind TEXT, name TEXT, first INTEGER, last INTEGER, PRIMARY KEY (kind, name)
);
"""


@dataclass(frozen=True)
class Hit:
    """Where something was found: the kind and name of a document, a line of it, and its text.

    `last`: where no word of the query stands there, the last of the lines that were found whole.
    """

    kind: str
    name: str
    line: int
    text: str
    last: int = 0


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the pieces of a text, each with the number of its first line."""
    held: list[str] = []
    size, first = 0, 1
    for number, whole in enumerate(text.split("\n"), 1):
        for start in range(0, max(1, len(whole)), _LONGEST_LINE):
            line = whole[start : start + _LONGEST_LINE]
            if held and size + len(line) > _PIECE:
                yield first, "\n".join(held)
                held, size, first = [], 0, number
            held.append(line)
            size += len(line) + 1
    if any(held):
        yield first, "\n".join(held)


def asked_for(query: str) -> list[str]:
    """Return the terms of a query: words, and phrases in quotes, their words one space apart."""
    found = (" ".join(_LETTERS.findall(phrase or word)) for phrase, word in _WORD.findall(query))
    return [term.casefold() for term in found if term][:_MOST_WORDS]


class Index:
    """Documents by kind and name. Raises `LackError` where SQLite lacks FTS5."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._top = 0
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise LackError(
                "this Python's SQLite has no full-text search (FTS5)",
                mend="use a Python whose SQLite has it, such as python.org's",
            ) from error

    def update(
        self, documents: Iterable[tuple[str, str, str]], gone: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Take documents in (kind, name, text), each in the place of the one of that name.

        `gone`: kinds and names that are taken out. One transaction: much faster than one each.
        """
        with self._lock, self._db:
            for key in gone:
                self._forget(*key)
            for kind, name, text in documents:
                self._put(kind, name, text)

    def _put(self, kind: str, name: str, text: str) -> None:
        self._forget(kind, name)
        first = self._top + 1
        rows = [
            (first + at, piece, kind, name, line) for at, (line, piece) in enumerate(_pieces(text))
        ]
        self._top += len(rows)
        self._db.executemany(
            "INSERT INTO pieces(rowid, text, kind, name, line) VALUES (?, ?, ?, ?, ?)", rows
        )
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?)", (kind, name, first, self._top)
        )

    def _forget(self, kind: str, name: str) -> None:
        key = (kind, name)
        row = self._db.execute(
            "SELECT first, last FROM documents WHERE kind = ? AND name = ?", key
        ).fetchone()
        if row:
            self._db.execute("DELETE FROM pieces WHERE rowid BETWEEN ? AND ?", row)
            self._db.execute("DELETE FROM documents WHERE kind = ? AND name = ?", key)

    def search(
        self, query: str, kinds: Iterable[str], limit: int, offset: int
    ) -> tuple[list[Hit], int]:
        """Return the best hits, and how many there are in all."""
        terms = asked_for(query)
        if not terms:
            return [], 0
        match = " OR ".join(f'"{term}"' for term in terms)
        wanted = tuple(kinds)
        where = f"pieces MATCH ? AND kind IN ({', '.join('?' * len(wanted))})"
        with self._lock:
            rows = self._db.execute(
                f"SELECT kind, name, line, text FROM pieces WHERE {where} "  # noqa: S608
                "ORDER BY rank LIMIT ? OFFSET ?",
                (match, *wanted, limit, offset),
            ).fetchall()
            (count,) = self._db.execute(
                f"SELECT count(*) FROM pieces WHERE {where}",  # noqa: S608
                (match, *wanted),
            ).fetchone()
        return [
            Hit(kind, name, *_best(line, text, terms)) for kind, name, line, text in rows
        ], count

    def best(self, query: str, kinds: Iterable[str], most: int) -> list[int]:
        """Return the numbers of the pieces that have words of a query, the best first."""
        terms, wanted = asked_for(query), tuple(kinds)
        if not terms:
            return []
        where = f"pieces MATCH ? AND kind IN ({', '.join('?' * len(wanted))})"
        match = " OR ".join(f'"{term}"' for term in terms)
        with self._lock:
            rows = self._db.execute(
                f"SELECT rowid FROM pieces WHERE {where} ORDER BY rank LIMIT ?",  # noqa: S608
                (match, *wanted, most),
            ).fetchall()
        return [row for (row,) in rows]

    def newest(self, kinds: Iterable[str] | None) -> Iterator[int]:
        """Yield the numbers of all pieces, of the newest document first. None: of all kinds."""
        with self._lock:
            rows = self._db.execute(
                "SELECT kind, first, last FROM documents ORDER BY first DESC"
            ).fetchall()
        wanted = None if kinds is None else set(kinds)
        for kind, first, last in rows:
            if wanted is None or kind in wanted:
                yield from range(first, last + 1)

    def texts(self, pieces: Sequence[int]) -> dict[int, str]:
        """Return the texts of pieces by their numbers, in this order; not of those that left."""
        return {row: text for row, (_, _, _, text) in self._read(pieces).items()}

    def shown(self, pieces: Sequence[int], query: str, by_words: Container[int]) -> list[Hit]:
        """Return pieces as hits; of those that were not found by words the beginning is shown."""
        terms = asked_for(query)
        return [
            Hit(kind, name, *_best(line, text, terms))
            if row in by_words
            else Hit(kind, name, line, _beginning(text), line + text.rstrip("\n").count("\n"))
            for row, (kind, name, line, text) in self._read(pieces).items()
        ]

    def _read(self, pieces: Sequence[int]) -> dict[int, tuple[str, str, int, str]]:
        marks = ", ".join("?" * len(pieces))
        with self._lock:
            rows = self._db.execute(
                f"SELECT rowid, kind, name, line, text FROM pieces WHERE rowid IN ({marks})",  # noqa: S608
                tuple(pieces),
            ).fetchall()
        found = {row: (kind, name, line, text) for row, kind, name, line, text in rows}
        return {row: found[row] for row in pieces if row in found}

    def close(self) -> None:
        """Free the memory. It can't be used afterwards."""
        with self._lock:
            self._db.close()


def _score(line: str, terms: Sequence[str]) -> int:
    """Say how well a line fits: a term that stands there counts more than its beginning."""
    padded = f" {' '.join(_LETTERS.findall(line.casefold()))} "
    return sum(
        3 if f" {term} " in padded else f" {term[: max(3, len(term) - 3)]}" in padded
        for term in terms
    )


def _beginning(text: str) -> str:
    """Return the beginning of a piece in one line."""
    words = " ".join(text[: 4 * _SHOWN].split())
    return words if len(words) <= 2 * _SHOWN else f"{words[: 2 * _SHOWN]} …"


def _best(first: int, text: str, terms: Sequence[str]) -> tuple[int, str]:
    """Return the line of a piece that fits best, its number first; of a long one a part."""
    lines = text.split("\n")
    scores = [_score(line, terms) for line in lines]
    at = scores.index(max(scores))
    line = lines[at]
    low = line.casefold()
    start = min((low.find(term) for term in terms if term in low), default=0)
    start = max(0, start - _SHOWN // 3) if len(line) > _SHOWN else 0
    shown = line[start : start + _SHOWN].strip()
    return first + at, f"{'… ' if start else ''}{shown}{' …' if start + _SHOWN < len(line) else ''}"
