"""Reports: what was found, in plain words first; then each finding, and how to run it again.

Safe to open: every text is escaped, nothing is loaded, no script runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earnest.core.claims import sentence
from earnest.core.home import Home, write_whole
from earnest.core.records import WORDS, Finding, TableRef, Verdict
from earnest.core.shown import brief, how_new, programs, row, shown
from earnest.recipes.figures import COLOURS, Effect, forest
from earnest.tasks.registry import Registry

Found = tuple[Finding, Verdict | None]


def counts(found: Sequence[Found]) -> dict[str, int]:
    """Return the number of findings by verdict, every word named."""
    words = Counter(verdict.word for _, verdict in found if verdict)
    return {word: words[word] for word in WORDS}


def spoken(found: Sequence[Found]) -> str:
    """Return the counts in a sentence."""
    parts = [f"{count} {word}" for word, count in counts(found).items() if count]
    return ", ".join(parts) if parts else "no findings"


def effects(found: Sequence[Found]) -> str:
    """Draw the findings that have a sealed estimate, strongest verdicts first."""
    told = [(f, shown(verdict)) for f, verdict in found if verdict and not f.claim.formal]
    rows = [
        Effect(_label(finding), verdict.effect, *verdict.interval, verdict.word)
        for finding, verdict in told
        if verdict.effect is not None and verdict.interval is not None
    ]
    order: dict[str, int] = {word: place for place, word in enumerate(WORDS)}
    return forest(sorted(rows, key=lambda one: (order[one.word], -abs(one.effect))))


def _label(finding: Finding) -> str:
    claim = finding.claim
    level = f" = {claim.group}" if claim.group is not None else ""
    others = [f"{name}{level}" if name == claim.exposure else name for name in claim.columns[1:3]]
    return ", ".join((f"{claim.table}: {claim.outcome} {claim.direction}", *others))


def cards(home: Home, found: Sequence[Found]) -> list[dict[str, Any]]:
    """Return what a page says of each finding, confirmed ones first."""
    order = {word: place for place, word in enumerate(WORDS)}
    ordered = sorted(found, key=lambda pair: order[pair[1].word] if pair[1] else len(order))
    return [
        {
            **row(finding, verdict),
            "sentence": brief(sentence(finding.claim)),
            "record": finding,
            "programs": programs(finding.claim),
            "checked": shown(verdict) if verdict else None,
            "how_new": how_new(verdict),
            "colour": COLOURS.get(verdict.word if verdict else "", "#333"),
            "script": home.blobs.get(finding.evidence.script).decode("utf-8", "replace"),
        }
        for finding, verdict in ordered
    ]


def write_page(path: Path, template: str, values: Mapping[str, Any]) -> Path:
    """Render a template of this package, with everything escaped, and write it whole."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("earnest.recipes"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(values)
    write_whole(path, page.encode("utf-8", "replace"), mode=0o644)
    return path


def assumptions(home: Home, tables: Sequence[TableRef]) -> list[dict[str, Any]]:
    """Return what was assumed in reading tables, a row each."""
    return [
        {"table": ref.name, "what": one.what, "line": one.line(), "count": one.count}
        for ref in tables
        for one in Registry(home).assumed(ref.table)
    ]


def _tables(found: Sequence[Found]) -> list[TableRef]:
    return [finding.table for finding, _ in found if not finding.claim.formal]


def run_report(
    home: Home,
    run: str,
    prompt: str,
    summary: str,
    status: str,
    found: Sequence[Found],
    tables: Sequence[TableRef] = (),
) -> Path:
    """Write a run's `report.html` and return its path. `tables`: the registered ones it read."""
    values = {
        "run": run,
        "prompt": prompt,
        "summary": summary,
        "status": status,
        "spoken": spoken(found),
        "figure": effects(found),
        "cards": cards(home, found),
        "tables": sorted({(ref.name, ref.design, ref.rows) for ref in (*tables, *_tables(found))}),
        "assumed": assumptions(home, tables),
    }
    return write_page(home.runs / run / "report.html", "run.html", values)
