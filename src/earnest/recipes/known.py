"""What the ledger knows of a run's tables: what the run is told before it begins, and may ask.

All of it is data with its trust (`core/known.py`). Of the run's own tables, and of those like them,
no number is told, since the run is open while it reads this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from earnest.core import known
from earnest.core.errors import AbsentError, LedgerError, RecordError, ToolError
from earnest.core.home import Home
from earnest.core.known import Page, Trust
from earnest.core.records import Finding, TableRef, Task, Verdict
from earnest.core.shown import how_new, shown
from earnest.core.trusted import read_trusted
from earnest.ledger.imports import Imported
from earnest.ledger.ledger import Ledger

MOST: Final = 12
FAR: Final = 3
"""How many findings on other tables: a vague prompt has hardly a word that says which."""
PAGE: Final = 10
_OF_A_TABLE: Final = 500
_BY_TEXT: Final = 100
_NAME, _PROSE, _SCRIPT = 100, 2_000, 8_000  # characters that are told of them

KNEW: Final = "knew"
"""The key of a task's metadata with the ids of the findings that its run was told of."""
TOLD: Final = "told"
"""The key with the hash of the very text, as a blob."""


def trust(verdict: Verdict | None) -> Trust:
    """Say what a finding's word is worth here: who gave it."""
    return "verified" if verdict else "unverified"


@dataclass(frozen=True)
class Knowledge:
    """What one run may be told. Implements `core.protocols.Findings`; opens the ledger a call."""

    home: Home
    tables: tuple[TableRef, ...]

    def before(self, prompt: str) -> Page:
        """Return what a run is told before it begins: at most 12 rows.

        Findings on its tables first, then on tables like them, then 3 by the words of its prompt.
        """
        with Ledger(self.home.ledger) as ledger:
            found = [one for ref in self.tables for one in self._of(ledger, ref)]
            for words in dict.fromkeys((*(ref.name for ref in self.tables), prompt)):
                found += ledger.search(words, _BY_TEXT)
            rows = self._rows(ledger, found)
            rows += self._imports(ledger, (*(ref.name for ref in self.tables), prompt))
        rows.sort(key=lambda row: row["near"] == "another table")  # this ledger's own come first
        near = [row for row in rows if row["near"] != "another table"]
        told = [*near[:MOST], *rows[len(near) : len(near) + FAR]][:MOST]
        more = sum(row["near"] == "this table" for row in near[MOST:])
        return Page(tuple(told), more)

    def search(self, words: str, *, table: str = "", offset: int = 0) -> Page:
        """Return findings by their words, or of one of the run's tables, 10 at a time."""
        with Ledger(self.home.ledger) as ledger:
            if table:
                refs = [ref for ref in self.tables if ref.name == table]
                if not refs:
                    names = ", ".join(ref.name for ref in self.tables)
                    raise ToolError(f"no table {table!r}", mend=f"this run's are {names}")
                found = self._of(ledger, refs[0])
            else:
                found = ledger.search(words, _BY_TEXT)
            rows = self._rows(ledger, found, by_text=not table)
            rows += [] if table else self._imports(ledger, [words])
        if table and words:
            asked = words.casefold().split()
            rows = [row for row in rows if all(word in _text(row) for word in asked)]
        return Page(tuple(rows[offset : offset + PAGE]), max(0, len(rows) - offset - PAGE))

    def _imports(self, ledger: Ledger, texts: Iterable[str]) -> list[Mapping[str, Any]]:
        """Return what trusted ledgers say that fits some texts, the best first.

        Nobody tested it here: what this ledger tested of it stands among its own findings.
        """
        keys = frozenset(read_trusted(self.home.trusted).values())
        found = {
            one.id: one
            for text in dict.fromkeys(texts)
            for one in (ledger.search_imports(text, _BY_TEXT) if keys else ())
            if one.record.source in keys and not one.withdrawn
        }
        rows = [self._row_of_import(one) for one in found.values()]
        return [row for row in rows if known.tellable(row)]

    def _row_of_import(self, one: Imported) -> Mapping[str, Any]:
        how = known.near(one.finding.table, self.tables)
        return known.known_row(one.finding, one.verdict, "imported", how)

    def get(self, name: str) -> Mapping[str, Any]:
        """Return all that a run may know of one finding. Raises `ToolError`."""
        try:
            with Ledger(self.home.ledger) as ledger:
                try:
                    finding = ledger.named(name)
                except AbsentError:
                    return self._row_of_import(self._imported(ledger, name))
                if not isinstance(finding, Finding):
                    raise ToolError(f"{name} is no finding")
                verdict, gone = ledger.verdict(finding.id), ledger.retraction(finding.id)
        except (LedgerError, RecordError) as error:
            raise ToolError(str(error), mend=error.mend) from error
        row = self._row(finding, verdict)
        if gone is not None:
            return {**row, "verdict": "withdrawn", "withdrawn_because": gone.why}
        if not known.tellable(row):
            return {**row, "verdict": "not told"}
        return row if row["near"] == "a table like it" else {**row, **self._more(finding, verdict)}

    def _imported(self, ledger: Ledger, name: str) -> Imported:
        """Return the import of this id. Raises `AbsentError` where a run may not be told of it."""
        one = ledger.imported(name)
        trusted = one.record.source in read_trusted(self.home.trusted).values()
        if one.withdrawn or not trusted or not known.tellable(self._row_of_import(one)):
            raise AbsentError(f"no finding {name}")
        return one

    def _more(self, finding: Finding, verdict: Verdict | None) -> dict[str, Any]:
        """Return what else there is: nothing of it comes from rows that are sealed from the run."""
        script = self.home.blobs.get(finding.evidence.script).decode("utf-8", "replace")
        told: dict[str, Any] = {
            "author": known.cut(finding.author.model, _NAME),
            "prose": known.cut(finding.prose, _PROSE),
            "supports": known.cut(finding.evidence.supports, _PROSE),
            "results": dict(finding.evidence.results),
            "script": known.cut(script, _SCRIPT),
        }
        if verdict is not None and self._row(finding, verdict)["near"] == "another table":
            told |= {
                "reason": known.cut(shown(verdict).reason, _PROSE),
                "novelty": how_new(verdict),
            }
        return told

    def _of(self, ledger: Ledger, ref: TableRef) -> Sequence[tuple[Finding, Verdict | None]]:
        return ledger.of_table(ref.table, newest=_OF_A_TABLE)[::-1]

    def _row(self, finding: Finding, verdict: Verdict | None) -> dict[str, Any]:
        how = known.near(finding.table, self.tables)
        return known.known_row(finding, verdict, trust(verdict), how)

    def _rows(
        self,
        ledger: Ledger,
        found: Iterable[tuple[Finding, Verdict | None]],
        *,
        by_text: bool = False,
    ) -> list[Mapping[str, Any]]:
        """Return the rows that may be told, each once; ranked, unless they are by text."""
        pairs = {finding.id: (finding, verdict) for finding, verdict in found}
        gone = ledger.retracted()
        rows = [self._row(*pair) for name, pair in pairs.items() if name not in gone]
        told = [row for row in rows if known.tellable(row)]
        return list(told) if by_text else known.ranked(told)


def _text(row: Mapping[str, Any]) -> str:
    return f"{row['sentence']} {row['verdict']}".casefold()


def informed(home: Home, task: Task) -> Task:
    """Return a task with what the ledger knows of it: which findings, and the very text.

    The text is a blob, so that a run that is resumed is told the same, whatever the ledger holds
    by then; the ids stay with the task for good.
    """
    page = Knowledge(home, task.tables).before(task.prompt)
    names = " ".join(row["finding"] for row in page.rows)
    told = home.blobs.put(known.block(page).encode())
    return task.model_copy(update={"metadata": {**task.metadata, KNEW: names, TOLD: told}})


def told(home: Home, task: Task) -> str:
    """Return what the run of a task is told of the ledger; empty: nothing."""
    name = task.metadata.get(TOLD, "")
    return home.blobs.get(name).decode() if name else ""


def knowledge(home: Home, task: Task) -> Knowledge | None:
    """Return what the run of a task may ask; None: it is to know nothing of the ledger."""
    return Knowledge(home, task.tables) if KNEW in task.metadata else None
