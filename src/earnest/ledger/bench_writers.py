"""Many processes that write to one ledger at once, and a count of what is there afterwards."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Final

from earnest.ledger.bench_world import RUN, findings
from earnest.ledger.ledger import Ledger

WRITERS: Final = 32
_RUNS: Final = 5


def _own(number: int, start: int) -> range:
    """Return where a writer's own runs begin; the shared one begins at `start`."""
    first = start + RUN * (1 + number * _RUNS)
    return range(first, first + RUN * _RUNS, RUN)


def _writer(path: Path, number: int, start: int, began: float) -> tuple[list[str], float]:
    """Submit a writer's own runs, and the one that all submit; return the ids acknowledged."""
    time.sleep(max(0.0, began - time.time()))
    written: list[str] = []
    longest = 0.0
    with Ledger(path) as ledger:
        for first in (*_own(number, start), start):
            batch = list(findings(first, RUN))
            before = time.perf_counter()
            ledger.submit(batch, testable=[finding.id for finding in batch])
            longest = max(longest, time.perf_counter() - before)
            written += [finding.id for finding in batch]
    return written, longest


def write_at_once(path: Path, start: int) -> list[tuple[str, float, str, int]]:
    """Let `WRITERS` processes write; return rows: lost or doubled findings, batches/s, the wait.

    `start`: the number of the first invented finding that is not in the ledger yet.
    """
    with Ledger(path) as ledger:
        before = ledger.head()[0]
        tests_before = {one["principal"]: one["tests"] for one in ledger.stats()["principals"]}
    began = time.time() + 4.0
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        told = pool.starmap(_writer, [(path, number, start, began) for number in range(WRITERS)])
        took = time.time() - began
    wanted = {name for written, _ in told for name in written}
    with Ledger(path) as ledger:
        runs = {f"run-{first // RUN}" for number in range(WRITERS) for first in _own(number, start)}
        runs.add(f"run-{start // RUN}")
        found = [finding.id for run in runs for finding, _ in ledger.findings(run=run)]
        lost = len(wanted - set(found))
        doubled = len(found) - len(set(found))
        shares = sum(ledger.alpha(name) is not None for name in wanted)
        # Each share is the next number of its principal: none is given twice, none left out.
        tests = {one["principal"]: one["tests"] for one in ledger.stats()["principals"]}
        wrong = abs(sum(tests.values()) - sum(tests_before.values()) - shares)
        stray = abs(ledger.head()[0] - before - len(wanted) - shares)
    batches = WRITERS * (_RUNS + 1)
    return [
        (f"lost or doubled by {WRITERS} writers", float(lost + doubled + wrong + stray), "findings",
         len(wanted)),
        (f"{WRITERS} writers at once", batches / took, "batches/s", batches),
        ("longest wait of a writer", max(longest for _, longest in told), "s", batches),
    ]  # fmt: skip
