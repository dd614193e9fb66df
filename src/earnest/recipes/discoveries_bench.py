"""The recipe behind `earnest bench discoveries`: run all, then put the figures together."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.pool import Pool
from typing import Any, Final, TypeVar

from earnest.core.errors import UsageError
from earnest.core.machine import machine
from earnest.core.protocols import Progress
from earnest.recipes import discoveries_figures as figures
from earnest.recipes.composites import fooled_all
from earnest.recipes.discoveries import Ledger, one_ledger

Work = TypeVar("Work")
Result = TypeVar("Result")

_MOST: Final = 1000


def _quiet() -> None:
    """Leave Ctrl-C to the parent: it is held back from before a process is made."""
    signal.set_wakeup_fd(-1)  # the parent's (core/running.py)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextlib.contextmanager
def _workers(count: int) -> Iterator[Pool]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        made = multiprocessing.get_context("fork").Pool(count, _quiet)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with made as pool:
        yield pool


def spread(
    work: Callable[[Work], Result], todo: Sequence[Work], say: Progress, what: str
) -> Iterator[Result]:
    """Do pieces of work in a process a core, and yield results in their order.

    Leaving early (Ctrl-C) ends the processes.
    """
    if not todo:
        return
    workers = min(len(os.sched_getaffinity(0)), len(todo))
    every = max(1, len(todo) // 20)
    with _workers(workers) as pool:
        for done, result in enumerate(pool.imap(work, todo), 1):
            if done % every == 0 or done == len(todo):
                say(f"{what}: {done} of {len(todo)}")
            yield result


def _ledger(task: tuple[int, int, int]) -> Ledger:
    return one_ledger(*task)


def bench(
    *, ledgers: int, tables: int, composites: int, seed: int, progress: Progress
) -> dict[str, Any]:
    """Simulate, and return the contract's document with `goals`. Equal arguments, equal figures.

    `composites`: tables of noise on which an author tries 100 composite claims each.
    """
    for name, count in (("--ledgers", ledgers), ("--tables", tables), ("--composites", composites)):
        if not 0 <= count <= _MOST:
            raise UsageError(f"{name} {count}", mend=f"choose from 0 to {_MOST}")
    if not tables:
        ledgers = 0
    tasks = [(seed, number, tables) for number in range(ledgers)]
    told = list(spread(_ledger, tasks, progress, f"ledgers of {tables} tables"))
    seeds = [seed * _MOST + number for number in range(composites)]
    fooled = list(spread(fooled_all, seeds, progress, "tables of noise"))
    rows = figures.rows(told, fooled)
    ratios = figures.ratios(rows)
    return {
        "name": "discoveries",
        "machine": machine(),
        "rows": rows,
        "ratios": ratios,
        "goals": figures.goals(ratios),
    }
