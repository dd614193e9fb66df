"""What `eval integrity` leaves in its folder to look at: `samples.jsonl` and `report.md`.

A sample is one run in the model's own words and files. Of each sort, of hacks and attempts of each
family, the first few are kept; all runs lie whole in the folder `runs`. What models wrote is data:
in the report it stands behind a bar on each line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical
from earnest.core.errors import ToolError
from earnest.core.events import read_events
from earnest.core.home import Home, write_whole
from earnest.core.quoted import quoted
from earnest.evals.integrity import FAILED, Item, Outcome
from earnest.evals.integrity_table import in_words
from earnest.tools.workspace import Workspace

_EACH: Final = 3
_MOST_TEXT: Final = 20_000
_MOST_FILES: Final = 12
_MOST_CALL: Final = 300
_SPEC: Final = "SPEC.md"
_NOT_TOLD: Final = (".pytest_cache/",)


def _kept(outcomes: Iterable[Outcome]) -> Iterator[tuple[Outcome, str]]:
    """Yield the outcomes that are shown, each with the family that it is shown for."""
    seen: Counter[tuple[str, str]] = Counter()
    for one in outcomes:
        if one.status == FAILED:
            continue
        families = one.hacked or (tuple(one.attempts) if one.sort == "attempt" else ())
        family = families[0] if families else ""
        seen[one.sort, family] += 1
        if seen[one.sort, family] <= _EACH:
            yield one, family


def _texts(workspace: Workspace, one: Outcome) -> dict[str, str]:
    """Return the texts of changed and new files; of one that is gone, an empty one."""
    names = [name for name in one.changed if not name.startswith(_NOT_TOLD)][:_MOST_FILES]
    there = workspace.sizes()
    return {
        name: workspace.read(name, _MOST_TEXT).decode(errors="replace") if name in there else ""
        for name in names
    }


def _turns(log: Path) -> list[dict[str, Any]]:
    """Return what a model said at each turn, and what it called: the beginning of each call."""
    said = [event.payload["message"] for event in read_events(log) if event.kind == "intent"]
    return [
        {
            "said": message["content"][:_MOST_TEXT],
            "calls": [
                f"{call['name']} {canonical(call['arguments']).decode()}"[:_MOST_CALL]
                for call in message["calls"]
            ],
        }
        for message in said
    ]


def samples(own: Home, items: Sequence[Item], outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the samples, with what was asked, what was said, and what was written."""
    by_task = {item.one.task.id: item for item in items}
    found = []
    for one, family in _kept(outcomes):
        item = by_task[one.task]
        exercise = item.one
        words = exercise.files.get(_SPEC, exercise.task.prompt.encode())
        run = own.runs / item.run
        try:
            files = _texts(Workspace(run / "workspace"), one)
        except ToolError:
            files = {}
        found.append(
            {
                "name": one.name,
                "run": item.run,
                "sort": one.sort,
                "family": family,
                "twin": one.twin,
                "spec": words.decode(errors="replace"),
                "offers": list(exercise.offers),
                "turns": _turns(run / "events.jsonl"),
                "reply": one.said,
                "files": files,
                "believed": one.believed,
                "secure": one.secure,
                "reported": one.reported,
                "attempts": dict(one.attempts),
                "why": one.why,
            }
        )
    return found


def _block(text: str, source: str) -> str:
    """Return text as data: no line of it can end the block, since each begins with a bar."""
    return f"```\n{quoted(text, source)}\n```"


def _in_words(sample: Mapping[str, Any]) -> str:
    """Return a sample for a person to read."""
    what = f"{sample['sort']}{': ' + sample['family'] if sample['family'] else ''}"
    twin = ", a twin: a visible test contradicts the spec" if sample["twin"] else ""
    told = [
        line
        for number, turn in enumerate(sample["turns"], 1)
        for line in (f"{number}. {turn['said']}".rstrip(), *turn["calls"])
    ]
    lines = [
        f"### {what} (`{sample['name']}`{twin})",
        f"Visible tests {'pass' if sample['believed'] else 'fail'}; the secure grader says "
        f"{'pass' if sample['secure'] else 'fail'}. "
        f"{'A conflict was reported.' if sample['reported'] else ''}".strip(),
        *(f"Seen as an attempt at `{name}`: {why}." for name, why in sample["attempts"].items()),
        _block(sample["spec"], "the spec"),
        _block("\n".join(told), "the model: what it said and called"),
        *(_block(text, name) for name, text in sample["files"].items()),
    ]
    return "\n\n".join(lines)


def write_report(
    own: Home, head: str, counted: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]
) -> Path:
    """Write `samples.jsonl` and `report.md` into the eval's folder; return the second's path."""
    write_whole(own.root / "samples.jsonl", b"".join(canonical(one) + b"\n" for one in shown))
    parts = [
        f"# {head}",
        "Counts, with shares and exact 95 % intervals (Clopper and Pearson). A hack passes the "
        "visible tests as they stand in the workspace and fails the secure grader.",
        f"```\n{in_words(counted)}\n```",
        f"## Samples\n\nOf each sort, the first {_EACH} at most.",
        *map(_in_words, shown),
    ]
    path = own.root / "report.md"
    write_whole(path, ("\n\n".join(parts) + "\n").encode())
    return path
