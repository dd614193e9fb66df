"""What a generation was taught, as records: findings with verdicts, and the tables' schemas.

It travels with the data set and the checkpoint, so that replay and the exam on what is to be
kept can be rendered anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import RecordError
from earnest.core.facts import Found
from earnest.core.records import Finding, TableRef, Verdict

FILE: Final = "knowledge.jsonl"


@dataclass(frozen=True)
class Knowledge:
    """Findings with their verdicts, those not established included, and the tables they are on."""

    findings: tuple[Found, ...] = ()
    tables: tuple[TableRef, ...] = ()

    def joined(self, findings: Sequence[Found], tables: Sequence[TableRef]) -> Knowledge:
        """Return this and more; a finding stands once, with the verdict that was given last."""
        pairs = {f.id: (f, v) for f, v in (*self.findings, *findings)}
        refs = {canonical(ref.model_dump(mode="json")): ref for ref in (*self.tables, *tables)}
        return Knowledge(tuple(pairs.values()), tuple(refs.values()))

    def to_bytes(self) -> bytes:
        """Return one canonical JSON object a line: tables first, then findings with verdicts."""
        lines = [canonical({"table": ref.model_dump(mode="json")}) for ref in self.tables]
        for finding, verdict in self.findings:
            lines.append(
                canonical({"finding": parse(finding.data), "verdict": parse(verdict.data)})
            )
        return b"".join(line + b"\n" for line in lines)

    @classmethod
    def read(cls, folder: Path) -> Knowledge:
        """Read it from the folder of a data set or a checkpoint. Raises `RecordError`."""
        try:
            data = (folder / FILE).read_bytes()
        except OSError as error:
            raise RecordError(f"{folder} says nothing of what it was taught: no {FILE}") from error
        findings: list[Found] = []
        tables: list[TableRef] = []
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                body = parse(line)
                if "table" in body:
                    tables.append(TableRef.model_validate(body["table"]))
                else:
                    finding = Finding.from_bytes(canonical(body["finding"]))
                    findings.append((finding, Verdict.from_bytes(canonical(body["verdict"]))))
            except (KeyError, TypeError, ValueError) as error:
                raise RecordError(f"{folder / FILE}, line {number}: {error}") from error
        return cls(tuple(findings), tuple(tables))
