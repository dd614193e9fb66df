"""`earnest bench ledger`: what a large ledger costs to write, search and audit, beside its limits.

Findings are invented, and written by the ledger's own methods in batches of `_BATCH`: submitted
with their shares, concluded with a signed verdict each, stamped. Limits and peers are measured in
the same run on the same bytes: bare inserts into a table without index or view, two SHA-256 of
each record, and SQLite's own ranking of all hits.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from earnest.core.machine import machine
from earnest.core.protocols import Progress
from earnest.core.records import Finding
from earnest.core.sign import KeyFolder
from earnest.ledger.audit import audit
from earnest.ledger.bench_world import RUN, findings, verdict
from earnest.ledger.bench_writers import WRITERS, write_at_once
from earnest.ledger.ledger import Ledger

_BATCH: Final = 2000
_DEEP: Final = 20_000  # findings of the ledger that is derived anew
GOALS: Final = {
    "search p95": ("at_most", 20.0),
    "audit, quick": ("at_least", 100_000.0),
    f"lost or doubled by {WRITERS} writers": ("at_most", 0.0),
}


def _row(what: str, value: float, unit: str, n: int) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "n": n}


def _chunk(start: int, count: int) -> list[Finding]:
    made = list(findings(start, count))
    for finding in made:
        finding.data, finding.id  # noqa: B018 - rendered here, beside the process that writes
    return made


def _made(count: int) -> Iterator[list[Finding]]:
    """Yield batches of findings, made by a process of its own a little ahead."""
    starts = iter(range(0, count, _BATCH))
    ahead: deque[Any] = deque()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        while True:
            for start in starts:
                ahead.append(pool.submit(_chunk, start, min(_BATCH, count - start)))
                if len(ahead) == 3:
                    break
            if not ahead:
                return
            yield ahead.popleft().result()


def _write(path: Path, keys: KeyFolder, count: int, progress: Progress) -> float:
    """Write so many findings, each with its verdict; return the seconds it took."""
    began = time.perf_counter()
    done = 0
    with Ledger(path, keys) as ledger:
        for batch in _made(count):
            ledger.submit(batch, testable=[finding.id for finding in batch])
            ledger.conclude_all(
                [
                    verdict(finding, done + place, ledger.alpha(finding.id))
                    for place, finding in enumerate(batch)
                ]
            )
            done += len(batch)
            if done % (50 * _BATCH) == 0:
                progress(f"wrote {done} of {count} findings, {time.perf_counter() - began:.0f} s")
        ledger.stamp()
    return time.perf_counter() - began


@dataclass(frozen=True)
class _Query:
    kind: str
    text: str


def _queries(count: int, number: int) -> Iterator[_Query]:
    """Yield what people and agents ask, about findings that are there and some that aren't."""
    draw = random.Random(7)  # noqa: S311
    kinds = ("two columns", "columns and table", "words of a sentence", "one word", "no exact hit")
    for place in range(number):
        finding = next(findings(draw.randrange(count), 1))
        claim, kind = finding.claim, kinds[place % len(kinds)]
        words = {
            "two columns": f"{claim.outcome} {claim.exposure}",
            "columns and table": f"{claim.outcome} {claim.exposure} {claim.table}",
            "words of a sentence": f"does {claim.outcome} fall as {claim.exposure} rises",
            "one word": draw.choice(claim.outcome.split("_")),
            "no exact hit": f"{claim.table} {claim.outcome} unheard-of {draw.choice('abc')}quux",
        }
        yield _Query(kind, words[kind])


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds that it took, and those of CPU time (what a busy machine leaves)."""
    began, cpu = time.perf_counter(), time.process_time()
    act()
    return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _search(path: Path, count: int, seconds: float) -> list[dict[str, Any]]:
    """Search, ours and SQLite's own ranking in turns, for so many seconds at most."""
    ours: dict[str, list[float]] = {}
    whole: list[float] = []
    cpu: list[float] = []
    until = time.monotonic() + seconds
    own = sqlite3.connect(path)
    with Ledger(path) as ledger:
        for place, query in enumerate(_queries(count, 100_000)):
            if place >= 10 and time.monotonic() > until:
                break
            took, spent = _timed(partial(ledger.search, query.text))
            ours.setdefault(query.kind, []).append(took)
            cpu.append(spent)
            if place % 5 == place // 5 % 5:
                whole.append(_timed(partial(_plain, own, query.text))[0])
    own.close()
    every = [took for kind in ours.values() for took in kind]
    rows = [
        _row("search p50", _quantile(every, 0.5), "ms", len(every)),
        _row("search p95", _quantile(every, 0.95), "ms", len(every)),
        _row("search p99", _quantile(every, 0.99), "ms", len(every)),
        _row("search p95, CPU time", _quantile(cpu, 0.95), "ms", len(cpu)),
    ]
    rows += [
        _row(f"search p95, {kind}", _quantile(took, 0.95), "ms", len(took))
        for kind, took in ours.items()
    ]
    return [
        *rows,
        _row("all hits ranked by SQLite, no records read, p50", _quantile(whole, 0.5), "ms",
             len(whole)),
        _row("all hits ranked by SQLite, no records read, p95", _quantile(whole, 0.95), "ms",
             len(whole)),
    ]  # fmt: skip


def _plain(db: sqlite3.Connection, text: str) -> list[Any]:
    words = [f'"{word}"' for word in text.split()]
    for joint in (" AND ", " OR "):
        rows = db.execute(
            "SELECT rowid FROM text WHERE text MATCH ? ORDER BY rank LIMIT 20", (joint.join(words),)
        ).fetchall()
        if rows:
            return rows
    return []


def _limits(path: Path, folder: Path, most: int) -> list[dict[str, Any]]:
    """Measure bare inserts, and records hashed twice, of the ledger's bytes."""
    db = sqlite3.connect(path)
    data = [row[0] for row in db.execute("SELECT data FROM record LIMIT ?", (most,))]
    db.close()
    bare = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    bare.execute("PRAGMA journal_mode = WAL")
    bare.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, data BLOB)")
    began = time.perf_counter()
    for start in range(0, len(data), 4 * _BATCH):
        bare.execute("BEGIN")
        bare.executemany(
            "INSERT INTO record (data) VALUES (?)",
            [(one,) for one in data[start : start + 4 * _BATCH]],
        )
        bare.execute("COMMIT")
    inserted = len(data) / (time.perf_counter() - began)
    bare.close()
    began = time.perf_counter()
    for one in data:
        hashlib.sha256(one).hexdigest()
        hashlib.sha256(one).hexdigest()
    hashed = len(data) / (time.perf_counter() - began)
    return [
        _row("limit: two SHA-256 of each record", hashed, "records/s", len(data)),
        _row("limit: bare inserts of the same bytes", inserted, "records/s", len(data)),
    ]


def _audited(path: Path, keys: KeyFolder, *, deep: bool) -> list[dict[str, Any]]:
    """Audit; return records a second, and a second of CPU time."""
    began, cpu = time.perf_counter(), time.process_time()
    found = audit(path, keys=keys, deep=deep)
    if not found.clean:
        raise AssertionError(f"the benchmark's own ledger: {found.problem}")
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    name, count = f"audit, {'deep' if deep else 'quick'}", found.records
    return [
        _row(name, count / took, "records/s", count),
        _row(f"{name}, CPU time", count / spent, "records/CPU s", count),
    ]


def bench_ledger(
    *,
    findings: int = 1_000_000,
    seconds: float = 60,
    progress: Progress = lambda _: None,
    where: Path | None = None,
) -> dict[str, Any]:
    """Measure; return what `bench NAME --json` prints (DESIGN.md, section 11), and `goals`.

    `seconds`: for how long searches are measured. It needs about 8 kB of disk a finding in the
    folder for temporary files, or in `where`.
    """
    count = max(RUN, findings - findings % RUN)
    with tempfile.TemporaryDirectory(prefix="earnest-bench-", dir=where) as name:
        folder = Path(name)
        path, keys = folder / "ledger.sqlite", KeyFolder(folder / "verifier")
        took = _write(path, keys, count, progress)
        size = sum(one.stat().st_size for one in (path, path.with_name(path.name + "-wal"))
                   if one.exists())  # fmt: skip
        progress(f"wrote {count} findings in {took:.0f} s; searching ...")
        rows = [
            _row("write, submitted and concluded", count / took, "findings/s", count),
            _row("size", size / count, "bytes/finding", count),
            *_search(path, count, seconds),
        ]
        progress(f"{WRITERS} writers at once ...")
        rows += [_row(*one) for one in write_at_once(path, count)]
        progress("auditing ...")
        rows += [*_limits(path, folder, 200_000), *_audited(path, keys, deep=False)]
        rows.append(_row("records", rows[-1]["n"] / count, "records/finding", count))
        small, small_keys = folder / "small.sqlite", KeyFolder(folder / "small-verifier")
        _write(small, small_keys, min(count, _DEEP), lambda _: None)
        rows += _audited(small, small_keys, deep=True)
    return _document(rows)


def _document(rows: list[dict[str, Any]]) -> dict[str, Any]:
    value = {row["what"]: row["value"] for row in rows}
    written = value["write, submitted and concluded"] * value["records"]
    ratios = {
        "audit_quick_over_two_sha256": value["audit, quick"]
        / value["limit: two SHA-256 of each record"],
        "write_records_over_bare_inserts": written / value["limit: bare inserts of the same bytes"],
        "sqlite_ranking_p95_over_search_p95": value[
            "all hits ranked by SQLite, no records read, p95"
        ]
        / value["search p95"],
    }
    goals = {
        what: {bound: limit, "value": value[what], "met": value[what] <= limit
               if bound == "at_most" else value[what] >= limit}
        for what, (bound, limit) in GOALS.items()
    }  # fmt: skip
    return {
        "name": "ledger",
        "machine": {**machine(), "sqlite": sqlite3.sqlite_version},
        "rows": rows,
        "ratios": ratios,
        "goals": goals,
    }
