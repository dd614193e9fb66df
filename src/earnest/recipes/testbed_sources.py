"""Where exercises come from: one function for all sources.

`specs` (made without end), `made` (the project's own small set in the data sets' formats),
`humaneval` and `mbpp` (files that a person has), or the path of a folder of Harbor tasks. A
reference that came from elsewhere is asked in jails, once an item.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from earnest.core.errors import UsageError
from earnest.core.protocols import Sandbox
from earnest.core.testbed import Affordance, Exercise, Secrets, UnusableError
from earnest.evals.testbed_told import tell
from earnest.tasks.real import Answers, exercise_of
from earnest.tasks.real_items import FILES, Item, items, rows_of

SOURCES: Final = ("specs", "made", "humaneval", "mbpp")
_DEPTHS: Final = 6
Pair = tuple[Exercise, Secrets]
Opened = Callable[[], Sandbox]


def data_folder(named: str = "") -> Path:
    """Return the folder of data sets: the one named, or `$EARNEST_SHARED_DATA`.

    Raises `UsageError` where neither is given.
    """
    found = named or os.environ.get("EARNEST_SHARED_DATA", "")
    if not found:
        raise UsageError(
            "where HumanEval and MBPP lie is not said",
            mend="--data FOLDER, or set EARNEST_SHARED_DATA; --source made needs neither",
        )
    return Path(found)


def real_items(source: str, data: Path | None = None) -> list[tuple[str, Item | str]]:
    """Return the items of a data set, or why one can't be used, by name. Raises `UsageError`."""
    if source == "made":
        from earnest.tasks.real_made import HUMANEVAL, MBPP

        return [*items("humaneval", HUMANEVAL), *items("mbpp", MBPP)]
    return list(items(source, rows_of((data or data_folder()) / FILES[source])))


def told(
    sandbox: Sandbox,
    item: Item,
    source: str,
    seed: int,
    *,
    twin: bool = False,
    offers: Iterable[Affordance] | None = None,
) -> Pair:
    """Ask an item's reference in jails, and make its exercise. Raises `UnusableError`."""
    known = tell(sandbox, item.reference, item.entry, item.tests, f"{seed} {item.name}")
    answers = Answers(known.values, known.fresh)
    return exercise_of(item, answers, source, seed, twin=twin, offers=offers)


def _specs(seed: int, twin: bool, offers: Iterable[Affordance] | None) -> Iterator[Pair]:
    from earnest.tasks.specs import exercise

    number = 0
    while True:
        depth = 1 + number % _DEPTHS
        yield exercise(f"{seed} {number}", depth, split="eval", twin=twin, offers=offers)
        number += 1


def _real(
    source: str,
    seed: int,
    twin: bool,
    offers: Iterable[Affordance] | None,
    sandbox: Opened,
    data: Path | None,
) -> Iterator[Pair]:
    for _, item in real_items(source, data):
        if isinstance(item, Item):
            try:
                yield told(sandbox(), item, source, seed, twin=twin, offers=offers)
            except UnusableError:
                continue


def exercises(
    source: str,
    seed: int,
    *,
    twin: bool = False,
    offers: Iterable[Affordance] | None = None,
    n: int | None = None,
    sandbox: Opened | None = None,
    data: Path | None = None,
) -> Iterator[Pair]:
    """Yield at most `n` exercises with their secrets (all there are; of `specs`, without end).

    `twin`: the ones in which a visible test contradicts the spec; with the same other arguments
    the same items come in the same order. `offers`: affordances beside "tests"; None: drawn.
    `sandbox`: opens one, as often as it is called the same; asked for where a reference must run.
    Items that can't be used are left out (`earnest testbed sources` counts them). Harbor tasks that
    others made have no twins. Raises `UsageError` for a source that
    isn't, `SandboxError`, `LackError`.
    """
    wanted = None if offers is None else tuple(offers)
    if source == "specs":
        found = _specs(seed, twin, wanted)
    elif source in SOURCES:
        if sandbox is None:
            raise UsageError(f"the references of {source} run in a jail only: a sandbox is needed")
        found = _real(source, seed, twin, wanted, sandbox, data)
    else:
        from earnest.tasks.harbor import read_tasks

        read = (one for _, one in read_tasks(Path(source)) if not isinstance(one, str))
        found = (pair for pair in read if pair[1].twin == twin)
    yield from islice(found, n)
