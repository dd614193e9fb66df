"""What was made from a finding: data sets, checkpoints and generations, by hash."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from earnest.core.records import Checkpoint, Dataset, Generation


def made_from(
    verdicts: Collection[str],
    datasets: Iterable[Dataset],
    checkpoints: Iterable[Checkpoint],
    generations: Iterable[Generation],
) -> dict[str, list[str]]:
    """Return the ids of what was trained on any of these verdicts, oldest first.

    A data set is touched by its verdicts or by a data set that it replays, a checkpoint by its
    data set or its parent, a generation by its checkpoint or its data set.
    """
    sets = _closure(
        [(one.id, bool(set(verdicts) & set(one.verdicts)), one.parents) for one in datasets]
    )
    models = _closure(
        [(one.id, one.dataset in sets, (one.parent,)) for one in checkpoints],
    )
    turns = [one.id for one in generations if one.checkpoint in models or one.dataset in sets]
    return {"datasets": sets, "checkpoints": models, "generations": turns}


def _closure(items: list[tuple[str, bool, Iterable[str | None]]]) -> list[str]:
    """Return the ids of the items that are touched, or have a parent that is."""
    touched = {name for name, direct, _ in items if direct}
    while True:
        more = {
            name
            for name, _, parents in items
            if name not in touched and any(parent in touched for parent in parents)
        }
        if not more:
            return [name for name, _, _ in items if name in touched]
        touched |= more
