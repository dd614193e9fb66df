"""Search by meaning beside search by words: vectors of an index's pieces, and both rankings fused.

Each search makes vectors of at most `PER_CALL` pieces that have none, and begins none after
`_WITHIN_S`: of those that are best by words, then of the newest. So what can be found by meaning
grows with each search, and how far it is is told. Vectors are kept by the hash of their text in the
run's folder, so that a resumed run, and a sub-agent, makes none twice. Where the model fails, words
remain.

The rankings are fused by reciprocal rank, k = 60 (Cormack, Clarke and Büttcher, SIGIR 2009).

Not covered: how good a model's vectors are; hits by words beyond the first 500; pieces beyond
64 MiB of vectors.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import LackError, ModelError
from earnest.core.protocols import Embedder
from earnest.tools.index import Hit, Index

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE: Final = "embeddings.db"
PER_CALL: Final = 256
_WITHIN_S: Final = 8.0
_BATCH: Final = 16
_CHUNK: Final = 256
_BY_WORDS, _FIRST, _NEAR = 500, 64, 10
_K: Final = 60
_MOST_BYTES: Final = 64 * 2**20
_SCHEMA: Final = """\
CREATE TABLE IF NOT EXISTS model (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS vectors (hash BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID;
"""


class Vectors:
    """Vectors of texts, each made once: of length 1, as 32-bit floats. Safe for several threads.

    `path`: a file that keeps them; one that can't be read, or is another model's, is made anew.
    """

    def __init__(self, embedder: Embedder, path: Path) -> None:
        self.embedder, self.path = embedder, path
        self._lock = threading.RLock()
        self._size: int | None = None
        try:
            self._db = self._opened()
        except sqlite3.Error:
            path.unlink(missing_ok=True)
            self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, check_same_thread=False, timeout=5.0)
        try:
            with db:
                db.execute("PRAGMA synchronous = OFF")  # what a crash breaks is made anew
                db.executescript(_SCHEMA)
                names = [name for (name,) in db.execute("SELECT name FROM model")]
                if names != [self.embedder.name]:
                    db.execute("DELETE FROM model")
                    db.execute("DELETE FROM vectors")
                    db.execute("INSERT INTO model VALUES (?)", (self.embedder.name,))
        except sqlite3.Error:
            db.close()
            raise
        return db

    def of(
        self, texts: Sequence[str], most: int, until: float
    ) -> tuple[list[NDArray[Any] | None], int]:
        """Return a vector for each text, and how many were made: at most `most`, and none late.

        `until`: the time (`time.monotonic`) after which none is begun; texts that came to nothing
        have None. Raises `ModelError`, `LackError` where the model fails.
        """
        with self._lock:
            found = [self._kept(text) for text in texts]
            missing = [at for at, vector in enumerate(found) if vector is None][:most]
            made = 0
            for start in range(0, len(missing), _BATCH):
                if time.monotonic() >= until:
                    break
                batch = missing[start : start + _BATCH]
                vectors = self._made([texts[at] for at in batch])
                made += len(batch)
                for at, vector in zip(batch, vectors, strict=True):
                    found[at] = vector
            return found, made

    def _kept(self, text: str) -> NDArray[Any] | None:
        import numpy as np

        try:
            row = self._db.execute(
                "SELECT vector FROM vectors WHERE hash = ?", (_hash(text),)
            ).fetchone()
        except sqlite3.Error:  # a cache that fails is none
            return None
        return np.frombuffer(row[0], dtype="<f4") if row else None

    def _made(self, texts: Sequence[str]) -> NDArray[Any]:
        """Have vectors made, and keep them. Raises `ModelError`, `LackError`."""
        import numpy as np

        name = self.embedder.name
        try:
            made = np.asarray(self.embedder.embed(texts), dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise ModelError(f"{name} gave what are no vectors of one length") from error
        if made.ndim != 2 or len(made) != len(texts) or not np.isfinite(made).all():
            raise ModelError(f"{name} did not give one vector of numbers for each text")
        self._size = self._size or made.shape[1]
        if made.shape[1] != self._size or not self._size:
            raise ModelError(f"{name} gave vectors of different lengths")
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        unit = (made / np.where(lengths > 0, lengths, 1)).astype("<f4")
        rows = [(_hash(text), one.tobytes()) for text, one in zip(texts, unit, strict=True)]
        with contextlib.suppress(sqlite3.Error), self._db:
            self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        return unit

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@contextlib.contextmanager
def kept_vectors(embedder: Embedder | None, folder: Path) -> Iterator[Vectors | None]:
    """Yield what keeps vectors in a run's folder; None where there is no model for them."""
    if embedder is None:
        yield None
        return
    with contextlib.closing(Vectors(embedder, folder / CACHE)) as vectors:
        yield vectors


class Meaning:
    """Searches one index by words and by meaning. Safe for several threads."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self._lock = threading.Lock()
        self._rows: dict[int, NDArray[Any]] = {}

    def search(
        self, index: Index, query: str, kinds: Sequence[str], limit: int, offset: int
    ) -> tuple[list[Hit], int, str]:
        """Return the best hits, how many there are, and what is to be told of the search."""
        words = index.best(query, kinds, _BY_WORDS)
        try:
            near, told = self._near(index, query, kinds, words)
        except (ModelError, LackError) as error:
            mend = f"; {error.mend}" if error.mend else ""
            near, told = [], f"[by words alone: {str(error)[:300]}{mend}]"
        ranked = fused(words, near)
        return index.shown(ranked[offset : offset + limit], query, set(words)), len(ranked), told

    def forget(self) -> None:
        """Forget which pieces have vectors, since the index is made anew."""
        with self._lock:
            self._rows.clear()

    def _near(
        self, index: Index, query: str, kinds: Sequence[str], words: Sequence[int]
    ) -> tuple[list[int], str]:
        """Return the pieces that are closest to a query, the closest first, and what to tell."""
        import numpy as np

        until = time.monotonic() + _WITHIN_S
        with self._lock:
            [asked], _ = self._vectors.of([query], 1, until)
            if asked is None:
                raise ModelError(f"{self._vectors.embedder.name} is too slow")
            alive = list(index.newest(kinds))
            self._forget_gone(index)
            self._grow(index, [*words[:_FIRST], *alive], until)
            known = [row for row in alive if row in self._rows]
            if not known:
                return [], ""
            likeness = np.stack([self._rows[row] for row in known]) @ asked
        order = np.argsort(-likeness, kind="stable")[:_NEAR]
        near = [known[at] for at in order if likeness[at] > 0]
        told = (
            f"[by meaning: {len(known):,} of {len(alive):,} pieces so far; each search adds some]"
        )
        return near, told if len(known) < len(alive) else ""

    def _forget_gone(self, index: Index) -> None:
        alive = set(index.newest(None))
        for row in [row for row in self._rows if row not in alive]:
            del self._rows[row]

    def _grow(self, index: Index, wanted: Iterable[int], until: float) -> None:
        """Make or find vectors for pieces that have none here, in this order."""
        missing = list(dict.fromkeys(row for row in wanted if row not in self._rows))
        left = PER_CALL
        for start in range(0, len(missing), _CHUNK):
            held = sum(vector.nbytes for vector in self._rows.values())
            if time.monotonic() >= until or held >= _MOST_BYTES:
                return
            texts = index.texts(missing[start : start + _CHUNK])
            vectors, made = self._vectors.of(list(texts.values()), left, until)
            left -= made
            new = {
                row: vector
                for row, vector in zip(texts, vectors, strict=True)
                if vector is not None
            }
            self._rows |= new
            if not left and not new:
                return


def fused(*rankings: Sequence[int]) -> list[int]:
    """Return what stands in any of some rankings, by the sum of 1 / (60 + rank)."""
    score: dict[int, float] = {}
    for ranking in rankings:
        for rank, one in enumerate(ranking, 1):
            score[one] = score.get(one, 0.0) + 1 / (_K + rank)
    return sorted(score, key=lambda one: -score[one])
