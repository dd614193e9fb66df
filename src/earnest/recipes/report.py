"""Reports: what was found, in plain words first; then each finding, and how to run it again.

Safe to open: every text is escaped, nothing is loaded, no script runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.claims import sentence
from earnest.core.home import Home, write_whole
from earnest.core.novelty import PARTS, read_novelty
from earnest.core.records import WORDS, Claim, Finding, TableRef, Verdict
from earnest.recipes.figures import COLOURS, Effect, forest
from earnest.tasks.registry import Registry

Found = tuple[Finding, Verdict | None]


def rounded(value: float | None) -> float | None:
    """Return a number at two significant digits: what may be shown of sealed rows."""
    return None if value is None else float(f"{value:.2g}")


def _whole(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


_OF_SEALED: Final = ("sealed", "fragility", "lurking", "replication")
_WITHHELD: Final = {
    "inconclusive": "not significant on the sealed rows within its share of the error budget, or "
    "weaker than claimed",
    "refuted": "the sealed rows exclude it",
}


def shown(verdict: Verdict) -> Verdict:
    """Return a verdict as anyone may see it.

    What the sealed rows said is rounded where the claim was confirmed, and withheld where it was
    not: an author who saw it could put a new claim together that fits these very rows, and twenty
    looks at two digits are enough (docs/discoveries.md).
    """
    tested = any(check.name == "sealed" and check.passed is not None for check in verdict.checks)
    withheld = _WITHHELD.get(verdict.word, "") if tested else ""
    checks = tuple(
        check.model_copy(
            update={"observed": {}, "detail": withheld}
            if withheld
            else {"observed": {name: rounded(value) for name, value in check.observed.items()}}
        )
        if check.name in _OF_SEALED
        else check
        for check in verdict.checks
    )
    if not withheld:
        return verdict.model_copy(update={"checks": checks})
    nothing = {"effect": None, "interval": None, "p": None}
    return verdict.model_copy(update={"checks": checks, "reason": withheld, **nothing})


def row(finding: Finding, verdict: Verdict | None, *, retracted: bool = False) -> dict[str, Any]:
    """Return a finding as `run --json` and `findings list --json` print it.

    One that was withdrawn has a key of its own, `retracted`. Numbers are as in `shown`, and of
    claims of no table at six digits: they tell nothing of sealed rows.
    """
    verdict = shown(verdict) if verdict else None
    told = _whole if finding.claim.formal else rounded
    interval = verdict.interval if verdict else None
    gone = {"retracted": True} if retracted else {}
    return gone | {
        "id": finding.id,
        "sentence": sentence(finding.claim),
        "claim": finding.claim.model_dump(mode="json"),
        "verdict": verdict.word if verdict else "queued",
        "effect": told(verdict.effect) if verdict else None,
        "interval": [told(bound) for bound in interval] if interval else None,
        "p": told(verdict.p) if verdict else None,
    }


def how_new(verdict: Verdict | None) -> str:
    """Return how new a claim is and to whom, in a line; empty where the verdict does not say."""
    told = read_novelty(verdict)
    if told is None:
        return ""
    parts = (f"{name} {told[name] or 'not asked'}" for name in PARTS)
    return f"{told['grade']} ({', '.join(parts)})"


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


def programs(claim: Claim) -> dict[str, str]:
    """Return the code that a claim is about, by what it is called there."""
    found = {"rule" if claim.given else "program": claim.program, "reference": claim.reference}
    return {name: code.strip("\n") for name, code in found.items() if code}


def brief(said: str) -> str:
    """Return a sentence with the code in it cut short, for a place where it stands in full too."""
    return re.sub(r"«([^»]{60})[^»]*»", r"«\1 …»", said)


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
