"""Reports: what was found, in plain words first; then each finding, and how to run it again.

Safe to open: every text is escaped, and what does not show in it written out; the page's policy
allows no script, no address, and no style but the one whose hash it names; figures are drawn by us
from numbers, and those of the agent are made anew from their pixels.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from earnest.core.claims import sentence
from earnest.core.errors import EarnestError, RecordError
from earnest.core.home import Home, write_whole
from earnest.core.messages import Picture
from earnest.core.records import WORDS, Finding, TableRef, Verdict
from earnest.core.shown import brief, how_new, programs, row, shown
from earnest.recipes.figures import Effect, forest
from earnest.recipes.plainly import answer, effect_words, ordered
from earnest.recipes.svg import seen
from earnest.tasks.registry import Registry
from earnest.tools.pictures import NoPictureError, png

Found = tuple[Finding, Verdict | None]

_MOST_PICTURES: Final = 24
_MOST_DRAWN: Final = 60


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
    told = ", ".join((f"{claim.table}: {claim.outcome} {claim.direction}", *others))
    return f"{told} ({claim.subset})" if claim.subset else told


def cards(home: Home, found: Sequence[Found]) -> list[dict[str, Any]]:
    """Return what a page says of each finding, confirmed ones first."""
    draw = _drawer(home)
    return [
        {
            **row(finding, verdict),
            "sentence": brief(sentence(finding.claim)),
            "record": finding,
            "programs": programs(finding.claim),
            "checked": shown(verdict) if verdict else None,
            "how_new": how_new(verdict),
            "words": effect_words(finding, verdict),
            "drawing": draw(finding) if place < _MOST_DRAWN else "",
            "script": home.blobs.get(finding.evidence.script).decode("utf-8", "replace"),
        }
        for place, (finding, verdict) in enumerate(ordered(found))
    ]


def _drawer(home: Home) -> Callable[[Finding], str]:
    """Return what draws a finding from its table's visible rows, which are read once."""
    from earnest.core.columns import read_cells
    from earnest.recipes.drawn import drawing

    cells = lru_cache(maxsize=8)(read_cells)

    def draw(finding: Finding) -> str:
        if finding.claim.formal:
            return ""
        ref = finding.table
        try:
            path = Registry(home).visible(ref.table) / f"{ref.name}.csv"
            return drawing(finding.claim, cells(path))
        except (EarnestError, OSError):
            return ""  # the table is not at hand: an import, or one that was taken away

    return draw


def figures(home: Home, pictures: Iterable[Picture]) -> list[dict[str, str]]:
    """Return an agent's figures as a page shows them, made anew; what is no PNG is left out."""
    told: dict[str, dict[str, str]] = {}
    for picture in pictures:
        if picture.blob in told or len(told) == _MOST_PICTURES:
            continue
        try:
            made = png(home.blobs.get(picture.blob))
        except (RecordError, NoPictureError):
            continue
        data = base64.b64encode(made).decode()
        told[picture.blob] = {"name": picture.name, "data": f"data:image/png;base64,{data}"}
    return list(told.values())


def write_page(path: Path, template: str, values: Mapping[str, Any]) -> Path:
    """Render a template of this package, with everything escaped, and write it whole."""
    write_whole(path, page(template, values).encode("utf-8", "replace"), mode=0o644)
    return path


def page(template: str, values: Mapping[str, Any]) -> str:
    """Render a template of this package: all escaped, under a policy that names its style."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def told(value: Any) -> Any:
        return seen(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    def named(said: str) -> Markup:
        """Set what stands in backquotes as a name, once all is escaped."""
        return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(seen(said)))))  # noqa: S704

    loader = PackageLoader("earnest.recipes")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=told,
    )
    environment.filters["named"] = named
    style = re.sub(r"\n+", "\n", loader.get_source(environment, "style.css")[0]).strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    given = {**values, "style": Markup(style), "style_hash": digest}  # noqa: S704 (our own file)
    return environment.get_template(template).render(given)


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
    *,
    pictures: Iterable[Picture] = (),
) -> Path:
    """Write a run's `report.html` and return its path. `tables`: the registered ones it read.

    `pictures`: the figures that its agent made.
    """
    values = {
        "run": run,
        "prompt": prompt,
        "summary": summary,
        "status": status,
        "spoken": spoken(found),
        "answer": answer(found),
        "figure": effects(found),
        "cards": cards(home, found),
        "tables": sorted({(ref.name, ref.design, ref.rows) for ref in (*tables, *_tables(found))}),
        "assumed": assumptions(home, tables),
        "figures": figures(home, pictures),
    }
    return write_page(home.runs / run / "report.html", "run.html", values)
