"""What the ledger knows, as an agent's run is told it: data with its trust, by one form for all.

A row is a JSON object: `finding` (its id), `verdict` (a word of `Verdict`, or `queued`), `trust`,
`near`, `table`, `sentence`, `claim` (fields that are not as by default), and where they may be
shown `effect`, `interval` and `p`. Rows reach a model quoted, one a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import ValidationError

from earnest.core.claims import sentence
from earnest.core.errors import EarnestError
from earnest.core.likeness import claim_key, question
from earnest.core.quoted import json_line, marked_lines, quoted
from earnest.core.records import STANDING, Claim, Finding, TableRef, Verdict
from earnest.core.shown import brief
from earnest.core.shown import row as shown_row

Trust = Literal["verified", "imported", "unverified"]
"""`verified`: this ledger's verifier gave the word; `imported`: another's; `unverified`: nobody."""
Near = Literal["this table", "a table like it", "another table"]

SOURCE: Final = "the ledger"
_TOLD: Final = {
    "this table": (*STANDING, "refuted", "reproduced", "inconclusive", "queued"),
    "a table like it": STANDING,
    "another table": (*STANDING, "refuted", "reproduced", "inconclusive"),
}
"""Which verdicts a run is told of. A table like its own may hold rows that are sealed from it, and
its shares are not halved for what was said there: that something was *not* confirmed would help
an author, that it was does not (docs/discoveries.md)."""
_NUMBERS: Final = ("effect", "interval", "p")
_SHORT, _LONG = 100, 600
_RANK: Final = {**dict.fromkeys((*STANDING, "refuted"), 0), "reproduced": 1, "inconclusive": 2}
_LEDGER: Final = """\
What the ledger knows already, from earlier runs: {count}{more}. `verified` means that somebody \
who was not the author checked it here; nothing else is to be relied on. What is confirmed or \
refuted of this table need not be tested again: look elsewhere, or further.
"""


@dataclass(frozen=True)
class Page:
    """Some rows of what was asked for, and how many more there are."""

    rows: tuple[Mapping[str, Any], ...]
    more: int = 0


def near(ref: TableRef, tables: Iterable[TableRef]) -> Near:
    """Say how near a finding's table is to a run's tables."""
    tables = tuple(tables)
    if any(ref.table == own.table for own in tables):
        return "this table"
    alike = (ref.name == own.name or set(ref.columns) == set(own.columns) for own in tables)
    return "a table like it" if any(alike) else "another table"


def known_row(finding: Finding, verdict: Verdict | None, trust: Trust, how: Near) -> dict[str, Any]:
    """Return a finding as a run is told it.

    Numbers are told of other tables only: a run on a table is open while it is told this. What is
    long is cut, and a long claim left out, so that no row fills a prompt.
    """
    row = shown_row(finding, verdict)
    claim = finding.claim.model_dump(mode="json", exclude_defaults=True)
    told = {name: row[name] for name in _NUMBERS if row[name] is not None}
    return {
        "finding": finding.id,
        "verdict": row["verdict"],
        "trust": trust,
        "near": how,
        "table": cut(finding.claim.table, _SHORT),
        "sentence": cut(brief(sentence(finding.claim)), _LONG),
        "claim": claim if len(str(claim)) <= 2 * _LONG else {},
        **(told if how == "another table" else {}),
    }


def cut(text: str, most: int) -> str:
    """Return a text's beginning, and that it goes on, if so."""
    return text if len(text) <= most else f"{text[:most]} …"


def tellable(row: Mapping[str, Any]) -> bool:
    """Say whether a run may be told of a row at all."""
    return row["verdict"] in _TOLD[row["near"]]


def ranked(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows, nearest first, then what was decided before what was not, else as they came."""
    nearness = tuple(_TOLD)
    return sorted(rows, key=lambda row: (nearness.index(row["near"]), _RANK.get(row["verdict"], 3)))


def lines(page: Page) -> str:
    """Return a page as lines of JSON, to be quoted; the last one says what is left out, if so."""
    told = [json_line(row) for row in page.rows]
    return "\n".join([*told, *([json_line({"more": page.more})] if page.more else [])])


def block(page: Page) -> str:
    """Return what a run is told of the ledger before it begins; empty: nothing is known."""
    if not page.rows:
        return ""
    more = f", and {page.more} more that `search_findings` gives" if page.more else ""
    text = lines(page)
    return _LEDGER.format(count=len(page.rows), more=more) + quoted(text, SOURCE, most=len(text))


def read_lines(texts: Iterable[str]) -> tuple[list[Mapping[str, Any]], int]:
    """Return the rows that stand in some lines, and how many more there are; skip all else."""
    rows: list[Mapping[str, Any]] = []
    more = 0
    for text in texts:
        try:
            body = json.loads(text) if text.startswith("{") else None
        except ValueError:
            continue
        if isinstance(body, dict) and {"finding", "verdict", "trust", "claim"} <= set(body):
            rows.append(body)
        elif isinstance(body, dict) and isinstance(body.get("more"), int):
            more = body["more"]
    return rows, more


def read_block(message: str) -> tuple[list[Mapping[str, Any]], int]:
    """Return the rows that a message tells, and how many more there are."""
    return read_lines(marked_lines(message))


class Settled:
    """Which claims about a run's tables need no test any more, by the rows that it was told.

    Those to whose question this ledger confirmed an answer, and those that it tested themselves.
    What nobody verified here settles nothing, nor does a stronger claim that failed.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._questions: set[str] = set()
        self._claims: set[str] = set()
        for row in rows:
            if row["trust"] != "verified" or row.get("near") != "this table":
                continue
            try:
                claim = Claim.model_validate_json(json.dumps(row["claim"]))
                if row["verdict"] in STANDING:
                    self._questions.add(question(claim))
                elif row["verdict"] in ("refuted", "inconclusive"):
                    self._claims.add(claim_key(claim))
            except (ValidationError, EarnestError):
                continue

    def __bool__(self) -> bool:
        return bool(self._questions or self._claims)

    def __contains__(self, claim: Claim) -> bool:
        return question(claim) in self._questions or claim_key(claim) in self._claims
