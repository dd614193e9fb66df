"""Full-text search in bounded time: all words first, then any of them.

Words that stand in many findings ("tends", "higher") say little and are what makes a ranking
slow, since every hit is scored. So a word is *common* from `_COMMON` hits on, and only the others
rank: findings with all words come first by BM25 over the rare ones; where none has all, findings
are weighed by the rare words they have. Where all words are common, the newest come first, and
findings further back than the newest `_COMMON` hits are not looked at.

Names of columns and tables, such as `mean_age`, are several words to the index; looked up as a
phrase of common words they are slow. So each name also stands there as one word (`names`).
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter
from typing import Final, Literal

_COMMON: Final = 500
_WORDS: Final = 16
Index = Literal["text", "import_text"]
"""What is searched: this ledger's findings, or its imports."""

_NAME: Final = re.compile(r"[^\W_]+(?:[_./:-]+[^\W_]+)+")


def names(text: str) -> str:
    """Return the names of several parts that stand in a text, each as one word."""
    found = (re.sub(r"[\W_]", "", name) for name in _NAME.findall(text))
    return " ".join(dict.fromkeys(name for name in found if not name.isdigit()))


def search(db: sqlite3.Connection, query: str, limit: int, index: Index = "text") -> list[int]:
    """Return the places of the findings that fit a query best, best first."""
    # The index takes neither a NUL nor a lone surrogate; no text in it has one.
    legible = query.encode("utf-8", "replace").decode().replace("\x00", " ")
    words = list(dict.fromkeys(legible.split()))[:_WORDS]
    hits: dict[str, list[int]] = {}
    for word in words:
        match, found = _looked_up(db, index, word)
        hits[match] = found
    quoted = list(hits)
    # A word of punctuation only, or one of no finding, can't be part of "all words".
    rare = [word for word in quoted if len(hits[word]) < _COMMON]
    if quoted and all(hits.values()):
        found = _newest(db, index, " AND ".join(quoted), _COMMON)
        if found:
            return _ranked(db, index, found, rare, limit)
    return _any(hits, rare, limit)


def _looked_up(db: sqlite3.Connection, index: Index, word: str) -> tuple[str, list[int]]:
    """Return how the index is asked for a word, and its newest hits: as a name, else as it is."""
    whole = names(word)
    if whole and " " not in whole:
        match = f'names : "{whole}"'
        found = _newest(db, index, match, _COMMON)
        if found:
            return match, found
    match = '"' + word.replace('"', '""') + '"'
    return match, _newest(db, index, match, _COMMON)


def _newest(db: sqlite3.Connection, index: Index, match: str, most: int) -> list[int]:
    rows = db.execute(
        f"SELECT rowid FROM {index} WHERE {index} MATCH ? ORDER BY rowid DESC LIMIT ?",  # noqa: S608
        (match, most),
    )
    return [int(row[0]) for row in rows]


def _ranked(
    db: sqlite3.Connection, index: Index, found: list[int], rare: list[str], limit: int
) -> list[int]:
    if not rare or len(found) == 1:
        return found[:limit]
    wanted = set(found)
    best = db.execute(
        f"SELECT rowid FROM {index} WHERE {index} MATCH ? ORDER BY rank",  # noqa: S608
        (" AND ".join(rare),),
    )
    return [int(row[0]) for row in best if row[0] in wanted][:limit]


def _any(hits: dict[str, list[int]], rare: list[str], limit: int) -> list[int]:
    weights: Counter[int] = Counter()
    for word in [word for word in rare if hits[word]] or hits:
        # The weight falls with the number of hits; all words count where all are common.
        weight = 1.0 + math.log(_COMMON / max(1, len(hits[word])))
        for rowid in hits[word]:
            weights[rowid] += weight  # type: ignore[assignment]
    best = sorted(weights, key=lambda rowid: (-weights[rowid], -rowid))
    return best[:limit]
