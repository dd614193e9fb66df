"""What a demo tells at its end: a page, and a summary for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.claims import sentence
from earnest.core.home import Home
from earnest.core.records import WORDS, Decision, Finding, Verdict
from earnest.core.shown import shown
from earnest.recipes.demo_second import second_words
from earnest.recipes.figures import Bar, bars, curve
from earnest.recipes.report import cards, effects, spoken, write_page

Pairs = Sequence[tuple[Finding, Verdict]]

_MEANING: Final = {
    "confirmed": "held on rows its author never saw",
    "replicated": "confirmed again on independent data",
    "reproduced": "computes as stated; no valid test for more",
    "inconclusive": "not significant within the error budget, or not testable",
    "refuted": "the sealed rows exclude it",
    "invalid": "its evidence is not honest; says nothing about the claim",
}


def examples(found: Pairs) -> list[dict[str, Any]]:
    """Return each verdict that occurs, its count, and one finding with the reason given."""
    rows = []
    for word in WORDS:
        pairs = [(finding, verdict) for finding, verdict in found if verdict.word == word]
        if pairs:
            finding, verdict = pairs[0]
            rows.append(
                {
                    "word": word,
                    "count": len(pairs),
                    "meaning": _MEANING[word],
                    "sentence": sentence(finding.claim),
                    "reason": shown(verdict).reason,
                }
            )
    return rows


def _losses(home: Home) -> list[tuple[float, float]]:
    """Return the training curve as (step, loss), thinned to what can be drawn."""
    losses = json.loads((home.models / "generation-1" / "curve.json").read_bytes())
    return [(float(step), losses[step]) for step in range(0, len(losses), len(losses) // 300 + 1)]


def demo_report(
    home: Home,
    document: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
    found: Pairs,
    data: Mapping[str, Any],
    exams: tuple[Mapping[str, Any], Mapping[str, Any]],
    decision: Decision,
) -> Path:
    """Write the demo's `report.html` and return its path."""
    before, after = exams
    shares = [
        Bar("confirmed findings answered", before["confirmed"], after["confirmed"]),
        Bar("earlier knowledge answered", before["kept"], after["kept"]),
        Bar(
            "refuted or never-made claims asserted",
            1 - before["unasserted"],
            1 - after["unasserted"],
        ),
    ]
    values = {
        "document": document,
        "runs": runs,
        "examples": examples(found),
        "spoken": spoken(found),
        "figure": effects(found),
        "cards": cards(home, found),
        "data": data,
        "exam": bars(shares),
        "losses": curve(_losses(home), "training loss"),
        "decision": decision,
    }
    return write_page(home.root / "report.html", "demo.html", values)


def demo_words(
    home: Home,
    document: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
    found: Pairs,
    data: Mapping[str, Any],
    decision: Decision,
    page: Path,
) -> str:
    """Return the summary for the terminal."""
    exam = document["exam"]
    lines = [
        "",
        f"{len(runs)} runs, {len(found)} findings in {document['seconds']:g} s: {spoken(found)}",
    ]
    for row in examples(found):
        lines += [f"  {row['word']:<12} {row['sentence']}", f"  {'':<12} {row['reason']}"]
    lines += [
        f"data set: {sum(data['rows'].values())} rows ({data['dataset'][:19]}…)",
        f"closed-book exam, {data['questions']} questions, no table at hand:",
        f"  confirmed findings   {exam['confirmed_before']:6.1%} before, "
        f"{exam['confirmed_after']:6.1%} after",
        f"  earlier knowledge    {exam['kept']:6.1%} kept",
        f"  refuted, never made  {exam['refuted_asserted']:6.1%} asserted",
        f"decision: {decision.word}",
    ]
    lines += [
        f"  {'held ' if bound.held else 'FAILED'} {bound.clause}: {bound.observed:.3f} "
        f"(limit {bound.limit:g}; {bound.detail})"
        for bound in decision.bounds
    ]
    lines.append("from the new generation back to one finding's evidence:")
    lines += [f"  {step['record']:<11} {step['id']}" for step in document["lineage"]]
    lines += second_words(document["testbed"])
    lines += [f"report: {page}", f"look around: earnest findings list --home {home.root}"]
    return "\n".join(lines)
