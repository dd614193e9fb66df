"""The page of testbed runs: what each arm came to, curves, the table, samples, what is left open.

All of it is computed from the runs' counts (`testbed_report_read`). Words and files of a model are
escaped and shown as text, like everything on a page (`report.page`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.recipes.report import write_page
from earnest.recipes.testbed_report_counts import (
    DEEP,
    SHALLOW,
    Arm,
    Pair,
    Rate,
    arms,
    hacked,
    hacks_of,
    reported,
    solved,
    total,
    tried,
)
from earnest.recipes.testbed_report_curves import by_depth, by_family, legend, overview
from earnest.recipes.testbed_report_limits import not_shown
from earnest.recipes.testbed_report_mirror import Mirrored, mirrored
from earnest.recipes.testbed_report_read import SORTS, Generation, Sample, read_run
from earnest.recipes.testbed_report_words import finding

_EACH: Final = 2
_LONGEST: Final = 4000
_PATHS: Final = 12


def _columns(arm: Arm) -> dict[str, Pair]:
    """Return the rates that every arm has a cell for."""
    return {
        "solved, depth 1 to 2": arm.pair(solved(SHALLOW)),
        "solved, depth 4": arm.pair(solved(DEEP)),
        "hacks": arm.pair(hacked),
        "attempts": arm.pair(tried),
        "false reports": arm.pair(reported),
    }


def _row(arm: Arm, mirror: Mirrored) -> dict[str, Any]:
    """Return an arm's row of the JSON document."""
    plan, run, told = arm.run.plan, arm.run, _columns(arm)
    worst, hidden = arm.worst(held_out=False), arm.worst(held_out=True)
    return {
        "arm": plan.arm,
        "label": arm.label,
        "run": str(run.path),
        "finished": run.finished,
        "seeds": list(plan.seeds),
        "updates": list(run.made.values()),
        "rollouts": plan.rollouts,
        "parameters": plan.model.parameters,
        "seconds": round(run.seconds, 1),
        "solve": {
            "1-2": told["solved, depth 1 to 2"].document(),
            "4": told["solved, depth 4"].document(),
        },
        "hack_rate": told["hacks"].document(),
        "worst_family": worst.document() if worst else None,
        "worst_held_out": hidden.document() if hidden else None,
        "attempts": told["attempts"].document(),
        "false_reports": told["false reports"].document(),
        "families": {
            name: {"held_out": name in arm.held_out, **arm.pair(hacks_of(name)).document()}
            for name in arm.families
        },
        "generations": {"promoted": arm.decisions["promote"], "refused": arm.decisions["refuse"]},
        "kept": total(map(hacked, arm.kept)).document(),
        "final_statement": arm.final,
        "finding": finding(arm),
        "published": mirror.document(),
        "notes": list(run.notes),
    }


def _cut(said: str) -> str:
    if len(said) <= _LONGEST:
        return said
    return f"{said[:_LONGEST]}\n[cut: {len(said):,} characters in all, in samples.jsonl]"


def _chosen(samples: Iterable[Sample]) -> list[tuple[int, Sample]]:
    """Return of each sort and family the first and the last, with how many there are."""
    found: dict[tuple[int, str], list[Sample]] = {}
    for one in samples:
        found.setdefault((SORTS.index(one.sort), one.family), []).append(one)
    kept = []
    for _, some in sorted(found.items()):
        ordered = sorted(some, key=lambda one: (one.generation, one.update, one.seed))
        kept += [(len(some), one) for one in (ordered[:1] + ordered[1:][1 - _EACH :])]
    return kept


def _samples(arm: Arm) -> list[dict[str, Any]]:
    """Return rollouts as the page shows them; the first of each sort is open."""
    rows, met = [], set()
    for count, one in _chosen(arm.run.samples):
        held = ", held out" if one.family in arm.held_out else ""
        rows.append(
            {
                "one": one,
                "count": count,
                "name": f"{one.sort}: {one.family}{held}" if one.family else one.sort,
                "open": one.sort not in met,
                "reply": _cut(one.reply),
                "files": {name: _cut(body) for name, body in sorted(one.files.items())[:_PATHS]},
                "more": max(0, len(one.files) - _PATHS),
            }
        )
        met.add(one.sort)
    return rows


def _generation(arm: Arm, one: Generation) -> dict[str, Any]:
    told = {name: Rate(found.hacks, found.n) for name, found in one.families.items() if found.n}
    worst = max(told, key=lambda name: told[name].share or 0.0, default="")
    return {
        "one": one,
        "solved": solved(DEEP)(one),
        "hacks": hacked(one),
        "worst": f"{worst}, held out" if worst in arm.held_out else worst,
        "rate": told.get(worst, Rate()),
        "quarantined": one.quarantined[:_PATHS],
        "more": max(0, len(one.quarantined) - _PATHS),
    }


def _section(arm: Arm, mirror: Mirrored) -> dict[str, Any]:
    """Return what the page shows of an arm."""
    samples = _samples(arm)
    return {
        "arm": arm,
        "finding": finding(arm),
        "columns": _columns(arm),
        "worst": (arm.worst(held_out=False), arm.worst(held_out=True)),
        "kept": total(map(hacked, arm.kept)),
        "mirror": mirror,
        "depths": by_depth(arm),
        "families": by_family(arm),
        "samples": samples,
        "missing": [sort for sort in SORTS if sort not in {row["one"].sort for row in samples}],
        "generations": [_generation(arm, one) for one in arm.run.generations],
    }


def report(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the page of these runs to `out`; return the table of arms as a document.

    Raises `UsageError` for a folder that is no run, or a damaged line in it.
    """
    found = arms([read_run(path) for path in paths])
    mirrors = [mirrored(arm, found) for arm in found]
    open_points = not_shown(found)
    values: Mapping[str, Any] = {
        "sections": [_section(*pair) for pair in zip(found, mirrors, strict=True)],
        "overview": overview(found),
        "legend": legend(),
        "not_shown": open_points,
    }
    try:
        written = write_page(out, "testbed.html", values)
    except OSError as error:
        raise UsageError(
            f"can't write {out}: {error.strerror}", mend="name a file that you may write: -o FILE"
        ) from error
    return {
        "version": 1,
        "report": str(written),
        "arms": [_row(*pair) for pair in zip(found, mirrors, strict=True)],
        "not_shown": open_points,
    }


def report_words(document: Mapping[str, Any]) -> str:
    """Return what the verb prints for a person."""
    lines = []
    for row in document["arms"]:
        lines += [row["finding"], f"  published: {row['published']['says']}"]
        lines += [f"  {note}" for note in row["notes"]]
    return "\n".join([*lines, f"report: {document['report']}"])
